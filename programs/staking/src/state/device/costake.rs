//! Co-stake and the device's offer, as the costaking program moves them.

use super::{Device, Offering, STATUS_ACTIVE};
use crate::error::StakingError;
use anchor_lang::prelude::*;
use protocol::costake;
use protocol::units::Amount;

impl Device {
    /// Active co-stake, including what open slashes have set aside of it, which keeps voting and earning until they are upheld.
    pub fn whole_co_stake(&self) -> u64 {
        self.co_stake.get().saturating_add(self.co_aside.get())
    }

    /// Adds co-stake.
    pub fn add_co_stake(&mut self, amount: u64, now: i64) -> Result<()> {
        require!(amount > 0, StakingError::ZeroAmount);
        require!(self.status == STATUS_ACTIVE, StakingError::DeviceTerminated);
        require!(self.cooling.is_zero(), StakingError::CoolingDown);
        require!(self.offering == Offering::Open, StakingError::NoOffer);
        // Otherwise someone could join at the slashed price and share what an overturned slash returns.
        require!(self.aside.is_zero(), StakingError::SlashOpen);
        // What is due may be the owner's whole stake.
        require!(self.dues == 0, StakingError::DueOpen);
        self.co_stake = self.co_stake.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        let cooling = self.co_cooling_shares.get();
        let all = costake::shares_for(Amount(self.co_stake.get()), cooling, Amount(self.co_cooling.get()));
        let all = all.and_then(|shares| shares.checked_add(cooling));
        require!(all.is_some_and(|all| all < costake::MOST_SHARES), StakingError::CoolingWorthless);
        self.freshen(amount, now)?;
        self.invariant()
    }

    /// Moves co-stake to the cooling pool, where it no longer counts; returns the shares of that pool that it buys, rounded down.
    pub fn cool_co_stake(&mut self, amount: u64) -> Result<u64> {
        // Otherwise co-stakers who moved between the pools would share what an overturned slash returns to the other pool.
        require!(self.aside.is_zero(), StakingError::SlashOpen);
        let (active, pool) = (Amount(self.co_stake.get()), Amount(self.co_cooling.get()));
        let shares = costake::cooling_shares(Amount(amount), active, self.co_cooling_shares.get(), pool);
        self.co_stake = self.co_stake.checked_sub(amount).ok_or(StakingError::BooksBroken)?;
        self.co_cooling = self.co_cooling.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        self.co_cooling_shares = self.co_cooling_shares.checked_add(shares).ok_or(StakingError::BooksBroken)?;
        self.invariant()?;
        Ok(shares)
    }

    /// Withdraws shares of the cooling pool; returns their value, rounded down.
    pub fn withdraw_co_stake(&mut self, shares: u64) -> Result<u64> {
        let all = self.co_cooling_shares.get();
        let left = all.checked_sub(shares).ok_or(StakingError::BooksBroken)?;
        // The last shares take the dust of rounding.
        let amount = match left {
            0 => self.co_cooling.get(),
            _ => costake::worth(shares, all, Amount(self.co_cooling.get())).0,
        };
        self.co_cooling = self.co_cooling.checked_sub(amount).ok_or(StakingError::BooksBroken)?;
        self.co_cooling_shares = left.into();
        self.invariant()?;
        Ok(amount)
    }

    /// Starts or ends sharing rewards. A device has one offer at a time, and cannot end it while it has co-stake.
    pub fn set_offering(&mut self, offering: u8) -> Result<()> {
        let ends = offering == Offering::Nothing;
        require!(
            !ends || (self.co_stake.is_zero() && self.forced_at.is_zero()),
            StakingError::CoStaked
        );
        // An offer relies on the owner's stake, part of which is due.
        require!(self.dues == 0 || offering != Offering::Open, StakingError::DueOpen);
        self.offering = offering;
        self.invariant()
    }

    /// Clears the record of the owner's exit once the offer has recorded it.
    pub fn take_forced(&mut self) -> Result<()> {
        require!(!self.forced_at.is_zero(), StakingError::NotForced);
        (self.forced_at, self.forced_cooldown, self.forced_shares) = (PodI64::ZERO, PodU32::ZERO, PodU64::ZERO);
        self.invariant()
    }
}
