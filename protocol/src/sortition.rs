//! Which device may claim a job, and when: each device draws a ticket from the job's seed, and every slot admits more tickets.
//!
//! There is no queue and no matcher: a device computes its own ticket, and any number of devices wait for the same job without touching
//! a common account. Right after the job opens few tickets are admitted, so claims do not collide in a burst; by the end of the window all
//! of them are.

use crate::hash::{Hash, Tag, tagged};
use crate::math;
use crate::units::Bps;

/// A device's ticket for a job: the first 8 bytes (big-endian) of `H(10 ‖ seed ‖ job ‖ device)`. `seed` is the first slot hash after the
/// job was opened, which nobody knew until then.
pub fn ticket(seed: &Hash, job: &Hash, device: &Hash) -> u64 {
    number(&tagged(Tag::Sortition, [seed, job, device]))
}

/// Whether a hash falls into a share of all hashes: its first 8 bytes (big-endian) lie below `⌊(2^64 − 1) · rate⌋`. The whole holds all.
pub fn is_within(hash: &Hash, rate: Bps) -> bool {
    rate.get() == Bps::WHOLE || math::mul_div_floor(u64::MAX, rate.get(), Bps::WHOLE).is_some_and(|below| number(hash) < below)
}

fn number(hash: &Hash) -> u64 {
    u64::from_be_bytes(hash.first_chunk::<8>().copied().unwrap_or_default())
}

/// Highest ticket admitted `elapsed` slots after the seed, in a window of `window` slots:
/// `⌊(2^64 − 1) · (elapsed + 1) / (window + 1)⌋`, and every ticket from `window` on.
pub fn threshold(elapsed: u64, window: u64) -> u64 {
    if elapsed >= window {
        return u64::MAX;
    }
    math::mul_div_floor(u64::MAX, elapsed.saturating_add(1), window.saturating_add(1)).unwrap_or(u64::MAX)
}

/// Slots after the seed at which a ticket is first admitted.
pub fn admitted_after(ticket: u64, window: u64) -> u64 {
    (0..window).find(|elapsed| ticket <= threshold(*elapsed, window)).unwrap_or(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_a_window_everyone_is_admitted_at_once() {
        assert_eq!(threshold(0, 0), u64::MAX);
        assert_eq!(admitted_after(u64::MAX, 0), 0);
    }

    #[test]
    fn a_ticket_is_admitted_as_soon_as_the_threshold_reaches_it() {
        for elapsed in 0..9 {
            let last = threshold(elapsed, 9);
            assert_eq!((admitted_after(last, 9), admitted_after(last + 1, 9)), (elapsed, elapsed + 1));
        }
    }

    #[test]
    fn the_whole_holds_every_hash() {
        let rates = [9_999, 10_000].map(|rate| is_within(&[0xFF; 32], Bps::saturating(rate)));
        assert_eq!(rates, [false, true]);
        assert!(!is_within(&[0; 32], Bps::default()));
    }

    #[test]
    fn tickets_bind_seed_job_and_device() {
        let base = ticket(&[1; 32], &[2; 32], &[3; 32]);
        assert_ne!(base, ticket(&[9; 32], &[2; 32], &[3; 32]));
        assert_ne!(base, ticket(&[1; 32], &[9; 32], &[3; 32]));
        assert_ne!(base, ticket(&[1; 32], &[2; 32], &[9; 32]));
    }

    #[test]
    fn admission_is_even_over_the_window() {
        let window = 9u64;
        let mut admitted = [0u32; 10];
        for device in 0u32..20_000 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&device.to_le_bytes());
            admitted[admitted_after(ticket(&[7; 32], &[8; 32], &key), window) as usize] += 1;
        }
        // 2,000 expected per slot; six standard deviations are 255.
        assert!(admitted.iter().all(|n| n.abs_diff(2_000) < 255), "{admitted:?}");
    }

    proptest! {
        #[test]
        fn the_threshold_never_falls(t in 0u64..500, window in 0u64..500) {
            prop_assert!(threshold(t, window) <= threshold(t + 1, window));
            prop_assert_eq!(threshold(window, window), u64::MAX);
        }
    }
}
