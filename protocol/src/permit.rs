//! Forced errors: why it pays to look at results that are right.
//!
//! Watchers of an honest market find nothing and stop looking. So the treasury has some devices of its own err now and then, and pays a
//! jackpot to whoever finds it (Teutsch and Reitwießner, "A scalable verification solution for blockchains", 2017, §5). A *permit* seals a
//! secret for one device before any job it may err in is known. The secret alone decides in which jobs, and makes the nonces of their
//! commitments: to everybody else such a commitment looks like any other, and no secret can be made up after a conviction.

use crate::hash::{Hash, Tag, tagged};
use crate::math;
use crate::sortition;
use crate::units::{Amount, Bps};

/// Seconds beyond the priority that a sealed permit has to be opened in before a challenger is paid without its jackpot: an hour, so that a
/// machine that is down, or a chain too full for one transaction, costs nobody what was promised. Only devices with a permit make their
/// challengers wait.
pub const OPENING_SECONDS: u32 = 3_600;

/// What a secret is hashed for; the first byte after the tag.
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

/// What a permit shows of its secret until it is opened.
pub fn seal(device: &Hash, secret: &Hash) -> Hash {
    derive(Use::Seal, device, secret)
}

/// Whether the device errs in this job (JOB), as often as `rate` says.
pub fn is_drawn(secret: &Hash, job: &Hash, rate: Bps) -> bool {
    sortition::is_within(&derive(Use::Draw, secret, job), rate)
}

/// Nonce of the commitment to an error.
pub fn nonce(secret: &Hash, job: &Hash) -> Hash {
    derive(Use::Nonce, secret, job)
}

/// 32 bytes that choose which element is wrong.
pub fn place(secret: &Hash, job: &Hash) -> Hash {
    derive(Use::Place, secret, job)
}

/// Smallest jackpot for which recomputing jobs that cost `cost` each pays, when a share `rate` of them is wrong and a bond of `bond` stands
/// behind each: the least J with `rate · (0.3 · bond + J) ≥ cost`, rounded up. `None` when nothing is ever wrong, or beyond 64 bits.
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
    fn what_a_secret_makes_is_of_this_device_and_this_job_alone() {
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
            // The reward is enough.
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
