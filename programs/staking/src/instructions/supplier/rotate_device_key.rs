use crate::error::StakingError;
use crate::events::DeviceChanged;
use crate::state::{Device, DeviceKey};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct RotateDeviceKey {
    #[account(mut, address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    /// The new hot key.
    pub new_key: Signer,
    #[account(mut)]
    pub device: Account<Device>,
    #[account(init, payer = owner, seeds = [DeviceKey::SEED, new_key.address().as_ref()], bump)]
    pub device_key: Account<DeviceKey>,
    pub system_program: Program<System>,
}

/// - fails for anyone but the owner
/// - fails when the new key was ever registered before
/// - the old key can no longer sign anything; jobs in progress continue under the new key
pub fn rotate_device_key(ctx: &mut Context<RotateDeviceKey>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let address = *accounts.device.address();
    accounts.device_key.device = address;
    let device = &mut accounts.device;
    device.key = *accounts.new_key.address();
    emit!(DeviceChanged {
        device: address,
        key: device.key,
        payout: device.payout
    });
    Ok(())
}
