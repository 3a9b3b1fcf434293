//! The owner's stake: coming in, voting, cooling down, leaving.

use super::{Device, Offering, STATUS_ACTIVE};
use crate::error::StakingError;
use anchor_lang::prelude::*;
use protocol::ballot::History;
use protocol::units::Amount;
use protocol::{emission, stake};

impl Device {
    /// Adds own stake; not while earlier stake cools down (D3). Nor, once no bond is left, while something is due: what a conviction has
    /// taken is not taken again from new stake.
    pub fn stake(&mut self, amount: u64, now: i64) -> Result<()> {
        require!(amount > 0, StakingError::ZeroAmount);
        require!(self.status == STATUS_ACTIVE, StakingError::DeviceTerminated);
        require!(self.cooling.is_zero(), StakingError::CoolingDown);
        require!(self.dues == 0 || !self.open_jobs.is_zero(), StakingError::DueOpen);
        let before = self.own_stake.checked_add(self.own_aside.get()).ok_or(StakingError::BooksBroken)?;
        let history = self.history().raised(before.get(), now);
        for ((at, aged), raise) in self.raised_at.iter_mut().zip(&mut self.aged).zip(history.0) {
            (*at, *aged) = (raise.0.into(), raise.1.into());
        }
        self.own_stake = self.own_stake.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        self.freshen(amount, now)?;
        self.invariant()
    }

    /// Weight of the owner's stake in a vote opened at `opened_at`: the stake that had been there for a week and is not cooling down.
    /// Active stake that a slash has set aside keeps its weight until the slash is upheld: judges cannot silence those who may overturn
    /// them.
    pub fn voting_weight(&self, opened_at: i64) -> u64 {
        let aside = match self.cooling.is_zero() {
            true => self.own_aside.get(),
            false => 0,
        };
        self.history().weight(self.counting().saturating_add(aside), opened_at)
    }

    /// Own stake outside bonds.
    pub fn unbonded(&self) -> u64 {
        self.own_stake.get().saturating_sub(self.locked_bond.get())
    }

    /// Own stake that counts for hours and votes: without bonds while a slash is due stake in them.
    pub(super) fn counting(&self) -> u64 {
        match self.dues {
            0 => self.own_stake.get(),
            _ => self.unbonded(),
        }
    }

    /// Fails unless the stake that counts, own and co-stake, reaches `minimum` without the `late` part of it.
    pub(super) fn check_staked(&self, late: u64, minimum: Amount) -> Result<()> {
        let staked = self.co_stake.checked_add(self.counting()).ok_or(StakingError::BooksBroken)?;
        require!(staked.get().saturating_sub(late) >= minimum.0, StakingError::BelowMinimumStake);
        Ok(())
    }

    fn history(&self) -> History {
        let mut history = History::default();
        for (raise, (at, aged)) in history.0.iter_mut().zip(self.raised_at.iter().zip(&self.aged)) {
            *raise = (at.get(), aged.get());
        }
        history
    }

    pub(super) fn freshen(&mut self, amount: u64, now: i64) -> Result<()> {
        let hour = emission::number_of(now).ok_or(StakingError::BooksBroken)?;
        if self.fresh_hour.get() != hour {
            self.fresh_before = self.fresh_from(hour.saturating_sub(1)).into();
            self.fresh = PodU64::ZERO;
            self.fresh_hour = hour.into();
        }
        self.fresh = self.fresh.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        Ok(())
    }

    /// Stake that came in since the start of `hour`. That must be no earlier than the hour before the last one in which stake came in.
    pub(super) fn fresh_from(&self, hour: u32) -> u64 {
        let (last, before) = (self.fresh_hour.get(), self.fresh_hour.get().saturating_sub(1));
        let now = if last >= hour { self.fresh.get() } else { 0 };
        let earlier = if before >= hour { self.fresh_before.get() } else { 0 };
        now.saturating_add(earlier)
    }

    /// Own stake that may leave without a cooldown: the part above the minimum and outside bonds (D5). While the device has an offer, own
    /// stake of half the minimum has to stay, even if a cut of the minimum leaves it covered by co-stake alone (E26). Zero while a slash is
    /// due stake in bonds.
    pub fn overflow(&self, minimum: Amount) -> u64 {
        if self.dues != 0 {
            return 0;
        }
        let own = self.own_stake.get();
        let overflow = stake::overflow(Amount(own), Amount(self.co_stake.get()), minimum).0;
        let kept = match self.offering == Offering::Nothing {
            true => 0,
            false => minimum.0.div_ceil(2),
        };
        overflow.min(self.unbonded()).min(own.saturating_sub(kept))
    }

    /// Withdraws `amount` of own stake without a cooldown.
    pub fn withdraw_overflow(&mut self, amount: u64, minimum: Amount) -> Result<()> {
        require!(amount > 0, StakingError::ZeroAmount);
        require!(self.dues == 0, StakingError::DueOpen);
        require!(amount <= self.overflow(minimum), StakingError::ExceedsOverflow);
        self.own_stake = self.own_stake.checked_sub(amount).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Starts the cooldown of the whole own stake; returns the amount (D2, D6).
    pub fn unstake(&mut self, now: i64, cooldown: u32) -> Result<u64> {
        let amount = self.own_stake.get();
        require!(amount > 0, StakingError::NothingStaked);
        require!(self.open_jobs.is_zero(), StakingError::DeviceBusy);
        require!(self.dues == 0, StakingError::DueOpen);
        require!(self.offering != Offering::Open, StakingError::OfferOpen);
        self.own_stake = PodU64::ZERO;
        self.cooling = amount.into();
        self.cooldown_ends = now.saturating_add(i64::from(cooldown)).into();
        if !self.co_stake.is_zero() {
            // All co-stake leaves with the owner, from the same moment on (E19).
            self.forced_shares = self.cool_co_stake(self.co_stake.get())?.into();
            self.forced_at = now.into();
            self.forced_cooldown = cooldown.into();
        }
        self.invariant()?;
        Ok(amount)
    }

    /// Withdraws the cooling stake once its cooldown has ended; returns the amount (D4).
    pub fn withdraw(&mut self, now: i64) -> Result<u64> {
        let amount = self.cooling.get();
        require!(amount > 0, StakingError::NothingToWithdraw);
        require!(now >= self.cooldown_ends.get(), StakingError::CooldownNotOver);
        self.cooling = PodU64::ZERO;
        self.cooldown_ends = PodI64::ZERO;
        self.invariant()?;
        Ok(amount)
    }
}
