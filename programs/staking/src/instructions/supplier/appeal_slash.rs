use crate::error::StakingError;
use crate::events::SlashAppealed;
use crate::state::{Device, Slash};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct AppealSlash {
    #[account(address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    #[account(address = slash.device @ StakingError::SlashMismatch)]
    pub device: Account<Device>,
    #[account(mut)]
    pub slash: Account<Slash>,
}

/// - fails for anyone but the owner, unless the slash is approved, when the owner has appealed already, and when the appeal period is over
/// - records the hash of the owner's answer; the authority either overturns the slash within the appeal period or lets it stand (H6)
pub fn appeal_slash(ctx: &mut Context<AppealSlash>, answer: [u8; 32]) -> Result<()> {
    let slash = &mut ctx.accounts.slash;
    slash.appeal(answer, Clock::get()?.unix_timestamp)?;
    emit!(SlashAppealed {
        device: slash.device,
        number: slash.number.get(),
        answer
    });
    Ok(())
}
