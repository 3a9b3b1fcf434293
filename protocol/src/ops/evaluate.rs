//! Reference semantics: one output element at a time, from the operands that element depends on.

use super::{OpDescriptor, OpKind, tap};
use crate::requantise::Channel;
use crate::tensor::{Shape, to_code};
use alloc::vec::Vec;

/// Where an op's operands come from: whole tensors, or the opened ranges of committed tensors in a dispute. `None` means that the operand
/// is not available.
pub trait Source {
    /// Element `index` (row-major) of input `slot`.
    fn input(&self, slot: usize, index: u32) -> Option<i8>;
    /// Element `index` (row-major) of the weights.
    fn weight(&self, index: u32) -> Option<i8>;
    /// Bias and multiplier of an output channel.
    fn channel(&self, channel: u32) -> Option<Channel>;
    /// Entry of the table.
    fn table(&self, index: u8) -> Option<i8>;
}

/// Element `index` (row-major) of the op's output. `inputs` are the shapes of the values it reads, in order, and the op must have
/// passed [`check_op`](crate::graph::check_op) with them. `None` when the element does not exist or `source` lacks an operand.
///
/// Accumulators are `i64` and sum at most 16,384 terms of at most 2^16 each, so no sum comes near wrapping; `wrapping_add` only avoids the
/// overflow check.
pub fn evaluate(op: &OpDescriptor, inputs: &[Shape], source: &impl Source, index: u32) -> Option<i8> {
    if index >= op.output.elements()? {
        return None;
    }
    let (pixel, channel) = (index / u32::from(op.output.c), index % u32::from(op.output.c));
    let (row, column) = (pixel / u32::from(op.output.w), pixel % u32::from(op.output.w));
    let a = *inputs.first()?;
    match op.kind {
        OpKind::Conv2d {
            kernel: [kh, kw],
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
            let mut acc = 0i64;
            let mut weight = channel * u32::from(kh) * u32::from(kw) * depth;
            for ky in 0..u32::from(kh) {
                let y = tap(row, sy, ky, dy, top, a.h);
                for kx in 0..u32::from(kw) {
                    let x = tap(column, sx, kx, dx, left, a.w);
                    for k in 0..depth {
                        let value = match (y, x) {
                            (Some(y), Some(x)) => source.input(0, at(a, y, x, group * depth + k))?,
                            _ => pad_value,
                        };
                        acc = acc.wrapping_add(product(value, source.weight(weight)?));
                        weight += 1;
                    }
                }
            }
            let Channel { bias, multiplier } = source.channel(channel)?;
            Some(requantise.scale(acc.wrapping_add(bias.into()), multiplier))
        }
        OpKind::Matmul { requantise, .. } => {
            let depth = u32::from(a.c);
            let mut acc = 0i64;
            for k in 0..depth {
                acc = acc.wrapping_add(product(source.input(0, pixel * depth + k)?, source.weight(channel * depth + k)?));
            }
            let Channel { bias, multiplier } = source.channel(channel)?;
            Some(requantise.scale(acc.wrapping_add(bias.into()), multiplier))
        }
        OpKind::MatmulAct {
            a_zero_point,
            b_zero_point,
            multiplier,
            requantise,
        } => {
            let depth = u32::from(a.c);
            let mut acc = 0i64;
            for k in 0..depth {
                let x = i64::from(source.input(0, column * depth + k)?) - i64::from(a_zero_point);
                let y = i64::from(source.input(1, channel * depth + k)?) - i64::from(b_zero_point);
                acc = acc.wrapping_add(x.wrapping_mul(y));
            }
            Some(requantise.scale(acc, multiplier))
        }
        OpKind::Add {
            a_zero_point,
            b_zero_point,
            a_multiplier,
            b_multiplier,
            requantise,
        } => {
            let (x, y) = pair(inputs, source, index, channel)?;
            let x = (x - i64::from(a_zero_point)).wrapping_mul(a_multiplier.into());
            let y = (y - i64::from(b_zero_point)).wrapping_mul(b_multiplier.into());
            Some(requantise.round(x.wrapping_add(y)))
        }
        OpKind::Mul {
            a_zero_point,
            b_zero_point,
            multiplier,
            requantise,
        } => {
            let (x, y) = pair(inputs, source, index, channel)?;
            Some(requantise.scale((x - i64::from(a_zero_point)).wrapping_mul(y - i64::from(b_zero_point)), multiplier))
        }
        OpKind::Table8 { .. } => source.table(to_code(source.input(0, index)?)),
        OpKind::Concat => {
            let mut channel = channel;
            for (slot, shape) in inputs.iter().enumerate() {
                match channel.checked_sub(shape.c.into()) {
                    Some(beyond) => channel = beyond,
                    None => return source.input(slot, at(*shape, row, column, channel)),
                }
            }
            None
        }
        OpKind::Upsample { factor } => {
            let factor = u32::from(factor);
            source.input(0, at(a, row.checked_div(factor)?, column.checked_div(factor)?, channel))
        }
        OpKind::DepthToSpace { block } => {
            let block = u32::from(block);
            let (y, p) = (row.checked_div(block)?, row.checked_rem(block)?);
            let (x, q) = (column.checked_div(block)?, column.checked_rem(block)?);
            source.input(0, at(a, y, x, (p * block + q) * u32::from(op.output.c) + channel))
        }
        OpKind::MaxPool {
            kernel,
            stride: [sy, sx],
            padding: [top, left, ..],
        } => {
            let mut largest = None;
            for (ky, kx) in window(kernel) {
                if let (Some(y), Some(x)) = (tap(row, sy, ky, 1, top, a.h), tap(column, sx, kx, 1, left, a.w)) {
                    largest = largest.max(Some(source.input(0, at(a, y, x, channel))?));
                }
            }
            largest
        }
        OpKind::AvgPool {
            kernel,
            stride: [sy, sx],
            padding: [top, left, ..],
            input_zero_point,
            multiplier,
            requantise,
        } => {
            let mut acc = 0i64;
            for (ky, kx) in window(kernel) {
                if let (Some(y), Some(x)) = (tap(row, sy, ky, 1, top, a.h), tap(column, sx, kx, 1, left, a.w)) {
                    acc = acc.wrapping_add(i64::from(source.input(0, at(a, y, x, channel))?) - i64::from(input_zero_point));
                }
            }
            Some(requantise.scale(acc, multiplier))
        }
    }
}

