use crate::error::StakingError;
use crate::events::DeviceTerminated;
use crate::state::Device;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct TerminateDevice {
    #[account(address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    #[account(mut)]
    pub device: Account<Device>,
}

/// - fails for anyone but the owner, when the device is already terminated, and while jobs are in progress
/// - the device takes no more jobs; its stake stays until it is unstaked (B10)
pub fn terminate_device(ctx: &mut Context<TerminateDevice>) -> Result<()> {
    ctx.accounts.device.terminate()?;
    emit!(DeviceTerminated {
        device: *ctx.accounts.device.address()
    });
    Ok(())
}
