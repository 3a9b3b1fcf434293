use crate::error::StakingError;
use crate::events::ParametersChanged;
use crate::state::{Parameters, StakingConfig};
use anchor_lang::prelude::*;

/// Accounts of every change of the config by its authority.
#[derive(Accounts)]
pub struct Administer {
    #[account(address = config.authority @ StakingError::NotAuthority)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<StakingConfig>,
}

/// - fails for anyone but the authority
/// - fails when a parameter lies outside its bounds
/// - running cooldowns keep the end they started with (K3)
pub fn set_parameters(ctx: &mut Context<Administer>, parameters: Parameters) -> Result<()> {
    let config = &mut ctx.accounts.config;
    let before = Some(config.parameters());
    config.apply(&parameters)?;
    emit!(ParametersChanged { before, after: parameters });
    Ok(())
}
