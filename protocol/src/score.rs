//! A device's share of an hour's block (rules G1 to G6).

use crate::math;
use crate::units::{Amount, Bps};

/// Score points for each property of a device (G1, G2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Per GPU and hundredth of its multiplier.
    pub multiplier: u16,
    /// Per connectivity tier.
    pub tier: u16,
    /// For working on a job.
    pub hired: u16,
}

impl Weights {
    /// The published weights.
    pub const PUBLISHED: Self = Self {
        multiplier: 200,
        tier: 50,
        hired: 5,
    };

    /// Score of a device: `200 · multiplier·100 · quantity + 50 · tier + 5 · hired`. At most 2^35: 65,535 · 65,535 · 8 and two terms below
    /// 2^24.
    pub fn score(&self, multiplier_x100: u16, quantity: u8, tier: u8, hired: bool) -> u64 {
        let compute = u64::from(self.multiplier) * u64::from(multiplier_x100) * u64::from(quantity);
        compute + u64::from(self.tier) * u64::from(tier) + u64::from(self.hired) * u64::from(hired)
    }
}

/// A pool's share of a block, rounded down (G3).
pub fn pool(block: Amount, share: Bps) -> Amount {
    block.share_floor(share)
}

/// What a device with `score` earns from its pool when the scores of all paid devices add up to `sum`. Rounded down; the remainder stays
/// in the vault (G4, A9). Zero when `sum` is zero.
pub fn reward(pool: Amount, score: u64, sum: u64) -> Amount {
    if score > sum {
        return Amount::ZERO;
    }
    Amount(math::mul_div_floor(pool.0, score, sum).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::IO;
    use proptest::prelude::*;

    #[test]
    fn published_scores() {
        // multiplier ×100, GPUs, tier, hired
        let table = [
            (500, 1, 4, false, 100_200),
            (40, 1, 4, false, 8_200),
            (25, 6, 1, false, 30_050),
            (40, 1, 3, false, 8_150),
            (1_000, 8, 4, true, 1_600_205),
            (100, 1, 2, false, 20_100),
        ];
        for (multiplier, quantity, tier, hired, score) in table {
            assert_eq!(Weights::PUBLISHED.score(multiplier, quantity, tier, hired), score);
        }
        // The largest possible score stays far below 64 bits (L12).
        let largest = Weights {
            multiplier: u16::MAX,
            tier: u16::MAX,
            hired: u16::MAX,
        };
        assert_eq!(largest.score(u16::MAX, 8, u8::MAX, true), 34_358_689_800 + 65_535 * 255 + 65_535);
    }

    #[test]
    fn a_published_reward() {
        // An A100 on 20 June 2024: 100,200 points were 1,927.051 ten-millionths of the hour's 4,559.62 $IO.
        let block = Amount(455_962_000_000);
        let sum = 519_965_481;
        let reward = reward(block, 100_200, sum);
        assert!(reward.0.abs_diff(87_866_200) <= 100, "{reward:?}");
    }

    #[test]
    fn pools_of_a_block() {
        let block = Amount(412_911_742_835);
        let shares = [9_500, 500].map(|bps| pool(block, Bps::new(bps).unwrap()).0);
        assert_eq!(shares, [392_266_155_693, 20_645_587_141]);
        // A sole device takes the whole pool; a sum of zero, or a score above the sum, takes nothing.
        assert_eq!(reward(Amount(shares[0]), 7, 7).0, shares[0]);
        assert_eq!(
            (reward(block, 0, 0), reward(block, 5, 0), reward(block, 8, 7)),
            (Amount::ZERO, Amount::ZERO, Amount::ZERO)
        );
    }

    proptest! {
        #[test]
        fn rewards_never_add_up_to_more_than_the_pool(pool in 0..5_000 * IO, scores in prop::collection::vec(0u64..1 << 35, 1..40)) {
            let sum = scores.iter().sum();
            let paid: u64 = scores.iter().map(|score| reward(Amount(pool), *score, sum).0).sum();
            prop_assert!(paid <= pool);
            // Rounding costs each device less than a base unit.
            prop_assert!(sum == 0 || pool - paid < scores.len() as u64);
        }
    }
}
