use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, GpuModel, StakingConfig};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct WithdrawOverflow {
    #[account(address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    pub config: Account<StakingConfig>,
    pub gpu_model: Account<GpuModel>,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut, token::authority = owner)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for anyone but the owner, for a zero amount, for the wrong GPU model, and while something is due to a slash
/// - fails for more than the stake above the minimum and outside bonds (D5), and for more than leaves half of the minimum while an offer
///   exists (E26)
/// - pays out at once; never paused
pub fn withdraw_overflow(ctx: &mut Context<WithdrawOverflow>, amount: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let minimum = accounts
        .device
        .minimum(&accounts.config, &accounts.gpu_model, Clock::get()?.unix_timestamp)?;
    accounts.device.withdraw_overflow(amount, minimum)?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::OverflowWithdrawn, amount);
    vault::pay(
        &accounts.device,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        amount,
    )
}
