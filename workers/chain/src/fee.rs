//! The priority fee.

use solana_address::Address;
use solana_message::VersionedMessage;
use std::{
    collections::HashSet,
    sync::atomic::{AtomicU32, Ordering},
};

/// Lamports a transaction pays for each signature.
const BASE_FEE: u64 = 5_000;

/// Default maximum price: one lamport per compute unit.
const MOST: u64 = 1_000_000;

/// Price from which doubling starts when nobody pays anything.
const FIRST: u64 = 1_000;

/// Seconds before a deadline from which on an attempt may be the last one: a transaction takes some 73 seconds to expire, and the pieces of
/// an answer take 17 to land.
const LAST: i64 = 90;

/// Most accounts for which a node reports recent fees in one request.
const MAX_ACCOUNTS: usize = 128;

/// Bounds of the price, in micro-lamports per compute unit requested.
///
/// Within the bounds, the price is what others recently paid to write the same accounts, doubled for each recent transaction that expired.
/// That is too slow for a deadline, so the last attempt before one offers the upper bound: see [`within`](Self::within).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityFee {
    /// Paid even when nobody else pays; takes precedence over `most`.
    pub least: u64,
    /// Upper bound.
    pub most: u64,
}

impl Default for PriorityFee {
    fn default() -> Self {
        Self { least: 0, most: MOST }
    }
}

impl PriorityFee {
    /// Bounds; `None` stands for the default.
    pub fn new(least: Option<u64>, most: Option<u64>) -> Self {
        let default = Self::default();
        Self {
            least: least.unwrap_or(default.least),
            most: most.unwrap_or(default.most),
        }
    }

    /// Most lamports that a transaction which requests `units` compute units pays, including the base fee of one signature.
    pub fn most_for(&self, units: u32) -> u64 {
        lamports(1, units, self.most.max(self.least))
    }

    /// The bounds for what has to land within so many seconds. Whatever may be the last attempt offers the most from the start.
    pub(crate) fn within(self, seconds: i64) -> Self {
        let least = if seconds < LAST { self.least.max(self.most) } else { self.least };
        Self { least, ..self }
    }

    /// Whether the price depends on what others pay.
    pub(crate) fn follows_the_market(&self) -> bool {
        self.least < self.most
    }

    /// The price, given the lowest price `paid` in each recent block: the upper quartile of those, doubled `doublings` times.
    pub(crate) fn price(&self, mut paid: Vec<u64>, doublings: u32) -> u64 {
        paid.sort_unstable();
        let quartile = paid.get(paid.len() * 3 / 4).copied().unwrap_or_default();
        let start = quartile.max(self.least);
        let wanted = match doublings {
            0 => start,
            _ => start.max(FIRST).saturating_mul(1_u64.checked_shl(doublings).unwrap_or(u64::MAX)),
        };
        wanted.min(self.most).max(self.least)
    }
}

/// The highest price at which a transaction that requests `units` compute units pays at most `lamports`; 0 if not even the base fee fits.
pub(crate) fn affordable(lamports: u64, signatures: usize, units: u32) -> u64 {
    let priority = lamports.saturating_sub(BASE_FEE.saturating_mul(signatures as u64));
    let price = u128::from(priority).saturating_mul(1_000_000).checked_div(units.into());
    price.and_then(|price| price.try_into().ok()).unwrap_or(u64::MAX)
}

/// Lamports that a transaction which requests `units` compute units pays at this price.
pub(crate) fn lamports(signatures: usize, units: u32, price: u64) -> u64 {
    let priority = u64::from(units).saturating_mul(price).div_ceil(1_000_000);
    BASE_FEE.saturating_mul(signatures as u64).saturating_add(priority)
}

/// How congested the chain has been: one doubling more for each transaction that expired, half as many after each that landed.
#[derive(Debug, Default)]
pub(crate) struct Congestion(AtomicU32);

impl Congestion {
    /// Doublings that lead from the starting price to the default maximum.
    const MOST: u32 = 10;

