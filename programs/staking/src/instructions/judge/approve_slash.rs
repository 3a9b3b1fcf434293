use crate::error::StakingError;
use crate::events::{SlashApproved, SlashDue, StakeMove};
use crate::state::{Device, Slash, StakingConfig};
use anchor_lang::prelude::*;
use protocol::units::Bps;

#[derive(Accounts)]
pub struct ApproveSlash {
    #[account(address = config.slash_approver @ StakingError::NotSlashApprover)]
    pub approver: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut, address = slash.device @ StakingError::SlashMismatch)]
    pub device: Account<Device>,
    #[account(mut)]
    pub slash: Account<Slash>,
}

/// - fails for anyone but the approver, and for the key that proposed the slash, even if it has become the approver since (H7)
/// - fails unless the slash is proposed and has this share and evidence: the proposer may have dropped it and proposed another
/// - sets aside its share of the stake: the owner's first, then the co-stake, active or cooling (D8, H4)
/// - if part of the owner's share is in the bonds of jobs in progress, it is due: `collect_due` sets it aside when they are released
/// - fails when there is nothing to take
/// - nothing is burned before the appeal period is over (H5)
pub fn approve_slash(ctx: &mut Context<ApproveSlash>, share_bps: u16, evidence: [u8; 32]) -> Result<()> {
    let accounts = &mut ctx.accounts;
    require!(*accounts.approver.address() != accounts.slash.payer, StakingError::SameJudges);
    let same = accounts.slash.share_bps.get() == share_bps && accounts.slash.evidence == evidence;
    require!(same, StakingError::SlashChanged);
    let device = &mut accounts.device;
    let (parts, due) = device.set_aside(Bps::saturating(accounts.slash.share_bps.get()))?;
    let ends_at = Clock::get()?.unix_timestamp.saturating_add(accounts.config.appeal.get().into());
    accounts.slash.approve(&parts, due, ends_at)?;
    device.announce_stake(*device.address(), StakeMove::SetAside, parts.sum()?);
    emit!(SlashApproved {
        device: accounts.slash.device,
        number: accounts.slash.number.get(),
        parts: parts.amounts(),
        ends_at
    });
    if due > 0 {
        emit!(SlashDue {
            device: accounts.slash.device,
            number: accounts.slash.number.get(),
            collected: 0,
            due
        });
    }
    Ok(())
}
