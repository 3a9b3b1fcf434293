//! Every loop, generic over the instruction set.
#![allow(
    clippy::indexing_slicing,
    reason = "indices run over the const lengths of local arrays, so none can be out of range"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "counted loops over registers read like the tile they compute"
)]

use super::{Depthwise, Packing, Pairwise, Round, Tile};
use protocol::requantise::Requantise;
use std::mem::MaybeUninit;

/// Most lanes of any instruction set.
const MAX_LANES: usize = 16;

/// Vector instructions. All functions are `#[inline(always)]` into a loop that is compiled with the required CPU features.
///
/// # Safety
/// The CPU must have the instruction set's features, and pointers must be valid for as many bytes, or `i32` lanes, as the function moves.
pub(super) trait Isa {
    /// `i32` lanes of a vector.
    const LANES: usize;
    /// Layout of the operands of [`Isa::dot`].
    const PACKING: Packing;
    /// A vector of `LANES` × `i32`.
    type Int: Copy;
    /// The same lanes as `i64`.
    type Long: Copy;

    unsafe fn splat(value: i32) -> Self::Int;
    unsafe fn load(from: *const i32) -> Self::Int;
    unsafe fn store(value: Self::Int, to: *mut i32);
    /// Four bytes, repeated in every lane.
    unsafe fn broadcast(from: *const u8) -> Self::Int;
    /// Adds to each lane the dot product of its four bytes of activations and weights.
    unsafe fn dot(acc: Self::Int, acts: Self::Int, weights: Self::Int) -> Self::Int;
    unsafe fn add(a: Self::Int, b: Self::Int) -> Self::Int;
    unsafe fn sub(a: Self::Int, b: Self::Int) -> Self::Int;
    unsafe fn mul(a: Self::Int, b: Self::Int) -> Self::Int;
    unsafe fn mul_long(a: Self::Int, b: Self::Int) -> Self::Long;
    unsafe fn add_long(a: Self::Long, b: Self::Long) -> Self::Long;
    /// The low halves of `(value + half) >> shift`.
    unsafe fn shift(value: Self::Long, shift: u8) -> Self::Int;
    unsafe fn clamp(value: Self::Int, lo: Self::Int, hi: Self::Int) -> Self::Int;
    /// Loads the first `count ≤ LANES` bytes as lanes; the other lanes are arbitrary.
    unsafe fn load_codes(from: *const u8, count: usize) -> Self::Int;
    /// Stores the first `count ≤ LANES` lanes, each within 0 … 255, as bytes.
    unsafe fn store_codes(value: Self::Int, to: *mut u8, count: usize);
}

/// The part of [`Requantise`] after scaling, for sums that fit ([`Round::narrow`]).
///
/// # Safety
/// As [`Isa`]; `count` bytes can be written at `to`.
#[inline(always)]
unsafe fn finish<I: Isa>(scaled: I::Long, r: &Requantise, to: *mut u8, count: usize) {
    // SAFETY: passed on to the caller.
    unsafe {
        // Offset binary: all values after the shift are 128 higher.
        let code = |value: i8| i32::from(value) + 128;
        let value = I::add(I::shift(scaled, r.shift), I::splat(code(r.zero_point)));
        I::store_codes(I::clamp(value, I::splat(code(r.lo)), I::splat(code(r.hi))), to, count);
    }
}

/// Requantises lane by lane in `i64`, for any sums.
///
/// # Safety
/// As [`Isa`]; `count` bytes can be written at `to`.
#[inline(always)]
unsafe fn finish_wide<I: Isa>(sum: I::Int, multipliers: I::Int, r: &Requantise, to: *mut u8, count: usize) {
    let (mut sums, mut factors) = ([0; MAX_LANES], [0; MAX_LANES]);
    // SAFETY: both arrays hold MAX_LANES lanes; the rest is passed on to the caller.
    unsafe {
        I::store(sum, sums.as_mut_ptr());
        I::store(multipliers, factors.as_mut_ptr());
        for lane in 0..count.min(MAX_LANES) {
            *to.add(lane) = protocol::tensor::to_code(r.scale(sums[lane].into(), factors[lane]));
        }
    }
}

/// Requantises one vector of sums.
///
/// # Safety
/// As [`Isa`]; `count` bytes can be written at `to`.
#[inline(always)]
unsafe fn requantise<I: Isa>(sum: I::Int, multipliers: I::Int, round: &Round, to: *mut u8, count: usize) {
    // SAFETY: passed on to the caller.
    unsafe {
        if round.narrow {
            finish::<I>(I::mul_long(sum, multipliers), &round.requantise, to, count);
        } else {
            finish_wide::<I>(sum, multipliers, &round.requantise, to, count);
        }
    }
}

