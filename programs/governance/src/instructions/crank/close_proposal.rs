use crate::error::GovernanceError;
use crate::state::Proposal;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CloseProposal {
    /// CHECK: the proposal's proposer; receives the rent.
    #[account(mut, address = proposal.proposer @ GovernanceError::NotProposer)]
    pub proposer: UncheckedAccount,
    #[account(mut, close = proposer)]
    pub proposal: Account<Proposal>,
}

/// - anyone may call; fails until the proposal has ended and its ballots, instructions and deposit are gone
/// - returns the rent to the proposer
pub fn close_proposal(ctx: &mut Context<CloseProposal>) -> Result<()> {
    ctx.accounts.proposal.check_closable()
}
