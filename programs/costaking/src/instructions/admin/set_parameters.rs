use crate::error::CostakingError;
use crate::events::ParametersChanged;
use crate::state::{Config, ParameterChanges};
use anchor_lang::prelude::*;

/// Accounts for every change of the config by its authority.
#[derive(Accounts)]
pub struct Administer {
    #[account(address = config.authority @ CostakingError::NotAuthority)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<Config>,
}

/// - fails for anyone but the authority
/// - fails when a parameter lies outside its bounds
/// - parameters that are not named stay unchanged
/// - requested exits keep their times, and offers their terms (K3)
pub fn set_parameters(ctx: &mut Context<Administer>, changes: ParameterChanges) -> Result<()> {
    let config = &mut ctx.accounts.config;
    let before = config.parameters();
    let after = changes.over(&before);
    config.apply(&after)?;
    emit!(ParametersChanged {
        before: Some(before),
        after
    });
    Ok(())
}
