use crate::error::StakingError;
use crate::events::RewardsClaimed;
use crate::state::{Device, Emission};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct ClaimRewards {
    #[account(address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(mut)]
    pub emission: Account<Emission>,
    #[account(mut, seeds = [Emission::VAULT_SEED, emission.address().as_ref()], bump = emission.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut, token::authority = owner)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for anyone but the owner, and when nothing was collected
/// - pays all collected rewards, which never expire; never paused (G7, G8, K5)
pub fn claim_rewards(ctx: &mut Context<ClaimRewards>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let amount = accounts.device.claim_rewards()?;
    accounts.emission.pay(amount)?;
    emit!(RewardsClaimed {
        device: *accounts.device.address(),
        amount,
        owed: accounts.emission.owed.get()
    });
    vault::pay_rewards(
        &accounts.emission,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        amount,
    )
}
