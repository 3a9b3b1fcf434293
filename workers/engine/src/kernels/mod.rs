//! The inner loops: everything that is `unsafe`, and nothing else.
//!
//! [`generic`] writes each loop once over an instruction set ([`generic::Isa`]); [`portable`] and [`x86`] supply the instructions and
//! compile the loops for them. A [`Kernels`] table is handed out only where the CPU has what it needs (`Backend::kernels`), so the
//! one obligation left to callers is the bounds of the pointers in each argument struct.
#![allow(unsafe_code)]

mod generic;
mod per_channel;
pub(crate) mod portable;
mod product;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

pub(crate) use per_channel::{PerChannel, max_rows, pairwise};
pub(crate) use product::{Product, round_for};

use protocol::requantise::Requantise;

/// How weights and activations are laid out for the dot-product instruction. Either way one step consumes four bytes of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Four offset-binary `u8` activations against four `i8` weights. The offset's share, 128·Σw, is subtracted through the bias.
    Quads,
    /// Two `i16` activations against two `i16` weights.
    Pairs,
}

impl Packing {
    /// Elements consumed per step.
    pub(crate) const fn group(self) -> usize {
        match self {
            Self::Quads => 4,
            Self::Pairs => 2,
        }
    }

    /// Bytes of one activation.
    pub(crate) const fn element_bytes(self) -> usize {
        4 / self.group()
    }

    /// What the dot product sees added to each activation.
    pub(crate) const fn offset(self) -> i32 {
        match self {
            Self::Quads => 128,
            Self::Pairs => 0,
        }
    }
}

/// Requantisation, and whether the value before the last clamp is known to fit `i32` with room for the zero point, which the vector
/// code needs. Only absurd multipliers do not fit; they take the scalar way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub requantise: Requantise,
    pub narrow: bool,
}

impl Round {
    /// For scaled sums of at most this magnitude.
    pub(crate) fn new(requantise: Requantise, largest: u64) -> Self {
        let half = 1u64 << (requantise.shift - 1);
        Self {
            requantise,
            narrow: (largest.saturating_add(half) >> requantise.shift) < (1 << 31) - 512,
        }
    }
}

/// A run of consecutive activations, and of weights, that enter one output element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Bytes from the output pixel's base.
    pub offset: usize,
    /// Steps of four bytes.
    pub steps: usize,
}

/// Adjacent output pixels times adjacent blocks of output channels.
///
/// Valid when, for every pixel and segment, `acts + pixel·pixel_step + offset` has `4·steps` readable bytes; when `weights`, `bias`
/// and `multipliers` reach over all blocks; when `rows` is null or has one entry per pixel; and when `channels` bytes can be written
/// at each `out + pixel·out_step`.
pub(crate) struct Tile<'a> {
    pub acts: *const u8,
    pub pixel_step: usize,
    pub segments: &'a [Segment],
    pub weights: *const i32,
    /// Words from one block's weights to the next.
    pub block_words: usize,
    pub bias: *const i32,
    pub multipliers: *const i32,
    /// Added to every sum of a pixel.
    pub rows: *const i32,
    pub out: *mut u8,
    pub out_step: usize,
    /// Channels that exist in these blocks; the last block may be partly padding.
    pub channels: usize,
    pub round: &'a Round,
}

/// One row of output pixels of an op that keeps channels apart.
///
/// Valid when `acts + pixel·pixel_step + tap` has `channels` readable bytes for each pixel and tap; when `weights` has `channels` words
/// (padded to the lanes) at each multiple of `tap_words`, and `bias` and `multipliers` as many; and when `pixels·channels` bytes can be
/// written at `out`.
pub(crate) struct Depthwise<'a> {
    pub acts: *const u8,
    pub pixel_step: usize,
    pub taps: &'a [usize],
    pub weights: *const i32,
    pub tap_words: usize,
    pub bias: *const i32,
    pub multipliers: *const i32,
    pub out: *mut u8,
    pub pixels: usize,
    pub channels: usize,
    pub round: &'a Round,
}

/// An element-wise op of two operands.
///
/// Valid when `a` and `out` have `rows·length` bytes and `b`, which is repeated for every row, has `length`.
pub(crate) struct Pairwise<'a> {
    pub a: *const u8,
    pub b: *const u8,
    pub out: *mut u8,
    pub rows: usize,
    pub length: usize,
    pub zero_points: [i32; 2],
    /// Of both operands for an add; the first one, of the product, for a mul.
    pub multipliers: [i32; 2],
    pub round: &'a Round,
}

/// Computes a valid [`Tile`] of the size it was compiled for.
pub(crate) type TileKernel = unsafe fn(&Tile<'_>);

/// Computes a valid [`Pairwise`] op.
pub(crate) type PairwiseKernel = unsafe fn(&Pairwise<'_>);

/// The loops compiled for one instruction set.
pub(crate) struct Kernels {
    /// Output channels per block.
    pub lanes: usize,
    pub packing: Packing,
    /// Most pixels of a tile with 1, 2 and 4 blocks.
    pub widest: [usize; 3],
    /// The tile of so many pixels and 1, 2 or 4 blocks, within `widest`.
    pub tile: fn(pixels: usize, blocks: usize) -> Option<TileKernel>,
    pub depthwise: unsafe fn(&Depthwise<'_>),
    pub add: PairwiseKernel,
    pub mul: PairwiseKernel,
}
