use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::AuditCommitted;
use crate::state::{Audit, Config, Job};
use anchor_lang::prelude::*;
use staking::Device;

/// Accounts with which a device commits to and reveals the result of an audit.
#[derive(Accounts)]
pub struct WorkAudit {
    #[account(address = device.key @ JobsError::NotAssignedDevice)]
    pub key: Signer,
    pub config: Account<Config>,
    #[account(address = audit.device @ JobsError::NotAssignedDevice)]
    pub device: Account<Device>,
    #[account(mut, constraint(job.job_hash == audit.job_hash @ JobsError::AccountMismatch))]
    pub job: Account<Job>,
    #[account(mut)]
    pub audit: Account<Audit>,
}

/// - fails for anyone but the auditor's hot key, unless the audit is taken, and after its deadline
/// - records the commitment and the root of the auditor's salted tree, both before the worker reveals
pub fn commit_audit(ctx: &mut Context<WorkAudit>, commitment: [u8; 32], custody: [u8; 32]) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.job.seal_audit(accounts.config.reveal_seconds.get(), clocks()?)?;
    accounts.audit.commit(commitment, custody);
    emit!(AuditCommitted {
        job: accounts.audit.job,
        commitment,
        custody,
        deadline: accounts.job.deadline_at.get()
    });
    Ok(())
}