/// Row-major index of an element that lies inside `shape`, hence below 2^24.
fn at(shape: Shape, y: u32, x: u32, channel: u32) -> u32 {
    (y * u32::from(shape.w) + x) * u32::from(shape.c) + channel
}

fn product(x: i8, w: i8) -> i64 {
    i64::from(x).wrapping_mul(w.into())
}

/// Operands of an element-wise op; a `[1, 1, c]` second input is repeated for every pixel.
fn pair(inputs: &[Shape], source: &impl Source, index: u32, channel: u32) -> Option<(i64, i64)> {
    let second = if inputs.get(1) == inputs.first() { index } else { channel };
    Some((source.input(0, index)?.into(), source.input(1, second)?.into()))
}

fn window([kh, kw]: [u8; 2]) -> impl Iterator<Item = (u32, u32)> {
    (0..u32::from(kh)).flat_map(move |ky| (0..u32::from(kw)).map(move |kx| (ky, kx)))
}

/// Operands held whole in memory. Constants that the op does not have are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Operands<'a> {
    /// The values the op reads, in order.
    pub inputs: &'a [&'a [i8]],
    /// Weights.
    pub weights: &'a [i8],
    /// Bias and multiplier of each output channel.
    pub channels: &'a [Channel],
    /// The 256 entries of a table.
    pub table: &'a [i8],
}

impl Source for Operands<'_> {
    fn input(&self, slot: usize, index: u32) -> Option<i8> {
        self.inputs.get(slot)?.get(index as usize).copied()
    }

    fn weight(&self, index: u32) -> Option<i8> {
        self.weights.get(index as usize).copied()
    }

    fn channel(&self, channel: u32) -> Option<Channel> {
        self.channels.get(channel as usize).copied()
    }

    fn table(&self, index: u8) -> Option<i8> {
        self.table.get(usize::from(index)).copied()
    }
}