/// # Safety
/// As [`Isa`], and `t` is valid for `P` pixels and `C` blocks.
#[inline(always)]
pub(super) unsafe fn tile<I: Isa, const P: usize, const C: usize>(t: &Tile<'_>) {
    // SAFETY: the caller vouches for every address below, as documented on `Tile`.
    unsafe {
        let mut acc = [[I::splat(0); C]; P];
        let mut weights = t.weights;
        for segment in t.segments {
            let mut acts = t.acts.wrapping_add(segment.offset);
            for _ in 0..segment.steps {
                let (mut w, mut block) = ([I::splat(0); C], weights);
                for c in 0..C {
                    w[c] = I::load(block);
                    block = block.wrapping_add(t.block_words);
                }
                let mut pixel = acts;
                for p in 0..P {
                    let a = I::broadcast(pixel);
                    for c in 0..C {
                        acc[p][c] = I::dot(acc[p][c], a, w[c]);
                    }
                    pixel = pixel.wrapping_add(t.pixel_step);
                }
                weights = weights.wrapping_add(I::LANES);
                acts = acts.wrapping_add(4);
            }
        }
        // Sums are stored only here. If the loops below indexed `acc`, the compiler would keep it in memory instead of registers.
        let mut sums = Sums([MaybeUninit::uninit(); MAX_SUMS]);
        let mut to = sums.0.as_mut_ptr().cast::<i32>();
        for c in 0..C {
            for p in 0..P {
                I::store(acc[p][c], to);
                to = to.wrapping_add(I::LANES);
            }
        }
        finish_tile::<I>(t, sums.0.as_ptr().cast(), P, C);
    }
}

/// Room for the sums of the largest tile: 24 vectors of 16 lanes.
const MAX_SUMS: usize = 24 * MAX_LANES;

/// The sums of a tile. The alignment keeps each vector within one cache line.
#[repr(C, align(64))]
struct Sums([MaybeUninit<i32>; MAX_SUMS]);

/// Requantises the sums of a tile, `[block][pixel][lane]`.
///
/// # Safety
/// As [`Isa`]; `t` is valid for this number of pixels and blocks, and `sums` has their lanes.
#[inline(always)]
unsafe fn finish_tile<I: Isa>(t: &Tile<'_>, mut sums: *const i32, pixels: usize, blocks: usize) {
    // SAFETY: the caller vouches for every address below, as documented on `Tile`.
    unsafe {
        for block in 0..blocks {
            let first = block * I::LANES;
            let bias = I::load(t.bias.wrapping_add(first));
            let multipliers = I::load(t.multipliers.wrapping_add(first));
            let count = t.channels.saturating_sub(first).min(I::LANES);
            let mut out = t.out.wrapping_add(first);
            for pixel in 0..pixels {
                let mut sum = I::add(I::load(sums), bias);
                if !t.rows.is_null() {
                    sum = I::add(sum, I::splat(*t.rows.wrapping_add(pixel)));
                }
                requantise::<I>(sum, multipliers, t.round, out, count);
                sums = sums.wrapping_add(I::LANES);
                out = out.wrapping_add(t.out_step);
            }
        }
    }
}

/// # Safety
/// As [`Isa`], and `d` is valid.
#[inline(always)]
pub(super) unsafe fn depthwise<I: Isa>(d: &Depthwise<'_>) {
    // SAFETY: the caller vouches for every address below, as documented on `Depthwise`.
    unsafe {
        let offset = I::splat(128);
        for first in (0..d.channels).step_by(I::LANES) {
            let count = (d.channels - first).min(I::LANES);
            let (bias, multipliers) = (I::load(d.bias.add(first)), I::load(d.multipliers.add(first)));
            let (mut acts, mut out) = (d.acts.wrapping_add(first), d.out.wrapping_add(first));
            for _ in 0..d.pixels {
                let mut weights = d.weights.wrapping_add(first);
                let mut sum = bias;
                for tap in d.taps {
                    let value = I::sub(I::load_codes(acts.wrapping_add(*tap), count), offset);
                    sum = I::add(sum, I::mul(value, I::load(weights)));
                    weights = weights.wrapping_add(d.tap_words);
                }
                requantise::<I>(sum, multipliers, d.round, out, count);
                acts = acts.wrapping_add(d.pixel_step);
                out = out.wrapping_add(d.channels);
            }
        }
    }
}

