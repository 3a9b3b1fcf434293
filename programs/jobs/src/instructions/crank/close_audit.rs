use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::error::JobsError;
use crate::events::AuditClosed;
use crate::state::{Audit, Config, Job, Outcome};
use anchor_lang::prelude::*;
use staking::Device;
use staking::Staking;

#[derive(Accounts)]
pub struct CloseAudit {
    /// CHECK: the payer of the audit's rent, as the audit names it; receives that rent.
    #[account(mut, address = audit.payer @ JobsError::AccountMismatch)]
    pub payer: UncheckedAccount,
    pub config: Account<Config>,
    /// CHECK: the address of the audit's job, which may have ended; parsed below.
    #[account(address = audit.job @ JobsError::AccountMismatch)]
    pub job: UncheckedAccount,
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

/// - anyone may call; fails while the audit's job exists and is not convicted
/// - releases the auditor's bond. If the job was paid and the auditor was not, it has held up the worker for nothing: it pays the penalty
///   of a missed deadline, and the job counts as missed
pub fn close_audit(ctx: &mut Context<CloseAudit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let job = Account::<Job>::load(*accounts.job.account()).ok();
    accounts.audit.check_over(job.as_deref())?;
    let (bond, unpaid) = (accounts.audit.bond.get(), accounts.audit.outcome == Outcome::Unpaid);
    emit!(AuditClosed {
        job: accounts.audit.job,
        device: accounts.audit.device,
        missed: unpaid
    });
    let penalty = accounts.audit.penalty();
    let bonds = Bonds::new(
        &accounts.staking_program,
        &accounts.staking_config,
        &accounts.authority,
        &accounts.config,
    );
    if unpaid {
        bonds.slash(&mut accounts.device, bond, penalty)
    } else {
        bonds.release(&mut accounts.device, bond)
    }
}
