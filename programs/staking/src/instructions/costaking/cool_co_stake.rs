use crate::error::StakingError;
use crate::events::StakeMove;
use crate::state::{Device, StakingConfig};
use anchor_lang::prelude::*;

/// Accounts of the costaking program's changes to a device.
#[derive(Accounts)]
pub struct ChangeCoStake {
    #[account(address = config.costaking_authority @ StakingError::NotCostakingProgram)]
    pub costaking_authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub device: Account<Device>,
}

/// - fails for any caller but the costaking program, for more than there is, and while a slash has set stake of the device aside
/// - the amount counts no more, and cools down; the shares it buys are the growth of `co_cooling_shares`
pub fn cool_co_stake(ctx: &mut Context<ChangeCoStake>, amount: u64) -> Result<()> {
    let device = &mut ctx.accounts.device;
    device.cool_co_stake(amount)?;
    device.announce_stake(*device.address(), StakeMove::CoCooled, amount);
    Ok(())
}
