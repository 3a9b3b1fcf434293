//! Forced errors: why checking results pays even in an honest market.
//!
//! Watchers of an honest market find nothing and stop looking. So the treasury lets some devices of its own return a wrong result now and
//! then, and pays a jackpot to the challenger who finds it (Teutsch and Reitwießner, "A scalable verification solution for blockchains",
//! 2017, §5). A *permit* seals a secret for one device, which it does not name, before any job that the device may err in is known. The
//! secret alone determines those jobs and the nonces of their commitments: to everybody else such a device and such a commitment look like
//! any other, and nobody can invent a secret after a conviction.

use crate::bond;
use crate::hash::{Hash, Tag, tagged};
use crate::math;
use crate::sortition;
use crate::units::{Amount, Bps};

/// Seconds after the priority period in which a permit may still be opened before the challenger is paid without a jackpot. An hour, so
/// that neither an outage of one machine nor a congested chain costs anybody a promised jackpot. Nobody can tell which device a permit is
/// for, so as long as there is one, the challengers of all errors that one may excuse have to wait.
pub const OPENING_SECONDS: u32 = 3_600;

/// Shortest challenge window, in seconds, of a job in which a permit excuses an error, and shortest time for a question. One half is for
/// challengers and the other for the confession. In less time the consumer could pay for the wrong result before the device has confessed.
pub const LEAST_WINDOW: u32 = 60;

/// The purpose that a secret is hashed for; the first byte after the tag.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Use {
    Seal = 0,
    Draw = 1,
    Nonce = 2,
    Place = 3,
}

fn derive(purpose: Use, first: &Hash, second: &Hash) -> Hash {
    tagged(Tag::Permit, [&[purpose as u8], first, second])
}

/// The hash of a device and a secret that names a permit.
pub fn seal(device: &Hash, secret: &Hash) -> Hash {
    derive(Use::Seal, device, secret)
}

/// Whether the device errs in the job with this JOB hash, which happens in a share `rate` of jobs.
pub fn is_drawn(secret: &Hash, job: &Hash, rate: Bps) -> bool {
    sortition::is_within(&derive(Use::Draw, secret, job), rate)
}

/// Nonce of the commitment to an error.
pub fn nonce(secret: &Hash, job: &Hash) -> Hash {
    derive(Use::Nonce, secret, job)
}

/// 32 bytes that select the wrong element.
pub fn place(secret: &Hash, job: &Hash) -> Hash {
    derive(Use::Place, secret, job)
}

/// What a supplier keeps at least, on average, of a job's price if this share of such results is audited. An auditor is paid out of the
/// price, and may be a second device of the consumer's, so a consumer may pay no more than this.
pub fn kept(price: Amount, audits: Bps) -> Amount {
    price.saturating_sub(price.share_ceil(audits))
}

/// What an error in a job earns its finder on top of the reward: `multiple` times what is [`kept`] of the price, all units together, but no
/// more than the permit's jackpot.
pub fn prize(kept: Amount, multiple: u16, jackpot: Amount) -> Amount {
    kept.checked_times(multiple.into()).map_or(jackpot, |worth| worth.min(jackpot))
}

/// Whether a permit excuses errors in jobs of whose price this much is [`kept`], all units together, with this bond: only if `multiple`
/// times as much is at least three times the bond.
///
/// Otherwise consumers could gain by ordering jobs until one is wrong and finding the error themselves. They get back at most the prize and
/// half of the bond, so at most 7/6 of `multiple` times what each of the jobs before has cost them. The [`least_multiple`] is below 6/7 of
/// the number of jobs they need on average, as long as no more than one result in twenty is audited in general.
pub fn covers(kept: Amount, multiple: u16, bond: Amount) -> bool {
    kept.checked_times(multiple.into()).is_none_or(|worth| bond.0 <= worth.0 / 3)
}

