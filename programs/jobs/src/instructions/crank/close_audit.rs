use crate::AUTHORITY_SEED;
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
    pub staking_config: Account<staking::Config>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
}

/// - anyone may call; fails while the audit's job is there and neither paid nor convicted
/// - frees the auditor's bond; an auditor that was not paid for a job that was has missed one
pub fn close_audit(ctx: &mut Context<CloseAudit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let job = Account::<Job>::load(*accounts.job.account()).ok();
    accounts.audit.check_over(job.as_deref())?;
    let (bond, unpaid) = (accounts.audit.bond.get(), accounts.audit.outcome == Outcome::Unpaid as u8);
    emit!(AuditClosed {
        job: accounts.audit.job,
        device: accounts.audit.device,
        missed: unpaid
    });
    let bump = [accounts.config.authority_bump];
    let seeds: &[&[u8]] = &[AUTHORITY_SEED, &bump];
    let signer = [seeds];
    let context = CpiContext::new(
        accounts.staking_program.address(),
        staking::cpi::accounts::SettleBond {
            jobs_authority: accounts.authority.cpi_handle().as_signer(),
            config: accounts.staking_config.cpi_handle(),
            device: accounts.device.cpi_handle_mut(),
        },
    )
    .with_signer(&signer);
    if unpaid {
        staking::cpi::slash_bond(context, bond, 0)
    } else {
        staking::cpi::release_bond(context, bond)
    }
}
