use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, StakingConfig};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct AddCoStake {
    #[account(address = config.costaking_authority @ StakingError::NotCostakingProgram)]
    pub costaking_authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut)]
    pub from: Account<TokenAccount>,
    /// Owner of `from`.
    pub co_staker: Signer,
    pub token_program: Program<Token>,
}

/// - fails for any caller but the costaking program, while paused, for a zero amount
/// - fails without an open offer, for a device that is terminated or whose stake cools down, while a slash is open or something is due to
///   one, and while slashes have left too many shares in the cooling pool
/// - moves the amount from the co-staker's token account into the device's vault
pub fn add_co_stake(ctx: &mut Context<AddCoStake>, amount: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.config.check_running()?;
    accounts.device.add_co_stake(amount, Clock::get()?.unix_timestamp)?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::CoStaked, amount);
    accounts
        .token_program
        .transfer(&mut accounts.from, &mut accounts.vault, &accounts.co_staker, &[], amount)
}
