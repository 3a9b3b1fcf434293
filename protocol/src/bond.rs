//! How large a bond must be so that lying does not pay, and where it goes once a lie is proved.
//!
//! Let f be the price of a job, c the cost of computing it honestly, g what a wrong result is worth to somebody, S the bond, p the chance
//! that a capable checker recomputes the job in time, q the chance that this leads to a conviction, and β the share of the slash that can
//! flow back to a liar acting as its own challenger. A liar that computes nothing expects `(1 − pq)(f + g) − pq(1 − β)S`; an honest worker
//! earns `f − c`. Hence honesty pays more if
//!
//! `(1 − β) · S > (c + g) / (p · q) − (f + g)`
//!
//! with c = 0.8 f, q = 0.99 and β = 0.3. All arithmetic is integer, and [`required`] is exact: it returns the smallest such S.

use crate::math;
use crate::units::{Amount, Bps};

/// Share of a slashed bond that goes to the convicting challenger: β. The challenger may be the liar in disguise.
pub const REWARD: Bps = Bps::saturating(3_000);
/// Share that goes to the consumer, unless the consumer is linked to the worker.
pub const COMPENSATION: Bps = Bps::saturating(2_000);

/// A replica's bond is at least this many times its price, so that the consumer's share, a fifth of the bond, pays for another run.
const REPLICA_MULTIPLE: u64 = 5;

/// The least bond for a job with the total price `price`; its consumer may ask for more. `None` as for [`required`].
///
/// When `replicas` agree, nobody else has time to check the result, so only the other replicas count. A replica left on its own because the
/// others failed is checked by watchers alone, with the chance `watch`. The bond has to be enough in both cases. Audits do not count: there
/// may be no auditors.
pub fn of_job(price: Amount, value_at_risk: Amount, watch: Bps, replicas: u8) -> Option<Amount> {
    let alone = required(price, value_at_risk, watch)?;
    if replicas < 2 {
        return Some(alone);
    }
    let agreeing = required(price, value_at_risk, detection(replicas))?;
    Some(alone.max(agreeing).max(price.checked_times(REPLICA_MULTIPLE)?))
}

/// The smallest bond with which honesty pays more than lying. `None` when it does not fit 64 bits, or when nobody would detect a lie.
///
/// It grows with the value at risk and falls with the chance of detection. It grows with the price only while that chance is below c/q,
/// about 81 %: above it the price alone keeps a worker honest.
pub fn required(price: Amount, value_at_risk: Amount, detection: Bps) -> Option<Amount> {
    // With c = 4f/5, q = 99/100, β = 3/10 and p = detection/10,000, times 10: 7 S > (4f + 5g) · 2,000,000 / (99 · detection) − 10 (f + g).
    // The first integer above x/7 is ⌊⌊x⌋/7⌋ + 1, and ⌊x⌋ is exact because what is subtracted from the fraction is an integer.
    let lie = math::checked_mul(price.0, 4)?.checked_add(math::checked_mul(value_at_risk.0, 5)?)?;
    let odds = detection.get().checked_mul(99)?;
    let gain = math::mul_div_floor(lie, 2_000_000, odds)?;
    let forgone = math::checked_mul(price.checked_add(value_at_risk)?.0, 10)?;
    match gain.checked_sub(forgone) {
        Some(excess) => (excess / 7).checked_add(1).map(Amount),
        None => Some(Amount::ZERO),
    }
}

/// Chance that another of the replicas detects a lie: `1 − 0.2^(replicas − 1)`, rounded down. They are computed independently, and each
/// other replica colludes with a chance of one fifth.
fn detection(replicas: u8) -> Bps {
    let league = 5u64.saturating_pow(u32::from(replicas.saturating_sub(1)));
    let missed = Bps::WHOLE.div_ceil(league);
    Bps::saturating(u16::try_from(Bps::WHOLE.saturating_sub(missed)).unwrap_or(0))
}

