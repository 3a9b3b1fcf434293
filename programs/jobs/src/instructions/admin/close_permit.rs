use crate::error::JobsError;
use crate::events::PermitClosed;
use crate::state::{Config, Permit};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;

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
    if !accounts.permit.opened.get() {
        accounts.config.remove_permit()?;
    }
    emit!(PermitClosed {
        permit: *accounts.permit.address(),
        returned: accounts.vault.amount()
    });
    vault::close_jackpot(
        &accounts.permit,
        &mut accounts.vault,
        &mut accounts.to,
        &mut accounts.payer,
        &accounts.token_program,
    )
}