/// # Safety
/// As [`Isa`], and `p` is valid.
#[inline(always)]
pub(super) unsafe fn add<I: Isa>(p: &Pairwise<'_>) {
    // SAFETY: the caller vouches for every address below, as documented on `Pairwise`.
    unsafe {
        let (za, zb) = (I::splat(p.zero_points[0] + 128), I::splat(p.zero_points[1] + 128));
        let (ma, mb) = (I::splat(p.multipliers[0]), I::splat(p.multipliers[1]));
        for row in 0..p.rows {
            let (a, b, out) = (p.a.add(row * p.length), p.b, p.out.add(row * p.length));
            for first in (0..p.length).step_by(I::LANES) {
                let count = (p.length - first).min(I::LANES);
                if p.round.narrow {
                    let x = I::mul_long(I::sub(I::load_codes(a.add(first), count), za), ma);
                    let y = I::mul_long(I::sub(I::load_codes(b.add(first), count), zb), mb);
                    finish::<I>(I::add_long(x, y), &p.round.requantise, out.add(first), count);
                } else {
                    for at in first..first + count {
                        let x = (i64::from(*a.add(at)) - i64::from(p.zero_points[0] + 128)) * i64::from(p.multipliers[0]);
                        let y = (i64::from(*b.add(at)) - i64::from(p.zero_points[1] + 128)) * i64::from(p.multipliers[1]);
                        *out.add(at) = protocol::tensor::to_code(p.round.requantise.round(x + y));
                    }
                }
            }
        }
    }
}

/// # Safety
/// As [`Isa`], and `p` is valid.
#[inline(always)]
pub(super) unsafe fn mul<I: Isa>(p: &Pairwise<'_>) {
    // SAFETY: the caller vouches for every address below, as documented on `Pairwise`.
    unsafe {
        let (za, zb) = (I::splat(p.zero_points[0] + 128), I::splat(p.zero_points[1] + 128));
        let multiplier = I::splat(p.multipliers[0]);
        for row in 0..p.rows {
            let (a, b, out) = (p.a.add(row * p.length), p.b, p.out.add(row * p.length));
            for first in (0..p.length).step_by(I::LANES) {
                let count = (p.length - first).min(I::LANES);
                let x = I::sub(I::load_codes(a.add(first), count), za);
                let y = I::sub(I::load_codes(b.add(first), count), zb);
                requantise::<I>(I::mul(x, y), multiplier, p.round, out.add(first), count);
            }
        }
    }
}

/// Compiles the loops for an [`Isa`] with its CPU features, and defines a `Kernels` table of them.
macro_rules! compile {
    ($(#[$doc:meta])* $table:ident, $isa:ty, $module:ident, [$($feature:meta)?], [$($one:literal)*], [$($two:literal)*], [$($four:literal)*]) => {
        mod $module {
            use super::*;
            use crate::kernels::{Depthwise, Pairwise, Tile, generic};

            $(#[target_feature($feature)])?
            unsafe fn tile<const P: usize, const C: usize>(t: &Tile<'_>) {
                // SAFETY: the caller's obligations are the same.
                unsafe { generic::tile::<$isa, P, C>(t) }
            }

            pub(super) fn tiles(pixels: usize, blocks: usize) -> Option<crate::kernels::TileKernel> {
                Some(match (pixels, blocks) {
                    $(($one, 1) => tile::<$one, 1>,)*
                    $(($two, 2) => tile::<$two, 2>,)*
                    $(($four, 4) => tile::<$four, 4>,)*
                    _ => return None,
                })
            }

            $(#[target_feature($feature)])?
            pub(super) unsafe fn depthwise(d: &Depthwise<'_>) {
                // SAFETY: the caller's obligations are the same.
                unsafe { generic::depthwise::<$isa>(d) }
            }

            $(#[target_feature($feature)])?
            pub(super) unsafe fn add(p: &Pairwise<'_>) {
                // SAFETY: the caller's obligations are the same.
                unsafe { generic::add::<$isa>(p) }
            }

            $(#[target_feature($feature)])?
            pub(super) unsafe fn mul(p: &Pairwise<'_>) {
                // SAFETY: the caller's obligations are the same.
                unsafe { generic::mul::<$isa>(p) }
            }
        }

        $(#[$doc])*
        pub(crate) static $table: crate::kernels::Kernels = crate::kernels::Kernels {
            lanes: <$isa as Isa>::LANES,
            packing: <$isa as Isa>::PACKING,
            widest: [<[usize]>::len(&[$($one),*]), <[usize]>::len(&[$($two),*]), <[usize]>::len(&[$($four),*])],
            tile: $module::tiles,
            depthwise: $module::depthwise,
            add: $module::add,
            mul: $module::mul,
        };
    };
}
pub(super) use compile;
