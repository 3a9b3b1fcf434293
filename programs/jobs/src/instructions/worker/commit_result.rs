use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::JobCommitted;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;
use staking::Device;

/// Accounts with which a device commits to and reveals the result of its job.
#[derive(Accounts)]
pub struct WorkJob {
    #[account(address = device.key @ JobsError::NotAssignedDevice)]
    pub key: Signer,
    pub config: Account<Config>,
    #[account(address = job.device @ JobsError::NotAssignedDevice)]
    pub device: Account<Device>,
    #[account(mut)]
    pub job: Account<Job>,
}

/// - fails for anyone but the assigned device's hot key, unless the job is assigned, and after the run's deadline
/// - records the commitment and starts the reveal time; for a replica, `call_reveals` starts it once all have committed or ended
pub fn commit_result(ctx: &mut Context<WorkJob>, commitment: [u8; 32]) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.job.commit(commitment, accounts.config.reveal_seconds.get(), clocks()?)?;
    emit!(JobCommitted {
        job: *accounts.job.address(),
        commitment,
        deadline: accounts.job.deadline_at.get()
    });
    Ok(())
}
