use crate::error::JobsError;
use crate::events::ParametersChanged;
use crate::state::{Config, Parameters};
use anchor_lang::prelude::*;

/// Accounts of every change of the config by its authority.
#[derive(Accounts)]
pub struct Administer {
    #[account(address = config.authority @ JobsError::NotAuthority)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<Config>,
}

/// - fails for anyone but the authority
/// - fails when a parameter lies outside its bounds
/// - open jobs keep the fees, bounty and penalty they were opened with (K3); all else, times and the fee of demands among it, holds at once
pub fn set_parameters(ctx: &mut Context<Administer>, parameters: Parameters) -> Result<()> {
    let config = &mut ctx.accounts.config;
    let before = Some(config.parameters());
    config.apply(&parameters)?;
    emit!(ParametersChanged { before, after: parameters });
    Ok(())
}
