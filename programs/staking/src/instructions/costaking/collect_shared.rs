use crate::error::StakingError;
use crate::events::RewardCollected;
use crate::state::{Device, Emission, RewardBlock, StakingConfig, Tally};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;

#[derive(Accounts)]
pub struct CollectShared {
    #[account(address = config.costaking_authority @ StakingError::NotCostakingProgram)]
    pub costaking_authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
    pub block: Account<RewardBlock>,
    #[account(mut, constraint(tally.counts(&block, device.address()) @ StakingError::WrongTally))]
    pub tally: Account<Tally>,
    #[account(mut)]
    pub emission: Account<Emission>,
    #[account(mut, seeds = [Emission::VAULT_SEED, emission.address().as_ref()], bump = emission.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Receives the co-stakers' part; the costaking program checks whose it is.
    #[account(mut)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for any caller but the costaking program, and where `collect_reward` fails, except that the rewards are shared
/// - fails while the reward of an earlier hour is not collected, and for a part larger than the reward
/// - pays `part` to the co-stakers' vault at once; the owner can claim the rest
pub fn collect_shared(ctx: &mut Context<CollectShared>, part: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let address = *accounts.device.address();
    let (block, number) = (&accounts.block, accounts.block.number()?);
    require!(
        accounts.device.pending().all(|(hour, _, _)| hour >= number),
        StakingError::RewardOutOfOrder
    );
    let owners = |pool, score| {
        let reward: u64 = block.reward(pool, score)?;
        reward.checked_sub(part).ok_or(StakingError::BooksBroken.into())
    };
    let reward = accounts.device.collect_reward(number, owners)?;
    accounts.tally.collect()?;
    accounts.emission.pay(part)?;
    emit!(RewardCollected {
        device: address,
        hour: accounts.block.hour.get(),
        reward,
        rewards: accounts.device.rewards.get()
    });
    vault::pay_rewards(
        &accounts.emission,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        part,
    )
}
