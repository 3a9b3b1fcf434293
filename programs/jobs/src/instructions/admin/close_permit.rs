use crate::error::JobsError;
use crate::events::PermitClosed;
use crate::state::{Config, Permit};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct ClosePermit {
    /// May also be the payer of the rents.
    #[account(unsafe(dup), address = config.authority @ JobsError::NotAuthority)]
    pub authority: Signer,
    #[account(mut)]
    pub config: Account<Config>,
    /// CHECK: the payer of both rents, as the permit names it; receives them.
    #[account(mut, unsafe(dup), address = permit.payer @ JobsError::AccountMismatch)]
    pub payer: UncheckedAccount,
    #[account(mut, close = payer)]
    pub permit: Account<Permit>,
    #[account(mut, seeds = [Permit::VAULT_SEED, permit.address().as_ref()], bump = permit.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Receives what is left of the jackpot.
    #[account(mut)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for anyone but the authority
/// - returns what the vault holds and both rents; an error that was already committed to is then an ordinary one
pub fn close_permit(ctx: &mut Context<ClosePermit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (seal, bump, left) = (accounts.permit.seal, [accounts.permit.bump], accounts.vault.amount());
    if !accounts.permit.opened.get() {
        accounts.config.remove_permit()?;
    }
    emit!(PermitClosed {
        permit: *accounts.permit.address(),
        returned: left
    });
    let seeds: [&[u8]; 3] = [Permit::SEED, &seal, &bump];
    if left > 0 {
        accounts
            .token_program
            .transfer(&mut accounts.vault, &mut accounts.to, &accounts.permit, &[&seeds], left)?;
    }
    accounts
        .token_program
        .close_account(&mut accounts.vault, &mut accounts.payer, &accounts.permit, &[&seeds])
}
