use crate::error::StakingError;
use crate::events::SlashEnded;
use crate::state::{Slash, StakingConfig};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct DropSlash {
    /// The proposer, or the authority, in case the proposer's key is lost.
    #[account(unsafe(dup), constraint([config.slash_proposer, config.authority].contains(caller.address()) @ StakingError::NotSlashProposer))]
    pub caller: Signer,
    pub config: Account<StakingConfig>,
    /// CHECK: the slash's payer, which receives the rent. May be the caller.
    #[account(mut, unsafe(dup), address = slash.payer @ StakingError::SlashMismatch)]
    pub payer: UncheckedAccount,
    #[account(mut, close = payer)]
    pub slash: Account<Slash>,
}

/// - fails for anyone but the proposer and the authority, and while the slash has set stake aside or is due some. An approved slash to
///   which penalties have left nothing can be dropped, because its device may no longer exist
pub fn drop_slash(ctx: &mut Context<DropSlash>) -> Result<()> {
    let slash = &ctx.accounts.slash;
    slash.check_empty()?;
    emit!(SlashEnded {
        device: slash.device,
        number: slash.number.get(),
        upheld: false
    });
    Ok(())
}
