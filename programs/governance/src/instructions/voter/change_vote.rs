use crate::error::GovernanceError;
use crate::state::{Ballot, Delegation, Proposal};
use anchor_lang::prelude::*;
use protocol::ballot::Choice;

#[derive(Accounts)]
pub struct ChangeVote {
    pub voter: Signer,
    #[account(mut, address = ballot.proposal @ GovernanceError::AccountMismatch)]
    pub proposal: Account<Proposal>,
    #[account(mut)]
    pub ballot: Account<Ballot>,
    /// The owner's delegation, if its representative votes.
    pub delegation: Option<Account<Delegation>>,
}

/// - fails for anyone but the owner and, while the owner has not voted itself, its representative
/// - fails unless `index` is the proposal's number, as `vote_stake` does
/// - fails once voting has ended, except that any vote may still become a veto until the timelock ends
pub fn change_vote(ctx: &mut Context<ChangeVote>, index: u64, choice: u8) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let said = Choice::from_code(choice).ok_or(GovernanceError::InvalidChoice)?;
    let (proposal, ballot) = (&mut accounts.proposal, &mut accounts.ballot);
    proposal.check_index(index)?;
    let by_owner = ballot.authorize(accounts.voter.address(), accounts.delegation.as_deref())?;
    proposal.check_votable(said, Clock::get()?.unix_timestamp)?;
    proposal.change(ballot.choice()?, said, ballot.weight.get())?;
    ballot.change(said, by_owner)?;
    proposal.announce_vote(*proposal.address(), ballot.owner, ballot.source, choice, ballot.weight.get());
    Ok(())
}
