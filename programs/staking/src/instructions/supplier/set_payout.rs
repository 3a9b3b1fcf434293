use crate::error::StakingError;
use crate::events::DeviceChanged;
use crate::state::Device;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SetPayout {
    #[account(address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    #[account(mut)]
    pub device: Account<Device>,
}

/// - fails for anyone but the owner
/// - job payments go to token accounts of `payout` from now on
pub fn set_payout(ctx: &mut Context<SetPayout>, payout: Address) -> Result<()> {
    let address = *ctx.accounts.device.address();
    let device = &mut ctx.accounts.device;
    device.payout = payout;
    emit!(DeviceChanged {
        device: address,
        key: device.key,
        payout
    });
    Ok(())
}
