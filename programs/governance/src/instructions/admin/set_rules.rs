use crate::error::GovernanceError;
use crate::events::RulesChanged;
use crate::state::{Config, Rules};
use anchor_lang::prelude::*;

/// Accounts of every change of the config, which proposals make.
#[derive(Accounts)]
pub struct Govern {
    #[account(address = config.authority @ GovernanceError::NotGovernance)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<Config>,
}

/// - fails for anyone but a proposal that passed
/// - fails when a rule lies outside its bounds
/// - votes that are on keep the rules they began with (K3)
pub fn set_rules(ctx: &mut Context<Govern>, rules: Rules) -> Result<()> {
    let config = &mut ctx.accounts.config;
    let before = Some(config.rules());
    config.apply(&rules)?;
    emit!(RulesChanged { before, after: rules });
    Ok(())
}
