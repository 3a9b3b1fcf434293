use crate::events::EscrowMove;
use crate::state::Escrow;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct Deposit {
    /// Anyone may fund an escrow; only its owner may withdraw.
    pub payer: Signer,
    #[account(mut)]
    pub escrow: Account<Escrow>,
    #[account(mut, seeds = [Escrow::VAULT_SEED, escrow.address().as_ref()], bump = escrow.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut)]
    pub from: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for a zero amount, and when the payer's account does not hold that much
/// - adds the amount to the free balance
pub fn deposit(ctx: &mut Context<Deposit>, amount: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.escrow.deposit(amount)?;
    Escrow::announce(&accounts.escrow, EscrowMove::Deposited, amount);
    accounts
        .token_program
        .transfer(&mut accounts.from, &mut accounts.vault, &accounts.payer, &[], amount)
}
