//! The bond behind a job or an audit: staking locks and frees it for this program's authority.

use crate::AUTHORITY_SEED;
use anchor_lang::prelude::*;
use staking::cpi::accounts::{LockBond, SettleBond};
use staking::{Device, GpuModel, Staking, instruction};

/// Staking's side of an instruction: its program, its config, and the authority that it knows this program by.
pub struct Bonds<'a> {
    pub staking: &'a Program<Staking>,
    pub config: &'a Account<staking::StakingConfig>,
    pub authority: &'a UncheckedAccount,
    pub bump: u8,
}

impl Bonds<'_> {
    /// Locks `bond` of the device's stake; staking checks the device.
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

    /// Frees the bond of a device that did what it took on.
    pub fn release(&self, device: &mut Account<Device>, bond: u64) -> Result<()> {
        let signer: &[&[u8]] = &[AUTHORITY_SEED, &[self.bump]];
        staking::call::<3, _>(
            CpiContext::new(self.staking.address(), self.settle(device)).with_signer(&[signer]),
            &instruction::ReleaseBond { bond },
        )
    }

    /// Frees the bond less `penalty`, which is forfeited, of a device that did not.
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
