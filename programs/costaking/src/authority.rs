//! This program's calls into staking, signed by its authority PDA.

use crate::AUTHORITY_SEED;
use anchor_lang::prelude::*;
use staking::cpi::accounts::ChangeCoStake;
use staking::{Device, Staking, instruction};

/// The accounts that every call into staking needs: its program, its config, and this program's authority.
pub struct Authority<'a> {
    pub staking: &'a Program<Staking>,
    pub config: &'a Account<staking::StakingConfig>,
    pub authority: &'a UncheckedAccount,
    pub bump: u8,
}

impl Authority<'_> {
    fn change<'a>(&'a self, device: &'a mut Account<Device>) -> ChangeCoStake<'a> {
        ChangeCoStake {
            costaking_authority: self.authority.cpi_handle().as_signer(),
            config: self.config.cpi_handle(),
            device: device.cpi_handle_mut(),
        }
    }

    /// Sets whether the device's rewards are shared, and whether co-stakers may join.
    pub fn set_offering(&self, device: &mut Account<Device>, offering: u8) -> Result<()> {
        let signer: &[&[u8]] = &[AUTHORITY_SEED, &[self.bump]];
        let accounts = self.change(device);
        staking::call::<3, _>(
            CpiContext::new(self.staking.address(), accounts).with_signer(&[signer]),
            &instruction::SetOffering { offering },
        )
    }

    /// Starts the cooldown of co-stake; returns the shares of the device's cooling pool that it bought.
    pub fn cool(&self, device: &mut Account<Device>, amount: u64) -> Result<u64> {
        let before = device.co_cooling_shares.get();
        let signer: &[&[u8]] = &[AUTHORITY_SEED, &[self.bump]];
        let accounts = self.change(device);
        staking::call::<3, _>(
            CpiContext::new(self.staking.address(), accounts).with_signer(&[signer]),
            &instruction::CoolCoStake { amount },
        )?;
        Ok(device.co_cooling_shares.get().saturating_sub(before))
    }

    /// Clears the record of the owner's exit once the offer has recorded it.
    pub fn take_forced(&self, device: &mut Account<Device>) -> Result<()> {
        let signer: &[&[u8]] = &[AUTHORITY_SEED, &[self.bump]];
        let accounts = self.change(device);
        staking::call::<3, _>(
            CpiContext::new(self.staking.address(), accounts).with_signer(&[signer]),
            &instruction::TakeForced {},
        )
    }
}
