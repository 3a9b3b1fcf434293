use crate::error::StakingError;
use crate::events::BondMoved;
use crate::state::{Device, StakingConfig};
use anchor_lang::prelude::*;

/// Accounts for both ways a bond can end: release and slash.
#[derive(Accounts)]
pub struct SettleBond {
    #[account(address = config.jobs_authority @ StakingError::NotJobsProgram)]
    pub jobs_authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
}

impl SettleBond {
    pub(super) fn announce(&self, bond: u64, penalty: u64) {
        let device = &self.device;
        emit!(BondMoved {
            device: *device.address(),
            locked: false,
            bond,
            penalty,
            locked_bond: device.locked_bond.get(),
            open_jobs: device.open_jobs.get(),
        });
    }
}

/// - fails for any caller but the jobs program
/// - fails for a bond larger than the locked bonds
/// - releases the bond and counts a finished job
pub fn release_bond(ctx: &mut Context<SettleBond>, bond: u64) -> Result<()> {
    ctx.accounts.device.release_bond(bond)?;
    ctx.accounts.announce(bond, 0);
    Ok(())
}
