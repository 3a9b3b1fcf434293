//! The constants of a package, laid out for the kernels.

use super::arena::aligned;
use super::tiles::STEP;
use crate::package::{Op, Package};
use bytemuck::{Pod, cast_slice};
use protocol::merkle;
use protocol::ops::OpKind;
use protocol::requantise::Channel;
use protocol::tensor::to_code;

/// The code of the lowest value.
const LOWEST: u8 = 0;

/// The constants of a package as the kernels read them, and the offsets of each op's constants.
pub(crate) struct Constants {
    pub bytes: Vec<u8>,
    ops: Vec<Places>,
    /// Offset of the roots of empty subtrees, by depth.
    pub empty: u64,
}

/// Offsets of an op's constants; 0 for those that it does not have.
#[derive(Clone, Copy, Default)]
pub(crate) struct Places {
    pub weights: u64,
    pub bias: u64,
    pub multipliers: u64,
    /// A table, or the codes for elements outside the input.
    pub codes: u64,
}

impl Constants {
    pub(crate) fn new(package: &Package) -> Self {
        let mut constants = Self {
            bytes: Vec::new(),
            ops: Vec::new(),
            empty: 0,
        };
        let empty: Vec<u32> = (0..merkle::MAX_DEPTH).flat_map(|depth| numbers(&merkle::empty(depth))).collect();
        constants.empty = constants.put(&empty);
        for op in &package.ops {
            let places = constants.pack(op);
            constants.ops.push(places);
        }
        constants
    }

    /// The offsets of an op's constants.
    pub(crate) fn places(&self, step: usize) -> Places {
        self.ops.get(step).copied().unwrap_or_default()
    }

    fn put<T: Pod>(&mut self, values: &[T]) -> u64 {
        let at = aligned(self.bytes.len() as u64);
        self.bytes.resize(at as usize, 0);
        self.bytes.extend_from_slice(cast_slice(values));
        at
    }

    fn pack(&mut self, op: &Op) -> Places {
        let Op { descriptor, constants, .. } = op;
        let depthwise = op.is_depthwise();
        match descriptor.kind {
            OpKind::Conv2d { pad_value, .. } => Places {
                weights: if depthwise {
                    self.put(&transposed(&constants.weights, constants.channels.len()))
                } else {
                    self.put(&padded(&constants.weights, constants.channels.len()))
                },
                codes: self.put(&[to_code(pad_value); 16]),
                ..self.channels(&constants.weights, &constants.channels)
            },
            OpKind::Matmul { .. } => Places {
                weights: self.put(&padded(&constants.weights, constants.channels.len())),
                codes: self.put(&[LOWEST; 16]),
                ..self.channels(&constants.weights, &constants.channels)
            },
            // Zeros past the end of both operands add nothing.
            OpKind::MatmulAct { .. } => Places {
                codes: self.put(&[0u8; 16]),
                ..Places::default()
            },
            OpKind::Table8 { .. } => {
                let codes: Vec<u8> = constants.table.iter().copied().map(to_code).collect();
                Places {
                    codes: self.put(&codes),
                    ..Places::default()
                }
            }
            OpKind::AvgPool {
                kernel,
                input_zero_point,
                multiplier,
                ..
            } => {
                // A depthwise convolution with weights of 1, padded with the zero point, so that padding adds nothing.
                let (taps, channels) = (kernel.map(i32::from).iter().product::<i32>(), usize::from(descriptor.output.c));
                Places {
                    weights: self.put(&vec![1i8; taps as usize * channels]),
                    bias: self.put(&vec![-taps * i32::from(to_code(input_zero_point)); channels]),
                    multipliers: self.put(&vec![multiplier; channels]),
                    codes: 0,
                }
            }
            _ => Places::default(),
        }
    }

    /// Biases and multipliers. The kernels sum u·w with u = x + 128, so the bias subtracts 128·Σw. Exact modulo 2^32, like all sums.
    fn channels(&mut self, weights: &[i8], channels: &[Channel]) -> Places {
        let fan_in = weights.len().checked_div(channels.len()).unwrap_or(0).max(1);
        let biases = weights.chunks_exact(fan_in).zip(channels).map(|(weights, channel)| {
            let sum: i32 = weights.iter().map(|weight| i32::from(*weight)).sum();
            channel.bias.wrapping_sub(sum.wrapping_mul(128))
        });
        Places {
            bias: self.put(&biases.collect::<Vec<i32>>()),
            multipliers: self.put(&channels.iter().map(|channel| channel.multiplier).collect::<Vec<i32>>()),
            ..Places::default()
        }
    }
}

/// Weights, with those of every channel padded with zeros to whole steps.
fn padded(weights: &[i8], channels: usize) -> Vec<i8> {
    let fan_in = weights.len().checked_div(channels).unwrap_or(0).max(1);
    let zeros = vec![0; fan_in.next_multiple_of(STEP) - fan_in];
    weights
        .chunks_exact(fan_in)
        .flat_map(|row| row.iter().chain(&zeros).copied())
        .collect()
}

/// Depthwise weights, reordered from channel by channel to tap by tap.
fn transposed(weights: &[i8], channels: usize) -> Vec<i8> {
    let taps = weights.len().checked_div(channels).unwrap_or(0).max(1);
    (0..taps).flat_map(|tap| weights.iter().skip(tap).step_by(taps).copied()).collect()
}

/// A digest as the kernels hold it: big-endian words.
pub(crate) fn numbers(digest: &[u8]) -> Vec<u32> {
    digest.as_chunks().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect()
}
