use crate::error::GovernanceError;
use crate::events::RulesChanged;
use crate::state::{Config, RuleChanges};
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
/// - what is not named stays as it is
/// - votes that are on keep the rules they began with (K3)
pub fn set_rules(ctx: &mut Context<Govern>, changes: RuleChanges) -> Result<()> {
    let config = &mut ctx.accounts.config;
    let before = config.rules();
    let after = changes.over(&before);
    config.apply(&after)?;
    emit!(RulesChanged {
        before: Some(before),
        after
    });
    Ok(())
}
