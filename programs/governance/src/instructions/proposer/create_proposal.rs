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

/// - the proposer chooses `id`, so that nobody else can take the address first; the proposal gets the next number
/// - fails for a title that is empty or not printable ASCII
/// - anyone may write a proposal; it is up for a vote only once its deposit is paid
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
