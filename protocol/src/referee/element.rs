//! One output element from opened bytes, as [`ops::evaluate`] defines it, in loops that are cheap on chain.
//!
//! Products and pools read runs of bytes in their committed, offset-binary form. Every other op reads one or two elements and is evaluated
//! by the definition itself. This crate's tests and `cargo xtask fuzz referee` compare both on random elements.

use crate::ops::{self, OpDescriptor, OpKind, Operand, Source, tap};
use crate::requantise::Channel;
use crate::tensor::{CHUNK_BYTES, Shape, from_code, to_code};
use core::hint::black_box;

/// Committed bytes that have been opened.
pub trait Openings {
    /// `len` bytes of `operand` from byte `first` on; `None` unless all of them are opened.
    fn bytes(&self, operand: Operand, first: u32, len: u32) -> Option<&[u8]>;
}

/// The code of zero in offset binary.
const ZERO: u64 = 128;

/// Element `index` of the op's output: the same result as [`ops::evaluate`] under the same conditions.
pub fn element(op: &OpDescriptor, inputs: &[Shape], open: &impl Openings, index: u32) -> Option<i8> {
    if index >= op.output.elements()? {
        return None;
    }
    let (pixel, channel) = (index / u32::from(op.output.c), index % u32::from(op.output.c));
    let (row, column) = (pixel / u32::from(op.output.w), pixel % u32::from(op.output.w));
    let a = *inputs.first()?;
    match op.kind {
        OpKind::Conv2d {
            kernel,
            stride: [sy, sx],
            padding: [top, left, ..],
            dilation: [dy, dx],
            groups,
            pad_value,
            requantise,
            ..
        } => {
            let depth = u32::from(a.c.checked_div(groups)?);
            let group = channel / u32::from(op.output.c.checked_div(groups)?);
            let window = Window {
                input: a,
                kernel,
                rows: Axis {
                    out: row,
                    stride: sy,
                    dilation: dy,
                    before: top,
                    side: a.h,
                },
                columns: Axis {
                    out: column,
                    stride: sx,
                    dilation: dx,
                    before: left,
                    side: a.w,
                },
                first_channel: group * depth,
                depth,
            };
            // Below 2^14 · 2^16: the fan-in times the output channels.
            let taps = u32::from(kernel[0]) * u32::from(kernel[1]);
            let weights = open.bytes(Operand::Weights, channel * taps * depth, taps * depth)?;
            let mut acc = padding(&window, weights, i64::from(pad_value))?;
            window.runs(open, |Run { tap, gap, bytes }| {
                let weights = weights.get((tap * depth) as usize..)?;
                if gap == depth {
                    acc = acc.wrapping_add(dot(bytes, weights.get(..bytes.len())?, &[ZERO; 2]));
                } else {
                    for (values, weights) in bytes.chunks(gap as usize).zip(weights.chunks_exact(depth as usize)) {
                        acc = acc.wrapping_add(dot(values.get(..depth as usize)?, weights, &[ZERO; 2]));
                    }
                }
                Some(())
            })?;
            let Channel { bias, multiplier } = channel_record(open, channel)?;
            Some(requantise.scale(acc.wrapping_add(bias.into()), multiplier))
        }
        OpKind::Matmul { requantise, .. } => {
            let depth = u32::from(a.c);
            let values = open.bytes(Operand::Input(0), pixel * depth, depth)?;
            let weights = open.bytes(Operand::Weights, channel * depth, depth)?;
            let Channel { bias, multiplier } = channel_record(open, channel)?;
            Some(requantise.scale(dot(values, weights, &[ZERO; 2]).wrapping_add(bias.into()), multiplier))
        }
        OpKind::MatmulAct {
            a_zero_point,
            b_zero_point,
            multiplier,
            requantise,
        } => {
            let depth = u32::from(a.c);
            let left = open.bytes(Operand::Input(0), column * depth, depth)?;
            let right = open.bytes(Operand::Input(1), channel * depth, depth)?;
            let zeros = [a_zero_point, b_zero_point].map(|zero| u64::from(to_code(zero)));
            Some(requantise.scale(dot(left, right, &zeros), multiplier))
        }
        OpKind::MaxPool { kernel, stride, padding } => {
            let mut largest = None;
            Window::of_pool(a, kernel, stride, padding, (row, column, channel)).runs(open, |Run { gap, bytes, .. }| {
                largest = largest.max(bytes.iter().step_by(gap as usize).max().copied());
                Some(())
            })?;
            largest.map(from_code)
        }
        OpKind::AvgPool {
            kernel,
            stride,
            padding,
            input_zero_point,
            multiplier,
            requantise,
        } => {
            let (mut sum, mut count) = (0i64, 0i64);
            Window::of_pool(a, kernel, stride, padding, (row, column, channel)).runs(open, |Run { gap, bytes, .. }| {
                for value in bytes.iter().step_by(gap as usize) {
                    sum = sum.wrapping_add(i64::from(*value));
                    count = count.wrapping_add(1);
                }
                Some(())
            })?;
            let zero = i64::from(to_code(input_zero_point));
            Some(requantise.scale(sum.wrapping_sub(count.wrapping_mul(zero)), multiplier))
        }
        OpKind::Add { .. }
        | OpKind::Mul { .. }
        | OpKind::Table8 { .. }
        | OpKind::Concat
        | OpKind::Upsample { .. }
        | OpKind::DepthToSpace { .. } => ops::evaluate(op, inputs, &Elements(open), index),
    }
}

