//! Co-stake: shares of a device's co-stake, and the co-stakers' part of each hour's reward (rules E, extended to many co-stakers per
//! device).
//!
//! Shares are priced by the assets on the books, never by a token balance, so that gifts do not move the price. Shares and payments are
//! rounded down, in favour of the holders who stay. A slash lowers the assets, and with them the value of every share, in one step.
//!
//! An hour's rewards become known an hour or two after it ends, and belong to the shares that were in for the whole hour (E13). Hours are
//! distributed in order. A [`Schedule`] keeps the shares of every hour that can still be distributed. A [`log`](index_at) of cumulative
//! rewards per share tells what a position earned between its first and its last hour, no matter when the position is settled.

use crate::math;
use crate::units::{Amount, Bps};

/// Fractional bits of rewards per share.
const BITS: u32 = 63;
/// One base unit per share.
const ONE: u64 = 1 << BITS;

/// A join is refused when it would bring the pool to this many shares, or when moving all active co-stake to the cooling pool would then
/// bring that pool to this many. Consecutive slashes cut both pools alike, so the number of cooling shares that active co-stake buys does
/// not grow with them; for slashes open at the same time see [`cooling_shares`].
pub const MOST_SHARES: u64 = 1 << 62;

/// The part of a pool that no slash takes: a 65,536th, rounded up, so that something always backs its shares.
pub fn beyond_slash(assets: Amount) -> Amount {
    Amount(assets.0.div_ceil(1 << 16))
}

/// Number of shares that `amount` buys when `assets` back `shares`, rounded down; one per base unit when there are no shares. `None` when
/// the existing shares are worth nothing, or when the result exceeds 64 bits.
pub fn shares_for(amount: Amount, shares: u64, assets: Amount) -> Option<u64> {
    if shares == 0 {
        return Some(amount.0);
    }
    math::mul_div_floor(amount.0, shares, assets.0)
}

/// Number of shares of the cooling pool that `amount` of the `active` co-stake buys when `assets` back `shares`. Rounded down, and at most
/// its proportional part of the shares that still fit 64 bits, so that everybody can leave and nobody who leaves early uses up the shares
/// that others need.
///
/// That limit applies only after slashes that were open at the same time, each of which rounds down what it takes from the cooling pool.
/// Because nobody joins beyond [`MOST_SHARES`], the holders who are already cooling down then gain at most what these roundings left there.
pub fn cooling_shares(amount: Amount, active: Amount, shares: u64, assets: Amount) -> u64 {
    let part = worth(amount.0, active.0, Amount(u64::MAX.saturating_sub(shares))).0;
    shares_for(amount, shares, assets).map_or(part, |bought| bought.min(part))
}

/// Value of `part` of the `shares` that `assets` back, rounded down; zero when there are no shares.
pub fn worth(part: u64, shares: u64, assets: Amount) -> Amount {
    Amount(math::mul_div_floor(part.min(shares), assets.0, shares).unwrap_or(0))
}

/// The co-stakers' part of an hour's `reward`: `share` of it when the assets that earn fill the offer's `capacity`, proportionally less
/// otherwise (E12). Rounded down; the owner gets the rest.
pub fn part(reward: Amount, share: Bps, earning: Amount, capacity: Amount) -> Amount {
    let whole = reward.share_floor(share);
    let of = earning.0.min(capacity.0);
    Amount(math::mul_div_floor(whole.0, of, capacity.0).unwrap_or(0))
}

/// How much the rewards per share grow when `part` goes to `shares`; rounded down. Zero when there are no shares.
pub fn growth(part: Amount, shares: u64) -> u128 {
    let whole = part.0.checked_div(shares).unwrap_or(0);
    let rest = part.0.checked_rem(shares).unwrap_or(0);
    let fraction = math::mul_div_floor(rest, ONE, shares).unwrap_or(0);
    (u128::from(whole) << BITS) | u128::from(fraction)
}

/// What `shares` earned while the rewards per share grew from `from` to `to`; rounded down.
pub fn earned(shares: u64, from: u128, to: u128) -> Amount {
    let growth = to.saturating_sub(from);
    let (high, low) = ((growth >> BITS) as u64, growth as u64 & (ONE - 1));
    let whole = math::checked_mul(shares, high).unwrap_or(u64::MAX);
    let rest = math::mul_div_floor(shares, low, ONE).unwrap_or(0);
    Amount(whole.saturating_add(rest))
}

/// Number of changes of earning shares that a [`Schedule`] keeps apart: one for each of the four hours whose rewards a device may have
/// pending, one each for the previous, the present and the next hour, and one more.
pub const CHANGES: usize = 8;

/// Earning shares by hour. Hours are numbered; a change counts from its hour on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Shares in the hours before the first change.
    pub base: u64,
    /// Changes in the order of their hours; unused ones are (0, 0) at the end.
    pub changes: [(u32, i64); CHANGES],
}

