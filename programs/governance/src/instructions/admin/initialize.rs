use crate::error::GovernanceError;
use crate::events::{GuardianChanged, RulesChanged};
use crate::state::{Config, Rules};
use crate::{AUTHORITY_SEED, GUARDIAN_SEED, PURSE_SEED};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};
use protocol::loader;
use staking::Emission;

#[derive(Accounts)]
pub struct Initialize {
    #[account(mut)]
    pub payer: Signer,
    pub upgrade_authority: Signer,
    #[account(init, payer = payer, seeds = [Config::SEED], bump)]
    pub config: Account<Config>,
    pub mint: Account<Mint>,
    #[account(init, payer = payer, seeds = [Config::DEPOSITS_SEED], bump, token::mint = mint, token::authority = config)]
    pub deposits: Account<TokenAccount>,
    /// CHECK: derived here; signs the instructions of proposals.
    #[account(seeds = [AUTHORITY_SEED], bump)]
    pub authority: UncheckedAccount,
    /// CHECK: derived here; pays the rent of accounts that proposals create.
    #[account(seeds = [PURSE_SEED], bump)]
    pub purse: UncheckedAccount,
    /// CHECK: derived here; the guardian of the other programs.
    #[account(seeds = [GUARDIAN_SEED], bump)]
    pub guardian_authority: UncheckedAccount,
    pub emission: Account<Emission>,
    /// Holds the rewards that do not circulate yet.
    #[account(seeds = [Emission::VAULT_SEED, emission.address().as_ref()], bump = emission.vault_bump, seeds::program = staking::ID)]
    pub emission_vault: Account<TokenAccount>,
    /// CHECK: the loader's record of this program: its address is derived from the program id, its bytes are parsed.
    #[account(seeds = [crate::ID.as_ref()], bump, seeds::program = Address::new_from_array(loader::ID))]
    pub program_data: UncheckedAccount,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// - fails unless `upgrade_authority` may upgrade this very program, so nobody can front-run it with a config of their own
/// - fails when a rule lies outside its bounds, for a guardian's term beyond a year, and before the emission has started
/// - fails when the config exists
/// - creates the config, which from then on only proposals change
pub fn initialize(ctx: &mut Context<Initialize>, rules: Rules, guardian: Address, until: i64) -> Result<()> {
    let bumps = &ctx.bumps;
    let accounts = &mut ctx.accounts;
    let is_allowed = {
        let data = accounts.program_data.account().try_borrow()?;
        loader::is_upgrade_authority(&data, accounts.upgrade_authority.address().as_array())
    };
    require!(is_allowed, GovernanceError::NotUpgradeAuthority);
    let config = &mut accounts.config;
    config.apply(&rules)?;
    config.set_guardian(guardian, until, Clock::get()?.unix_timestamp)?;
    config.authority = *accounts.authority.address();
    config.mint = *accounts.mint.address();
    config.emission_vault = *accounts.emission_vault.address();
    config.bump = bumps.config;
    config.authority_bump = bumps.authority;
    config.purse_bump = bumps.purse;
    config.guardian_bump = bumps.guardian_authority;
    config.deposits_bump = bumps.deposits;
    config.version = 1;
    emit!(RulesChanged {
        before: None,
        after: rules
    });
    emit!(GuardianChanged { guardian, until });
    Ok(())
}
