//! Forced errors: why checking results pays even in an honest market.
//!
//! Watchers of an honest market find nothing and stop looking. So the treasury lets some devices of its own return a wrong result now and
//! then, and pays a jackpot to the challenger who finds it (Teutsch and Reitwießner, "A scalable verification solution for blockchains",
//! 2017, §5). A *permit* seals a secret for one device before any job that the device may err in is known. The secret alone determines
//! those jobs and the nonces of their commitments: to everybody else such a commitment looks like any other, and nobody can invent a secret
//! after a conviction.

use crate::hash::{Hash, Tag, tagged};
use crate::math;
use crate::sortition;
use crate::units::{Amount, Bps};

/// Seconds after the priority period in which a sealed permit may still be opened before the challenger is paid without a jackpot. An hour,
/// so that neither an outage of one machine nor a congested chain costs anybody a promised jackpot. Only the challengers of devices with a
/// permit have to wait.
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

/// The hash of a secret that its permit publishes until it is opened.
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

/// Smallest jackpot that makes recomputing jobs pay, where each costs `cost` to recompute and is backed by `bond`, and a share `rate` of
/// them is wrong: the least J with `rate · (0.3 · bond + J) ≥ cost`. `None` when the rate is zero or the jackpot exceeds 64 bits.
pub fn least_jackpot(cost: Amount, rate: Bps, bond: Amount) -> Option<Amount> {
    let reward = crate::bond::split(bond, false).reward;
    let needed = math::mul_div_ceil(cost.0, Bps::WHOLE, rate.get())?;
    Some(Amount(needed.saturating_sub(reward.0)))
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
    fn the_jackpot_makes_looking_pay_and_one_unit_less_does_not() {
        let cases = [
            // cost, rate, bond, jackpot
            (8_000, 10_000, 0, 8_000),
            (8_000, 100, 0, 800_000),
            (8_000, 100, 217_000, 734_900),
            (80_000_000, 50, 2_170_000_000, 15_349_000_000),
            (1, 3, 0, 3_334),
            (0, 100, 0, 0),
            // The reward alone is enough.
            (100, 5_000, IO, 0),
        ];
        for (cost, rate, bond, jackpot) in cases {
            let (rate, reward) = (Bps::new(rate).unwrap(), bond * 3 / 10);
            assert_eq!(least_jackpot(Amount(cost), rate, Amount(bond)), Some(Amount(jackpot)));
            let gain = |jackpot: u64| u128::from(rate.get()) * u128::from(reward + jackpot);
            assert!(gain(jackpot) >= u128::from(cost) * 10_000);
            assert!(jackpot == 0 || gain(jackpot - 1) < u128::from(cost) * 10_000);
        }
        assert_eq!(least_jackpot(Amount(1), Bps::default(), Amount(0)), None);
        assert_eq!(least_jackpot(Amount(u64::MAX), Bps::new(1).unwrap(), Amount(0)), None);
    }
}
