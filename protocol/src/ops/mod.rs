//! Operators: their descriptors, which a model commits to, and their reference semantics.
//!
//! `docs/operators.md` is the normative text; [`evaluate`] is its executable form.

mod evaluate;

pub use evaluate::{Operands, Source, evaluate, evaluate_all};

use crate::hash::{Hash, Tag, tagged};
use crate::requantise::Requantise;
use crate::tensor::{CHANNELS_UID, Layout, Shape, TABLE_UID, WEIGHTS_UID};
use alloc::vec::Vec;
use wincode::config::{self, Configuration};
use wincode::{SchemaRead, SchemaWrite};

/// Most inputs of one op. Four are enough for a concat to join the branches of an inception block, and keep descriptors small.
pub const MAX_INPUTS: usize = 4;

/// Longest encoded descriptor. The longest kind takes about 100 bytes; the rest is room for future kinds.
pub const MAX_DESCRIPTOR_BYTES: usize = 256;

/// The values an op reads: 1 … 4 value ids, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Inputs {
    len: u8,
    ids: [u16; MAX_INPUTS],
}

impl Inputs {
    /// The given ids, or `None` when there are none or more than [`MAX_INPUTS`].
    pub fn new(ids: &[u16]) -> Option<Self> {
        let mut inputs = Self {
            len: u8::try_from(ids.len()).ok()?,
            ids: [0; MAX_INPUTS],
        };
        if ids.is_empty() {
            return None;
        }
        inputs.ids.get_mut(..ids.len())?.copy_from_slice(ids);
        Some(inputs)
    }

    /// Whether there are one to four ids, followed by zeros: each list has one encoding.
    fn is_canonical(&self) -> bool {
        let (used, unused) = self.ids.split_at_checked(self.len.into()).unwrap_or_default();
        !used.is_empty() && unused.iter().all(|id| *id == 0)
    }

    /// The ids.
    pub fn as_slice(&self) -> &[u16] {
        self.ids.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// An operand of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operand {
    /// The value read in this input slot.
    Input(u8),
    /// The weights.
    Weights,
    /// The (bias, multiplier) records.
    Channels,
    /// The 256 entries of a table.
    Table,
}

/// A constant of an op, as its descriptor commits to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Which operand it is.
    pub operand: Operand,
    /// Its element type and sides.
    pub layout: Layout,
    /// `tensor_uid` of its chunks.
    pub uid: u32,
    /// Its TENSOR.
    pub tensor: Hash,
}

