use crate::error::StakingError;
use crate::events::SlashEnded;
use crate::state::{Slash, SlashStatus, StakingConfig};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct DropSlash {
    /// The proposer, or the authority: a proposal may outlive its proposer's key.
    #[account(unsafe(dup), constraint([config.slash_proposer, config.authority].contains(caller.address()) @ StakingError::NotSlashProposer))]
    pub caller: Signer,
    pub config: Account<StakingConfig>,
    /// CHECK: the payer of the rent that the slash names; receives it. May be the caller.
    #[account(mut, unsafe(dup), address = slash.payer @ StakingError::SlashMismatch)]
    pub payer: UncheckedAccount,
    #[account(mut, close = payer)]
    pub slash: Account<Slash>,
}

/// - fails for anyone but the proposer and the authority, and once the slash is approved
pub fn drop_slash(ctx: &mut Context<DropSlash>) -> Result<()> {
    let slash = &ctx.accounts.slash;
    slash.check_status(&[SlashStatus::Proposed])?;
    emit!(SlashEnded {
        device: slash.device,
        number: slash.number.get(),
        upheld: false
    });
    Ok(())
}
