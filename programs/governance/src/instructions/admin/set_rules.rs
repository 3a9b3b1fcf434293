use crate::error::GovernanceError;
use crate::events::RulesChanged;
use crate::state::{Config, RuleChanges};
use anchor_lang::prelude::*;

/// Accounts of the instructions by which proposals change the config.
#[derive(Accounts)]
pub struct Govern {
    #[account(address = config.authority @ GovernanceError::NotGovernance)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<Config>,
}

/// - fails for anyone but a proposal that passed
/// - fails when a rule lies outside its bounds
/// - leaves rules that are not given as they are
/// - votes in progress keep the rules they opened under (K3)
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
