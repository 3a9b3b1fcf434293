use crate::error::JobsError;
use crate::state::Config;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct Pause {
    pub guardian: Signer,
    #[account(mut)]
    pub config: Account<Config>,
}

/// - fails for anyone but the guardian and the authority
/// - fails when the guardian tries to resume: pausing is its only power
/// - stops new jobs and claims; jobs in progress, refunds and withdrawals continue (K5)
pub fn set_paused(ctx: &mut Context<Pause>, paused: bool) -> Result<()> {
    let signer = *ctx.accounts.guardian.address();
    let config = &mut ctx.accounts.config;
    let allowed = signer == config.authority || (paused && signer == config.guardian);
    require!(allowed, JobsError::NotGuardian);
    config.paused = paused.into();
    config.announce();
    Ok(())
}
