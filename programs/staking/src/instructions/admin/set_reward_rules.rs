use crate::error::StakingError;
use crate::events::RewardRulesChanged;
use crate::state::{Emission, RewardRuleChanges, StakingConfig};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SetRewardRules {
    #[account(address = config.authority @ StakingError::NotAuthority)]
    pub authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub emission: Account<Emission>,
}

/// - fails for anyone but the authority, and for rules out of bounds
/// - rules that are not named stay unchanged
/// - open blocks keep the rules they were opened with (K3)
pub fn set_reward_rules(ctx: &mut Context<SetRewardRules>, changes: RewardRuleChanges, verifier: Option<Address>) -> Result<()> {
    let emission = &mut ctx.accounts.emission;
    let before = emission.rules();
    let after = changes.over(&before);
    let verifier = verifier.unwrap_or(emission.verifier);
    emission.apply(&after, verifier)?;
    emit!(RewardRulesChanged {
        verifier,
        next_hour: emission.next_hour.get(),
        before: Some(before),
        after
    });
    Ok(())
}
