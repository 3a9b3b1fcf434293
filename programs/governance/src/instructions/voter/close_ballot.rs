use crate::error::GovernanceError;
use crate::state::{Ballot, Delegation, Proposal};
use anchor_lang::prelude::*;

/// Choice that `VoteCast` logs for a vote that was taken back.
const TAKEN_BACK: u8 = u8::MAX;

#[derive(Accounts)]
pub struct CloseBallot {
    // May be the payer too: the caller only signs, and the payer's account only receives lamports.
    #[account(unsafe(dup))]
    pub caller: Signer,
    #[account(mut, address = ballot.proposal @ GovernanceError::AccountMismatch)]
    pub proposal: Account<Proposal>,
    #[account(mut, close = payer)]
    pub ballot: Account<Ballot>,
    /// CHECK: gets back the rent it paid.
    #[account(mut, unsafe(dup), address = ballot.payer @ GovernanceError::AccountMismatch)]
    pub payer: UncheckedAccount,
    /// The owner's, when its representative takes a vote back.
    pub delegation: Option<Account<Delegation>>,
}

/// - while the vote is on it takes the vote back: for the owner and, while the owner has not voted itself, its representative
/// - fails while the vote is counted: from its end until the timelock ends
/// - for anyone afterwards: the vote stands in the proposal
pub fn close_ballot(ctx: &mut Context<CloseBallot>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (proposal, ballot, now) = (&mut accounts.proposal, &accounts.ballot, Clock::get()?.unix_timestamp);
    if proposal.is_voting(now) {
        ballot.check_signer(accounts.caller.address(), accounts.delegation.as_deref())?;
        proposal.withdraw(ballot.choice()?, ballot.weight.get())?;
        proposal.announce_vote(*proposal.address(), ballot.owner, ballot.source, TAKEN_BACK, ballot.weight.get());
    } else {
        require!(proposal.is_counted(now), GovernanceError::StillCounted);
    }
    proposal.drop_ballot()
}
