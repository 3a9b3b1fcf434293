use crate::error::StakingError;
use crate::events::{SlashEnded, StakeMove};
use crate::state::{Device, Slash, StakingConfig};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct OverturnSlash {
    #[account(unsafe(dup), address = config.authority @ StakingError::NotAuthority)]
    pub authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut, address = slash.device @ StakingError::SlashMismatch)]
    pub device: Account<Device>,
    /// CHECK: the slash's payer, which receives the rent. May be the authority.
    #[account(mut, unsafe(dup), address = slash.payer @ StakingError::SlashMismatch)]
    pub payer: UncheckedAccount,
    #[account(mut, close = payer)]
    pub slash: Account<Slash>,
}

/// - fails for anyone but the authority, unless the slash is approved, and when the appeal period is over
/// - returns the stake to where it was taken: to the owner, and to the current holders of co-stake (H6); nothing is due to the slash any
///   more
/// - the owner's stake is active or cooling, never both: a part that was cooling becomes active if the owner has staked again since; a part
///   that was active cools down if the rest cools down by now, and the cooldown of all of it starts again
pub fn overturn_slash(ctx: &mut Context<OverturnSlash>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    accounts.slash.check_appealable(now)?;
    let (slash, device) = (&accounts.slash, &mut accounts.device);
    let parts = slash.parts();
    device.return_aside(&parts, slash.due.get(), now, accounts.config.cooldown.get())?;
    device.announce_stake(*device.address(), StakeMove::Returned, parts.sum()?);
    emit!(SlashEnded {
        device: accounts.slash.device,
        number: accounts.slash.number.get(),
        upheld: false
    });
    Ok(())
}
