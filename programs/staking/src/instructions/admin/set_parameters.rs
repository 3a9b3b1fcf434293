use crate::error::StakingError;
use crate::events::ParametersChanged;
use crate::state::{ParameterChanges, StakingConfig};
use anchor_lang::prelude::*;

/// Accounts for every change of the config by its authority.
#[derive(Accounts)]
pub struct Administer {
    #[account(address = config.authority @ StakingError::NotAuthority)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<StakingConfig>,
}

/// - fails for anyone but the authority
/// - fails when a parameter lies outside its bounds
/// - parameters that are not named stay unchanged
/// - running cooldowns keep their end (K3)
/// - a raised base stake raises minimum stakes only after the grace period (C3); a cut frees overflow at once (C4)
pub fn set_parameters(ctx: &mut Context<Administer>, changes: ParameterChanges) -> Result<()> {
    let config = &mut ctx.accounts.config;
    let before = config.parameters();
    let after = changes.over(&before);
    config.change(&after, Clock::get()?.unix_timestamp)?;
    emit!(ParametersChanged {
        before: Some(before),
        after
    });
    Ok(())
}
