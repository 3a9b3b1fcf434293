#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::events::ProposalCreated;
use crate::state::{Config, Proposal};
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(id: u64)]
pub struct CreateProposal {
    /// Pays the rents and gets them back.
    #[account(mut)]
    pub proposer: Signer,
    #[account(mut)]
    pub config: Account<Config>,
    #[account(init, payer = proposer, seeds = [Proposal::SEED, proposer.address().as_ref(), &id.to_le_bytes()], bump)]
    pub proposal: Account<Proposal>,
    pub system_program: Program<System>,
}

/// - `id` is the proposer's own choice, so that nobody can be there first; the proposal's number is the next
/// - fails for a title that cannot be read
/// - anyone may write a proposal; stakers see it when its deposit is in
pub fn create_proposal(ctx: &mut Context<CreateProposal>, id: u64, title: [u8; 64], text_hash: [u8; 32]) -> Result<()> {
    let bump = ctx.bumps.proposal;
    let accounts = &mut ctx.accounts;
    let proposer = *accounts.proposer.address();
    accounts
        .proposal
        .create((proposer, id), &mut accounts.config, &title, &text_hash, bump)?;
    emit!(ProposalCreated {
        proposal: *accounts.proposal.address(),
        proposer,
        index: accounts.proposal.index.get(),
        title,
        text_hash
    });
    Ok(())
}
