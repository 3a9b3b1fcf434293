//! Plain Rust, written so that the compiler can use whatever vectors the target guarantees.
#![allow(
    clippy::indexing_slicing,
    reason = "indices run over the const lengths of local arrays, so none can be out of range"
)]

use super::Packing;
use super::generic::{Isa, compile};

const LANES: usize = 8;

pub(super) struct Portable;

#[inline(always)]
fn map2<A: Copy, B: Copy, C: Copy + Default>(a: [A; LANES], b: [B; LANES], f: impl Fn(A, B) -> C) -> [C; LANES] {
    let mut out = [C::default(); LANES];
    for i in 0..LANES {
        out[i] = f(a[i], b[i]);
    }
    out
}

/// The two `i16` of a lane.
#[inline(always)]
fn pair(lane: i32) -> (i32, i32) {
    (i32::from(lane as i16), lane >> 16)
}

impl Isa for Portable {
    const LANES: usize = LANES;
    const PACKING: Packing = Packing::Pairs;
    type Int = [i32; LANES];
    type Long = [i64; LANES];

    #[inline(always)]
    unsafe fn splat(value: i32) -> Self::Int {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self::Int {
        // SAFETY: the caller gives a pointer to LANES lanes.
        unsafe { from.cast::<Self::Int>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(value: Self::Int, to: *mut i32) {
        // SAFETY: the caller gives a pointer to LANES lanes.
        unsafe { to.cast::<Self::Int>().write_unaligned(value) }
    }

    #[inline(always)]
    unsafe fn broadcast(from: *const u8) -> Self::Int {
        // SAFETY: the caller gives a pointer to four bytes.
        [unsafe { from.cast::<i32>().read_unaligned() }; LANES]
    }

    #[inline(always)]
    unsafe fn dot(acc: Self::Int, acts: Self::Int, weights: Self::Int) -> Self::Int {
        let products = map2(acts, weights, |a, w| {
            let ((a0, a1), (w0, w1)) = (pair(a), pair(w));
            a0.wrapping_mul(w0).wrapping_add(a1.wrapping_mul(w1))
        });
        map2(acc, products, i32::wrapping_add)
    }

    #[inline(always)]
    unsafe fn add(a: Self::Int, b: Self::Int) -> Self::Int {
        map2(a, b, i32::wrapping_add)
    }

    #[inline(always)]
    unsafe fn sub(a: Self::Int, b: Self::Int) -> Self::Int {
        map2(a, b, i32::wrapping_sub)
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Int, b: Self::Int) -> Self::Int {
        map2(a, b, i32::wrapping_mul)
    }

    #[inline(always)]
    unsafe fn mul_long(a: Self::Int, b: Self::Int) -> Self::Long {
        map2(a, b, |a, b| i64::from(a).wrapping_mul(b.into()))
    }

    #[inline(always)]
    unsafe fn add_long(a: Self::Long, b: Self::Long) -> Self::Long {
        map2(a, b, i64::wrapping_add)
    }

    #[inline(always)]
    unsafe fn shift(value: Self::Long, shift: u8) -> Self::Int {
        let half = 1i64.wrapping_shl(u32::from(shift) - 1);
        value.map(|value| value.wrapping_add(half).wrapping_shr(shift.into()) as i32)
    }

    #[inline(always)]
    unsafe fn clamp(value: Self::Int, lo: Self::Int, hi: Self::Int) -> Self::Int {
        map2(map2(value, lo, i32::max), hi, i32::min)
    }

    #[inline(always)]
    unsafe fn load_codes(from: *const u8, count: usize) -> Self::Int {
        let mut lanes = [0; LANES];
        // SAFETY: the caller gives a pointer to `count` bytes.
        let bytes = unsafe { std::slice::from_raw_parts(from, count) };
        for (lane, byte) in lanes.iter_mut().zip(bytes) {
            *lane = i32::from(*byte);
        }
        lanes
    }

    #[inline(always)]
    unsafe fn store_codes(value: Self::Int, to: *mut u8, count: usize) {
        // SAFETY: the caller gives a pointer to `count` bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(to, count) };
        for (byte, lane) in bytes.iter_mut().zip(value) {
            *byte = lane as u8;
        }
    }
}

compile!(
    /// Kernels for any CPU.
    KERNELS, Portable, compiled, [], [1 2 3 4], [1 2], []
);
