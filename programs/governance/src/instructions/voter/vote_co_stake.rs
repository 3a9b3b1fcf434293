use super::vote_stake::cast;
use crate::error::GovernanceError;
use crate::state::{Ballot, Delegation, Proposal, authorize};
use anchor_lang::prelude::*;
use costaking::{Offer, Position};
use staking::Device;

#[derive(Accounts)]
pub struct VoteCoStake {
    /// The position's holder, or the holder's representative; pays the ballot's rent and gets it back.
    #[account(mut)]
    pub voter: Signer,
    #[account(mut)]
    pub proposal: Account<Proposal>,
    pub position: Account<Position>,
    #[account(address = position.offer @ GovernanceError::AccountMismatch)]
    pub offer: Account<Offer>,
    #[account(address = offer.device @ GovernanceError::AccountMismatch)]
    pub device: Account<Device>,
    #[account(init, payer = voter, seeds = [Ballot::SEED, proposal.address().as_ref(), position.address().as_ref()], bump)]
    pub ballot: Account<Ballot>,
    /// The holder's delegation, if its representative votes.
    pub delegation: Option<Account<Delegation>>,
    pub system_program: Program<System>,
}

/// - as `vote_stake`, with the value of a co-staker's shares as weight; shares whose exit was requested, or that leave with the owner's
///   exit, weigh nothing
pub fn vote_co_stake(ctx: &mut Context<VoteCoStake>, index: u64, choice: u8) -> Result<()> {
    let bump = ctx.bumps.ballot;
    let accounts = &mut ctx.accounts;
    accounts.proposal.check_index(index)?;
    let opened_at = accounts.proposal.opened_at.get();
    let weight = accounts.position.voting_weight(&accounts.offer, &accounts.device, opened_at);
    let voter = *accounts.voter.address();
    let source = (*accounts.position.address(), accounts.position.holder);
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
