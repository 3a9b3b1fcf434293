use crate::error::StakingError;
use crate::events::{SlashEnded, StakeMove};
use crate::state::{Device, Slash};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct FinishSlash {
    #[account(mut, address = slash.device @ StakingError::SlashMismatch)]
    pub device: Account<Device>,
    /// CHECK: the slash's payer, which receives the rent.
    #[account(mut, address = slash.payer @ StakingError::SlashMismatch)]
    pub payer: UncheckedAccount,
    #[account(mut)]
    pub slash: Account<Slash>,
}

/// - anyone may call, once the appeal period is over; fails unless the slash is approved, and when everything it has left to take is due
/// - what the slash set aside is forfeited, to be burned (H6)
/// - the slash stays open while something is due, to be finished again once that is collected: co-stakers do not have to wait for the
///   owner's jobs
pub fn finish_slash(ctx: &mut Context<FinishSlash>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.slash.check_final(Clock::get()?.unix_timestamp)?;
    let device = &mut accounts.device;
    let all = device.uphold(&accounts.slash.uphold()?)?;
    device.announce_stake(*device.address(), StakeMove::Upheld, all);
    if !accounts.slash.due.is_zero() {
        return Ok(());
    }
    emit!(SlashEnded {
        device: accounts.slash.device,
        number: accounts.slash.number.get(),
        upheld: true
    });
    accounts.slash.close(*accounts.payer.account())?;
    Ok(())
}
