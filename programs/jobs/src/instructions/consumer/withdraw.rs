use crate::error::JobsError;
use crate::events::EscrowMove;
use crate::state::Escrow;
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;

#[derive(Accounts)]
pub struct Withdraw {
    #[account(address = escrow.owner @ JobsError::NotOwner)]
    pub owner: Signer,
    #[account(mut)]
    pub escrow: Account<Escrow>,
    #[account(mut, seeds = [Escrow::VAULT_SEED, escrow.address().as_ref()], bump = escrow.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for anyone but the owner, for a zero amount, and for more than the free balance
/// - pays to any token account of the mint that the owner names; cannot be paused
pub fn withdraw(ctx: &mut Context<Withdraw>, amount: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.escrow.withdraw(amount)?;
    Escrow::announce(&accounts.escrow, EscrowMove::Withdrawn, amount);
    vault::pay(
        &accounts.escrow,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        amount,
    )
}
