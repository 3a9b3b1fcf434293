use crate::error::CostakingError;
use crate::state::Config;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct Pause {
    pub guardian: Signer,
    #[account(mut)]
    pub config: Account<Config>,
}

/// - fails for anyone but the guardian and the authority
/// - fails when the guardian tries to resume: it can only pause
/// - stops new offers and positions; exits and claims continue (K5)
pub fn set_paused(ctx: &mut Context<Pause>, paused: bool) -> Result<()> {
    let signer = *ctx.accounts.guardian.address();
    let config = &mut ctx.accounts.config;
    let allowed = signer == config.authority || (paused && signer == config.guardian);
    require!(allowed, CostakingError::NotGuardian);
    config.paused = paused.into();
    config.announce();
    Ok(())
}
