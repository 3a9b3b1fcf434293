//! Calls into the staking program, which this program's authority signs: the bond behind a job or an audit is locked and released, and what
//! a convicted device owes is paid.
//!
//! A function takes at most five arguments on the chain's machine, unless it is inlined.

use crate::AUTHORITY_SEED;
use crate::state::{Config, Permit};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use core::slice;
use staking::cpi::accounts::{ConvictBond, LockBond, Pardon, PayReward, SettleBond};
use staking::{Device, GpuModel, Staking, instruction};

/// What a call of the staking program needs: the program, its config, and this program's signing authority.
pub struct Bonds<'a> {
    staking: &'a Program<Staking>,
    config: &'a Account<staking::StakingConfig>,
    authority: &'a UncheckedAccount,
    seeds: [&'a [u8]; 2],
}

impl<'a> Bonds<'a> {
    /// Calls that this program's authority signs, whose bump is in its `config`.
    pub fn new(
        staking: &'a Program<Staking>,
        staking_config: &'a Account<staking::StakingConfig>,
        authority: &'a UncheckedAccount,
        config: &'a Config,
    ) -> Self {
        Self {
            staking,
            config: staking_config,
            authority,
            seeds: [AUTHORITY_SEED, slice::from_ref(&config.authority_bump)],
        }
    }

    /// Locks `bond` of the device's stake; staking checks that the device may take it on.
    pub fn lock(&self, gpu_model: &Account<GpuModel>, device: &mut Account<Device>, bond: u64) -> Result<()> {
        let accounts = LockBond {
            jobs_authority: self.authority.cpi_handle().as_signer(),
            config: self.config.cpi_handle(),
            gpu_model: gpu_model.cpi_handle(),
            device: device.cpi_handle_mut(),
        };
        staking::call::<4, _>(
            CpiContext::new(self.staking.address(), accounts).with_signer(&[&self.seeds]),
            &instruction::LockBond { bond },
        )
    }

    /// Releases the bond of a device that did its work.
    pub fn release(&self, device: &mut Account<Device>, bond: u64) -> Result<()> {
        staking::call::<3, _>(
            CpiContext::new(self.staking.address(), self.settle(device)).with_signer(&[&self.seeds]),
            &instruction::ReleaseBond { bond },
        )
    }

    /// Releases the bond of a device that did not do its work, less `penalty`, which is forfeited.
    pub fn slash(&self, device: &mut Account<Device>, bond: u64, penalty: u64) -> Result<()> {
        staking::call::<3, _>(
            CpiContext::new(self.staking.address(), self.settle(device)).with_signer(&[&self.seeds]),
            &instruction::SlashBond { bond, penalty },
        )
    }

    /// Takes the bond of a convicted device: `compensation` goes to the consumer's account, the rest is owed.
    #[inline(always)]
    pub fn convict(
        &self,
        device: &mut Account<Device>,
        vault: &mut Account<TokenAccount>,
        compensated: &mut Account<TokenAccount>,
        token: &Program<Token>,
        (bond, compensation): (u64, u64),
    ) -> Result<()> {
        let accounts = ConvictBond {
            jobs_authority: self.authority.cpi_handle().as_signer(),
            config: self.config.cpi_handle(),
            device: device.cpi_handle_mut(),
            vault: vault.cpi_handle_mut(),
            to: compensated.cpi_handle_mut(),
            token_program: token.cpi_handle(),
        };
        staking::call::<6, _>(
            CpiContext::new(self.staking.address(), accounts).with_signer(&[&self.seeds]),
            &instruction::ConvictBond { bond, compensation },
        )
    }

    /// Reverses a conviction for an error by permit: what would have burned is the device's again, and the jackpot comes in and is owed.
    #[inline(always)]
    pub fn pardon(
        &self,
        device: &mut Account<Device>,
        vault: &mut Account<TokenAccount>,
        permit: &Account<Permit>,
        permit_vault: &mut Account<TokenAccount>,
        token: &Program<Token>,
        (returned, jackpot): (u64, u64),
    ) -> Result<()> {
        let accounts = Pardon {
            jobs_authority: self.authority.cpi_handle().as_signer(),
            config: self.config.cpi_handle(),
            device: device.cpi_handle_mut(),
            vault: vault.cpi_handle_mut(),
            from: permit_vault.cpi_handle_mut(),
            funder: permit.cpi_handle().as_signer(),
            token_program: token.cpi_handle(),
        };
        staking::call::<7, _>(
            CpiContext::new(self.staking.address(), accounts).with_signer(&[&self.seeds, &permit.seeds()]),
            &instruction::Pardon { returned, jackpot },
        )
    }

    /// Pays the challenger `reward` of what the device owes, and forfeits `burned` of it.
    #[inline(always)]
    pub fn pay_reward(
        &self,
        device: &mut Account<Device>,
        vault: &mut Account<TokenAccount>,
        rewarded: &mut Account<TokenAccount>,
        token: &Program<Token>,
        (reward, burned): (u64, u64),
    ) -> Result<()> {
        let accounts = PayReward {
            jobs_authority: self.authority.cpi_handle().as_signer(),
            config: self.config.cpi_handle(),
            device: device.cpi_handle_mut(),
            vault: vault.cpi_handle_mut(),
            to: rewarded.cpi_handle_mut(),
            token_program: token.cpi_handle(),
        };
        staking::call::<6, _>(
            CpiContext::new(self.staking.address(), accounts).with_signer(&[&self.seeds]),
            &instruction::PayReward { reward, burned },
        )
    }

    fn settle<'b>(&'b self, device: &'b mut Account<Device>) -> SettleBond<'b> {
        SettleBond {
            jobs_authority: self.authority.cpi_handle().as_signer(),
            config: self.config.cpi_handle(),
            device: device.cpi_handle_mut(),
        }
    }
}
