use crate::error::StakingError;
use crate::state::StakingConfig;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct Pause {
    pub guardian: Signer,
    #[account(mut)]
    pub config: Account<StakingConfig>,
}

/// - fails for anyone but the guardian and the authority
/// - fails when the guardian tries to resume: it can only pause
/// - stops new devices and stakes; exits stay open (K5)
pub fn set_paused(ctx: &mut Context<Pause>, paused: bool) -> Result<()> {
    let signer = *ctx.accounts.guardian.address();
    let config = &mut ctx.accounts.config;
    let allowed = signer == config.authority || (paused && signer == config.guardian);
    require!(allowed, StakingError::NotGuardian);
    config.paused = paused.into();
    config.announce();
    Ok(())
}
