use super::set_parameters::Administer;
use crate::error::StakingError;
use anchor_lang::prelude::*;

/// - fails for anyone but the authority, and when both keys would be the same (H7)
/// - replaces the key that proposes slashes, the key that approves them, or both; open slashes continue
pub fn set_judges(ctx: &mut Context<Administer>, proposer: Option<Address>, approver: Option<Address>) -> Result<()> {
    let config = &mut ctx.accounts.config;
    config.slash_proposer = proposer.unwrap_or(config.slash_proposer);
    config.slash_approver = approver.unwrap_or(config.slash_approver);
    require!(config.slash_proposer != config.slash_approver, StakingError::SameJudges);
    config.announce();
    Ok(())
}
