#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::AUTHORITY_SEED;
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
    let position = &mut accounts.position;
    position.offer = *accounts.offer.address();
    position.holder = holder;
    position.shares = shares.into();
    position.from_hour = from_hour.into();
    position.id = id.into();
    position.bump = bump;
    position.version = 1;
    position.invariant()?;
    emit!(OfferJoined {
        offer: *accounts.offer.address(),
        position: *accounts.position.address(),
        holder,
        amount,
        shares,
        from_hour,
        total: accounts.offer.shares.get()
    });
    stake(accounts, amount)
}

/// Calls staking to take the amount in, in a stack frame of its own.
#[inline(never)]
fn stake(accounts: &mut JoinOffer, amount: u64) -> Result<()> {
    let bump = [accounts.config.authority_bump];
    staking::call::<7, _>(
        CpiContext::new(
            accounts.staking_program.address(),
            staking::cpi::accounts::AddCoStake {
                costaking_authority: accounts.authority.cpi_handle().as_signer(),
                config: accounts.staking_config.cpi_handle(),
                device: accounts.device.cpi_handle_mut(),
                vault: accounts.device_vault.cpi_handle_mut(),
                from: accounts.from.cpi_handle_mut(),
                co_staker: accounts.co_staker.cpi_handle(),
                token_program: accounts.token_program.cpi_handle(),
            },
        )
        .with_signer(&[&[AUTHORITY_SEED, &bump]]),
        &staking::instruction::AddCoStake { amount },
    )
}
