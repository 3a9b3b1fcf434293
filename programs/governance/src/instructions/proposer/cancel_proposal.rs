use crate::error::GovernanceError;
use crate::state::Proposal;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CancelProposal {
    #[account(address = proposal.proposer @ GovernanceError::NotProposer)]
    pub proposer: Signer,
    #[account(mut)]
    pub proposal: Account<Proposal>,
}

/// - fails for anyone but the proposer, once voting has ended, and while the vetoes so far would end it once the quorum was reached
pub fn cancel_proposal(ctx: &mut Context<CancelProposal>) -> Result<()> {
    let proposal = &mut ctx.accounts.proposal;
    proposal.cancel(Clock::get()?.unix_timestamp)?;
    proposal.announce(*proposal.address());
    Ok(())
}