    pub(crate) fn doublings(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Records that a transaction sent at `doublings` has expired. Several that were sent together count once.
    pub(crate) fn expired(&self, doublings: u32) {
        let more = doublings.saturating_add(1).min(Self::MOST);
        // No change if another transaction has changed it meanwhile.
        let _ = self.0.compare_exchange(doublings, more, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn landed(&self) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |doublings| Some(doublings / 2));
    }
}

/// The accounts that a message writes, as many as a node accepts.
pub(crate) fn written(message: &VersionedMessage) -> Vec<Address> {
    let keys = message.static_account_keys().iter().enumerate();
    let none = None::<&HashSet<Address>>;
    let written = keys.filter(|(index, _)| message.is_maybe_writable_with_reserved_addresses(*index, none));
    written.map(|(_, key)| *key).take(MAX_ACCOUNTS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_is_the_upper_quartile_within_bounds() {
        let fee = PriorityFee { least: 10, most: 5_000 };
        let price = |paid: &[u64], doublings| fee.price(paid.to_vec(), doublings);
        assert_eq!(price(&[], 0), 10, "a quiet chain");
        assert_eq!(price(&[0, 0, 0, 700], 0), 700);
        assert_eq!(
            price(&[900, 0, 0, 0, 0, 0, 0, 700], 0),
            700,
            "one high price does not make a market"
        );
        assert_eq!(price(&[9_000], 0), 5_000);
        assert_eq!(price(&[], 1), 2_000);
        assert_eq!(price(&[1_500], 1), 3_000);
        assert_eq!(price(&[1_500], 2), 5_000);
        assert_eq!(price(&[1_500], 64), 5_000, "no overflow");
    }

    #[test]
    fn without_room_between_the_bounds_the_price_is_fixed() {
        for fixed in [PriorityFee { least: 70, most: 70 }, PriorityFee { least: 70, most: 0 }] {
            assert!(!fixed.follows_the_market());
            assert_eq!(fixed.price(vec![1_000_000], 9), 70);
        }
        assert_eq!(PriorityFee { least: 0, most: 0 }.price(vec![5], 3), 0);
        assert_eq!(PriorityFee { least: 70, most: 0 }.most_for(100_001), 5_008, "rounded up");
        assert_eq!(PriorityFee::new(None, Some(4)), PriorityFee { least: 0, most: 4 });
    }

    #[test]
    fn the_last_attempt_offers_the_most() {
        let fee = PriorityFee { least: 10, most: 5_000 };
        assert_eq!(fee.within(LAST), fee);
        for seconds in [LAST - 1, 0, -5] {
            assert_eq!(fee.within(seconds).price(vec![700], 0), 5_000);
        }
        assert_eq!(PriorityFee { least: 70, most: 0 }.within(0).price(vec![5], 3), 70);
    }

    #[test]
    fn the_affordable_price_is_the_highest_within_the_fee() {
        for (most, signatures, units) in [(10_000, 1, 11_500), (12_345, 2, 3), (9_999, 1, 7_777)] {
            let price = affordable(most, signatures, units);
            assert!(lamports(signatures, units, price) <= most && lamports(signatures, units, price + 1) > most);
        }
        assert_eq!([0, 5_000].map(|most| affordable(most, 1, 7)), [0; 2]);
        assert_eq!((affordable(u64::MAX, 1, 1), affordable(5_001, 1, 0)), (u64::MAX, u64::MAX));
    }

    #[test]
    fn congestion_rises_slowly_and_falls_fast() {
        let congestion = Congestion::default();
        congestion.landed();
        assert_eq!(congestion.doublings(), 0);
        // Eight that were sent together.
        for _ in 0..8 {
            congestion.expired(0);
        }
        assert_eq!(congestion.doublings(), 1);
        for _ in 0..100 {
            congestion.expired(congestion.doublings());
        }
        assert_eq!(congestion.doublings(), 10);
        let fallen: Vec<u32> = (0..4)
            .map(|_| {
                congestion.landed();
                congestion.doublings()
            })
            .collect();
        assert_eq!(fallen, [5, 2, 1, 0]);
    }
}
