//! AVX2, AVX-VNNI and AVX-512 VNNI.

use super::Packing;
use super::generic::{Isa, compile};
use std::arch::x86_64::*;

/// Eight lanes. AVX2 multiplies pairs of `i16`, because its `u8 × i8` instruction saturates at 16 bits; VNNI multiplies quads.
pub(super) struct Ymm<const VNNI: bool>;

impl<const VNNI: bool> Isa for Ymm<VNNI> {
    const LANES: usize = 8;
    const PACKING: Packing = if VNNI { Packing::Quads } else { Packing::Pairs };
    type Int = __m256i;
    /// Even lanes, odd lanes.
    type Long = (__m256i, __m256i);

    #[inline(always)]
    unsafe fn splat(value: i32) -> __m256i {
        // SAFETY: the CPU has AVX2, as `Isa` requires; likewise below.
        unsafe { _mm256_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> __m256i {
        // SAFETY: the caller gives a pointer to eight lanes.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(value: __m256i, to: *mut i32) {
        // SAFETY: the caller gives a pointer to eight lanes.
        unsafe { _mm256_storeu_si256(to.cast(), value) }
    }

    #[inline(always)]
    unsafe fn broadcast(from: *const u8) -> __m256i {
        // SAFETY: the caller gives a pointer to four bytes.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn dot(acc: __m256i, acts: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: as above; VNNI is set only in the table that requires AVX-VNNI.
        unsafe {
            if VNNI {
                _mm256_dpbusd_avx_epi32(acc, acts, weights)
            } else {
                _mm256_add_epi32(acc, _mm256_madd_epi16(acts, weights))
            }
        }
    }

    #[inline(always)]
    unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_sub_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_mullo_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_long(a: __m256i, b: __m256i) -> Self::Long {
        // SAFETY: as above.
        unsafe {
            (
                _mm256_mul_epi32(a, b),
                _mm256_mul_epi32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b)),
            )
        }
    }

    #[inline(always)]
    unsafe fn add_long(a: Self::Long, b: Self::Long) -> Self::Long {
        // SAFETY: as above.
        unsafe { (_mm256_add_epi64(a.0, b.0), _mm256_add_epi64(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn shift((even, odd): Self::Long, shift: u8) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let half = _mm256_set1_epi64x(1i64 << (shift - 1));
            let (even, odd) = (_mm256_add_epi64(even, half), _mm256_add_epi64(odd, half));
            // AVX2 has no arithmetic 64-bit shift. For shifts up to 32, the low half of a logical shift is the same, and the low halves of
            // odd lanes are needed in the upper half anyway. For longer shifts, shift the upper half arithmetically.
            let (even, odd) = if shift <= 32 {
                (
                    _mm256_srl_epi64(even, _mm_cvtsi32_si128(shift.into())),
                    _mm256_sll_epi64(odd, _mm_cvtsi32_si128(32 - i32::from(shift))),
                )
            } else {
                let rest = _mm_cvtsi32_si128(i32::from(shift) - 32);
                (_mm256_srli_epi64::<32>(_mm256_sra_epi32(even, rest)), _mm256_sra_epi32(odd, rest))
            };
            _mm256_blend_epi32::<0b1010_1010>(even, odd)
        }
    }

    #[inline(always)]
    unsafe fn clamp(value: __m256i, lo: __m256i, hi: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_min_epi32(_mm256_max_epi32(value, lo), hi) }
    }

    #[inline(always)]
    unsafe fn load_codes(from: *const u8, count: usize) -> __m256i {
        let mut word = 0u64;
        // SAFETY: the caller gives a pointer to `count` bytes, and `word` holds eight.
        unsafe {
            if count == 8 {
                word = from.cast::<u64>().read_unaligned();
            } else {
                std::ptr::copy_nonoverlapping(from, (&raw mut word).cast(), count);
            }
            _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(word as i64))
        }
    }

    #[inline(always)]
    unsafe fn store_codes(value: __m256i, to: *mut u8, count: usize) {
        // SAFETY: the caller gives a pointer to `count` bytes.
        unsafe {
            let words = _mm_packus_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value));
            let word = _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
            if count == 8 {
                to.cast::<i64>().write_unaligned(word);
            } else {
                std::ptr::copy_nonoverlapping((&raw const word).cast(), to, count);
            }
        }
    }
}

