use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, StakingConfig};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct Stake {
    #[account(address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut)]
    pub from: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails while paused, for anyone but the owner (D1), and for a zero amount
/// - fails when the device is terminated or an earlier stake is cooling down (D3)
/// - fails while something is due to a slash and no job is in progress: first what is left of the bonds is collected
/// - moves the amount from the owner's token account into the device's vault
pub fn stake(ctx: &mut Context<Stake>, amount: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.config.check_running()?;
    accounts.device.stake(amount, Clock::get()?.unix_timestamp)?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::Staked, amount);
    accounts
        .token_program
        .transfer(&mut accounts.from, &mut accounts.vault, &accounts.owner, &[], amount)
}