/// `Σ (x − x_zero)·(w − w_zero)` over the terms of two slices, at most 16,384.
///
/// One multiplication computes two terms: if one word holds x0 in its lower and x4 in its upper half, and another w4 in its lower and w0 in
/// its upper half, then the upper half of their product is x0·w0 + x4·w4. A negative lower half, x0·w4, borrows from the upper one; this is
/// corrected once, in the sum of all products. A term costs 5.8 compute units on chain.
// Not inlined, so that the loop has all registers to itself.
#[inline(never)]
pub(crate) fn dot(x: &[u8], w: &[u8], [x_zero, w_zero]: &[u64; 2]) -> i64 {
    const BOTH: u64 = 1 << 32 | 1;
    // Opaque to the compiler, which would otherwise rebuild the constant at every use.
    let mask = black_box(BOTH * 0xff);
    let (x_zeros, w_zeros) = (x_zero.wrapping_mul(BOTH), w_zero.wrapping_mul(BOTH));
    let two = |x: u64, w: u64| {
        let (x, w) = ((x & mask).wrapping_sub(x_zeros), (w & mask).wrapping_sub(w_zeros));
        x.wrapping_mul(w)
    };
    let eight = |halves: u64, x: &[u8; 8], w: &[u8; 8]| {
        let (x, w) = (u64::from_le_bytes(*x), u64::from_be_bytes(*w));
        halves
            .wrapping_add(two(x, w >> 24))
            .wrapping_add(two(x >> 8, w >> 16))
            .wrapping_add(two(x >> 16, w >> 8))
            .wrapping_add(two(x >> 24, w))
    };

    let terms = x.len().min(w.len());
    let (x_eights, x_rest) = x.get(..terms).unwrap_or(x).as_chunks();
    let (w_eights, w_rest) = w.get(..terms).unwrap_or(w).as_chunks();
    let ((x_pairs, x_odd), (w_pairs, w_odd)) = (x_eights.as_chunks(), w_eights.as_chunks());
    let mut halves = 0u64;
    for ([x0, x1], [w0, w1]) in x_pairs.iter().zip(w_pairs) {
        halves = eight(eight(halves, x0, w0), x1, w1);
    }
    for (x, w) in x_odd.iter().zip(w_odd) {
        halves = eight(halves, x, w);
    }
    // Each half is a sum of at most 2^14 products whose magnitude is below 2^16.
    let mut sum = (halves as i64).wrapping_sub(i64::from(halves as i32)) >> 32;
    for (x, w) in x_rest.iter().zip(w_rest) {
        let (x, w) = (u64::from(*x).wrapping_sub(*x_zero), u64::from(*w).wrapping_sub(*w_zero));
        sum = sum.wrapping_add(x.wrapping_mul(w) as i64);
    }
    sum
}

/// The record of one output channel.
fn channel_record(open: &impl Openings, channel: u32) -> Option<Channel> {
    let record = open.bytes(Operand::Channels, channel * Channel::BYTES as u32, Channel::BYTES as u32)?;
    record.first_chunk().copied().map(Channel::from_bytes)
}

/// The contribution of the taps outside the input to the accumulator.
fn padding(window: &Window, weights: &[u8], pad_value: i64) -> Option<i64> {
    let (taps, depth) = (window.columns_in_range(), window.depth as usize);
    let width = usize::from(window.kernel[1]);
    let (mut total, mut count) = (0, 0);
    for (ky, weights) in (0..u32::from(window.kernel[0])).zip(weights.chunks_exact(width * depth)) {
        let (from, to) = match window.rows.tap(ky) {
            Some(_) => taps,
            None => (width, width),
        };
        // The taps in range are contiguous, since a tap's column grows with its number.
        total += sum(weights.get(..from * depth)?) + sum(weights.get(to * depth..)?);
        count += (width - to + from) * depth;
    }
    // At most 16,384 weights.
    Some((total as i64).wrapping_sub(count as i64 * ZERO as i64).wrapping_mul(pad_value))
}

/// Sum of at most 16,384 bytes.
fn sum(bytes: &[u8]) -> u64 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let eights = eights.iter().map(|eight| eight.iter().map(|byte| u64::from(*byte)).sum::<u64>());
    eights.sum::<u64>() + rest.iter().map(|byte| u64::from(*byte)).sum::<u64>()
}

/// One side of a sliding window at one position.
struct Axis {
    out: u32,
    stride: u8,
    dilation: u8,
    before: u8,
    side: u16,
}

impl Axis {
    /// The position that tap `k` reads; `None` outside the input.
    fn tap(&self, k: u32) -> Option<u32> {
        tap(self.out, self.stride, k, self.dilation, self.before, self.side)
    }
}

