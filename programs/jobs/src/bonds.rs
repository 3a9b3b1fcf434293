//! The bond behind a job or an audit: the staking program locks and releases it for this program's authority.

use crate::AUTHORITY_SEED;
use anchor_lang::prelude::*;
use staking::cpi::accounts::{LockBond, SettleBond};
use staking::{Device, GpuModel, Staking, instruction};

/// What a call of the staking program needs: the program, its config, and this program's signing authority.
pub struct Bonds<'a> {
    pub staking: &'a Program<Staking>,
    pub config: &'a Account<staking::StakingConfig>,
    pub authority: &'a UncheckedAccount,
    pub bump: u8,
}

impl Bonds<'_> {
    /// Locks `bond` of the device's stake; staking checks that the device may take it on.
    pub fn lock(&self, gpu_model: &Account<GpuModel>, device: &mut Account<Device>, bond: u64) -> Result<()> {
        let accounts = LockBond {
            jobs_authority: self.authority.cpi_handle().as_signer(),
            config: self.config.cpi_handle(),
            gpu_model: gpu_model.cpi_handle(),
            device: device.cpi_handle_mut(),
        };
        let signer: &[&[u8]] = &[AUTHORITY_SEED, &[self.bump]];
        staking::call::<4, _>(
            CpiContext::new(self.staking.address(), accounts).with_signer(&[signer]),
            &instruction::LockBond { bond },
        )
    }

    /// Releases the bond of a device that did its work.
    pub fn release(&self, device: &mut Account<Device>, bond: u64) -> Result<()> {
        let signer: &[&[u8]] = &[AUTHORITY_SEED, &[self.bump]];
        staking::call::<3, _>(
            CpiContext::new(self.staking.address(), self.settle(device)).with_signer(&[signer]),
            &instruction::ReleaseBond { bond },
        )
    }

    /// Releases the bond of a device that did not do its work, less `penalty`, which is forfeited.
    pub fn slash(&self, device: &mut Account<Device>, bond: u64, penalty: u64) -> Result<()> {
        let signer: &[&[u8]] = &[AUTHORITY_SEED, &[self.bump]];
        staking::call::<3, _>(
            CpiContext::new(self.staking.address(), self.settle(device)).with_signer(&[signer]),
            &instruction::SlashBond { bond, penalty },
        )
    }

    fn settle<'a>(&'a self, device: &'a mut Account<Device>) -> SettleBond<'a> {
        SettleBond {
            jobs_authority: self.authority.cpi_handle().as_signer(),
            config: self.config.cpi_handle(),
            device: device.cpi_handle_mut(),
        }
    }
}
