use crate::error::StakingError;
use crate::events::SlashEnded;
use crate::state::{Slash, StakingConfig};
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

/// - fails for anyone but the proposer and the authority, and while the slash, once approved, has set stake aside or waits for some: one
///   that penalties have left nothing may be all that there is still of its device
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
