use crate::error::GovernanceError;
use crate::state::{Payload, Proposal};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct ClosePayload {
    /// CHECK: the proposal's proposer; receives the rent.
    #[account(mut, address = proposal.proposer @ GovernanceError::NotProposer)]
    pub proposer: UncheckedAccount,
    #[account(mut)]
    pub proposal: Account<Proposal>,
    #[account(mut, close = proposer, constraint(payload.proposal == *proposal.address() @ GovernanceError::AccountMismatch))]
    pub payload: Payload,
}

/// - anyone may call; fails until the proposal has ended
/// - returns the rent to the proposer
pub fn close_payload(ctx: &mut Context<ClosePayload>) -> Result<()> {
    ctx.accounts.proposal.close_payload()
}
