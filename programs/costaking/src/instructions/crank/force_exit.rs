use crate::AUTHORITY_SEED;
use crate::authority::Authority;
use crate::error::CostakingError;
use crate::events::OfferChanged;
use crate::state::{Config, Offer, Status};
use anchor_lang::prelude::*;
use staking::{Device, Staking};

#[derive(Accounts)]
pub struct ForceExit {
    pub config: Account<Config>,
    #[account(mut)]
    pub offer: Account<Offer>,
    #[account(mut, address = offer.device @ CostakingError::AccountMismatch)]
    pub device: Account<Device>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
}

/// - anyone may call, once the device's owner has unstaked (E19); fails once the exit is recorded, and for an offer that has ended
/// - every share now stands for stake that has been cooling down since the exit, and no longer earns; holders request their exits when they
///   like
pub fn force_exit(ctx: &mut Context<ForceExit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    require!(!accounts.device.forced_at.is_zero(), CostakingError::NotForced);
    accounts.offer.force(&accounts.device, Clock::get()?.unix_timestamp)?;
    emit!(OfferChanged {
        offer: *accounts.offer.address(),
        status: Status::Forced as u8
    });
    let staking = Authority::new(
        &accounts.staking_program,
        &accounts.staking_config,
        &accounts.authority,
        &accounts.config,
    );
    staking.take_forced(&mut accounts.device)
}
