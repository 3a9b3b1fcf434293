use super::set_parameters::Administer;
use anchor_lang::prelude::*;

/// - fails for anyone but the authority
/// - replaces both keys
pub fn set_authorities(ctx: &mut Context<Administer>, authority: Address, guardian: Address) -> Result<()> {
    let config = &mut ctx.accounts.config;
    config.authority = authority;
    config.guardian = guardian;
    config.announce();
    Ok(())
}
