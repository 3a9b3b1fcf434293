use crate::error::StakingError;
use crate::events::{SlashDue, StakeMove};
use crate::state::{Device, Slash};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CollectDue {
    #[account(mut, address = slash.device @ StakingError::SlashMismatch)]
    pub device: Account<Device>,
    #[account(mut)]
    pub slash: Account<Slash>,
}

/// - anyone may call; fails unless something is due to the slash, and while all of that is in the bonds of jobs in progress
/// - sets aside what has been released from bonds; once the last bond is released nothing is due any more, even if penalties and
///   convictions have taken part of it
pub fn collect_due(ctx: &mut Context<CollectDue>) -> Result<()> {
    let CollectDue { device, slash } = &mut ctx.accounts;
    require!(!slash.due.is_zero(), StakingError::WrongSlash);
    let (collected, due) = device.set_aside_due(slash.due.get())?;
    slash.collect(collected, due)?;
    device.announce_stake(*device.address(), StakeMove::SetAside, collected);
    emit!(SlashDue {
        device: slash.device,
        number: slash.number.get(),
        collected,
        due
    });
    Ok(())
}
