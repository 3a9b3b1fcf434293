//! Tokens that leave a vault, signed for by the account that the vault belongs to.
//!
//! A function takes at most five arguments on the chain's machine, unless it is inlined.

use crate::state::{Escrow, Permit};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};

/// Pays out of an escrow's vault.
#[inline(always)]
pub fn pay(
    escrow: &Account<Escrow>,
    vault: &mut Account<TokenAccount>,
    to: &mut Account<TokenAccount>,
    token: &Program<Token>,
    amount: u64,
) -> Result<()> {
    token.transfer(vault, to, escrow, &[&escrow.seeds()], amount)
}

/// Burns tokens of an escrow's vault, so that the supply falls.
#[inline(always)]
pub fn burn(
    escrow: &Account<Escrow>,
    vault: &mut Account<TokenAccount>,
    mint: &mut Account<Mint>,
    token: &Program<Token>,
    amount: u64,
) -> Result<()> {
    token.burn(vault, mint, escrow, &[&escrow.seeds()], amount)
}

/// Closes an escrow's vault: what people have donated goes to `to`, the rent to the owner.
#[inline(always)]
pub fn close(
    escrow: &Account<Escrow>,
    vault: &mut Account<TokenAccount>,
    to: &mut Account<TokenAccount>,
    owner: &mut Signer,
    token: &Program<Token>,
) -> Result<()> {
    let donated = vault.amount();
    if donated > 0 {
        pay(escrow, vault, to, token, donated)?;
    }
    token.close_account(vault, owner, escrow, &[&escrow.seeds()])
}

/// Closes a permit's vault: all it holds goes to `to`, the rent to its payer.
#[inline(always)]
pub fn close_jackpot(
    permit: &Account<Permit>,
    vault: &mut Account<TokenAccount>,
    to: &mut Account<TokenAccount>,
    payer: &mut UncheckedAccount,
    token: &Program<Token>,
) -> Result<()> {
    let left = vault.amount();
    if left > 0 {
        token.transfer(vault, to, permit, &[&permit.seeds()], left)?;
    }
    token.close_account(vault, payer, permit, &[&permit.seeds()])
}