/// Every element of the op's output; `None` when an operand is missing or too short.
pub fn evaluate_all(op: &OpDescriptor, inputs: &[Shape], operands: &Operands<'_>) -> Option<Vec<i8>> {
    (0..op.output.elements()?)
        .map(|index| evaluate(op, inputs, operands, index))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::check_op;
    use crate::ops::Inputs;
    use crate::requantise::Requantise;
    use std::vec;

    /// Halves its operand, so that tests see both rounding and saturation.
    const HALF: Requantise = Requantise {
        shift: 1,
        zero_point: 0,
        lo: -128,
        hi: 127,
    };
    const ONE: Channel = Channel { bias: 0, multiplier: 1 };

    fn run(kind: OpKind, inputs: &[(Shape, &[i8])], output: Shape, constants: Operands<'_>) -> Vec<i8> {
        let ids: Vec<u16> = (0..inputs.len() as u16).collect();
        let shapes: Vec<Shape> = inputs.iter().map(|(shape, _)| *shape).collect();
        let data: Vec<&[i8]> = inputs.iter().map(|(_, data)| *data).collect();
        let op = OpDescriptor {
            inputs: Inputs::new(&ids).unwrap(),
            kind,
            output,
        };
        check_op(&op, &shapes).unwrap();
        evaluate_all(
            &op,
            &shapes,
            &Operands {
                inputs: &data,
                ..constants
            },
        )
        .unwrap()
    }

    fn conv(kernel: [u8; 2], stride: [u8; 2], padding: [u8; 4], dilation: [u8; 2], groups: u16, requantise: Requantise) -> OpKind {
        OpKind::Conv2d {
            weights: [0; 32],
            channels: [0; 32],
            kernel,
            stride,
            padding,
            dilation,
            groups,
            pad_value: 10,
            requantise,
        }
    }

    #[test]
    fn padding_reads_the_pad_value() {
        // With all weights 1 and one input element, the output is the sum of 8 pads and the element, divided by 2.
        let kind = conv([3, 3], [1, 1], [1; 4], [1, 1], 1, HALF);
        let out = run(
            kind,
            &[(Shape::new(1, 1, 1), &[-9])],
            Shape::new(1, 1, 1),
            Operands {
                weights: &[1; 9],
                channels: &[ONE],
                ..Default::default()
            },
        );
        assert_eq!(out, [36], "(8·10 − 9)/2 = 35.5 rounds up");
        // With only a corner weight set, the tap picks a single element.
        let mut weights = [0; 9];
        weights[0] = 2;
        let input: Vec<i8> = (1..=4).collect();
        let out = run(
            kind,
            &[(Shape::new(2, 2, 1), &input)],
            Shape::new(2, 2, 1),
            Operands {
                weights: &weights,
                channels: &[ONE],
                ..Default::default()
            },
        );
        assert_eq!(out, [10, 10, 10, 1]);
    }

    #[test]
    fn stride_and_dilation_pick_their_taps() {
        let input: Vec<i8> = (0..30).collect();
        // A 2x2 kernel with dilation [2, 3] and stride [2, 1] on 5x6: rows {0,2}, {2,4}; columns {x, x+3}.
        let kind = conv([2, 2], [2, 1], [0; 4], [2, 3], 1, HALF);
        let out = run(
            kind,
            &[(Shape::new(5, 6, 1), &input)],
            Shape::new(2, 3, 1),
            Operands {
                weights: &[0, 0, 0, 2],
                channels: &[ONE],
                ..Default::default()
            },
        );
        assert_eq!(out, [15, 16, 17, 27, 28, 29]);
    }

    #[test]
    fn groups_see_only_their_channels() {
        let kind = conv([1, 1], [1, 1], [0; 4], [1, 1], 2, HALF);
        // ci = 4, co = 4: outputs 0, 1 read channels 0, 1; outputs 2, 3 read channels 2, 3.
        let channels = [ONE, Channel { bias: 1, multiplier: 1 }, Channel { bias: 0, multiplier: 4 }, ONE];
        let constants = Operands {
            weights: &[1, 0, 0, 1, 1, 0, 1, -1],
            channels: &channels,
            ..Default::default()
        };
        let out = run(kind, &[(Shape::new(1, 1, 4), &[10, 21, 30, -60])], Shape::new(1, 1, 4), constants);
        assert_eq!(out, [5, 11, 60, 45]);
    }

    #[test]
    fn extremes_saturate_without_wrapping() {
        let requantise = Requantise { shift: 21, ..HALF };
        let matmul = OpKind::Matmul {
            weights: [0; 32],
            channels: [0; 32],
            requantise,
        };
        let shape = Shape::new(1, 1, 16_384);
        // 16,384·128·127 = 266,338,304; / 2^21 = 127.0 exactly; / 2^20 saturates.
        for (x, w, m, expected) in [
            (-128, 127, 1, -127),
            (-128, -127, 1, 127),
            (-128, 127, 2, -128),
            (-128, -127, 2, 127),
            (127, 127, 1, 126),
        ] {
            let constants = Operands {
                weights: &vec![w; 16_384],
                channels: &[Channel { bias: 0, multiplier: m }],
                ..Default::default()
            };
            assert_eq!(
                run(matmul, &[(shape, &vec![x; 16_384])], Shape::new(1, 1, 1), constants),
                [expected],
                "{x}·{w}·{m}"
            );
        }
        // The widest difference of activations: (−128 − 127)² · 16,384 < 2^30.
        let act = |hi| OpKind::MatmulAct {
            a_zero_point: 127,
            b_zero_point: 127,
            multiplier: 1,
            requantise: Requantise { shift: 24, hi, ..HALF },
        };
        let row: &[i8] = &vec![-128; 16_384];
        assert_eq!(
            run(act(127), &[(shape, row), (shape, row)], Shape::new(1, 1, 1), Operands::default()),
            [64],
            "63.5 rounds up"
        );
        assert_eq!(
            run(act(3), &[(shape, row), (shape, row)], Shape::new(1, 1, 1), Operands::default()),
            [3]
        );
    }

    #[test]
    fn matmul_act_takes_rows_of_both() {
        let kind = OpKind::MatmulAct {
            a_zero_point: 1,
            b_zero_point: -1,
            multiplier: 2,
            requantise: HALF,
        };
        let a = (Shape::new(1, 2, 2), &[2, 1, 1, 3][..]);
        let b = (Shape::new(1, 3, 2), &[0, -1, -1, 0, 4, 4][..]);
        // a − 1 = [[1,0],[0,2]], b + 1 = [[1,0],[0,1],[5,5]]
        assert_eq!(run(kind, &[a, b], Shape::new(1, 2, 3), Operands::default()), [1, 0, 5, 0, 2, 10]);
    }

    #[test]
    fn add_rounds_once_and_mul_repeats_a_pixel() {
        let add = OpKind::Add {
            a_zero_point: 1,
            b_zero_point: -1,
            a_multiplier: 1,
            b_multiplier: -1,
            requantise: HALF,
        };
        let shape = Shape::new(1, 2, 2);
        let (a, b): (&[i8], &[i8]) = (&[1, 2, -128, 127], &[-1, 0, 127, -128]);
        // (a − 1) − (b + 1): 0, 0, −257, 253
        assert_eq!(run(add, &[(shape, a), (shape, b)], shape, Operands::default()), [0, 0, -128, 127]);
        assert_eq!(
            run(add, &[(shape, a), (Shape::new(1, 1, 2), &[0, 2])], shape, Operands::default()),
            [0, -1, -65, 62]
        );
        let big = OpKind::Add {
            a_zero_point: 127,
            b_zero_point: 127,
            a_multiplier: i32::MAX,
            b_multiplier: i32::MAX,
            requantise: HALF,
        };
        assert_eq!(
            run(big, &[(shape, &[-128; 4]), (shape, &[-128; 4])], shape, Operands::default()),
            [-128; 4]
        );
        let mul = OpKind::Mul {
            a_zero_point: 3,
            b_zero_point: 1,
            multiplier: 1,
            requantise: HALF,
        };
        // (a − 3) · (b − 1): 1, −6, −3, −12
        assert_eq!(
            run(
                mul,
                &[(shape, &[4, 5, 0, 7]), (Shape::new(1, 1, 2), &[2, -2])],
                shape,
                Operands::default()
            ),
            [1, -3, -1, -6]
        );
    }

    #[test]
    fn layout_ops_move_every_element() {
        let table: Vec<i8> = (0..=255u8).map(|i| i as i8).collect();
        let kind = OpKind::Table8 { table: [0; 32] };
        let shape = Shape::new(1, 1, 4);
        let constants = Operands {
            table: &table,
            ..Default::default()
        };
        assert_eq!(run(kind, &[(shape, &[-128, -1, 0, 127])], shape, constants), [0, 127, -128, -1]);

        let x = (Shape::new(1, 2, 2), &[1, 2, 3, 4][..]);
        let y = (Shape::new(1, 2, 1), &[5, 6][..]);
        assert_eq!(
            run(OpKind::Concat, &[x, y, x], Shape::new(1, 2, 5), Operands::default()),
            [1, 2, 5, 1, 2, 3, 4, 6, 3, 4]
        );
        let up = run(
            OpKind::Upsample { factor: 2 },
            &[(Shape::new(1, 2, 1), &[7, 8])],
            Shape::new(2, 4, 1),
            Operands::default(),
        );
        assert_eq!(up, [7, 7, 8, 8, 7, 7, 8, 8]);
        let deep: Vec<i8> = (0..16).collect();
        let shuffled = run(
            OpKind::DepthToSpace { block: 2 },
            &[(Shape::new(1, 2, 8), &deep)],
            Shape::new(2, 4, 2),
            Operands::default(),
        );
        assert_eq!(shuffled, [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15]);
    }

    #[test]
    fn pools_ignore_what_is_outside() {
        let input: Vec<i8> = (1..=9).map(|x| x - 20).collect();
        let max = OpKind::MaxPool {
            kernel: [2, 2],
            stride: [2, 2],
            padding: [1, 1, 0, 0],
        };
        assert_eq!(
            run(max, &[(Shape::new(3, 3, 1), &input)], Shape::new(2, 2, 1), Operands::default()),
            [-19, -17, -13, -11]
        );
        let average = OpKind::AvgPool {
            kernel: [2, 2],
            stride: [2, 2],
            padding: [1, 1, 0, 0],
            input_zero_point: -20,
            multiplier: 1,
            requantise: Requantise { shift: 2, ..HALF },
        };
        // Sums 1, 5, 11, 28 over 4.
        assert_eq!(
            run(average, &[(Shape::new(3, 3, 1), &input)], Shape::new(2, 2, 1), Operands::default()),
            [0, 1, 3, 7]
        );
    }

    #[test]
    fn a_missing_operand_is_reported() {
        let op = OpDescriptor {
            inputs: Inputs::new(&[0]).unwrap(),
            kind: OpKind::Upsample { factor: 2 },
            output: Shape::new(2, 2, 1),
        };
        let shapes = [Shape::new(1, 1, 1)];
        assert_eq!(
            evaluate(
                &op,
                &shapes,
                &Operands {
                    inputs: &[&[]],
                    ..Default::default()
                },
                0
            ),
            None
        );
        assert_eq!(
            evaluate(
                &op,
                &shapes,
                &Operands {
                    inputs: &[&[1]],
                    ..Default::default()
                },
                3
            ),
            Some(1)
        );
        assert_eq!(
            evaluate(
                &op,
                &shapes,
                &Operands {
                    inputs: &[&[1]],
                    ..Default::default()
                },
                4
            ),
            None,
            "beyond the output"
        );
    }
}
