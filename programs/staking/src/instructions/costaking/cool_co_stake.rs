use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, StakingConfig};
use anchor_lang::prelude::*;

/// Accounts for the costaking program's changes to a device.
#[derive(Accounts)]
pub struct ChangeCoStake {
    #[account(address = config.costaking_authority @ StakingError::NotCostakingProgram)]
    pub costaking_authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
}

/// - fails for any caller but the costaking program, for more than the active co-stake, and while a slash has set stake of the device aside
/// - the amount no longer counts, and cools down; `co_cooling_shares` grows by the shares that it buys
pub fn cool_co_stake(ctx: &mut Context<ChangeCoStake>, amount: u64) -> Result<()> {
    let device = &mut ctx.accounts.device;
    device.cool_co_stake(amount)?;
    device.announce_stake(*device.address(), StakeMove::CoCooled, amount);
    Ok(())
}
