use crate::error::StakingError;
use crate::events::BondMoved;
use crate::state::{Device, GpuModel, StakingConfig};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct LockBond {
    #[account(address = config.jobs_authority @ StakingError::NotJobsProgram)]
    pub jobs_authority: Signer,
    pub config: Account<StakingConfig>,
    pub gpu_model: Account<GpuModel>,
    #[account(mut)]
    pub device: Account<Device>,
}

/// - fails for any caller but the jobs program
/// - fails when the device is terminated, on probation (B6), below its minimum stake (C6, I13), of a GPU model without a multiplier, or
///   while something is due to a slash
/// - fails when the free own stake does not cover the bond: co-stake is never at risk for a job that the owner took
pub fn lock_bond(ctx: &mut Context<LockBond>, bond: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts
        .device
        .lock_bond(bond, &accounts.config, &accounts.gpu_model, Clock::get()?.unix_timestamp)?;
    let device = &accounts.device;
    emit!(BondMoved {
        device: *device.address(),
        locked: true,
        bond,
        penalty: 0,
        locked_bond: device.locked_bond.get(),
        open_jobs: device.open_jobs.get(),
    });
    Ok(())
}
