use crate::error::StakingError;
use crate::events::RewardRulesChanged;
use crate::state::{Emission, RewardRules, StakingConfig};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};

#[derive(Accounts)]
pub struct StartEmission {
    #[account(mut)]
    pub payer: Signer,
    #[account(address = config.authority @ StakingError::NotAuthority)]
    pub authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(address = config.mint @ StakingError::WrongMint)]
    pub mint: Account<Mint>,
    #[account(init, payer = payer, seeds = [Emission::SEED], bump)]
    pub emission: Account<Emission>,
    #[account(init, payer = payer, seeds = [Emission::VAULT_SEED, emission.address().as_ref()], bump, token::mint = mint, token::authority = emission)]
    pub vault: Account<TokenAccount>,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// - fails for anyone but the authority, when the emission has started already, and for rules out of bounds
/// - the first block is that of the hour that begins at `genesis`; its month is the first of 240. Earlier hours of that month emit nothing,
///   so all 300,000,000 $IO are emitted only if `genesis` is the start of a month
/// - anyone may fund the vault, by a plain transfer
pub fn start_emission(ctx: &mut Context<StartEmission>, genesis: i64, rules: RewardRules, verifier: Address) -> Result<()> {
    let bumps = (ctx.bumps.emission, ctx.bumps.vault);
    ctx.accounts.emission.start(genesis, &rules, verifier, bumps)?;
    emit!(RewardRulesChanged {
        verifier,
        next_hour: genesis,
        before: None,
        after: rules
    });
    Ok(())
}
