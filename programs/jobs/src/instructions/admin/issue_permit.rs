#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::error::JobsError;
use crate::events::PermitIssued;
use crate::state::{Config, Permit};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};

#[derive(Accounts)]
#[instruction(seal: [u8; 32])]
pub struct IssuePermit {
    /// Pays the rents, which `close_permit` returns. May also be the authority, since only lamports leave the account.
    #[account(mut, unsafe(dup))]
    pub payer: Signer,
    #[account(unsafe(dup), address = config.authority @ JobsError::NotAuthority)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<Config>,
    #[account(address = config.mint @ JobsError::AccountMismatch)]
    pub mint: Account<Mint>,
    #[account(init, payer = payer, seeds = [Permit::SEED, &seal], bump)]
    pub permit: Account<Permit>,
    #[account(init, payer = payer, seeds = [Permit::VAULT_SEED, permit.address().as_ref()], bump, token::mint = mint, token::authority = permit)]
    pub vault: Account<TokenAccount>,
    /// The authority's token account, which pays the jackpot.
    #[account(mut)]
    pub from: Account<TokenAccount>,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// - fails for anyone but the authority, and for a seal that has a permit
/// - fails without a rate, a multiple or a jackpot, and for a rate above the whole
/// - moves the jackpot into the permit's vault, so that it is sure to be there
pub fn issue_permit(ctx: &mut Context<IssuePermit>, seal: [u8; 32], rate_bps: u16, multiple: u16, jackpot: u64) -> Result<()> {
    let bumps = (ctx.bumps.permit, ctx.bumps.vault);
    let accounts = &mut ctx.accounts;
    let payer = *accounts.payer.address();
    accounts.permit.issue(payer, seal, rate_bps, multiple, jackpot, bumps)?;
    accounts.config.add_permit()?;
    emit!(PermitIssued {
        permit: *accounts.permit.address(),
        seal,
        rate_bps,
        multiple,
        jackpot
    });
    accounts
        .token_program
        .transfer(&mut accounts.from, &mut accounts.vault, &accounts.authority, &[], jackpot)
}