/// How a slashed bond is divided. The parts add up to the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// To the challenger.
    pub reward: Amount,
    /// To the consumer.
    pub compensation: Amount,
    /// To nobody: the supply falls.
    pub burned: Amount,
}

/// Divides a slashed bond: 30 % to the challenger, 20 % to the consumer, both rounded down; the rest is burned. A consumer `linked` to the
/// worker gets nothing, so that a liar that is its own consumer and challenger gets no more than β back.
pub fn split(bond: Amount, linked: bool) -> Split {
    let reward = bond.share_floor(REWARD);
    let compensation = if linked { Amount::ZERO } else { bond.share_floor(COMPENSATION) };
    Split {
        reward,
        compensation,
        // The two shares are half at most.
        burned: bond.saturating_sub(reward).saturating_sub(compensation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::IO;
    use proptest::prelude::*;

    fn bps(share: u16) -> Bps {
        Bps::new(share).unwrap()
    }

    #[test]
    fn published_table() {
        // S/f at c = 0.8 f, g = 0, β = 0.3, q = 0.99; exact to the base unit at f = 1 $IO, then as published, to a tenth.
        let table = [
            (10_000, 0, 0),
            (5_000, 88_023_089, 9),
            (2_000, 434_343_435, 43),
            (1_000, 1_011_544_012, 101),
            (500, 2_165_945_166, 217),
            (200, 5_629_148_630, 563),
            (100, 11_401_154_402, 1_140),
        ];
        for (p, exact, tenths) in table {
            let bond = required(Amount(IO), Amount::ZERO, bps(p)).unwrap();
            assert_eq!(bond, Amount(exact), "p = {p}");
            assert_eq!((bond.0 + IO / 20) / (IO / 10), tenths, "p = {p}");
        }
    }

    #[test]
    fn edges() {
        // With nothing to gain, the bond must still be more than zero.
        assert_eq!(required(Amount::ZERO, Amount::ZERO, bps(500)), Some(Amount(1)));
        // Certain detection: g requires g/q − g = g/99, divided by 0.7.
        assert_eq!(required(Amount::ZERO, Amount(693), bps(10_000)), Some(Amount(11)));
        assert_eq!(required(Amount(1), Amount::ZERO, bps(10_000)), Some(Amount::ZERO));
        // Without detection no bond is enough.
        assert_eq!(required(Amount(1), Amount(1), bps(0)), None);
        for huge in [u64::MAX, u64::MAX / 4, u64::MAX / 5, u64::MAX / 50] {
            assert_eq!(required(Amount(huge), Amount(huge), bps(500)), None, "{huge}");
        }
        assert_eq!(required(Amount(u64::MAX), Amount::ZERO, bps(10_000)), None);
        assert_eq!(required(Amount::ZERO, Amount(u64::MAX), bps(10_000)), None);
    }

    #[test]
    fn a_replicas_bond_covers_both_lone_and_agreeing_replicas() {
        let bond = |price: u64, value, watch, replicas| of_job(Amount(price), Amount(value), bps(watch), replicas).map(|bond| bond.0);
        assert_eq!(bond(IO, 0, 500, 1), Some(2_165_945_166));
        assert_eq!(bond(IO, 0, 500, 2), Some(2_165_945_166), "left alone");
        assert_eq!(bond(IO, 0, 10_000, 1), Some(0));
        assert_eq!(bond(IO, 0, 10_000, 2), Some(5 * IO), "another run");
        // The other replica detects a lie with a chance of 80 %.
        assert_eq!(bond(IO, 100 * IO, 10_000, 2), Some(3_753_246_754));
        assert_eq!(bond(0, 0, 500, 1), Some(1), "another mint");
        for replicas in 1..=3 {
            assert_eq!(bond(IO, 0, 0, replicas), None, "nobody watches");
        }
        assert_eq!(bond(u64::MAX / 4, 0, 10_000, 3), None);
    }

    /// Which is why such a value does not keep a job from being wrong by permit.
    #[test]
    fn the_consumers_part_makes_a_value_up_to_the_price_good() {
        for watch in [1, 500, 1_500] {
            let bond = of_job(Amount(IO), Amount(IO), bps(watch), 1).unwrap();
            assert!(split(bond, false).compensation >= Amount(IO), "{watch}");
        }
    }

    #[test]
    fn chances_of_detection() {
        for (replicas, chance) in [(0, 0), (1, 0), (2, 8_000), (3, 9_600), (4, 9_920), (u8::MAX, 9_999)] {
            assert_eq!(detection(replicas), bps(chance), "{replicas}");
        }
    }

    #[test]
    fn a_bond_splits_thirty_twenty_fifty() {
        let parts = |bond, linked| {
            let Split {
                reward,
                compensation,
                burned,
            } = split(Amount(bond), linked);
            (reward.0, compensation.0, burned.0)
        };
        assert_eq!(parts(10 * IO, false), (3 * IO, 2 * IO, 5 * IO));
        assert_eq!(parts(10 * IO, true), (3 * IO, 0, 7 * IO));
        assert_eq!(parts(0, false), (0, 0, 0));
        assert_eq!(parts(1, false), (0, 0, 1));
        assert_eq!(parts(9, false), (2, 1, 6));
        assert_eq!(
            parts(u64::MAX, false),
            (5_534_023_222_112_865_484, 3_689_348_814_741_910_323, 9_223_372_036_854_775_808)
        );
    }

    /// The inequality itself, in whole numbers: times 10 · 99 · p (in basis points).
    fn honest(price: u64, value: u64, p: u16, bond: u64) -> bool {
        let (f, g, p, s) = (i128::from(price), i128::from(value), i128::from(p), i128::from(bond));
        7 * s * 99 * p > (8 * f + 10 * g) * 1_000_000 - 10 * (f + g) * 99 * p
    }

    fn amounts() -> impl Strategy<Value = u64> {
        prop_oneof![any::<u64>(), 0u64..1_000, (0u32..64).prop_map(|bit| 1 << bit), 0u64..1 << 56]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn is_the_smallest_bond_that_satisfies_the_inequality(price in amounts(), value in amounts(), p in 1u16..=10_000) {
            match required(Amount(price), Amount(value), bps(p)) {
                Some(Amount(bond)) => {
                    prop_assert!(honest(price, value, p, bond), "{bond} is too small");
                    prop_assert!(bond == 0 || !honest(price, value, p, bond - 1), "{bond} is too large");
                }
                // Refused only when an intermediate value overflows, far beyond the supply of any token.
                None => prop_assert!((4 * u128::from(price) + 5 * u128::from(value)) * 2_000_000 / (99 * u128::from(p)) > u128::from(u64::MAX)
                    || 10 * (u128::from(price) + u128::from(value)) > u128::from(u64::MAX)),
            }
        }

        #[test]
        fn grows_with_the_stakes_and_falls_with_detection(price in 0u64..1 << 40, value in 0u64..1 << 40, p in 1u16..=10_000, more in 0u64..1 << 40, seen in 0u16..10_000) {
            let bond = |price, value, p| required(Amount(price), Amount(value), bps(p)).unwrap();
            prop_assert!(bond(price, value, p) <= bond(price, value + more, p));
            prop_assert!(bond(price, value, p) >= bond(price, value, p.saturating_add(seen).min(10_000)));
            // c/q = 80.8 %.
            if p <= 8_080 {
                prop_assert!(bond(price, value, p) <= bond(price + more, value, p));
            }
        }

        #[test]
        fn parts_make_the_whole(bond: u64, linked: bool) {
            let Split { reward, compensation, burned } = split(Amount(bond), linked);
            prop_assert_eq!(reward.checked_add(compensation).and_then(|sum| sum.checked_add(burned)), Some(Amount(bond)));
            prop_assert!(burned.0 >= bond / 2 && (!linked || compensation == Amount::ZERO));
        }
    }
}
