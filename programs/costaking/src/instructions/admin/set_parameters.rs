use crate::error::CostakingError;
use crate::events::ParametersChanged;
use crate::state::{Config, Parameters};
use anchor_lang::prelude::*;

/// Accounts of every change of the config by its authority.
#[derive(Accounts)]
pub struct Administer {
    #[account(address = config.authority @ CostakingError::NotAuthority)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<Config>,
}

/// - fails for anyone but the authority
/// - fails when a parameter lies outside its bounds
/// - exits that were requested keep the times they were given, and offers their terms (K3)
pub fn set_parameters(ctx: &mut Context<Administer>, parameters: Parameters) -> Result<()> {
    let config = &mut ctx.accounts.config;
    let before = Some(config.parameters());
    config.apply(&parameters)?;
    emit!(ParametersChanged { before, after: parameters });
    Ok(())
}
