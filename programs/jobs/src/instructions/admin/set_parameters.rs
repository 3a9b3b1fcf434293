use crate::error::JobsError;
use crate::events::ParametersChanged;
use crate::state::{Config, ParameterChanges};
use anchor_lang::prelude::*;

/// Accounts of the instructions by which the authority changes the config.
#[derive(Accounts)]
pub struct Administer {
    #[account(address = config.authority @ JobsError::NotAuthority)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<Config>,
}

/// - fails for anyone but the authority
/// - fails when a parameter lies outside its bounds
/// - leaves parameters that are not given as they are
/// - jobs in progress keep the fees, bounty and penalty they were opened with, and their auditors that penalty (K3); all other parameters,
///   such as times and the demand fee, apply to them at once
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
