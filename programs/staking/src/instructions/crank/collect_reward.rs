use crate::error::StakingError;
use crate::events::RewardCollected;
use crate::state::{Device, Offering, RewardBlock, Tally};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CollectReward {
    #[account(mut)]
    pub device: Account<Device>,
    pub block: Account<RewardBlock>,
    #[account(mut, constraint(tally.counts(&block, device.address()) @ StakingError::WrongTally))]
    pub tally: Account<Tally>,
}

/// - anyone may call, once the block is settled; fails when the device has no reward of it to collect, and for a device whose rewards are
///   shared
/// - the owner can claim the device's share of its pool, rounded down (G4, A9), from now on
pub fn collect_reward(ctx: &mut Context<CollectReward>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let address = *accounts.device.address();
    let hour = accounts.block.hour.get();
    require!(accounts.device.offering == Offering::Nothing, StakingError::RewardsShared);
    let block = &accounts.block;
    let reward = accounts
        .device
        .collect_reward(block.number()?, |pool, score| block.reward(pool, score))?;
    accounts.tally.collect()?;
    emit!(RewardCollected {
        device: address,
        hour,
        reward,
        rewards: accounts.device.rewards.get()
    });
    Ok(())
}