/// Smallest multiple that makes recomputing jobs pay, of which a share `rate` is wrong and a share `audits` is audited, and which have this
/// price and this bond: the least M with `rate · (0.3 · bond + M · kept) ≥ 0.8 · price`, four fifths of a price being what recomputing
/// costs. `None` without a rate, or if nothing is [`kept`] of the price, or beyond 16 bits.
pub fn least_multiple(rate: Bps, price: Amount, audits: Bps, bond: Amount) -> Option<u16> {
    let needed = math::mul_div_ceil(price.checked_times(4)?.0, Bps::WHOLE, rate.get().checked_mul(5)?)?;
    let missing = needed.saturating_sub(bond::split(bond, false).reward.0);
    let multiple = math::mul_div_ceil(missing, 1, kept(price, audits).0)?;
    u16::try_from(multiple).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::IO;

    #[test]
    fn everything_derived_from_a_secret_is_unique_to_its_purpose_and_job() {
        let (secret, job) = ([1; 32], [2; 32]);
        let made = [seal(&secret, &job), nonce(&secret, &job), place(&secret, &job)];
        assert_eq!(made[0], tagged(Tag::Permit, [&[0], &[1; 32], &[2; 32]]));
        assert_eq!(made[1], tagged(Tag::Permit, [&[2], &[1; 32], &[2; 32]]));
        assert!(made[0] != made[1] && made[1] != made[2] && made[0] != made[2]);
        assert_ne!(nonce(&secret, &[3; 32]), made[1]);
        assert_ne!(nonce(&[3; 32], &job), made[1]);
    }

    #[test]
    fn jobs_are_drawn_as_often_as_the_rate_says() {
        for rate in [0u16, 100, 5_000, 10_000] {
            let drawn = (0..20_000u32).filter(|number| {
                let mut job = [0; 32];
                job[..4].copy_from_slice(&number.to_le_bytes());
                is_drawn(&[7; 32], &job, Bps::new(rate).unwrap())
            });
            // Six standard deviations of 20,000 draws are 424 at most.
            let (count, expected) = (drawn.count() as u32, 2 * u32::from(rate));
            let allowed = if rate % 10_000 == 0 { 0 } else { 424 };
            assert!(count.abs_diff(expected) <= allowed, "{count} of {expected}");
        }
    }

    #[test]
    fn the_multiple_makes_looking_pay_and_one_less_does_not() {
        let cases = [
            // rate, price, audits, bond, multiple
            (100, IO, 0, 0, 80),
            (100, IO, 0, 217 * IO / 10, 74),
            (100, IO, 500, 217 * IO / 10, 78),
            (100, IO, 5_000, 0, 160),
            (50, 10, 0, 0, 160),
            (50, 10, 0, 217, 154),
            (50, 10, 1, 0, 178),
            (10_000, IO, 0, 0, 1),
            (3, 1, 0, 0, 2_667),
            (1, 7, 0, 0, 8_000),
            // The reward alone is enough.
            (5_000, 10 * IO, 500, 217 * IO, 0),
        ];
        for (rate, price, audits, bond, multiple) in cases {
            let (rate, audits, reward) = (Bps::new(rate).unwrap(), Bps::new(audits).unwrap(), bond * 3 / 10);
            assert_eq!(
                least_multiple(rate, Amount(price), audits, Amount(bond)),
                Some(multiple),
                "{rate:?} {price} {audits:?} {bond}"
            );
            let gain = |multiple: u16| 5 * rate.get() * (reward + u64::from(multiple) * kept(Amount(price), audits).0);
            assert!(gain(multiple) >= 4 * price * Bps::WHOLE);
            assert!(multiple == 0 || gain(multiple - 1) < 4 * price * Bps::WHOLE);
        }
        for (rate, price, audits) in [(0, 1, 0), (1, 0, 0), (1, u64::MAX, 0), (100, IO, 10_000)] {
            let (rate, audits) = (Bps::new(rate).unwrap(), Bps::new(audits).unwrap());
            assert_eq!(least_multiple(rate, Amount(price), audits, Amount(0)), None);
        }
    }

    #[test]
    fn a_prize_follows_what_audits_leave_of_the_price_up_to_the_jackpot() {
        for (price, audits, left) in [
            (100, 0, 100),
            (100, 500, 95),
            (1, 1, 0),
            (IO, 2_500, IO / 4 * 3),
            (u64::MAX, 10_000, 0),
        ] {
            assert_eq!(kept(Amount(price), Bps::new(audits).unwrap()), Amount(left));
        }
        for (kept, multiple, worth) in [(2, 74, 148), (IO, 74, 74 * IO), (2 * IO, 74, 100 * IO), (u64::MAX, 2, 100 * IO)] {
            assert_eq!(prize(Amount(kept), multiple, Amount(100 * IO)), Amount(worth));
        }
        for (kept, multiple, bond, covered) in [
            (2, 75, 50, true),
            (2, 75, 51, false),
            (2, 75, IO, false),
            (0, 75, 1, false),
            (u64::MAX, 2, u64::MAX, true),
        ] {
            assert_eq!(covers(Amount(kept), multiple, Amount(bond)), covered);
        }
    }

    const WATCH: Bps = Bps::saturating(500);
    /// What the market audits of a device with a long record.
    const FLOOR: Bps = Bps::saturating(500);

    fn market_bond(price: u64) -> Amount {
        bond::of_job(Amount(price), Amount::ZERO, WATCH, 1).unwrap()
    }

    /// Whether ordering jobs pays for a consumer that challenges those that are wrong, and whose other device audits the others and gets
    /// all of their price for it. A wrong job is refunded. A share `own` of its jobs goes to devices of its own: they cost it nothing, and
    /// are never wrong, so the others are so all the more often.
    fn ordering_pays(rate: u16, multiple: u16, price: u64, audits: u16, bond: Amount, own: u16) -> bool {
        let split = bond::split(bond, false);
        let prize = prize(kept(Amount(price), Bps::saturating(audits)), multiple, Amount(u64::MAX));
        let back = u128::from(prize.0 + split.reward.0 + split.compensation.0);
        let [whole, price] = [Bps::WHOLE, price].map(u128::from);
        let [rate, audits, own] = [rate, audits, own].map(u128::from);
        let right = (whole - own).saturating_sub(rate);
        rate * whole * back >= right * price * (whole - audits)
    }

    /// Whatever bond and audits it asks for, a consumer that orders jobs until one is wrong, and then is its own challenger, pays more for
    /// the jobs before than it gets back for that one, even if its other device audits them.
    #[test]
    fn ordering_jobs_to_find_their_errors_costs_more_than_it_earns() {
        let mut tried = 0;
        for rate in 1..=10_000 {
            let multiple = least_multiple(Bps::new(rate).unwrap(), Amount(IO), FLOOR, market_bond(IO)).unwrap();
            for price in [2, 1_000, IO / 100, IO / 50, IO, 1_000 * IO] {
                for audits in [500, 1_500, 5_000, 9_000, 10_000] {
                    let kept = kept(Amount(price), Bps::saturating(audits));
                    let (market, most) = (market_bond(price).0, u64::from(multiple) * kept.0 / 3);
                    for bond in [market, IO, most].map(|bond| Amount(bond.max(market))) {
                        if covers(kept, multiple, bond) {
                            assert!(
                                !ordering_pays(rate, multiple, price, audits, bond, 0),
                                "{rate} {price} {audits} {bond:?}"
                            );
                            tried += 1;
                        }
                    }
                }
            }
        }
        assert!(tried > 1_000, "{tried}");
    }

    /// An owner knows that its own devices are not the treasury's, so it gains by ordering once it has a part of the market.
    #[test]
    fn ordering_pays_only_for_owners_of_a_part_of_the_market() {
        // Rate, and shares of all devices that are not enough and that are: with the highest bond that is covered, and with the market's.
        for (rate, highest, market) in [(100, [750, 850], [900, 1_000]), (10, [200, 300], [1_450, 1_550])] {
            let multiple = least_multiple(Bps::new(rate).unwrap(), Amount(IO), FLOOR, market_bond(IO)).unwrap();
            let most = Amount(u64::from(multiple) * kept(Amount(IO), FLOOR).0 / 3);
            for (bond, [less, more]) in [(most, highest), (market_bond(IO), market)] {
                assert!(covers(kept(Amount(IO), FLOOR), multiple, bond));
                assert!(!ordering_pays(rate, multiple, IO, 500, bond, less), "{rate} {bond:?}");
                assert!(ordering_pays(rate, multiple, IO, 500, bond, more), "{rate} {bond:?}");
            }
        }
    }
}
