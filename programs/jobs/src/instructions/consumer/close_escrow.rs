use crate::error::JobsError;
use crate::state::Escrow;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

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
    let (owner, mint, bump) = (accounts.escrow.owner, accounts.escrow.mint, [accounts.escrow.bump]);
    let seeds: [&[u8]; 4] = [Escrow::SEED, owner.as_ref(), mint.as_ref(), &bump];
    let donated = accounts.vault.amount();
    if donated > 0 {
        accounts
            .token_program
            .transfer(&mut accounts.vault, &mut accounts.to, &accounts.escrow, &[&seeds], donated)?;
    }
    accounts
        .token_program
        .close_account(&mut accounts.vault, &mut accounts.owner, &accounts.escrow, &[&seeds])
}
