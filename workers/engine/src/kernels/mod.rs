//! The inner loops. All `unsafe` code for the CPU is here.
//!
//! [`generic`] has each loop once, generic over the instruction set ([`generic::Isa`]). [`portable`] and [`x86`] supply the instructions
//! and compile the loops for them. `Backend::kernels` returns a [`Kernels`] table only if the CPU supports it, so callers only have to
//! ensure that the pointers in each argument struct are in bounds.
#![allow(unsafe_code)]

mod generic;
mod per_channel;
pub(crate) mod portable;
mod product;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

pub(crate) use per_channel::{Pair, PerChannel, max_rows};
pub(crate) use product::{Product, round_for};

use protocol::requantise::Requantise;

/// Layout of weights and activations for the dot-product instruction. Either way, one step consumes four bytes of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Four offset-binary `u8` activations times four `i8` weights. The bias compensates for the offset by subtracting 128·Σw.
    Quads,
    /// Two `i16` activations times two `i16` weights.
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

    /// The offset that is part of each activation in the dot product.
    pub(crate) const fn offset(self) -> i32 {
        match self {
            Self::Quads => 128,
            Self::Pairs => 0,
        }
    }
}

/// Requantisation, and whether the value before the last clamp is known to fit `i32` with room for the zero point, as the vector code
/// requires. Only absurd multipliers do not fit; they are handled by scalar code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub requantise: Requantise,
    pub narrow: bool,
}

impl Round {
    /// `largest` bounds the magnitude of the scaled sums.
    pub(crate) fn new(requantise: Requantise, largest: u64) -> Self {
        let half = 1u64 << (requantise.shift - 1);
        Self {
            requantise,
            narrow: (largest.saturating_add(half) >> requantise.shift) < (1 << 31) - 512,
        }
    }
}

/// A run of consecutive activations, and of as many weights, that contribute to one output element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Offset in bytes from the output pixel's base.
    pub offset: usize,
    /// Length in steps of four bytes.
    pub steps: usize,
}

/// Adjacent output pixels times adjacent blocks of output channels.
///
/// Valid if, for every pixel and segment, `acts + pixel·pixel_step + offset` has `4·steps` readable bytes; `weights`, `bias` and
/// `multipliers` cover all blocks; `rows` is null or has one entry per pixel; and `channels` bytes can be written at each `out +
/// pixel·out_step`.
pub(crate) struct Tile<'a> {
    pub acts: *const u8,
    pub pixel_step: usize,
    pub segments: &'a [Segment],
    pub weights: *const i32,
    /// Words from one block's weights to the next.
    pub block_words: usize,
    pub bias: *const i32,
    pub multipliers: *const i32,
    /// Correction per pixel, added to all of its sums. May be null.
    pub rows: *const i32,
    pub out: *mut u8,
    pub out_step: usize,
    /// Number of real channels in these blocks; the last block may be partly padding.
    pub channels: usize,
    pub round: &'a Round,
}

/// One row of output pixels of a depthwise op.
///
/// Valid if `acts + pixel·pixel_step + tap` has `channels` readable bytes for each pixel and tap; `weights` has `channels` words (padded to
/// the lanes) at each multiple of `tap_words`, and `bias` and `multipliers` have as many; and `pixels·channels` bytes can be written at
/// `out`.
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
/// Valid if `a` and `out` have `rows·length` bytes and `b`, which is repeated for every row, has `length`.
pub(crate) struct Pairwise<'a> {
    pub a: *const u8,
    pub b: *const u8,
    pub out: *mut u8,
    pub rows: usize,
    pub length: usize,
    pub zero_points: [i32; 2],
    /// One for each operand of an add. A mul has a single one, the first.
    pub multipliers: [i32; 2],
    pub round: &'a Round,
}

/// Computes a valid [`Tile`] of the size it was compiled for.
pub(crate) type TileKernel = unsafe fn(&Tile<'_>);

/// Computes a valid [`Pairwise`] op.
pub(crate) type PairwiseKernel = unsafe fn(&Pairwise<'_>);

/// The loops, compiled for one instruction set.
pub(crate) struct Kernels {
    /// Output channels per block.
    pub lanes: usize,
    pub packing: Packing,
    /// Most pixels in a tile with 1, 2 and 4 blocks.
    pub widest: [usize; 3],
    /// The kernel for a tile of `pixels` pixels, within `widest`, and 1, 2 or 4 blocks.
    pub tile: fn(pixels: usize, blocks: usize) -> Option<TileKernel>,
    pub depthwise: unsafe fn(&Depthwise<'_>),
    pub add: PairwiseKernel,
    pub mul: PairwiseKernel,
}
