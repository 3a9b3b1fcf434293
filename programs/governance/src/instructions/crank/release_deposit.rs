use crate::error::GovernanceError;
use crate::events::DepositReleased;
use crate::state::{Config, Proposal};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};

#[derive(Accounts)]
pub struct ReleaseDeposit {
    #[account(mut)]
    pub config: Account<Config>,
    #[account(mut)]
    pub proposal: Account<Proposal>,
    #[account(mut, seeds = [Config::DEPOSITS_SEED], bump = config.deposits_bump)]
    pub deposits: Account<TokenAccount>,
    /// Receives the deposit: a token account of the proposer's.
    #[account(mut, constraint(*to.owner() == proposal.proposer @ GovernanceError::NotProposer))]
    pub to: Account<TokenAccount>,
    #[account(mut, address = config.mint @ GovernanceError::AccountMismatch)]
    pub mint: Account<Mint>,
    pub token_program: Program<Token>,
}

/// - anyone may call; fails until the proposal has ended, and a second time
/// - returns the deposit to the proposer, or burns it if the proposal was vetoed
pub fn release_deposit(ctx: &mut Context<ReleaseDeposit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (amount, burned) = accounts.proposal.take_deposit()?;
    accounts.config.release_deposit(amount)?;
    emit!(DepositReleased {
        proposal: *accounts.proposal.address(),
        amount,
        burned
    });
    let bump = [accounts.config.bump];
    let seeds: &[&[u8]] = &[Config::SEED, &bump];
    if burned {
        accounts
            .token_program
            .burn(&mut accounts.deposits, &mut accounts.mint, &accounts.config, &[seeds], amount)
    } else {
        accounts
            .token_program
            .transfer(&mut accounts.deposits, &mut accounts.to, &accounts.config, &[seeds], amount)
    }
}
