//! Ops that are ready to run on the CPU: constants packed for the kernels, bounds precomputed, outputs cut into bands of rows.

use crate::error::Error;
use crate::kernels::{Kernels, Packing, Pair, PerChannel, Product, Round, max_rows, round_for};
use crate::package::{Constants, Op};
use crate::window::{Rows, Window};
use protocol::ops::OpKind;
use protocol::requantise::{Channel, Requantise};
use protocol::tensor::{Shape, from_code, to_code};
use rayon::prelude::*;
use std::cell::RefCell;

/// Ops with fewer multiply-accumulates run on one thread: waking another would cost more than it saves.
const MIN_PARALLEL_MACS: u64 = 1 << 17;

/// Bytes of padded input per band, so that it stays in a core's own cache.
const BAND_BYTES: usize = 256 << 10;

thread_local! {
    /// Padded input rows of the current band.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The CPU resources that a layer runs on.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub kernels: &'static Kernels,
    /// Threads that one unit may use.
    pub threads: usize,
}

/// An op that is ready to run.
pub(crate) struct Layer {
    kind: Kind,
    inputs: Vec<Shape>,
    output: Shape,
    parallel: bool,
}

enum Kind {
    Product(Product),
    ProductAct {
        zero_points: [i8; 2],
        multiplier: i32,
        requantise: Requantise,
    },
    Depthwise(PerChannel),
    Pair(Pair),
    Table8(Box<[u8; 256]>),
    Concat,
    Upsample {
        factor: usize,
    },
    DepthToSpace {
        block: usize,
    },
    MaxPool(Window),
}

impl Kind {
    fn new(op: &Op, kernels: &Kernels) -> Self {
        let output = op.descriptor.output;
        let a = op.inputs.first().copied().unwrap_or_default();
        match op.descriptor.kind {
            OpKind::Conv2d {
                kernel,
                stride,
                padding,
                dilation,
                groups,
                pad_value,
                requantise,
                ..
            } => {
                let window = Window::new(a, output, kernel, stride, padding, dilation, to_code(pad_value));
                if op.is_depthwise() {
                    Kind::Depthwise(PerChannel::conv(window, &op.constants.weights, &op.constants.channels, requantise))
                } else {
                    Self::product(op, window, groups.into(), requantise, kernels)
                }
            }
            OpKind::Matmul { requantise, .. } => Self::product(op, Window::pixels(a), 1, requantise, kernels),
            OpKind::MatmulAct {
                a_zero_point,
                b_zero_point,
                multiplier,
                requantise,
            } => Kind::ProductAct {
                zero_points: [a_zero_point, b_zero_point],
                multiplier,
                requantise,
            },
            OpKind::Add {
                a_zero_point,
                b_zero_point,
                a_multiplier,
                b_multiplier,
                requantise,
            } => Kind::Pair(Pair::sum(
                [a_zero_point, b_zero_point],
                [a_multiplier, b_multiplier],
                requantise,
                kernels,
            )),
            OpKind::Mul {
                a_zero_point,
                b_zero_point,
                multiplier,
                requantise,
            } => Kind::Pair(Pair::product([a_zero_point, b_zero_point], multiplier, requantise, kernels)),
            OpKind::Table8 { .. } => Self::table8(op),
            OpKind::Concat => Kind::Concat,
            OpKind::Upsample { factor } => Kind::Upsample { factor: factor.into() },
            OpKind::DepthToSpace { block } => Kind::DepthToSpace { block: block.into() },
            OpKind::MaxPool { kernel, stride, padding } => {
                // Pad with −128: every window has at least one real element, so padding never changes a maximum.
                Kind::MaxPool(Window::new(a, output, kernel, stride, padding, [1, 1], to_code(i8::MIN)))
            }
            OpKind::AvgPool {
                kernel,
                stride,
                padding,
                input_zero_point,
                multiplier,
                requantise,
            } => {
                let window = Window::new(a, output, kernel, stride, padding, [1, 1], to_code(input_zero_point));
                Kind::Depthwise(PerChannel::average(window, input_zero_point, multiplier, requantise))
            }
        }
    }

    fn product(op: &Op, window: Window, groups: usize, requantise: Requantise, kernels: &Kernels) -> Self {
        let Constants { weights, channels, .. } = &op.constants;
        let round = round_for(weights, channels, requantise);
        Self::Product(Product::new(window, groups, weights, channels, round, kernels))
    }

    fn table8(op: &Op) -> Self {
        let mut table = Box::new([0; 256]);
        for (code, value) in table.iter_mut().zip(&op.constants.table) {
            *code = to_code(*value);
        }
        Self::Table8(table)
    }
}

impl Layer {
    /// Packs an op of a checked package.
    pub(crate) fn new(op: &Op, kernels: &Kernels) -> Self {
        Self {
            kind: Kind::new(op, kernels),
            inputs: op.inputs.clone(),
            output: op.descriptor.output,
            parallel: op.facts.macs >= MIN_PARALLEL_MACS,
        }
    }

