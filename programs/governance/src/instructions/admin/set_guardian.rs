use super::set_rules::Govern;
use crate::events::GuardianChanged;
use anchor_lang::prelude::*;

/// - fails for anyone but a proposal that passed, and for a term beyond a year
/// - replaces the guardian; with a term in the past there is none
pub fn set_guardian(ctx: &mut Context<Govern>, guardian: Address, until: i64) -> Result<()> {
    ctx.accounts.config.set_guardian(guardian, until, Clock::get()?.unix_timestamp)?;
    emit!(GuardianChanged { guardian, until });
    Ok(())
}