/// Sixteen lanes of AVX-512 with VNNI.
pub(super) struct Zmm;

impl Zmm {
    /// The first `count` lanes.
    #[inline(always)]
    fn mask(count: usize) -> __mmask16 {
        // `count` is at most 16.
        ((1u32 << count) - 1) as __mmask16
    }
}

impl Isa for Zmm {
    const LANES: usize = 16;
    const PACKING: Packing = Packing::Quads;
    type Int = __m512i;
    /// Even lanes, odd lanes.
    type Long = (__m512i, __m512i);

    #[inline(always)]
    unsafe fn splat(value: i32) -> __m512i {
        // SAFETY: the CPU has AVX-512 with BW, VL and VNNI, as `Isa` requires; likewise below.
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> __m512i {
        // SAFETY: the caller gives a pointer to sixteen lanes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(value: __m512i, to: *mut i32) {
        // SAFETY: the caller gives a pointer to sixteen lanes.
        unsafe { _mm512_storeu_si512(to.cast(), value) }
    }

    #[inline(always)]
    unsafe fn broadcast(from: *const u8) -> __m512i {
        // SAFETY: the caller gives a pointer to four bytes.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn dot(acc: __m512i, acts: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_dpbusd_epi32(acc, acts, weights) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_sub_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_mullo_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_long(a: __m512i, b: __m512i) -> Self::Long {
        // SAFETY: as above.
        unsafe {
            (
                _mm512_mul_epi32(a, b),
                _mm512_mul_epi32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b)),
            )
        }
    }

    #[inline(always)]
    unsafe fn add_long(a: Self::Long, b: Self::Long) -> Self::Long {
        // SAFETY: as above.
        unsafe { (_mm512_add_epi64(a.0, b.0), _mm512_add_epi64(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn shift((even, odd): Self::Long, shift: u8) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let half = _mm512_set1_epi64(1i64 << (shift - 1));
            let count = _mm_cvtsi32_si128(shift.into());
            let even = _mm512_sra_epi64(_mm512_add_epi64(even, half), count);
            let odd = _mm512_sra_epi64(_mm512_add_epi64(odd, half), count);
            // Interleaves the low halves: even results stay in the even lanes, odd results go to the odd lanes.
            _mm512_mask_shuffle_epi32::<_MM_PERM_CCAA>(even, 0xAAAA, odd)
        }
    }

    #[inline(always)]
    unsafe fn clamp(value: __m512i, lo: __m512i, hi: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_min_epi32(_mm512_max_epi32(value, lo), hi) }
    }

    #[inline(always)]
    unsafe fn load_codes(from: *const u8, count: usize) -> __m512i {
        // SAFETY: the caller gives a pointer to `count` bytes; masked bytes are not touched.
        unsafe { _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(Self::mask(count), from.cast())) }
    }

    #[inline(always)]
    unsafe fn store_codes(value: __m512i, to: *mut u8, count: usize) {
        // SAFETY: the caller gives a pointer to `count` bytes; masked bytes are not touched.
        unsafe { _mm_mask_storeu_epi8(to.cast(), Self::mask(count), _mm512_cvtepi32_epi8(value)) }
    }
}

// Tiles keep their accumulators in registers: at most 10 of 16 with AVX, 24 of 32 with AVX-512.
compile!(
    /// Kernels for AVX2.
    AVX2, Ymm<false>, avx2, [enable = "avx2"], [1 2 3 4 5 6 7 8], [1 2 3 4], []
);
compile!(
    /// Kernels for AVX-VNNI.
    AVX_VNNI, Ymm<true>, avx_vnni, [enable = "avx2,avxvnni"], [1 2 3 4 5 6 7 8 9 10], [1 2 3 4 5], []
);
compile!(
    /// Kernels for AVX-512 VNNI.
    AVX512_VNNI, Zmm, avx512_vnni, [enable = "avx512f,avx512bw,avx512vl,avx512vnni"],
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16], [1 2 3 4 5 6 7 8 9 10 11 12], [1 2 3 4 5 6]
);
