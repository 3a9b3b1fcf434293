use crate::error::StakingError;
use crate::events::ParametersChanged;
use crate::state::{Parameters, StakingConfig};
use anchor_lang::prelude::*;
use anchor_spl::Mint;
use protocol::loader;

#[derive(Accounts)]
pub struct Initialize {
    #[account(mut)]
    pub payer: Signer,
    /// Becomes the config's authority and guardian.
    pub upgrade_authority: Signer,
    #[account(init, payer = payer, seeds = [StakingConfig::SEED], bump)]
    pub config: Account<StakingConfig>,
    pub mint: Account<Mint>,
    /// CHECK: only its address is kept; a wrong one locks no funds, since no bonds can be locked then.
    pub jobs_authority: UncheckedAccount,
    /// CHECK: only its address is kept; a wrong one locks no funds, since no co-stake can come in then.
    pub costaking_authority: UncheckedAccount,
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
    require!(is_allowed, StakingError::NotUpgradeAuthority);
    let config = &mut accounts.config;
    config.apply(&parameters)?;
    config.authority = *accounts.upgrade_authority.address();
    config.guardian = *accounts.upgrade_authority.address();
    config.jobs_authority = *accounts.jobs_authority.address();
    config.costaking_authority = *accounts.costaking_authority.address();
    config.mint = *accounts.mint.address();
    config.bump = ctx.bumps.config;
    config.version = 1;
    config.announce();
    emit!(ParametersChanged {
        before: None,
        after: parameters
    });
    Ok(())
}
