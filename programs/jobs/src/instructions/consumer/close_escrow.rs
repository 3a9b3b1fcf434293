use crate::error::JobsError;
use crate::state::Escrow;
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;

#[derive(Accounts)]
pub struct CloseEscrow {
    #[account(mut, address = escrow.owner @ JobsError::NotOwner)]
    pub owner: Signer,
    #[account(mut, close = owner)]
    pub escrow: Account<Escrow>,
    #[account(mut, seeds = [Escrow::VAULT_SEED, escrow.address().as_ref()], bump = escrow.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Receives tokens that somebody sent to the vault without `deposit`.
    #[account(mut)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for anyone but the owner, and while anything is free, locked or owed
/// - returns both accounts' rent
pub fn close_escrow(ctx: &mut Context<CloseEscrow>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    require!(accounts.escrow.total()? == 0, JobsError::EscrowNotEmpty);
    vault::close(
        &accounts.escrow,
        &mut accounts.vault,
        &mut accounts.to,
        &mut accounts.owner,
        &accounts.token_program,
    )
}
