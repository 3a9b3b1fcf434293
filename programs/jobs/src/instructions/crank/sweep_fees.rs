use crate::error::JobsError;
use crate::events::{EscrowMove, FeesSwept};
use crate::state::{Config, Escrow};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::{Mint, TokenAccount};
use protocol::units::{Amount, Bps};

#[derive(Accounts)]
pub struct SweepFees {
    pub config: Account<Config>,
    #[account(mut)]
    pub escrow: Account<Escrow>,
    #[account(mut, seeds = [Escrow::VAULT_SEED, escrow.address().as_ref()], bump = escrow.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut, address = escrow.mint @ JobsError::AccountMismatch)]
    pub mint: Account<Mint>,
    #[account(mut, constraint(*treasury.owner() == config.treasury @ JobsError::AccountMismatch))]
    pub treasury: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - anyone may call; fails when no fees are owed, and for an account that is not the treasury's
/// - of $IO, burns the burn share, rounded up, and moves the rest to the treasury (I16); fees in another mint go to the treasury whole
/// - is kept off the job path because it writes the mint and the treasury, which all jobs share
pub fn sweep_fees(ctx: &mut Context<SweepFees>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let fees = Amount(accounts.escrow.take_fees()?);
    let is_io = accounts.escrow.mint == accounts.config.mint;
    let share = Bps::saturating(if is_io { accounts.config.burn_bps.get() } else { 0 });
    let burned = fees.share_ceil(share);
    let to_treasury = fees.checked_sub(burned).ok_or(JobsError::BooksBroken)?;
    Escrow::announce(&accounts.escrow, EscrowMove::Swept, fees.0);
    emit!(FeesSwept {
        escrow: *accounts.escrow.address(),
        to_treasury: to_treasury.0,
        burned: burned.0
    });

    let (escrow, vault, token) = (&accounts.escrow, &mut accounts.vault, &accounts.token_program);
    if burned > Amount::ZERO {
        vault::burn(escrow, vault, &mut accounts.mint, token, burned.0)?;
    }
    vault::pay(escrow, vault, &mut accounts.treasury, token, to_treasury.0)
}