/// The part of an input that one output pixel reads: `depth` channels from `first_channel` on, at every tap.
struct Window {
    input: Shape,
    kernel: [u8; 2],
    rows: Axis,
    columns: Axis,
    first_channel: u32,
    depth: u32,
}

impl Window {
    fn of_pool(
        input: Shape,
        kernel: [u8; 2],
        [sy, sx]: [u8; 2],
        [top, left, ..]: [u8; 4],
        (row, column, channel): (u32, u32, u32),
    ) -> Self {
        Self {
            input,
            kernel,
            rows: Axis {
                out: row,
                stride: sy,
                dilation: 1,
                before: top,
                side: input.h,
            },
            columns: Axis {
                out: column,
                stride: sx,
                dilation: 1,
                before: left,
                side: input.w,
            },
            first_channel: channel,
            depth: 1,
        }
    }

    /// The taps of a row that lie inside the input, as a half-open range.
    fn columns_in_range(&self) -> (usize, usize) {
        let width = u32::from(self.kernel[1]);
        let first = (0..width).find(|kx| self.columns.tap(*kx).is_some()).unwrap_or(width);
        let last = (first..width)
            .rev()
            .find(|kx| self.columns.tap(*kx).is_some())
            .map_or(first, |last| last + 1);
        (first as usize, last as usize)
    }

    /// Calls `each` with the opened bytes that the window reads, run by run.
    fn runs(&self, open: &impl Openings, mut each: impl FnMut(Run<'_>) -> Option<()>) -> Option<()> {
        let (from, to) = self.columns_in_range();
        let (from, to) = (from as u32, to as u32);
        let pixel = u32::from(self.input.c);
        // Below 255 · 65,535.
        let gap = u32::from(self.columns.dilation) * pixel;
        // When neighbouring taps share chunks, a row is one run; when they are farther apart, the bytes between them need not be opened.
        let together = gap < CHUNK_BYTES as u32 || gap == self.depth;
        let step = if together { to - from } else { 1 };
        for ky in 0..u32::from(self.kernel[0]) {
            let Some(y) = self.rows.tap(ky) else { continue };
            for kx in (from..to).step_by(step.max(1) as usize) {
                let x = self.columns.tap(kx)?;
                let first = (y * u32::from(self.input.w) + x) * pixel + self.first_channel;
                let bytes = open.bytes(Operand::Input(0), first, (step - 1) * gap + self.depth)?;
                each(Run {
                    tap: ky * u32::from(self.kernel[1]) + kx,
                    gap,
                    bytes,
                })?;
            }
        }
        Some(())
    }
}

/// Neighbouring taps of one row of a window.
struct Run<'a> {
    /// Number of the first tap, row-major.
    tap: u32,
    /// Bytes from one tap to the next.
    gap: u32,
    /// From the first channel of the first tap to the last channel of the last one.
    bytes: &'a [u8],
}

/// Opened bytes as a source for the definition.
struct Elements<'a, O>(&'a O);

impl<O: Openings> Source for Elements<'_, O> {
    fn input(&self, slot: usize, index: u32) -> Option<i8> {
        let operand = Operand::Input(u8::try_from(slot).ok()?);
        self.0.bytes(operand, index, 1)?.first().copied().map(from_code)
    }

    fn weight(&self, index: u32) -> Option<i8> {
        self.0.bytes(Operand::Weights, index, 1)?.first().copied().map(from_code)
    }

    fn channel(&self, channel: u32) -> Option<Channel> {
        channel_record(self.0, channel)
    }

    fn table(&self, index: u8) -> Option<i8> {
        self.0.bytes(Operand::Table, index.into(), 1)?.first().copied().map(from_code)
    }
}

#[cfg(test)]
mod tests {
    use super::dot;
    use proptest::prelude::*;
    use std::vec;

    #[test]
    fn the_longest_products_of_extremes_are_exact() {
        for (x, w) in [(255, 255), (255, 0), (0, 255), (0, 0), (1, 255)] {
            for terms in [0, 1, 7, 8, 9, 15, 16, 17, 16_383, 16_384] {
                for zeros @ [x_zero, w_zero] in [[0, 0], [0, 255], [128, 128], [255, 0], [255, 255]] {
                    let exact = terms as i64 * (i64::from(x) - x_zero as i64) * (i64::from(w) - w_zero as i64);
                    let (x, w) = (vec![x; terms], vec![w; terms]);
                    assert_eq!(dot(&x, &w, &zeros), exact, "{terms} times {x:?}·{w:?} around {zeros:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn equals_the_sum(terms in proptest::collection::vec(any::<(u8, u8)>(), 0..100), x_zero: u8, w_zero: u8) {
            let (x, w): (vec::Vec<u8>, vec::Vec<u8>) = terms.iter().copied().unzip();
            let term = |x: u8, w: u8| (i64::from(x) - i64::from(x_zero)) * (i64::from(w) - i64::from(w_zero));
            let exact: i64 = terms.iter().map(|(x, w)| term(*x, *w)).sum();
            prop_assert_eq!(dot(&x, &w, &[x_zero.into(), w_zero.into()]), exact);
        }
    }
}
