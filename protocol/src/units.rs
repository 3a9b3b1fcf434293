//! Amounts, shares and times as types: only operations with a meaning exist, and every rounding is named.

use crate::math;

/// Decimals of $IO.
pub const IO_DECIMALS: u8 = 8;
/// Base units of one $IO.
pub const IO: u64 = 10_u64.pow(IO_DECIMALS as u32);

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

    /// Difference, or zero when it would be negative.
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

    /// Clamps to the whole; for values that an account has already bounded.
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

/// A moment on both of the chain's clocks. Either one alone can mislead: slot times vary, and an outage stops the slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Unix seconds, UTC, as the cluster's clock reports them.
    pub unix: i64,
    /// Slot.
    pub slot: u64,
}

impl Moment {
    /// Slots per second at the nominal 400 ms, as a fraction. With faster slots the unix clock reaches a deadline last, with slower slots
    /// the slot clock does.
    const SLOTS_PER_SECOND: (u64, u64) = (5, 2);

    /// The moment `seconds` later, on both clocks; saturates at the end of time.
    pub fn after(self, seconds: u32) -> Self {
        let slots = u64::from(seconds).saturating_mul(Self::SLOTS_PER_SECOND.0) / Self::SLOTS_PER_SECOND.1;
        Self {
            unix: self.unix.saturating_add(i64::from(seconds)),
            slot: self.slot.saturating_add(slots),
        }
    }

    /// Nominal duration of `slots` in seconds, rounded up because [`Moment::after`] rounds the slots down.
    fn seconds_of(slots: u64) -> u64 {
        let (per, seconds) = Self::SLOTS_PER_SECOND;
        math::mul_div_ceil(slots, seconds, per).unwrap_or(u64::MAX)
    }

    /// Whether `self` is at or past `deadline` on both clocks: nobody is late by one clock alone.
    pub fn reached(self, deadline: Self) -> bool {
        self.unix >= deadline.unix && self.slot >= deadline.slot
    }

    /// Seconds by which `self` is past `other`, on the clock that shows more; zero when it is past on neither.
    pub fn seconds_past(self, other: Self) -> u32 {
        let by_slots = Self::seconds_of(self.slot.saturating_sub(other.slot));
        let by_unix = u64::try_from(self.unix.saturating_sub(other.unix)).unwrap_or(0);
        u32::try_from(by_slots.max(by_unix)).unwrap_or(u32::MAX)
    }

    /// This deadline of something that began in slot `since`, given that the cluster last restarted in slot `restart`.
    ///
    /// A restart after the beginning grants the full allowance again: nobody could act during the outage, and only the cluster's clock
    /// knows how long it lasted. On the slot clock the allowance is counted from the restart; on the unix clock it is added to the original
    /// deadline.
    pub fn restarted(self, since: u64, restart: u64) -> Self {
        if restart <= since {
            return self;
        }
        let slots = self.slot.saturating_sub(since);
        let seconds = Self::seconds_of(slots);
        Self {
            unix: self.unix.saturating_add_unsigned(seconds),
            slot: restart.saturating_add(slots),
        }
    }
}

/// The time as a program reads it from the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// Now.
    pub now: Moment,
    /// Slot in which the cluster last restarted; zero when it never did.
    pub restart: u64,
}

impl Clocks {
    /// Whether the deadline of something that began in slot `since` has passed, allowing for a restart.
    pub fn reached(self, deadline: Moment, since: u64) -> bool {
        self.now.reached(deadline.restarted(since, self.restart))
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
    fn time_has_passed_by_the_clock_that_shows_more() {
        let from = Moment { unix: 100, slot: 1_000 };
        let past = |unix, slot| Moment { unix, slot }.seconds_past(from);
        // 101 slots take 40.4 s.
        assert_eq!(
            [past(140, 1_000), past(100, 1_101), past(160, 1_101), past(99, 999)],
            [40, 41, 60, 0]
        );
    }

    #[test]
    fn a_deadline_needs_both_clocks() {
        let deadline = Moment { unix: 100, slot: 1_000 }.after(60);
        assert_eq!(deadline, Moment { unix: 160, slot: 1_150 });
        for (unix, slot, reached) in [(159, 9_999, false), (9_999, 1_149, false), (160, 1_150, true)] {
            assert_eq!(Moment { unix, slot }.reached(deadline), reached, "{unix} {slot}");
        }
    }

    #[test]
    fn a_restart_after_the_beginning_gives_the_whole_allowance_again() {
        let begun = Moment { unix: 100, slot: 1_000 };
        // 61 seconds are 152.5 slots, rounded down; converting the slots back still gives 61 seconds.
        let deadline = begun.after(61);
        assert_eq!(deadline, Moment { unix: 161, slot: 1_152 });
        for restart in [0, 999, 1_000] {
            assert_eq!(deadline.restarted(1_000, restart), deadline, "restarted in {restart}");
        }
        for (restart, slot) in [(1_001, 1_153), (1_152, 1_304), (5_000, 5_152)] {
            assert_eq!(
                deadline.restarted(1_000, restart),
                Moment { unix: 222, slot },
                "restarted in {restart}"
            );
        }
        let clocks = |unix, slot, restart| Clocks {
            now: Moment { unix, slot },
            restart,
        };
        assert!(clocks(161, 1_152, 1_000).reached(deadline, 1_000));
        assert!(!clocks(221, 9_999, 1_001).reached(deadline, 1_000));
        assert!(!clocks(9_999, 1_152, 1_001).reached(deadline, 1_000));
        assert!(clocks(222, 1_153, 1_001).reached(deadline, 1_000));
    }

    proptest! {
        #[test]
        fn a_restart_never_shortens_and_gives_at_least_the_allowance(unix in 0i64..1 << 40, slot in 0u64..1 << 40, seconds: u32, restart in 0u64..1 << 41) {
            let deadline = Moment { unix, slot }.after(seconds);
            let extended = deadline.restarted(slot, restart);
            prop_assert!(extended.unix >= deadline.unix && extended.slot >= deadline.slot);
            if restart > slot {
                prop_assert_eq!(extended, Moment { unix: unix + 2 * i64::from(seconds), slot: Moment { unix, slot: restart }.after(seconds).slot });
            }
        }

        #[test]
        fn no_clock_wraps(unix: i64, slot: u64, since: u64, restart: u64) {
            let extended = Moment { unix, slot }.restarted(since, restart);
            prop_assert!(extended.unix >= unix);
        }
    }
}
