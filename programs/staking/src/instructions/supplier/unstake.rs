use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, StakingConfig};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct Unstake {
    #[account(address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
}

/// - fails for anyone but the owner, with nothing staked, while jobs are in progress (D6), while co-stakers may join, while something is
///   due to a slash, and while a slash is open and there is co-stake
/// - the whole own stake stops counting and cools down, and all co-stake with it (E19); this cannot be undone (D2, D3); never paused
pub fn unstake(ctx: &mut Context<Unstake>) -> Result<()> {
    let cooldown = ctx.accounts.config.cooldown.get();
    let address = *ctx.accounts.device.address();
    let device = &mut ctx.accounts.device;
    let amount = device.unstake(Clock::get()?.unix_timestamp, cooldown)?;
    device.announce_stake(address, StakeMove::Unstaked, amount);
    Ok(())
}
