use crate::state::Proposal;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct AdvanceProposal {
    #[account(mut)]
    pub proposal: Account<Proposal>,
}

/// - anyone may call; fails while nothing is due
/// - counts the votes once voting has ended; ends a proposal that was vetoed during its timelock, or was not executed in time
pub fn advance_proposal(ctx: &mut Context<AdvanceProposal>) -> Result<()> {
    let proposal = &mut ctx.accounts.proposal;
    proposal.advance(Clock::get()?.unix_timestamp)?;
    proposal.announce(*proposal.address());
    Ok(())
}
