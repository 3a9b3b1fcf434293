use crate::error::GovernanceError;
use crate::state::{Ballot, Delegation, Proposal};
use anchor_lang::prelude::*;

/// Choice that `VoteCast` reports for a vote that was withdrawn.
const WITHDRAWN: u8 = u8::MAX;

#[derive(Accounts)]
pub struct CloseBallot {
    // May also be the payer: the caller only signs, and the payer only receives lamports.
    #[account(unsafe(dup))]
    pub caller: Signer,
    #[account(mut, address = ballot.proposal @ GovernanceError::AccountMismatch)]
    pub proposal: Account<Proposal>,
    #[account(mut, close = payer)]
    pub ballot: Account<Ballot>,
    /// CHECK: the payer of the ballot's rent, as the ballot names it; receives that rent.
    #[account(mut, unsafe(dup), address = ballot.payer @ GovernanceError::AccountMismatch)]
    pub payer: UncheckedAccount,
    /// The owner's delegation, if its representative withdraws a vote.
    pub delegation: Option<Account<Delegation>>,
}

/// - while voting is open, withdraws the vote: only the owner may and, while the owner has not voted itself, its representative
/// - fails from the end of voting until the timelock ends, while the vote still counts
/// - afterwards anyone may close the ballot; its vote stays in the proposal's tallies
pub fn close_ballot(ctx: &mut Context<CloseBallot>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (proposal, ballot, now) = (&mut accounts.proposal, &accounts.ballot, Clock::get()?.unix_timestamp);
    if proposal.is_voting(now) {
        ballot.authorize(accounts.caller.address(), accounts.delegation.as_deref())?;
        proposal.withdraw(ballot.choice()?, ballot.weight.get())?;
        proposal.announce_vote(*proposal.address(), ballot.owner, ballot.source, WITHDRAWN, ballot.weight.get());
    } else {
        require!(proposal.is_counted(now), GovernanceError::StillCounted);
    }
    proposal.drop_ballot()
}
