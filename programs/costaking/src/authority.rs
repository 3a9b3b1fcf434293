//! This program's calls into staking, signed by its authority PDA.

use crate::AUTHORITY_SEED;
use crate::instructions::{Distribute, JoinOffer, WithdrawExit};
use crate::state::Config;
use anchor_lang::prelude::*;
use core::slice;
use staking::cpi::accounts::{AddCoStake, ChangeCoStake, CollectShared, WithdrawCoStake};
use staking::state::Offering;
use staking::{Device, Staking, StakingConfig, instruction};

/// The accounts that every call into staking needs: its program, its config, and this program's authority, with its seeds.
pub struct Authority<'a> {
    staking: &'a Program<Staking>,
    config: &'a Account<StakingConfig>,
    authority: &'a UncheckedAccount,
    seeds: [&'a [u8]; 2],
}

impl<'a> Authority<'a> {
    /// `own` is this program's config, `config` staking's.
    pub fn new(
        staking: &'a Program<Staking>,
        config: &'a Account<StakingConfig>,
        authority: &'a UncheckedAccount,
        own: &'a Config,
    ) -> Self {
        Self {
            staking,
            config,
            authority,
            seeds: seeds(own),
        }
    }

    /// Sets whether the device's rewards are shared, and whether co-stakers may join.
    pub fn set_offering(&self, device: &mut Account<Device>, offering: Offering) -> Result<()> {
        let offering = offering as u8;
        self.change(device, &instruction::SetOffering { offering })
    }

    /// Starts the cooldown of co-stake; returns the shares of the device's cooling pool that it bought.
    pub fn cool(&self, device: &mut Account<Device>, amount: u64) -> Result<u64> {
        let before = device.co_cooling_shares.get();
        self.change(device, &instruction::CoolCoStake { amount })?;
        Ok(device.co_cooling_shares.get().saturating_sub(before))
    }

    /// Clears the record of the owner's exit once the offer has recorded it.
    pub fn take_forced(&self, device: &mut Account<Device>) -> Result<()> {
        self.change(device, &instruction::TakeForced {})
    }

    fn change(&self, device: &mut Account<Device>, instruction: &impl InstructionData) -> Result<()> {
        let accounts = ChangeCoStake {
            costaking_authority: self.authority.cpi_handle().as_signer(),
            config: self.config.cpi_handle(),
            device: device.cpi_handle_mut(),
        };
        let context = CpiContext::new(self.staking.address(), accounts);
        staking::call::<3, _>(context.with_signer(&[&self.seeds]), instruction)
    }
}

/// Takes a joining co-staker's amount in.
#[inline(never)] // Each of these calls needs a stack frame of its own.
pub fn add_co_stake(accounts: &mut JoinOffer, amount: u64) -> Result<()> {
    let context = CpiContext::new(
        accounts.staking_program.address(),
        AddCoStake {
            costaking_authority: accounts.authority.cpi_handle().as_signer(),
            config: accounts.staking_config.cpi_handle(),
            device: accounts.device.cpi_handle_mut(),
            vault: accounts.device_vault.cpi_handle_mut(),
            from: accounts.from.cpi_handle_mut(),
            co_staker: accounts.co_staker.cpi_handle(),
            token_program: accounts.token_program.cpi_handle(),
        },
    );
    let instruction = instruction::AddCoStake { amount };
    staking::call::<7, _>(context.with_signer(&[&seeds(&accounts.config)]), &instruction)
}

/// Pays a co-staker's cooled shares out.
#[inline(never)]
pub fn withdraw_co_stake(accounts: &mut WithdrawExit, shares: u64) -> Result<()> {
    let context = CpiContext::new(
        accounts.staking_program.address(),
        WithdrawCoStake {
            costaking_authority: accounts.authority.cpi_handle().as_signer(),
            config: accounts.staking_config.cpi_handle(),
            device: accounts.device.cpi_handle_mut(),
            vault: accounts.device_vault.cpi_handle_mut(),
            to: accounts.to.cpi_handle_mut(),
            token_program: accounts.token_program.cpi_handle(),
        },
    );
    let instruction = instruction::WithdrawCoStake { shares };
    staking::call::<6, _>(context.with_signer(&[&seeds(&accounts.config)]), &instruction)
}

/// Collects the reward of an hour, and pays co-stakers' part of it into the offer's vault.
#[inline(never)]
pub fn collect_shared(accounts: &mut Distribute, part: u64) -> Result<()> {
    let context = CpiContext::new(
        accounts.staking_program.address(),
        CollectShared {
            costaking_authority: accounts.authority.cpi_handle().as_signer(),
            config: accounts.staking_config.cpi_handle(),
            device: accounts.device.cpi_handle_mut(),
            block: accounts.block.cpi_handle(),
            tally: accounts.tally.cpi_handle_mut(),
            emission: accounts.emission.cpi_handle_mut(),
            vault: accounts.emission_vault.cpi_handle_mut(),
            to: accounts.vault.cpi_handle_mut(),
            token_program: accounts.token_program.cpi_handle(),
        },
    );
    let instruction = instruction::CollectShared { part };
    staking::call::<9, _>(context.with_signer(&[&seeds(&accounts.config)]), &instruction)
}

fn seeds(config: &Config) -> [&[u8]; 2] {
    [AUTHORITY_SEED, slice::from_ref(&config.authority_bump)]
}