    /// Computes the op on codes. Inputs and output are followed by [`SLACK`](crate::window::SLACK) bytes.
    pub(crate) fn run(&self, inputs: &[&[u8]], output: &mut [u8], cpu: Cpu) -> Result<(), Error> {
        let [a, rest @ ..] = inputs else {
            return Err(Error::Internal("an op without inputs"));
        };
        let [h, w, c] = [self.output.h, self.output.w, self.output.c].map(usize::from);
        let output = output.get_mut(..h * w * c).ok_or(Error::Internal("an output buffer"))?;
        match &self.kind {
            Kind::Product(product) => self.products(product, &[], a, output, cpu),
            Kind::ProductAct {
                zero_points,
                multiplier,
                requantise,
            } => {
                let b = rest.first().ok_or(Error::Internal("the inputs of a product"))?;
                let (product, rows) = self.dynamic(a, b, *zero_points, *multiplier, *requantise, cpu.kernels)?;
                self.products(&product, &rows, a, output, cpu)
            }
            Kind::Depthwise(op) => self.windows(&op.window, Packing::Quads, a, output, cpu, |_, rows, band| {
                op.rows(rows, c, band, cpu.kernels)
            }),
            Kind::MaxPool(window) => self.windows(window, Packing::Quads, a, output, cpu, |_, rows, band| {
                max_rows(window, rows, c, band);
                Ok(())
            }),
            Kind::Pair(pair) => self.pairs(pair, a, rest, output, cpu),
            Kind::Table8(table) => self.bands(output, w * c, usize::MAX, cpu, |first, band| {
                for (to, from) in band.iter_mut().zip(a.get(first * w * c..).unwrap_or(&[])) {
                    // The table has an entry for every byte.
                    *to = table.get(usize::from(*from)).copied().unwrap_or(0);
                }
                Ok(())
            }),
            Kind::Concat => self.concat(inputs, output, cpu),
            Kind::Upsample { factor } => self.upsample(*factor, a, output, cpu),
            Kind::DepthToSpace { block } => self.depth_to_space(*block, a, output, cpu),
        }
    }

    fn concat(&self, inputs: &[&[u8]], output: &mut [u8], cpu: Cpu) -> Result<(), Error> {
        let [w, c] = [self.output.w, self.output.c].map(usize::from);
        self.bands(output, w * c, usize::MAX, cpu, |first, band| {
            let mut at = 0;
            for (shape, input) in self.inputs.iter().zip(inputs) {
                let width = usize::from(shape.c);
                let pixels = input.get(first * w * width..).unwrap_or(&[]).chunks_exact(width);
                for (to, from) in band.chunks_exact_mut(c).zip(pixels) {
                    if let Some(to) = to.get_mut(at..at + width) {
                        to.copy_from_slice(from);
                    }
                }
                at += width;
            }
            Ok(())
        })
    }

    fn upsample(&self, factor: usize, input: &[u8], output: &mut [u8], cpu: Cpu) -> Result<(), Error> {
        let [w, c] = [self.output.w, self.output.c].map(usize::from);
        self.bands(output, factor * w * c, usize::MAX, cpu, |first, band| {
            let sources = input.chunks_exact(w / factor * c).skip(first);
            for (rows, from) in band.chunks_exact_mut(factor * w * c).zip(sources) {
                let (row, copies) = rows.split_at_mut(w * c);
                for (to, pixel) in row.chunks_exact_mut(factor * c).zip(from.chunks_exact(c)) {
                    to.chunks_exact_mut(c).for_each(|to| to.copy_from_slice(pixel));
                }
                copies.chunks_exact_mut(w * c).for_each(|copy| copy.copy_from_slice(row));
            }
            Ok(())
        })
    }

    fn depth_to_space(&self, block: usize, input: &[u8], output: &mut [u8], cpu: Cpu) -> Result<(), Error> {
        let [w, c] = [self.output.w, self.output.c].map(usize::from);
        self.bands(output, block * w * c, usize::MAX, cpu, |first, band| {
            let sources = input.chunks_exact(w * block * c).skip(first);
            for (rows, from) in band.chunks_exact_mut(block * w * c).zip(sources) {
                for (p, row) in rows.chunks_exact_mut(w * c).enumerate() {
                    // Within an input pixel, the codes of one output row's `block` pixels are adjacent.
                    for (to, pixel) in row.chunks_exact_mut(block * c).zip(from.chunks_exact(block * block * c)) {
                        to.copy_from_slice(pixel.get(p * block * c..(p + 1) * block * c).unwrap_or(&[]));
                    }
                }
            }
            Ok(())
        })
    }