/// What an op computes. Constants are held by their TENSOR hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub enum OpKind {
    /// Two-dimensional convolution. `kernel`, `stride` and `dilation` are `[vertical, horizontal]`.
    Conv2d {
        /// Hash of the `[co, kh, kw, ci / groups]` weights.
        weights: Hash,
        /// Hash of the (bias, multiplier) records.
        channels: Hash,
        /// Sides of the window.
        kernel: [u8; 2],
        /// Step of the window.
        stride: [u8; 2],
        /// Elements read as `pad_value` at the top, left, bottom and right.
        padding: [u8; 4],
        /// Distance between taps.
        dilation: [u8; 2],
        /// Number of independent channel groups.
        groups: u16,
        /// Value of the elements outside the input.
        pad_value: i8,
        /// Requantisation.
        requantise: Requantise,
    },
    /// Every `[.., k]` row times `[n, k]` weights.
    Matmul {
        /// Hash of the `[n, k]` weights.
        weights: Hash,
        /// Hash of the (bias, multiplier) records.
        channels: Hash,
        /// Requantisation.
        requantise: Requantise,
    },
    /// Product of two activations, both row-major in `k`.
    MatmulAct {
        /// Zero point of the first input.
        a_zero_point: i8,
        /// Zero point of the second input.
        b_zero_point: i8,
        /// Fixed-point factor, not negative.
        multiplier: i32,
        /// Requantisation.
        requantise: Requantise,
    },
    /// Weighted sum of two activations with one rounding.
    Add {
        /// Zero point of the first input.
        a_zero_point: i8,
        /// Zero point of the second input.
        b_zero_point: i8,
        /// Factor of the first input; may be negative.
        a_multiplier: i32,
        /// Factor of the second input; may be negative.
        b_multiplier: i32,
        /// Requantisation.
        requantise: Requantise,
    },
    /// Element-wise product of two activations.
    Mul {
        /// Zero point of the first input.
        a_zero_point: i8,
        /// Zero point of the second input.
        b_zero_point: i8,
        /// Fixed-point factor, not negative.
        multiplier: i32,
        /// Requantisation.
        requantise: Requantise,
    },
    /// Any function of one `i8`.
    Table8 {
        /// Hash of the 256 entries, indexed by `x + 128`.
        table: Hash,
    },
    /// Joins 2 … 4 inputs along the channels.
    Concat,
    /// Nearest-neighbour enlargement.
    Upsample {
        /// Enlargement of both sides, 2 … 16.
        factor: u8,
    },
    /// Moves channels into `block × block` pixels.
    DepthToSpace {
        /// Enlargement of both sides, 2 … 16.
        block: u8,
    },
    /// Maximum over the in-range elements of a window.
    MaxPool {
        /// Sides of the window.
        kernel: [u8; 2],
        /// Step of the window.
        stride: [u8; 2],
        /// Elements outside the input at the top, left, bottom and right; each below the kernel's side.
        padding: [u8; 4],
    },
    /// Sum over the in-range elements of a window; the divisor is part of the multiplier.
    AvgPool {
        /// Sides of the window.
        kernel: [u8; 2],
        /// Step of the window.
        stride: [u8; 2],
        /// Elements outside the input, which count as the zero point.
        padding: [u8; 4],
        /// Zero point of the input.
        input_zero_point: i8,
        /// Fixed-point factor, not negative.
        multiplier: i32,
        /// Requantisation.
        requantise: Requantise,
    },
}

/// One op of a graph: what it reads, what it computes, and the shape of what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct OpDescriptor {
    /// Ids of the values it reads.
    pub inputs: Inputs,
    /// What it computes.
    pub kind: OpKind,
    /// Shape of its output.
    pub output: Shape,
}

/// Why bytes are not a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDescriptor;

impl core::fmt::Display for InvalidDescriptor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the op descriptor is malformed, longer than 256 bytes or followed by other bytes")
    }
}

impl core::error::Error for InvalidDescriptor {}

impl OpDescriptor {
    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to a Vec cannot fail.
        config::serialize(self, Configuration::default().with_tag_encoding::<u8>()).unwrap_or_default()
    }

    /// Inverse of [`OpDescriptor::to_bytes`]. Only the canonical encoding is accepted: no field has two encodings, and no bytes may follow.
    pub fn from_bytes(bytes: &[u8]) -> core::result::Result<Self, InvalidDescriptor> {
        if bytes.len() > MAX_DESCRIPTOR_BYTES {
            return Err(InvalidDescriptor);
        }
        let op: Self =
            config::deserialize_exact(bytes, Configuration::default().with_tag_encoding::<u8>()).map_err(|_| InvalidDescriptor)?;
        if op.inputs.is_canonical() { Ok(op) } else { Err(InvalidDescriptor) }
    }

    /// The op's constants: weights, then channels, or a table. The op must have passed [`check_op`](crate::graph::check_op) with these
    /// input shapes.
    pub fn constants(&self, inputs: &[Shape]) -> impl Iterator<Item = Constant> {
        let depth = u32::from(inputs.first().map_or(0, |a| a.c));
        let channels = u32::from(self.output.c);
        let product = |weights, layout, records| {
            [
                Some(Constant {
                    operand: Operand::Weights,
                    layout,
                    uid: WEIGHTS_UID,
                    tensor: weights,
                }),
                Some(Constant {
                    operand: Operand::Channels,
                    layout: Layout::channels(channels),
                    uid: CHANNELS_UID,
                    tensor: records,
                }),
            ]
        };
        let constants = match self.kind {
            OpKind::Conv2d {
                weights,
                channels: records,
                kernel: [kh, kw],
                groups,
                ..
            } => {
                let depth = depth.checked_div(groups.into()).unwrap_or(0);
                product(weights, Layout::conv_weights([channels, kh.into(), kw.into(), depth]), records)
            }
            OpKind::Matmul {
                weights,
                channels: records,
                ..
            } => product(weights, Layout::matmul_weights(channels, depth), records),
            OpKind::Table8 { table } => {
                let constant = Constant {
                    operand: Operand::Table,
                    layout: Layout::table8(),
                    uid: TABLE_UID,
                    tensor: table,
                };
                [Some(constant), None]
            }
            _ => [None, None],
        };
        constants.into_iter().flatten()
    }

    /// Leaf of the graph's tree for op `index`.
    pub fn leaf(&self, index: u32) -> Hash {
        descriptor_leaf(index, &self.to_bytes())
    }
}

