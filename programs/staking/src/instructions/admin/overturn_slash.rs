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
    /// CHECK: the payer of the rent that the slash names; receives it. May be the authority.
    #[account(mut, unsafe(dup), address = slash.payer @ StakingError::SlashMismatch)]
    pub payer: UncheckedAccount,
    #[account(mut, close = payer)]
    pub slash: Account<Slash>,
}

/// - fails for anyone but the authority, unless the stake is set aside, and when the time for an appeal is over
/// - gives it back: to the owner, and to those who hold co-stake now (H6); what was due is not any more
pub fn overturn_slash(ctx: &mut Context<OverturnSlash>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.slash.check_time(Clock::get()?.unix_timestamp, false)?;
    let (parts, device) = (accounts.slash.amounts(), &mut accounts.device);
    device.unescrow(parts, accounts.slash.due.get())?;
    let all = parts.iter().fold(0u64, |sum, part| sum.saturating_add(*part));
    device.announce_stake(*device.address(), StakeMove::Returned, all);
    emit!(SlashEnded {
        device: accounts.slash.device,
        number: accounts.slash.number.get(),
        upheld: false
    });
    Ok(())
}
