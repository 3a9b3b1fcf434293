//! How much a device must stake, and how much of its stake is free (rules C1–C6, D5).

use crate::math;
use crate::units::{Amount, IO};

/// Stake per GPU at multiplier 1.00, the floor for smaller multipliers (C1).
pub const BASE_STAKE: Amount = Amount(200 * IO);

/// Largest quantity of GPUs behind one device (B2).
pub const MAX_QUANTITY: u8 = 8;

/// `base · max(100, multiplier·100) · quantity / 100`, rounded up; `None` on overflow, which no published multiplier comes near.
pub fn minimum(base: Amount, multiplier_x100: u16, quantity: u8) -> Option<Amount> {
    let factor = u64::from(multiplier_x100.max(100)).checked_mul(u64::from(quantity))?;
    math::mul_div_ceil(base.0, factor, 100).map(Amount)
}

/// The multiplier, or base stake, that the minimum stake follows at `now`: a raise waits until `raise_at`, a cut counts at once (C3, C4).
pub fn required<T: Ord>(current: T, previous: T, raise_at: i64, now: i64) -> T {
    if now < raise_at { current.min(previous) } else { current }
}

/// What the owner may withdraw without a cooldown: everything above the minimum, but never more than the owner's own stake (D5).
pub fn overflow(own: Amount, co: Amount, minimum: Amount) -> Amount {
    let total = own.0.saturating_add(co.0);
    Amount(total.saturating_sub(minimum.0).min(own.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_minimums() {
        // (multiplier ×100, quantity, $IO): 8×H100, 4×0.25, 8×2.5, 1×2.5, 6×0.75, 1×2, 1×1.25.
        let cases = [
            (1000, 8, 16_000),
            (25, 4, 800),
            (250, 8, 4_000),
            (250, 1, 500),
            (75, 6, 1_200),
            (200, 1, 400),
            (125, 1, 250),
        ];
        for (multiplier, quantity, io) in cases {
            assert_eq!(
                minimum(BASE_STAKE, multiplier, quantity),
                Some(Amount(io * IO)),
                "{quantity} × {multiplier}"
            );
        }
        assert_eq!(minimum(BASE_STAKE, u16::MAX, 8), Some(Amount(200 * IO / 100 * 65_535 * 8)));
    }

    #[test]
    fn overflow_is_own_stake_above_the_minimum() {
        let io = |n: u64| Amount(n * IO);
        // (own, co, minimum, overflow): the published 444/400, E11, and both bounds.
        let cases = [
            (444, 0, 400, 44),
            (1_600, 640, 1_600, 640),
            (400, 0, 400, 0),
            (399, 0, 400, 0),
            (100, 900, 400, 100),
        ];
        for (own, co, min, free) in cases {
            assert_eq!(overflow(io(own), io(co), io(min)), io(free), "{own} + {co} − {min}");
        }
    }

    #[test]
    fn a_raise_waits_and_a_cut_does_not() {
        let cases = [(500, 200, 99, 200), (500, 200, 100, 500), (200, 500, 99, 200), (200, 500, 100, 200)];
        for (current, previous, now, of) in cases {
            assert_eq!(required(current, previous, 100, now), of, "{previous} → {current} at {now}");
        }
    }
}
