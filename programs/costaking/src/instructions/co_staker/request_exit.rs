use crate::error::CostakingError;
use crate::events::ExitRequested;
use crate::state::{Config, Exit, Offer, Position, Status};
use anchor_lang::prelude::*;
use staking::Device;

#[derive(Accounts)]
pub struct RequestExit {
    /// Pays the exit's rent and gets it back.
    #[account(mut, address = position.holder @ CostakingError::NotHolder)]
    pub holder: Signer,
    pub config: Account<Config>,
    #[account(mut, address = position.offer @ CostakingError::AccountMismatch)]
    pub offer: Account<Offer>,
    #[account(mut)]
    pub position: Account<Position>,
    #[account(init, payer = holder, seeds = [Exit::SEED, position.address().as_ref(), &position.exits.get().to_le_bytes()], bump)]
    pub exit: Account<Exit>,
    #[account(address = offer.device @ CostakingError::AccountMismatch)]
    pub device: Account<Device>,
    pub staking_config: Account<staking::StakingConfig>,
    pub system_program: Program<System>,
}

/// - fails for anyone but the holder, for zero shares and for more than the position has; never paused
/// - the shares stop earning with the current hour, which cannot be undone (E14, E15); the stake counts for 7 more days, then cools down
///   for 14
/// - the exit takes over the unclaimed rewards of its shares
/// - after the owner's exit the shares have been cooling down since that exit (E19), by the cooldown in force then; fails until
///   `force_exit` has recorded it
pub fn request_exit(ctx: &mut Context<RequestExit>, shares: u64) -> Result<()> {
    let bump = ctx.bumps.exit;
    let accounts = &mut ctx.accounts;
    require!(
        accounts.device.forced_at.is_zero() || accounts.offer.status == Status::Ended,
        CostakingError::Forced
    );
    let (now, position) = (Clock::get()?.unix_timestamp, &mut accounts.position);
    position.settle(&accounts.offer);
    position.take(shares)?;
    let from_hour = position.from_hour.get();
    let offer = &mut accounts.offer;
    if offer.forced_at.is_zero() {
        let until = offer.leave(shares, from_hour, &accounts.device, now)?;
        let cools_at = now.saturating_add(accounts.config.wait.get().into());
        let times = (cools_at, cools_at.saturating_add(accounts.staking_config.cooldown.get().into()));
        accounts.exit.request(position, shares, until, times, bump);
    } else {
        let times = (offer.forced_at.get(), offer.forced_ends_at.get());
        let until = offer.leave_forced(from_hour)?;
        accounts.exit.request(position, shares, until, times, bump);
        let cooling = offer.take_forced(shares)?;
        accounts.exit.cool(cooling, times.1)?;
    }
    accounts.exit.settle(&accounts.offer)?;
    emit!(ExitRequested {
        offer: *accounts.offer.address(),
        position: *accounts.position.address(),
        exit: *accounts.exit.address(),
        shares,
        cools_at: accounts.exit.cools_at.get(),
        ends_at: accounts.exit.ends_at.get()
    });
    if accounts.exit.cooling.get() {
        accounts
            .exit
            .announce_cooling(*accounts.exit.address(), accounts.offer.shares.get());
    }
    Ok(())
}
