//! Ops on separate channels: depthwise convolutions, average and maximum pools, and the two element-wise ops.

use super::{Depthwise, Kernels, Packing, Pairwise, PairwiseKernel, Round};
use crate::error::Error;
use crate::window::{Rows, Window};
use protocol::requantise::{Channel, Requantise};

/// Channel constants are padded to a multiple of this, the lanes of the widest vector.
const PAD: usize = 16;

/// A depthwise convolution or an average pool, ready to run.
pub(crate) struct PerChannel {
    pub(crate) window: Window,
    taps: Vec<usize>,
    /// `[tap][channel]`, or one row for all taps.
    weights: Vec<i32>,
    /// Words from one tap's weights to the next.
    tap_words: usize,
    bias: Vec<i32>,
    multipliers: Vec<i32>,
    round: Round,
}

impl PerChannel {
    /// A convolution with one input and one output channel per group. Weights are `[c, kh, kw, 1]`.
    pub(crate) fn conv(window: Window, weights: &[i8], channels: &[Channel], requantise: Requantise) -> Self {
        let taps = taps(&window);
        let padded = channels.len().next_multiple_of(PAD);
        let mut by_tap = vec![0; taps.len() * padded];
        for (channel, weights) in weights.chunks_exact(taps.len().max(1)).enumerate() {
            for (word, weight) in by_tap.iter_mut().skip(channel).step_by(padded).zip(weights) {
                *word = i32::from(*weight);
            }
        }
        let round = super::product::round_for(weights, channels, requantise);
        Self::new(window, taps, by_tap, padded, channels, round)
    }

    /// An average pool: all weights are 1. The bias removes the zero point, which is also the padding of `window`.
    pub(crate) fn average(window: Window, zero_point: i8, multiplier: i32, requantise: Requantise) -> Self {
        let taps = taps(&window);
        let [_, _, c] = window.input;
        // At most 16,384 taps.
        let channel = Channel {
            bias: -(taps.len() as i32) * i32::from(zero_point),
            multiplier,
        };
        let round = Round::new(requantise, 255 * taps.len() as u64 * u64::from(multiplier.unsigned_abs()));
        Self::new(window, taps, vec![1; c.next_multiple_of(PAD)], 0, &vec![channel; c], round)
    }

    fn new(window: Window, taps: Vec<usize>, weights: Vec<i32>, tap_words: usize, channels: &[Channel], round: Round) -> Self {
        let padded = channels.len().next_multiple_of(PAD);
        let column = |of: fn(&Channel) -> i32| {
            let mut column: Vec<i32> = channels.iter().map(of).collect();
            column.resize(padded, 0);
            column
        };
        Self {
            window,
            taps,
            weights,
            tap_words,
            bias: column(|c| c.bias),
            multipliers: column(|c| c.multiplier),
            round,
        }
    }

    /// Computes a band of output rows.
    pub(crate) fn rows(&self, rows: &Rows<'_>, channels: usize, band: &mut [u8], kernels: &Kernels) -> Result<(), Error> {
        let width = self.window.out_width;
        let pixel_step = self.window.pixel_step(Packing::Quads);
        let reach = self.taps.iter().max().copied().unwrap_or(0) + channels;
        for (row, out) in band.chunks_mut(width * channels).enumerate() {
            let pixels = out.len() / channels;
            let acts = rows.bytes.get(row * rows.step..).unwrap_or(&[]);
            let words = (self.taps.len().saturating_sub(1)) * self.tap_words + channels.next_multiple_of(PAD);
            let enough = acts.len() >= pixels.saturating_sub(1) * pixel_step + reach
                && self.weights.len() >= words
                && self.bias.len().min(self.multipliers.len()) >= channels.next_multiple_of(PAD);
            if !enough {
                return Err(Error::Internal("the memory of a per-channel op"));
            }
            // SAFETY: activations and constants reach as far as just checked; `pixels·channels` bytes are at most those of `out`; and
            // `kernels` came from a backend that this CPU has.
            unsafe {
                (kernels.depthwise)(&Depthwise {
                    acts: acts.as_ptr(),
                    pixel_step,
                    taps: &self.taps,
                    weights: self.weights.as_ptr(),
                    tap_words: self.tap_words,
                    bias: self.bias.as_ptr(),
                    multipliers: self.multipliers.as_ptr(),
                    out: out.as_mut_ptr(),
                    pixels,
                    channels,
                    round: &self.round,
                });
            }
        }
        Ok(())
    }
}

/// Offsets of a window's taps in padded codes, in the order of the weights.
fn taps(window: &Window) -> Vec<usize> {
    let [kh, kw] = window.kernel;
    (0..kh)
        .flat_map(|ky| (0..kw).map(move |kx| [ky, kx]))
        .map(|tap| window.tap(tap, Packing::Quads))
        .collect()
}

/// Maximum over every window of a band of output rows.
pub(crate) fn max_rows(window: &Window, rows: &Rows<'_>, channels: usize, band: &mut [u8]) {
    let taps = taps(window);
    let pixel_step = window.pixel_step(Packing::Quads);
    for (row, out) in band.chunks_mut(window.out_width * channels).enumerate() {
        for (pixel, out) in out.chunks_exact_mut(channels).enumerate() {
            out.fill(0);
            for tap in &taps {
                let from = row * rows.step + pixel * pixel_step + tap;
                for (most, code) in out.iter_mut().zip(rows.bytes.get(from..).unwrap_or(&[])) {
                    *most = (*most).max(*code);
                }
            }
        }
    }
}

/// An element-wise op of two operands, ready to run.
pub(crate) struct Pair {
    kernel: PairwiseKernel,
    zero_points: [i32; 2],
    multipliers: [i32; 2],
    round: Round,
}

impl Pair {
    /// (a − za)·ma + (b − zb)·mb.
    pub(crate) fn sum(zero_points: [i8; 2], multipliers: [i32; 2], requantise: Requantise, kernels: &Kernels) -> Self {
        // A difference of two i8 is at most 255 in magnitude.
        let largest = multipliers
            .iter()
            .map(|multiplier| 255 * u64::from(multiplier.unsigned_abs()))
            .sum();
        Self {
            kernel: kernels.add,
            zero_points: zero_points.map(i32::from),
            multipliers,
            round: Round::new(requantise, largest),
        }
    }

    /// (a − za)·(b − zb)·m.
    pub(crate) fn product(zero_points: [i8; 2], multiplier: i32, requantise: Requantise, kernels: &Kernels) -> Self {
        Self {
            kernel: kernels.mul,
            zero_points: zero_points.map(i32::from),
            multipliers: [multiplier, 0],
            round: Round::new(requantise, 255 * 255 * u64::from(multiplier.unsigned_abs())),
        }
    }

    /// Computes a band of rows of `length` bytes. `b` is as long as the band, or a single row that is repeated.
    pub(crate) fn rows(&self, [a, b]: [&[u8]; 2], band: &mut [u8], length: usize) -> Result<(), Error> {
        let rows = band.len() / length.max(1);
        if a.len() < band.len() || b.len() < length || length == 0 {
            return Err(Error::Internal("the memory of an element-wise op"));
        }
        // SAFETY: `a` and `band` have `rows·length` bytes; `b` has `length`, and only the first row of it is read because its step is 0;
        // and the kernel came from a backend that this CPU has.
        unsafe {
            (self.kernel)(&Pairwise {
                a: a.as_ptr(),
                b: b.as_ptr(),
                out: band.as_mut_ptr(),
                rows,
                length,
                zero_points: self.zero_points,
                multipliers: self.multipliers,
                round: &self.round,
            });
        }
        Ok(())
    }
}
