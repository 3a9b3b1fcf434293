//! Amounts, shares and times as types: only operations with a meaning exist, and every rounding is named.

use crate::math;

/// Base units of one $IO (8 decimals).
pub const IO: u64 = 100_000_000;

/// A token amount in base units of its mint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Sum; `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Difference; `None` when it would be negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Difference, zero at the least.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Price times count; `None` on overflow.
    pub fn checked_times(self, count: u64) -> Option<Self> {
        math::checked_mul(self.0, count).map(Self)
    }

    /// `⌊self · share⌋`: the part when rounding favours the payer.
    pub fn share_floor(self, share: Bps) -> Self {
        // A share is at most the whole, so the quotient fits.
        Self(math::mul_div_floor(self.0, share.get(), Bps::WHOLE).unwrap_or(0))
    }

    /// `⌈self · share⌉`: the part when rounding favours the pool.
    pub fn share_ceil(self, share: Bps) -> Self {
        Self(math::mul_div_ceil(self.0, share.get(), Bps::WHOLE).unwrap_or(0))
    }
}

/// A share in basis points, 0 … 10,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bps(u16);

impl Bps {
    /// Basis points in a whole.
    pub const WHOLE: u64 = 10_000;

    /// `None` above the whole.
    pub const fn new(bps: u16) -> Option<Self> {
        if bps as u64 <= Self::WHOLE { Some(Self(bps)) } else { None }
    }

    /// Clamps to the whole: for values an account already bounded.
    pub const fn saturating(bps: u16) -> Self {
        match Self::new(bps) {
            Some(share) => share,
            None => Self(10_000),
        }
    }

    /// The number of basis points.
    pub const fn get(self) -> u64 {
        self.0 as u64
    }
}

/// A moment by both of the chain's clocks: either alone can be bent (slot times are being cut, restarts stop slots).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Unix seconds, UTC, as the cluster's clock says.
    pub unix: i64,
    /// Slot.
    pub slot: u64,
}

impl Moment {
    /// Slots per second at the nominal 400 ms, as a fraction. Faster slots make the unix clock the later one, slower ones the slot clock.
    const SLOTS_PER_SECOND: (u64, u64) = (5, 2);

    /// The moment `seconds` later, in both clocks; saturates at the end of time.
    pub fn after(self, seconds: u32) -> Self {
        let slots = u64::from(seconds).saturating_mul(Self::SLOTS_PER_SECOND.0) / Self::SLOTS_PER_SECOND.1;
        Self {
            unix: self.unix.saturating_add(i64::from(seconds)),
            slot: self.slot.saturating_add(slots),
        }
    }

    /// Whether `self` lies at or after `deadline` by both clocks: nobody is late by one clock alone.
    pub fn reached(self, deadline: Self) -> bool {
        self.unix >= deadline.unix && self.slot >= deadline.slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_share_and_its_complement_make_the_whole(amount: u64, bps in 0u16..=10_000) {
            let (a, share, rest) = (Amount(amount), Bps::saturating(bps), Bps::saturating(10_000 - bps));
            prop_assert_eq!(a.share_floor(share).checked_add(a.share_ceil(rest)), Some(a));
            prop_assert!(a.share_ceil(share).0 - a.share_floor(share).0 <= 1);
        }
    }

    #[test]
    fn shares_stop_at_the_whole() {
        assert_eq!(Bps::new(10_000).map(Bps::get), Some(10_000));
        assert_eq!(Bps::new(10_001), None);
        assert_eq!(Bps::saturating(u16::MAX).get(), 10_000);
    }

    #[test]
    fn a_deadline_needs_both_clocks() {
        let deadline = Moment { unix: 100, slot: 1_000 }.after(60);
        assert_eq!(deadline, Moment { unix: 160, slot: 1_150 });
        for (unix, slot, reached) in [(159, 9_999, false), (9_999, 1_149, false), (160, 1_150, true)] {
            assert_eq!(Moment { unix, slot }.reached(deadline), reached, "{unix} {slot}");
        }
    }
}
