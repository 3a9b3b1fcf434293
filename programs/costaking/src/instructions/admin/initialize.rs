use crate::AUTHORITY_SEED;
use crate::error::CostakingError;
use crate::events::ParametersChanged;
use crate::state::{Config, Parameters};
use anchor_lang::prelude::*;
use anchor_spl::Mint;
use protocol::loader;

#[derive(Accounts)]
pub struct Initialize {
    #[account(mut)]
    pub payer: Signer,
    /// Becomes the config's authority and guardian.
    pub upgrade_authority: Signer,
    #[account(init, payer = payer, seeds = [Config::SEED], bump)]
    pub config: Account<Config>,
    pub mint: Account<Mint>,
    /// CHECK: its address is derived here; only its bump is kept.
    #[account(seeds = [AUTHORITY_SEED], bump)]
    pub authority: UncheckedAccount,
    /// CHECK: the loader's record of this program; its address is derived from the program id, and its bytes are parsed.
    #[account(seeds = [crate::ID.as_ref()], bump, seeds::program = Address::new_from_array(loader::ID))]
    pub program_data: UncheckedAccount,
    pub system_program: Program<System>,
}

/// - fails unless `upgrade_authority` may upgrade this program, so that nobody else can create the config first
/// - fails when a parameter lies outside its bounds
/// - fails when the config exists
/// - the program starts unpaused
pub fn initialize(ctx: &mut Context<Initialize>, parameters: Parameters) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let is_allowed = {
        let data = accounts.program_data.account().try_borrow()?;
        loader::is_upgrade_authority(&data, accounts.upgrade_authority.address().as_array())
    };
    require!(is_allowed, CostakingError::NotUpgradeAuthority);
    let config = &mut accounts.config;
    config.apply(&parameters)?;
    config.authority = *accounts.upgrade_authority.address();
    config.guardian = *accounts.upgrade_authority.address();
    config.mint = *accounts.mint.address();
    config.bump = ctx.bumps.config;
    config.authority_bump = ctx.bumps.authority;
    config.version = 1;
    config.announce();
    emit!(ParametersChanged {
        before: None,
        after: parameters
    });
    Ok(())
}
