use crate::events::EscrowOpened;
use crate::state::Escrow;
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};

#[derive(Accounts)]
pub struct OpenEscrow {
    #[account(mut)]
    pub owner: Signer,
    pub mint: Account<Mint>,
    #[account(init, payer = owner, seeds = [Escrow::SEED, owner.address().as_ref(), mint.address().as_ref()], bump)]
    pub escrow: Account<Escrow>,
    #[account(init, payer = owner, seeds = [Escrow::VAULT_SEED, escrow.address().as_ref()], bump, token::mint = mint, token::authority = escrow)]
    pub vault: Account<TokenAccount>,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// - fails when the escrow exists
/// - accepts any mint of the token program: workers choose which ones they accept
pub fn open_escrow(ctx: &mut Context<OpenEscrow>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let escrow = &mut accounts.escrow;
    escrow.owner = *accounts.owner.address();
    escrow.mint = *accounts.mint.address();
    escrow.bump = ctx.bumps.escrow;
    escrow.vault_bump = ctx.bumps.vault;
    escrow.version = 1;
    emit!(EscrowOpened {
        escrow: *escrow.address(),
        owner: escrow.owner,
        mint: escrow.mint
    });
    escrow.invariant()
}
