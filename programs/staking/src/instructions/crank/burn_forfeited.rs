use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, StakingConfig};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::{Mint, TokenAccount};

#[derive(Accounts)]
pub struct BurnForfeited {
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut, address = config.mint @ StakingError::WrongMint)]
    pub mint: Account<Mint>,
    pub token_program: Program<Token>,
}

/// - anyone may call; fails when nothing was forfeited
/// - burns through the token program, so that the supply falls (A10); not part of the job instructions because it writes the mint
pub fn burn_forfeited(ctx: &mut Context<BurnForfeited>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let amount = accounts.device.take_forfeited()?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::Burned, amount);
    vault::burn(
        &accounts.device,
        &mut accounts.vault,
        &mut accounts.mint,
        &accounts.token_program,
        amount,
    )
}
