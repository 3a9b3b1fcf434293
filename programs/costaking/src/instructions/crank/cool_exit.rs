use crate::AUTHORITY_SEED;
use crate::authority::Authority;
use crate::error::CostakingError;
use crate::state::{Config, Exit, Offer};
use anchor_lang::prelude::*;
use staking::{Device, Staking};

#[derive(Accounts)]
pub struct CoolExit {
    pub config: Account<Config>,
    #[account(mut, address = exit.offer @ CostakingError::AccountMismatch)]
    pub offer: Account<Offer>,
    #[account(mut)]
    pub exit: Account<Exit>,
    #[account(mut, address = offer.device @ CostakingError::AccountMismatch)]
    pub device: Account<Device>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
}

/// - anyone may call, once the waiting period is over; fails when the exit is already cooling down
/// - fails while a slash has set stake of the device aside, which staking checks, so that what an overturned slash returns to a pool goes
///   to those it was taken from. This can only delay the withdrawal
/// - the stake no longer counts, and the value of its shares cools down. The cooldown ends at the time set by the request, no matter when
///   this is called
/// - after the owner's exit there is no waiting period, and the earlier of both ends counts (E21)
pub fn cool_exit(ctx: &mut Context<CoolExit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (shares, now) = (accounts.exit.shares.get(), Clock::get()?.unix_timestamp);
    require!(!accounts.exit.cooling.get(), CostakingError::Cooling);
    let offer = &mut accounts.offer;
    if offer.forced_at.is_zero() {
        require!(accounts.device.forced_at.is_zero(), CostakingError::Forced);
        require!(now >= accounts.exit.cools_at.get(), CostakingError::WaitNotOver);
        let amount = offer.take_out(shares, accounts.device.co_stake.get())?;
        let staking = Authority::new(
            &accounts.staking_program,
            &accounts.staking_config,
            &accounts.authority,
            &accounts.config,
        );
        let cooling = staking.cool(&mut accounts.device, amount)?;
        accounts.exit.cool(cooling, i64::MAX)?;
    } else {
        let cooling = offer.take_forced(shares)?;
        accounts.exit.cool(cooling, offer.forced_ends_at.get())?;
    }
    accounts.exit.settle(&accounts.offer)?;
    accounts
        .exit
        .announce_cooling(*accounts.exit.address(), accounts.offer.shares.get());
    Ok(())
}
