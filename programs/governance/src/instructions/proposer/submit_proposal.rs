use crate::error::GovernanceError;
use crate::events::ProposalOpened;
use crate::state::{Config, Proposal};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};

#[derive(Accounts)]
pub struct SubmitProposal {
    #[account(address = proposal.proposer @ GovernanceError::NotProposer)]
    pub proposer: Signer,
    #[account(mut)]
    pub config: Account<Config>,
    #[account(mut)]
    pub proposal: Account<Proposal>,
    #[account(address = config.mint @ GovernanceError::AccountMismatch)]
    pub mint: Account<Mint>,
    #[account(address = config.emission_vault @ GovernanceError::AccountMismatch)]
    pub emission_vault: Account<TokenAccount>,
    /// Pays the deposit.
    #[account(mut)]
    pub from: Account<TokenAccount>,
    #[account(mut, seeds = [Config::DEPOSITS_SEED], bump = config.deposits_bump)]
    pub deposits: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for anyone but the proposer, for a proposal without instructions or with an incomplete one, and a second time
/// - takes the deposit and opens the vote under the rules in force: a quorum of what circulates now, thresholds and times of its kind
pub fn submit_proposal(ctx: &mut Context<SubmitProposal>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let circulating = accounts.mint.supply().saturating_sub(accounts.emission_vault.amount());
    let proposal = &mut accounts.proposal;
    proposal.open(&accounts.config, circulating, Clock::get()?.unix_timestamp)?;
    let deposit = proposal.deposit.get();
    accounts.config.take_deposit(deposit)?;
    emit!(ProposalOpened {
        proposal: *proposal.address(),
        kind: proposal.kind,
        instructions: proposal.instructions,
        quorum: proposal.quorum.get(),
        deposit,
        voting_ends: proposal.voting_ends.get(),
        eta: proposal.eta.get(),
        expires_at: proposal.expires_at.get()
    });
    if deposit == 0 {
        return Ok(());
    }
    accounts
        .token_program
        .transfer(&mut accounts.from, &mut accounts.deposits, &accounts.proposer, &[], deposit)
}
