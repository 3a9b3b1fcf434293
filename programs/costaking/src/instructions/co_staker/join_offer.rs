#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::AUTHORITY_SEED;
use crate::authority;
use crate::error::CostakingError;
use crate::events::OfferJoined;
use crate::state::{Config, Offer, OfferTerms, Position};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use staking::{Device, GpuModel, Staking};

#[derive(Accounts)]
#[instruction(id: u32)]
pub struct JoinOffer {
    /// Pays the position's rent and gets it back.
    #[account(mut)]
    pub co_staker: Signer,
    pub config: Account<Config>,
    #[account(mut)]
    pub offer: Account<Offer>,
    #[account(init, payer = co_staker, seeds = [Position::SEED, offer.address().as_ref(), co_staker.address().as_ref(), &id.to_le_bytes()], bump)]
    pub position: Account<Position>,
    #[account(mut, address = offer.device @ CostakingError::AccountMismatch)]
    pub device: Account<Device>,
    pub gpu_model: Account<GpuModel>,
    /// The device's vault; staking checks whose it is.
    #[account(mut)]
    pub device_vault: Account<TokenAccount>,
    #[account(mut)]
    pub from: Account<TokenAccount>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// - fails while paused, unless the offer is open, and unless its terms are the expected ones (E9)
/// - fails for the device's owner and payout wallet (E7)
/// - fails for less than a ticket unless it fills the offer, and for more than is left of the capacity, which is at most half of the
///   current minimum stake (L10)
/// - the amount moves to the device's vault, and earns from the next whole hour on (E13)
pub fn join_offer(ctx: &mut Context<JoinOffer>, id: u32, amount: u64, expected: OfferTerms) -> Result<()> {
    let bump = ctx.bumps.position;
    let accounts = &mut ctx.accounts;
    accounts.config.check_running()?;
    let (holder, now) = (*accounts.co_staker.address(), Clock::get()?.unix_timestamp);
    let device = &accounts.device;
    require!(holder != device.owner && holder != device.payout, CostakingError::OwnDevice);
    let minimum = device.minimum(&accounts.staking_config, &accounts.gpu_model, now)?;
    let (shares, from_hour) = accounts.offer.join(amount, &expected, device, minimum, &accounts.config, now)?;
    let offer = *accounts.offer.address();
    accounts.position.create(offer, holder, id, (shares, from_hour), bump)?;
    emit!(OfferJoined {
        offer,
        position: *accounts.position.address(),
        holder,
        amount,
        shares,
        from_hour,
        total: accounts.offer.shares.get()
    });
    authority::add_co_stake(accounts, amount)
}