impl Schedule {
    /// Shares that earn in `hour`.
    pub fn at(&self, hour: u32) -> u64 {
        let past = self.changes.iter().filter(|(from, _)| *from != 0 && *from <= hour);
        let sum = past.fold(signed(self.base), |sum, (_, change)| sum.saturating_add(*change));
        u64::try_from(sum).unwrap_or(0)
    }

    /// Adds a change that counts from `hour` on; `open(from, to)` tells whether an hour in [from, to) can still be distributed. `None` when
    /// there is no room, which cannot happen while at most four hours are pending and all other changes lie within three hours.
    pub fn change(&mut self, hour: u32, change: i64, open: impl Fn(u32, u32) -> bool) -> Option<()> {
        if let Some((_, sum)) = self.changes.iter_mut().find(|(from, _)| *from == hour) {
            *sum = sum.checked_add(change)?;
            return Some(());
        }
        if self.changes.iter().all(|(from, _)| *from != 0) {
            self.fold(&open);
        }
        // Later changes move up by one place.
        let mut next = (hour, change);
        for place in &mut self.changes {
            if place.0 == 0 {
                *place = next;
                return Some(());
            }
            if place.0 > next.0 {
                core::mem::swap(place, &mut next);
            }
        }
        None
    }

    /// Merges changes with no hour between them that can still be distributed.
    fn fold(&mut self, open: impl Fn(u32, u32) -> bool) {
        let mut kept = [(0, 0); CHANGES];
        let mut count = 0usize;
        let mut before = 0;
        for (from, change) in self.changes.iter().copied().filter(|(from, _)| *from != 0) {
            let last = count.checked_sub(1).and_then(|last| kept.get_mut(last));
            if open(before, from) {
                if let Some(place) = kept.get_mut(count) {
                    *place = (from, change);
                    count += 1;
                }
            } else if let Some((hour, sum)) = last {
                // Both count from the later hour: no hour between the two can still be distributed.
                (*hour, *sum) = (from, sum.saturating_add(change));
            } else {
                self.base = u64::try_from(signed(self.base).saturating_add(change)).unwrap_or(0);
            }
            before = from;
        }
        self.changes = kept;
    }
}

/// Joins keep shares below [`MOST_SHARES`], so they fit.
fn signed(shares: u64) -> i64 {
    i64::try_from(shares).unwrap_or(i64::MAX)
}

