use crate::error::StakingError;
use crate::events::DeviceRegistered;
use crate::state::{Device, DeviceKey, GpuModel, StakingConfig};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};

#[derive(Accounts)]
pub struct RegisterDevice {
    /// Pays the rent, which `close_device` returns.
    #[account(mut)]
    pub owner: Signer,
    /// The worker's hot key, which signs so that nobody registers a key that they do not hold (B8).
    pub key: Signer,
    pub config: Account<StakingConfig>,
    pub gpu_model: Account<GpuModel>,
    #[account(init, payer = owner, seeds = [Device::SEED, key.address().as_ref()], bump)]
    pub device: Account<Device>,
    #[account(init, payer = owner, seeds = [DeviceKey::SEED, key.address().as_ref()], bump)]
    pub device_key: Account<DeviceKey>,
    #[account(address = config.mint @ StakingError::WrongMint)]
    pub mint: Account<Mint>,
    #[account(init, payer = owner, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump, token::mint = mint, token::authority = device)]
    pub vault: Account<TokenAccount>,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// - fails while paused
/// - fails when the GPU model is not listed or the quantity is not 1 … 8 (B2)
/// - fails when the key was ever registered before, by anyone (B9)
/// - the device starts on probation (B6), without stake, in the lowest connectivity tier; payments go to the owner until `set_payout`
pub fn register_device(ctx: &mut Context<RegisterDevice>, quantity: u8) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.config.check_running()?;
    let address = *accounts.device.address();
    let (owner, key) = (*accounts.owner.address(), *accounts.key.address());
    let (bumps, now) = ((ctx.bumps.device, ctx.bumps.vault), Clock::get()?.unix_timestamp);
    accounts.device.create((owner, key), &accounts.gpu_model, quantity, now, bumps)?;
    accounts.device_key.device = address;
    emit!(DeviceRegistered {
        device: address,
        owner,
        key,
        gpu_model: accounts.device.gpu_model.get(),
        quantity
    });
    Ok(())
}