    /// Cuts the output into bands of whole rows and runs `band` on each, in parallel if the op is large enough.
    fn bands(
        &self,
        output: &mut [u8],
        row_bytes: usize,
        most_rows: usize,
        cpu: Cpu,
        band: impl Fn(usize, &mut [u8]) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let rows = output.len().div_ceil(row_bytes);
        let threads = if self.parallel { cpu.threads } else { 1 };
        // Several bands per thread even out the load.
        let bands = if threads == 1 { 1 } else { 4 * threads };
        let height = rows.div_ceil(bands).min(most_rows).max(1);
        if threads == 1 {
            output
                .chunks_mut(height * row_bytes)
                .enumerate()
                .try_for_each(|(index, out)| band(index * height, out))
        } else {
            output
                .par_chunks_mut(height * row_bytes)
                .enumerate()
                .try_for_each(|(index, out)| band(index * height, out))
        }
    }

    /// Runs an op with a window in bands. The closure gets the first output row, the padded input and the band.
    fn windows(
        &self,
        window: &Window,
        packing: Packing,
        input: &[u8],
        output: &mut [u8],
        cpu: Cpu,
        band: impl Fn(usize, &Rows<'_>, &mut [u8]) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let row_bytes = window.out_width * usize::from(self.output.c);
        let most_rows = BAND_BYTES / window.bytes_per_row(packing).max(1);
        self.bands(output, row_bytes, most_rows, cpu, |first, out| {
            SCRATCH.with_borrow_mut(|scratch| {
                let rows = out.len().div_ceil(row_bytes);
                band(first, &window.rows(input, first, rows, packing, scratch), out)
            })
        })
    }

    /// Runs a product in bands. `row_sums` has one correction per output pixel, or is empty.
    fn products(&self, product: &Product, row_sums: &[i32], input: &[u8], output: &mut [u8], cpu: Cpu) -> Result<(), Error> {
        let channels = usize::from(self.output.c);
        self.windows(&product.window, cpu.kernels.packing, input, output, cpu, |first, rows, band| {
            let corrections = row_sums.get(first * product.window.out_width..).unwrap_or(&[]);
            product.rows(rows, corrections, channels, band, cpu.kernels)
        })
    }

    /// A product of two activations. Packs `b` as weights: Σ (a − za)(b − zb) = Σ ab − za·Σb − zb·Σa + K·za·zb.
    fn dynamic(
        &self,
        a: &[u8],
        b: &[u8],
        [za, zb]: [i8; 2],
        multiplier: i32,
        requantise: Requantise,
        kernels: &Kernels,
    ) -> Result<(Product, Vec<i32>), Error> {
        let [first, second] = *self.inputs else {
            return Err(Error::Internal("the inputs of a product"));
        };
        let (k, n) = (usize::from(first.c), usize::from(second.w));
        let weights: Vec<i8> = b.iter().take(n * k).map(|code| from_code(*code)).collect();
        let sum = |codes: &[i8]| codes.iter().map(|x| i32::from(*x)).sum::<i32>();
        // All of this is exact modulo 2^32, and the finished sum is below 2^30.
        let constant = (k as i32).wrapping_mul(i32::from(za)).wrapping_mul(zb.into());
        let bias = |row: &[i8]| constant.wrapping_sub(i32::from(za).wrapping_mul(sum(row)));
        let channels: Vec<Channel> = weights
            .chunks_exact(k)
            .map(|row| Channel {
                bias: bias(row),
                multiplier,
            })
            .collect();
        let round = Round::new(requantise, (1 << 30) * u64::from(multiplier.unsigned_abs()));
        let rows = match zb {
            0 => Vec::new(),
            _ => {
                // Σa over the values themselves: the bias already removes the offset that the packing adds.
                let sum = |codes: &[u8]| codes.iter().map(|code| i32::from(from_code(*code))).sum::<i32>();
                a.chunks_exact(k)
                    .take(first.w.into())
                    .map(|row| i32::from(zb).wrapping_mul(sum(row)).wrapping_neg())
                    .collect()
            }
        };
        Ok((Product::new(Window::pixels(first), 1, &weights, &channels, round, kernels), rows))
    }

    /// Runs an element-wise op of two operands in bands.
    fn pairs(&self, pair: &Pair, a: &[u8], rest: &[&[u8]], output: &mut [u8], cpu: Cpu) -> Result<(), Error> {
        let b = *rest.first().ok_or(Error::Internal("the inputs of an element-wise op"))?;
        let pixel = usize::from(self.output.c);
        let row = usize::from(self.output.w) * pixel;
        // A second operand of one pixel is repeated for every pixel. Otherwise a band is treated as one long row.
        let repeated = self.inputs.get(1) != self.inputs.first();
        self.bands(output, row, usize::MAX, cpu, |first, band| {
            let a = a.get(first * row..).unwrap_or(&[]);
            if repeated {
                pair.rows([a, b], band, pixel)
            } else {
                let length = band.len();
                pair.rows([a, b.get(first * row..).unwrap_or(&[])], band, length)
            }
        })
    }
}
