//! Bonds of jobs: locked, released, slashed, and what convictions owe.

use super::Device;
use crate::error::StakingError;
use crate::state::{GpuModel, StakingConfig};
use anchor_lang::prelude::*;

impl Device {
    /// Locks `bond` for a new job. Fails unless the device may be hired and its free own stake covers the bond (C6, I13).
    pub fn lock_bond(&mut self, bond: u64, config: &StakingConfig, gpu: &GpuModel, now: i64) -> Result<()> {
        require!(bond > 0, StakingError::ZeroAmount);
        require!(self.dues == 0, StakingError::DueOpen);
        self.check_operational(config, gpu, now)?;
        self.check_staked(0, self.minimum(config, gpu, now)?)?;
        let locked = self.locked_bond.checked_add(bond).ok_or(StakingError::BooksBroken)?;
        require!(locked <= self.own_stake, StakingError::InsufficientFreeStake);
        self.locked_bond = locked;
        self.open_jobs = self.open_jobs.checked_add(1).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Releases the bond of a finished job.
    pub fn release_bond(&mut self, bond: u64) -> Result<()> {
        self.unlock(bond)?;
        self.jobs_done = self.jobs_done.saturating_add(1);
        self.clean_jobs = self.clean_jobs.saturating_add(1);
        self.invariant()
    }

    /// Releases the bond of a missed job; `penalty`, at most the bond, is forfeited (H9).
    pub fn slash_bond(&mut self, bond: u64, penalty: u64) -> Result<()> {
        require!(penalty <= bond, StakingError::BondNotLocked);
        self.unlock(bond)?;
        self.own_stake = self.own_stake.checked_sub(penalty).ok_or(StakingError::BooksBroken)?;
        self.forfeited = self.forfeited.checked_add(penalty).ok_or(StakingError::BooksBroken)?;
        self.jobs_missed = self.jobs_missed.saturating_add(1);
        self.clean_jobs = PodU32::ZERO;
        self.invariant()
    }

    /// Takes the whole bond of a job whose result was proved wrong: `compensation` leaves the vault at once, the rest is owed.
    pub fn convict_bond(&mut self, bond: u64, compensation: u64) -> Result<()> {
        let owed = bond.checked_sub(compensation).ok_or(StakingError::BondNotLocked)?;
        self.unlock(bond)?;
        self.own_stake = self.own_stake.checked_sub(bond).ok_or(StakingError::BooksBroken)?;
        self.owed = self.owed.checked_add(owed).ok_or(StakingError::BooksBroken)?;
        self.jobs_convicted = self.jobs_convicted.saturating_add(1);
        self.clean_jobs = PodU32::ZERO;
        self.invariant()
    }

    /// Ends a conviction: `reward` leaves the vault, `burned` is forfeited.
    pub fn pay_reward(&mut self, reward: u64, burned: u64) -> Result<()> {
        let ends = reward.checked_add(burned).ok_or(StakingError::NotOwed)?;
        self.owed = self.owed.checked_sub(ends).ok_or(StakingError::NotOwed)?;
        self.forfeited = self.forfeited.checked_add(burned).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Reverses the conviction for an error that a permit excuses: `returned` of what is owed becomes stake again, active or cooling like
    /// the owner's other stake, and `jackpot` more is owed.
    pub fn pardon(&mut self, returned: u64, jackpot: u64) -> Result<()> {
        let owed = self.owed.checked_sub(returned).ok_or(StakingError::NotOwed)?;
        self.owed = owed.checked_add(jackpot).ok_or(StakingError::BooksBroken)?;
        let stake = if self.cooling.is_zero() {
            &mut self.own_stake
        } else {
            &mut self.cooling
        };
        *stake = stake.checked_add(returned).ok_or(StakingError::BooksBroken)?;
        self.jobs_convicted = self.jobs_convicted.checked_sub(1).ok_or(StakingError::NotOwed)?;
        self.invariant()
    }

    fn unlock(&mut self, bond: u64) -> Result<()> {
        self.locked_bond = self.locked_bond.checked_sub(bond).ok_or(StakingError::BondNotLocked)?;
        self.open_jobs = self.open_jobs.checked_sub(1).ok_or(StakingError::BondNotLocked)?;
        Ok(())
    }
}
