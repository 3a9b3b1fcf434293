use crate::error::JobsError;
use crate::events::ParametersChanged;
use crate::state::{Config, ParameterChanges};
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
/// - what is not named stays as it is
/// - open jobs keep the fees, bounty and penalty they were opened with, and their auditors that penalty (K3); all else, times and the
///   fee of demands among it, holds at once
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
