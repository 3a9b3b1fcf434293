use super::set_parameters::Administer;
use crate::error::StakingError;
use anchor_lang::prelude::*;

/// - fails for anyone but the authority, and for one key in both places (H7)
/// - names the key that proposes slashes and the key that approves them; slashes under way go on
pub fn set_judges(ctx: &mut Context<Administer>, proposer: Address, approver: Address) -> Result<()> {
    require!(proposer != approver, StakingError::SameJudges);
    let config = &mut ctx.accounts.config;
    config.slash_proposer = proposer;
    config.slash_approver = approver;
    config.announce();
    Ok(())
}
