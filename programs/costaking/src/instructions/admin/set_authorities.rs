use super::set_parameters::Administer;
use anchor_lang::prelude::*;

/// - fails for anyone but the authority
/// - replaces the keys that are given
pub fn set_authorities(ctx: &mut Context<Administer>, authority: Option<Address>, guardian: Option<Address>) -> Result<()> {
    let config = &mut ctx.accounts.config;
    config.authority = authority.unwrap_or(config.authority);
    config.guardian = guardian.unwrap_or(config.guardian);
    config.announce();
    Ok(())
}
