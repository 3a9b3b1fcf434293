use crate::error::GovernanceError;
use crate::state::{Ballot, Delegation, Proposal, authorize};
use anchor_lang::prelude::*;
use protocol::ballot::Choice;
use staking::Device;

#[derive(Accounts)]
pub struct VoteStake {
    /// The device's owner, or the owner's representative; pays the ballot's rent and gets it back.
    #[account(mut)]
    pub voter: Signer,
    #[account(mut)]
    pub proposal: Account<Proposal>,
    pub device: Account<Device>,
    #[account(init, payer = voter, seeds = [Ballot::SEED, proposal.address().as_ref(), device.address().as_ref()], bump)]
    pub ballot: Account<Ballot>,
    /// The owner's delegation, if its representative votes.
    pub delegation: Option<Account<Delegation>>,
    pub system_program: Program<System>,
}

/// - fails for anyone but the device's owner and the owner's representative, and if this stake has already voted
/// - fails unless `index` is the proposal's number: a vote is for the proposal that was read, not for a later one at the same address
/// - fails once voting has ended, except that vetoes are accepted until the timelock ends
/// - the weight is the owner's active stake that was in place a week before the vote opened; stake on its way out weighs nothing (K4)
pub fn vote_stake(ctx: &mut Context<VoteStake>, index: u64, choice: u8) -> Result<()> {
    let bump = ctx.bumps.ballot;
    let accounts = &mut ctx.accounts;
    accounts.proposal.check_index(index)?;
    let weight = accounts.device.voting_weight(accounts.proposal.opened_at.get());
    let voter = *accounts.voter.address();
    let source = (*accounts.device.address(), accounts.device.owner);
    let by_owner = authorize(&voter, &source.1, accounts.delegation.as_deref())?;
    cast(
        &mut accounts.proposal,
        &mut accounts.ballot,
        source,
        (voter, by_owner),
        choice,
        weight,
        bump,
    )
}

/// Writes a new ballot and counts it.
pub(super) fn cast(
    proposal: &mut Account<Proposal>,
    ballot: &mut Account<Ballot>,
    (source, owner): (Address, Address),
    (payer, by_owner): (Address, bool),
    choice: u8,
    weight: u64,
    bump: u8,
) -> Result<()> {
    let said = Choice::from_code(choice).ok_or(GovernanceError::InvalidChoice)?;
    proposal.check_votable(said, Clock::get()?.unix_timestamp)?;
    proposal.cast(said, weight)?;
    ballot.create(*proposal.address(), (source, owner), (payer, by_owner), (said, weight), bump)?;
    proposal.announce_vote(*proposal.address(), owner, source, choice, weight);
    Ok(())
}
