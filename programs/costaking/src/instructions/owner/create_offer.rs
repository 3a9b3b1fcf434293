#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::AUTHORITY_SEED;
use crate::authority::Authority;
use crate::error::CostakingError;
use crate::events::OfferCreated;
use crate::state::{Config, Offer, OfferTerms};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};
use protocol::units::Amount;
use staking::state::Offering;
use staking::{Device, GpuModel, Staking};

#[derive(Accounts)]
#[instruction(index: u32)]
pub struct CreateOffer {
    /// Pays the rents, which `close_offer` returns.
    #[account(mut, address = device.owner @ CostakingError::NotOwner)]
    pub owner: Signer,
    pub config: Account<Config>,
    #[account(mut)]
    pub device: Account<Device>,
    pub gpu_model: Account<GpuModel>,
    #[account(init, payer = owner, seeds = [Offer::SEED, device.address().as_ref(), &index.to_le_bytes()], bump)]
    pub offer: Account<Offer>,
    #[account(address = config.mint @ CostakingError::AccountMismatch)]
    pub mint: Account<Mint>,
    #[account(init, payer = owner, seeds = [Offer::VAULT_SEED, offer.address().as_ref()], bump, token::mint = mint, token::authority = offer)]
    pub vault: Account<TokenAccount>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// - fails while paused, for anyone but the device's owner (E1), and while the device has an offer
/// - fails for a device that is terminated, on probation, of a GPU model that earns nothing (E3), or whose stake is below its minimum (E2)
/// - fails for a capacity above half of the minimum (E4), for a share below 5 % (E5), and for a ticket of zero or above the capacity
/// - fails while something is due to a slash
/// - rewards of earlier hours stay the owner's alone: nobody earns before joining
pub fn create_offer(ctx: &mut Context<CreateOffer>, index: u32, terms: OfferTerms) -> Result<()> {
    let bumps = (ctx.bumps.offer, ctx.bumps.vault);
    let accounts = &mut ctx.accounts;
    accounts.config.check_running()?;
    let (device, gpu, now) = (&accounts.device, &accounts.gpu_model, Clock::get()?.unix_timestamp);
    require!(device.offering == Offering::Nothing, CostakingError::OfferExists);
    device
        .check_operational(&accounts.staking_config, gpu, now)
        .map_err(|_| CostakingError::DeviceNotOperational)?;
    let minimum = device.minimum(&accounts.staking_config, gpu, now)?;
    require!(Amount(device.own_stake.get()) >= minimum, CostakingError::BelowMinimumStake);
    let (address, owner) = (*device.address(), device.owner);
    accounts
        .offer
        .create((address, owner), index, &terms, minimum, &accounts.config, bumps)?;
    emit!(OfferCreated {
        offer: *accounts.offer.address(),
        device: address,
        owner,
        terms
    });
    let staking = Authority::new(
        &accounts.staking_program,
        &accounts.staking_config,
        &accounts.authority,
        &accounts.config,
    );
    staking.set_offering(&mut accounts.device, Offering::Open)
}