/// [`OpDescriptor::leaf`] of a descriptor that is already encoded.
pub fn descriptor_leaf(index: u32, encoded: &[u8]) -> Hash {
    tagged(Tag::Descriptor, [&index.to_le_bytes(), encoded])
}

/// Input row under tap `k` of output row `out`; `None` outside the input. Works the same for columns.
pub(crate) fn tap(out: u32, stride: u8, k: u32, dilation: u8, before: u8, side: u16) -> Option<u32> {
    // 65,535·255 + 255·255 is far below 2^32.
    let at = out.wrapping_mul(stride.into()).wrapping_add(k.wrapping_mul(dilation.into()));
    at.checked_sub(before.into()).filter(|at| *at < u32::from(side))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn widest() -> OpDescriptor {
        OpDescriptor {
            inputs: Inputs::new(&[1, 2, 3, 4]).unwrap(),
            kind: OpKind::Conv2d {
                weights: [1; 32],
                channels: [2; 32],
                kernel: [3, 4],
                stride: [1, 2],
                padding: [1, 2, 3, 4],
                dilation: [5, 6],
                groups: 7,
                pad_value: -8,
                requantise: Requantise {
                    shift: 9,
                    zero_point: -10,
                    lo: -11,
                    hi: 12,
                },
            },
            output: Shape::new(13, 14, 15),
        }
    }

    #[test]
    fn the_encoding_is_pinned() {
        let mut bytes = vec![4, 1, 0, 2, 0, 3, 0, 4, 0, 0];
        bytes.extend([1; 32]);
        bytes.extend([2; 32]);
        bytes.extend([3, 4, 1, 2, 1, 2, 3, 4, 5, 6, 7, 0, 248, 9, 246, 245, 12, 13, 0, 14, 0, 15, 0]);
        assert_eq!(widest().to_bytes(), bytes);
        assert!(bytes.len() <= MAX_DESCRIPTOR_BYTES);
        assert_eq!(OpDescriptor::from_bytes(&bytes), Ok(widest()));
        assert_eq!(widest().leaf(3), tagged(Tag::Descriptor, [&[3, 0, 0, 0], &bytes]));
    }

    #[test]
    fn only_the_canonical_encoding_is_accepted() {
        let bytes = widest().to_bytes();
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(OpDescriptor::from_bytes(&longer), Err(InvalidDescriptor), "a trailing byte");
        for end in 0..bytes.len() {
            assert_eq!(OpDescriptor::from_bytes(&bytes[..end]), Err(InvalidDescriptor), "cut at {end}");
        }
        for len in [0, 5, 255] {
            let mut wrong = bytes.clone();
            wrong[0] = len;
            assert_eq!(OpDescriptor::from_bytes(&wrong), Err(InvalidDescriptor), "{len} inputs");
        }
        let mut unknown = bytes;
        unknown[9] = 11;
        assert_eq!(
            OpDescriptor::from_bytes(&unknown),
            Err(InvalidDescriptor),
            "an op kind that does not exist"
        );
        assert_eq!(Inputs::new(&[]), None);
        assert_eq!(Inputs::new(&[0; 5]), None);
    }
}
