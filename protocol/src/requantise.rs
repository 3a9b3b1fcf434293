//! From a wide accumulator back to `i8`: one rounding, one addition, one clamp.

use wincode::{SchemaRead, SchemaWrite};

/// Smallest and largest right shift. At least 1, so that there is a half to add for rounding; at most 62, so that the half (2^61) plus a
/// product of at most 2^62 fits `i64`.
pub const SHIFT: core::ops::RangeInclusive<u8> = 1..=62;

/// Bound on a channel's bias: `|bias| < 2^30`. With `|acc| ≤ 16,384·128·128 = 2^28` their sum fits `i32` on every backend.
pub const MAX_BIAS: i32 = (1 << 30) - 1;

/// The part of requantisation that all output channels of an op share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Requantise {
    /// Right shift, within [`SHIFT`].
    pub shift: u8,
    /// Added after the shift.
    pub zero_point: i8,
    /// Lower end of the output; equal to `zero_point` for a fused ReLU.
    pub lo: i8,
    /// Upper end of the output.
    pub hi: i8,
}

impl Requantise {
    /// `clamp(((sum · multiplier + 2^(shift−1)) >> shift) + zero_point, lo, hi)`, where `sum` is accumulator plus bias.
    ///
    /// The shift rounds down, so ties go up, for negative numbers too: −0.5 → 0, −1.5 → −1.
    pub const fn scale(&self, sum: i64, multiplier: i32) -> i8 {
        // |sum| ≤ 2^28 + 2^31 for any i32 bias, so |product| < 2^62.2 whatever constants a model carries: nothing wraps.
        self.round(sum.wrapping_mul(multiplier as i64))
    }

    /// [`Requantise::scale`] of a sum that is already multiplied: `clamp(((scaled + 2^(shift−1)) >> shift) + zero_point, lo, hi)`.
    pub const fn round(&self, scaled: i64) -> i8 {
        let shift = self.shift as u32;
        // |scaled| < 2^62.2 and the half is at most 2^61: below 2^63. The shift is within SHIFT, so it is never masked.
        let half = 1i64.wrapping_shl(shift.wrapping_sub(1));
        let value = scaled.wrapping_add(half).wrapping_shr(shift).wrapping_add(self.zero_point as i64);
        if value < self.lo as i64 {
            self.lo
        } else if value > self.hi as i64 {
            self.hi
        } else {
            value as i8
        }
    }
}

/// Per-channel constants of a convolution or matrix product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// Added to the accumulator; `|bias| ≤ MAX_BIAS`.
    pub bias: i32,
    /// Fixed-point factor, not negative.
    pub multiplier: i32,
}

impl Channel {
    /// Bytes of a committed record.
    pub const BYTES: usize = 8;

    /// The committed record: bias, then multiplier, little-endian.
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        let ([b0, b1, b2, b3], [m0, m1, m2, m3]) = (self.bias.to_le_bytes(), self.multiplier.to_le_bytes());
        [b0, b1, b2, b3, m0, m1, m2, m3]
    }

    /// Inverse of [`Channel::to_bytes`].
    pub const fn from_bytes([b0, b1, b2, b3, m0, m1, m2, m3]: [u8; Self::BYTES]) -> Self {
        Self {
            bias: i32::from_le_bytes([b0, b1, b2, b3]),
            multiplier: i32::from_le_bytes([m0, m1, m2, m3]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIDE: Requantise = Requantise {
        shift: 1,
        zero_point: 0,
        lo: -128,
        hi: 127,
    };

    #[test]
    fn halves_round_up_on_both_sides_of_zero() {
        // With shift 1 and multiplier 1 the value is sum / 2.
        let cases = [
            (-5, -2),
            (-4, -2),
            (-3, -1),
            (-2, -1),
            (-1, 0),
            (0, 0),
            (1, 1),
            (2, 1),
            (3, 2),
            (4, 2),
        ];
        for (twice, rounded) in cases {
            assert_eq!(WIDE.scale(twice, 1), rounded, "{twice}/2");
        }
    }

    #[test]
    fn just_below_and_at_a_half_for_a_large_shift() {
        let r = Requantise { shift: 62, ..WIDE };
        let half = 1i64 << 61;
        assert_eq!(r.round(half - 1), 0);
        assert_eq!(r.round(half), 1);
        assert_eq!(r.round(-half), 0, "−0.5");
        assert_eq!(r.round(-half - 1), -1);
    }

    #[test]
    fn the_largest_sums_do_not_wrap() {
        for shift in [1, 31, 32, 33, 62] {
            let r = Requantise { shift, ..WIDE };
            for sum in [
                i64::from(i32::MAX),
                i64::from(i32::MAX) - 1,
                i64::from(i32::MIN),
                i64::from(i32::MIN) + 1,
                (1 << 31) + (1 << 28),
            ] {
                for m in [0, 1, i32::MAX - 1, i32::MAX, i32::MIN] {
                    let exact = ((i128::from(sum) * i128::from(m) + (1 << (shift - 1))) >> shift).clamp(-128, 127);
                    assert_eq!(i128::from(r.scale(sum, m)), exact, "{sum}·{m} >> {shift}");
                }
            }
        }
    }

    #[test]
    fn zero_point_comes_before_the_clamp() {
        let relu = Requantise {
            shift: 1,
            zero_point: -128,
            lo: -128,
            hi: 127,
        };
        assert_eq!(
            [relu.scale(-2, 1), relu.scale(0, 1), relu.scale(510, 1), relu.scale(512, 1)],
            [-128, -128, 127, 127]
        );
        let narrow = Requantise {
            shift: 1,
            zero_point: 100,
            lo: -3,
            hi: 5,
        };
        assert_eq!([narrow.scale(0, 1), narrow.scale(-200, 1), narrow.scale(-1000, 1)], [5, 0, -3]);
    }

    #[test]
    fn channel_records_are_little_endian() {
        let channel = Channel {
            bias: -2,
            multiplier: 0x0102_0304,
        };
        assert_eq!(channel.to_bytes(), [0xfe, 0xff, 0xff, 0xff, 4, 3, 2, 1]);
        assert_eq!(Channel::from_bytes(channel.to_bytes()), channel);
    }

    proptest! {
        #[test]
        fn equals_exact_arithmetic(acc in -(1i64 << 28)..=1 << 28, bias: i32, m: i32, shift in SHIFT, zp: i8, lo: i8, hi: i8) {
            let (lo, hi) = (lo.min(hi), lo.max(hi));
            let r = Requantise { shift, zero_point: zp, lo, hi };
            let sum = acc + i64::from(bias);
            let exact = ((i128::from(sum) * i128::from(m) + (1 << (shift - 1))) >> shift) + i128::from(zp);
            prop_assert_eq!(i128::from(r.scale(sum, m)), exact.clamp(lo.into(), hi.into()));
        }
    }
}
