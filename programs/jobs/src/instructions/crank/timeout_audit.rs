use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::AuditSkipped;
use crate::state::{Audit, AuditStage, Config, Job};
use anchor_lang::prelude::*;
use staking::Device;
use staking::Staking;

/// Accounts of an audit that ends, and of its auditor's bond.
#[derive(Accounts)]
pub struct EndAudit {
    /// CHECK: the payer of the audit's rent, as the audit names it; receives that rent.
    #[account(mut, address = audit.payer @ JobsError::AccountMismatch)]
    pub payer: UncheckedAccount,
    pub config: Account<Config>,
    #[account(mut, constraint(job.job_hash == audit.job_hash @ JobsError::AccountMismatch))]
    pub job: Account<Job>,
    #[account(mut, close = payer)]
    pub audit: Account<Audit>,
    #[account(mut, address = audit.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
}

/// - anyone may call; fails unless the auditor's deadline for its commitment has passed by both clocks
/// - the auditor forfeits a share of its bond; the worker's reveal time starts
pub fn timeout_audit(ctx: &mut Context<EndAudit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let seconds = accounts.config.reveal_seconds.get();
    accounts.job.clear_audit(AuditStage::Taken, seconds, clocks()?)?;
    emit!(AuditSkipped {
        job: *accounts.job.address(),
        deadline: accounts.job.deadline_at.get()
    });
    let (bond, penalty) = (accounts.audit.bond.get(), accounts.audit.penalty());
    let bonds = Bonds::new(
        &accounts.staking_program,
        &accounts.staking_config,
        &accounts.authority,
        &accounts.config,
    );
    bonds.slash(&mut accounts.device, bond, penalty)
}
