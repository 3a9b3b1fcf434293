//! Ops at the limits of the specification.

use super::{Draft, random_inputs};
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use serde_json::json;

/// One unit of one op.
pub struct Extreme {
    pub draft: Draft,
    pub inputs: Vec<Vec<i8>>,
    pub what: String,
}

/// All extremes.
pub fn extremes() -> Vec<Extreme> {
    [largest_sums(), largest_sums_of_activations(), halves(), brims(), wide_windows()]
        .into_iter()
        .flatten()
        .collect()
}

/// The longest sums of the largest terms, with the largest biases and multipliers: nothing may saturate or wrap. Pairs of 127 · 127 would
/// overflow 16-bit intermediate sums.
fn largest_sums() -> Vec<Extreme> {
    const LONGEST: usize = 16_384;
    const BIAS: i32 = (1 << 30) - 1;
    let channels: Vec<(Vec<i8>, i32, i32)> = [127, -127]
        .into_iter()
        .flat_map(|weight| [0, BIAS, -BIAS].map(|bias| (vec![weight; LONGEST], bias, i32::MAX)))
        .chain([(vec![127; LONGEST], 0, 1), (vec![-127; LONGEST], BIAS, 0)])
        .collect();
    let mut all = Vec::new();
    for shift in [1, 31, 32, 54, 62] {
        for value in [-128, 127] {
            all.push(Extreme {
                draft: product(2, &channels, shift, -3),
                inputs: vec![vec![value; 2 * LONGEST]],
                what: format!("the longest sums of {value}, shift {shift}"),
            });
        }
    }
    all
}

/// Products of activations for every combination of extreme operands and zero points.
fn largest_sums_of_activations() -> Vec<Extreme> {
    const DEPTH: u16 = 8_192;
    let mut all = Vec::new();
    for zeros in [[0, 0], [-128, 127], [127, -128], [-128, -128], [127, 127]] {
        for ends in [[-128, -128], [-128, 127], [127, 127]] {
            let mut draft = Draft::new(&[Shape::new(1, 2, DEPTH), Shape::new(1, 3, DEPTH)]);
            draft.ops.push(
                json!({"op": "matmul_act", "name": "op0", "inputs": ["in0", "in1"], "a_zero_point": zeros[0],
                "b_zero_point": zeros[1], "multiplier": i32::MAX, "shift": 53, "zero_point": 1, "clamp": [-128, 127]}),
            );
            all.push(Extreme {
                draft,
                inputs: vec![vec![ends[0]; 2 * usize::from(DEPTH)], vec![ends[1]; 3 * usize::from(DEPTH)]],
                what: format!("the longest sums of {ends:?} around {zeros:?}"),
            });
        }
    }
    all
}

/// Every half on both sides of zero. They must round up, as an arithmetic shift does, but neither division nor float conversion.
fn halves() -> Vec<Extreme> {
    let pixels = 256;
    let inputs: Vec<i8> = (0..pixels).map(|code| (code as i16 - 128) as i8).collect();
    [(0, 1, 1), (1, 1, 1), (0, 1 << 20, 21), (-3, 1 << 29, 31), (0, 3, 2)]
        .into_iter()
        .map(|(bias, multiplier, shift)| {
            let channels = [(vec![1], bias, multiplier), (vec![-1], bias, multiplier)];
            Extreme {
                draft: product(pixels as u16, &channels, shift, 0),
                inputs: vec![inputs.clone()],
                what: format!("halves, {bias} more, times {multiplier}, shift {shift}"),
            }
        })
        .collect()
}

/// Sums that nearly fill 32 bits after the shift, before the zero point is added: the largest that leave room for it, and some that do not.
fn brims() -> Vec<Extreme> {
    let mut all = Vec::new();
    for b_multiplier in [8_420_990, 8_421_504] {
        for operands in [-128, 127] {
            for zero_point in [-128, 127] {
                let mut draft = Draft::new(&[Shape::new(1, 5, 20); 2]);
                draft.ops.push(
                    json!({"op": "add", "name": "op0", "inputs": ["in0", "in1"], "a_zero_point": operands, "b_zero_point": operands,
                    "a_multiplier": i32::MAX, "b_multiplier": b_multiplier, "shift": 8, "zero_point": zero_point, "clamp": [-128, 127]}),
                );
                let end = |every: usize| {
                    (0..100_usize)
                        .map(|i| if (i / every).is_multiple_of(2) { -128 } else { 127 })
                        .collect()
                };
                all.push(Extreme {
                    draft,
                    inputs: vec![end(1), end(2)],
                    what: format!("sums to the brim by {b_multiplier}, around {operands}, from {zero_point} on"),
                });
            }
        }
    }
    all
}

/// Windows with two-digit sides, strides, paddings and dilations.
fn wide_windows() -> Vec<Extreme> {
    let requantise = Requantise {
        shift: 28,
        zero_point: 3,
        lo: -128,
        hi: 127,
    };
    let conv = |groups| OpKind::Conv2d {
        weights: [0; 32],
        channels: [0; 32],
        kernel: [11, 13],
        stride: [17, 12],
        padding: [40, 30, 25, 50],
        dilation: [10, 14],
        groups,
        pad_value: 5,
        requantise,
    };
    let max = OpKind::MaxPool {
        kernel: [23, 19],
        stride: [21, 12],
        padding: [22, 18, 20, 11],
    };
    let average = OpKind::AvgPool {
        kernel: [23, 19],
        stride: [21, 12],
        padding: [40, 30, 25, 50],
        input_zero_point: -7,
        multiplier: 1 << 24,
        requantise,
    };
    [(conv(1), 3), (conv(2), 2), (max, 0), (average, 0)]
        .into_iter()
        .map(|(kind, channels)| {
            let mut rng = fastrand::Rng::with_seed(channels.into());
            let shape = Shape::new(150, 170, 2);
            let mut draft = Draft::new(&[shape]);
            assert!(draft.push(kind, &[0], channels, &mut rng, 1 << 30));
            Extreme {
                what: format!("wide windows: {}", draft.ops[0]),
                inputs: random_inputs(&mut rng, &[shape]),
                draft,
            }
        })
        .collect()
}

/// A product of `pixels` pixels with weights, which are given channel by channel.
fn product(pixels: u16, channels: &[(Vec<i8>, i32, i32)], shift: u8, zero_point: i8) -> Draft {
    let depth = channels[0].0.len();
    let mut draft = Draft::new(&[Shape::new(1, pixels, depth as u16)]);
    let weights: Vec<i8> = channels.iter().flat_map(|(weights, ..)| weights.clone()).collect();
    draft.i8_tensor("w", &[channels.len(), depth], &weights);
    draft.i32_tensor("b", &channels.iter().map(|(_, bias, _)| *bias).collect::<Vec<_>>());
    draft.i32_tensor("m", &channels.iter().map(|(.., multiplier)| *multiplier).collect::<Vec<_>>());
    draft.ops.push(
        json!({"op": "matmul", "name": "op0", "inputs": ["in0"], "weights": "w", "bias": "b", "multiplier": "m",
        "shift": shift, "zero_point": zero_point, "clamp": [-128, 127]}),
    );
    draft
}
