use crate::error::StakingError;
use crate::events::{SlashEnded, StakeMove};
use crate::state::{Device, Slash};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct FinishSlash {
    #[account(mut, address = slash.device @ StakingError::SlashMismatch)]
    pub device: Account<Device>,
    /// CHECK: the payer of the rent that the slash names; receives it.
    #[account(mut, address = slash.payer @ StakingError::SlashMismatch)]
    pub payer: UncheckedAccount,
    #[account(mut)]
    pub slash: Account<Slash>,
}

/// - anyone may call, once the time for an appeal is over; fails unless the stake is set aside
/// - what was not overturned is forfeited, to be burned (H6)
/// - while something is still due the slash stays, so that it can be collected and this repeated: nobody's co-stake waits for the owner's jobs
pub fn finish_slash(ctx: &mut Context<FinishSlash>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.slash.check_time(Clock::get()?.unix_timestamp, true)?;
    let device = &mut accounts.device;
    let all = device.uphold(accounts.slash.uphold()?, accounts.slash.of_cooling.get())?;
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
