//! The Dutch auction that finds a job's price: the price rises until a worker claims the job.

use crate::math;
use crate::units::Amount;

/// Price per unit after `elapsed` of `duration` seconds. It rises linearly from `start` to `max`, rounded down in favour of the consumer,
/// and stays at `max` from `duration` on. A `start` above `max` counts as `max`.
pub fn dutch(start: Amount, max: Amount, elapsed: u64, duration: u64) -> Amount {
    let span = max.saturating_sub(start).0;
    if elapsed >= duration {
        return max;
    }
    // elapsed < duration, so the quotient is below span and fits.
    let rise = math::mul_div_floor(span, elapsed, duration).unwrap_or(span);
    Amount(max.0.min(start.0.saturating_add(rise)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rises_linearly_and_stops_at_the_maximum() {
        let cases = [(0, 100), (1, 101), (30, 150), (59, 198), (60, 200), (61, 200), (u64::MAX, 200)];
        for (elapsed, price) in cases {
            assert_eq!(dutch(Amount(100), Amount(200), elapsed, 60), Amount(price), "after {elapsed} s");
        }
        assert_eq!(
            dutch(Amount(100), Amount(200), 0, 0),
            Amount(200),
            "no auction: the maximum at once"
        );
        assert_eq!(dutch(Amount(300), Amount(200), 0, 60), Amount(200));
    }

    proptest! {
        #[test]
        fn never_falls_and_stays_within_bounds(a: u64, b: u64, t: u64, step in 0u64..1_000, duration: u64) {
            let (start, max) = (Amount(a.min(b)), Amount(a.max(b)));
            let now = dutch(start, max, t, duration);
            prop_assert!(start <= now && now <= max);
            prop_assert!(now <= dutch(start, max, t.saturating_add(step), duration));
        }
    }
}
