use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::Device;
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct Withdraw {
    #[account(address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut, token::authority = owner)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for anyone but the owner, when nothing is cooling down, and before the cooldown has ended (D4)
/// - pays out once; never paused
pub fn withdraw(ctx: &mut Context<Withdraw>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let amount = accounts.device.withdraw(Clock::get()?.unix_timestamp)?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::Withdrawn, amount);
    vault::pay(
        &accounts.device,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        amount,
    )
}