/// Rewards per share after the last logged hour before `hour`; the log yields (hour, index) in any order.
///
/// `None` when no logged hour is earlier. A position older than the log then starts from the log's smallest index, which is that of a later
/// hour: it gets less, never more.
pub fn index_at(log: impl Iterator<Item = (u32, u128)>, hour: u32) -> Option<u128> {
    log.filter(|(of, _)| *of < hour).map(|(_, index)| index).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::IO;
    use num_bigint::BigUint;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn bps(share: u16) -> Bps {
        Bps::new(share).unwrap()
    }

    #[test]
    fn a_full_offer_gets_its_share_and_an_emptier_one_in_proportion() {
        // E12: 74 % of 1 $IO.
        assert_eq!(part(Amount(IO), bps(7_400), Amount(800), Amount(800)), Amount(74_000_000));
        assert_eq!(part(Amount(IO), bps(7_400), Amount(900), Amount(800)), Amount(74_000_000));
        assert_eq!(part(Amount(IO), bps(7_400), Amount(200), Amount(800)), Amount(18_500_000));
        assert_eq!(part(Amount(3), bps(5_000), Amount(1), Amount(1)), Amount(1));
        assert_eq!(part(Amount(IO), bps(10_000), Amount(0), Amount(800)), Amount(0));
    }

    #[test]
    fn the_first_depositor_cannot_make_shares_dear() {
        // Shares are priced by the books: a gift to the vault changes nothing, and a slash only makes them cheaper.
        assert_eq!(shares_for(Amount(1), 0, Amount(0)), Some(1));
        assert_eq!(shares_for(Amount(100), 1, Amount(1)), Some(100));
        // Nobody joins when shares are worth nothing.
        assert_eq!(shares_for(Amount(100), 50, Amount(0)), None);
        assert_eq!((worth(0, 0, Amount(7)), worth(5, 10, Amount(7))), (Amount(0), Amount(3)));
    }

    #[test]
    fn hours_keep_their_own_shares() {
        // Hours 10 and 12 are pending, 14 is the present hour, and devices can still check in to 13.
        let open = |from: u32, to: u32| [10, 12].iter().any(|hour| (from..to).contains(hour)) || to > 13;
        let mut schedule = Schedule::default();
        for (hour, change) in [(9, 100), (11, 10), (13, 5), (14, -20), (15, 1)] {
            schedule.change(hour, change, open).unwrap();
        }
        let at = [9, 10, 11, 12, 13, 14, 15, 99].map(|hour| schedule.at(hour));
        assert_eq!(at[1..], [100, 110, 110, 115, 95, 96, 96]);
    }

    #[test]
    fn an_index_is_that_before_an_hour() {
        let log = || [(7, 30), (5, 10), (6, 20)].into_iter();
        let at = [5, 6, 7, 8].map(|hour| index_at(log(), hour));
        assert_eq!(at, [None, Some(10), Some(20), Some(30)]);
    }

    proptest! {
        #[test]
        fn growth_and_earnings_are_exact_but_for_one_rounding_each(part: u64, shares in 1u64.., held: u64, from: u64) {
            let exact = (BigUint::from(part) << BITS) / shares;
            prop_assert_eq!(BigUint::from(growth(Amount(part), shares)), exact);
            let (held, from) = (held % shares + 1, u128::from(from));
            let to = from + growth(Amount(part), shares);
            let exact = (BigUint::from(held) * (to - from)) >> BITS;
            prop_assert_eq!(BigUint::from(earned(held, from, to).0), exact);
        }

        #[test]
        fn nobody_gains_by_going_in_and_out(amount in 1u64..1 << 50, shares in 1u64..1 << 50, assets in 1u64..1 << 50) {
            let Some(got) = shares_for(Amount(amount), shares, Amount(assets)) else { return Ok(()) };
            let Some((all, sum)) = shares.checked_add(got).zip(assets.checked_add(amount)) else { return Ok(()) };
            prop_assert!(worth(got, all, Amount(sum)).0 <= amount);
            // Nor do the existing holders lose.
            prop_assert!(worth(shares, all, Amount(sum)).0 >= assets);
        }

        #[test]
        fn what_is_earned_never_adds_up_to_more_than_the_parts(
            parts in prop::collection::vec(0u64..1 << 50, 1..20),
            holders in prop::collection::vec(1u64..1 << 50, 1..20),
        ) {
            let shares: u64 = holders.iter().sum();
            let index = parts.iter().fold(0u128, |index, part| index + growth(Amount(*part), shares));
            let earned: u128 = holders.iter().map(|holder| u128::from(earned(*holder, 0, index).0)).sum();
            let paid: u128 = parts.iter().map(|part| u128::from(*part)).sum();
            prop_assert!(earned <= paid);
        }

        /// In whatever order changes and distributions come, an hour that can still be distributed keeps exactly the shares that were in
        /// for it.
        #[test]
        fn a_schedule_forgets_nothing_it_may_be_asked_for(steps in prop::collection::vec((0u8..4, 1u64..1_000), 1..200)) {
            let mut schedule = Schedule::default();
            let mut exact: Vec<(u32, i64)> = vec![];
            let mut waiting: Vec<u32> = vec![];
            let (mut now, mut last_checked, mut total) = (100u32, 0u32, 0u64);
            for (kind, amount) in steps {
                // An hour that is pending, still open for check-ins, or in the future.
                let open = |from: u32, to: u32| {
                    let next = (last_checked + 1).max(now - 1);
                    waiting.iter().any(|hour| (from..to).contains(hour)) || to > next
                };
                match kind {
                    0 => {
                        total += amount;
                        schedule.change(now + 1, amount as i64, open).expect("there is room");
                        exact.push((now + 1, amount as i64));
                    }
                    1 => {
                        let left = amount.min(total);
                        // Only shares that are in can leave; shares that join and leave in the same hour cancel out.
                        let in_now: i64 = exact.iter().filter(|(from, _)| *from <= now).map(|(_, change)| change).sum();
                        let left = left.min(u64::try_from(in_now.max(0)).unwrap());
                        total -= left;
                        schedule.change(now, -(left as i64), open).expect("there is room");
                        exact.push((now, -(left as i64)));
                    }
                    2 => {
                        now += 1;
                        if waiting.len() < 4 && now - 1 > last_checked {
                            last_checked = now - 1;
                            waiting.push(now - 1);
                        }
                    }
                    _ => {
                        // Time passes without a check-in, then the oldest hour is distributed.
                        if let Some(hour) = waiting.first().copied() {
                            let sum: i64 = exact.iter().filter(|(from, _)| *from <= hour).map(|(_, change)| change).sum();
                            prop_assert_eq!(schedule.at(hour), u64::try_from(sum).unwrap());
                            waiting.remove(0);
                        }
                        now += (amount % 5) as u32;
                    }
                }
                for hour in &waiting {
                    let sum: i64 = exact.iter().filter(|(from, _)| from <= hour).map(|(_, change)| change).sum();
                    prop_assert_eq!(schedule.at(*hour), u64::try_from(sum).unwrap());
                }
            }
        }
    }
}
