use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, StakingConfig};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;

#[derive(Accounts)]
pub struct WithdrawCoStake {
    #[account(address = config.costaking_authority @ StakingError::NotCostakingProgram)]
    pub costaking_authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Receives the stake; the costaking program checks whose it is.
    #[account(mut)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for any caller but the costaking program, and for more shares than there are
/// - pays the value of the shares of the cooling pool, rounded down; never paused
pub fn withdraw_co_stake(ctx: &mut Context<WithdrawCoStake>, shares: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let amount = accounts.device.withdraw_co_stake(shares)?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::CoWithdrawn, amount);
    vault::pay(
        &accounts.device,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        amount,
    )
}
