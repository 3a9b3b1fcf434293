use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, StakingConfig};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;

#[derive(Accounts)]
pub struct PayReward {
    #[account(address = config.jobs_authority @ StakingError::NotJobsProgram)]
    pub jobs_authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Receives the reward; the jobs program checks whose it is.
    #[account(mut)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for any caller but the jobs program
/// - fails for more than the device owes
/// - pays the reward from the vault, and forfeits `burned`
pub fn pay_reward(ctx: &mut Context<PayReward>, reward: u64, burned: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.device.pay_reward(reward, burned)?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::Rewarded, reward);
    vault::pay(
        &accounts.device,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        reward,
    )
}
