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
    /// CHECK: paid the audit's rent and gets it back.
    #[account(mut, address = audit.payer @ JobsError::AccountMismatch)]
    pub payer: UncheckedAccount,
    pub config: Account<Config>,
    /// CHECK: the audit's job, or what is left of it.
    #[account(address = audit.job @ JobsError::AccountMismatch)]
    pub job: UncheckedAccount,
    #[account(mut, close = payer)]
    pub audit: Account<Audit>,
    #[account(mut, address = audit.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
}

/// - anyone may call; fails while the audit's job is there and neither paid nor convicted
/// - frees the auditor's bond; an auditor that was not paid for a job that was has missed one, and loses what lateness costs: it held the worker up
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
    let bonds = Bonds {
        staking: &accounts.staking_program,
        config: &accounts.staking_config,
        authority: &accounts.authority,
        bump: accounts.config.authority_bump,
    };
    if unpaid {
        bonds.slash(&mut accounts.device, bond, penalty)
    } else {
        bonds.release(&mut accounts.device, bond)
    }
}
