use crate::error::JobsError;
use crate::events::PermitIssued;
use crate::state::{Config, Permit};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};
use staking::Device;

#[derive(Accounts)]
pub struct IssuePermit {
    /// Pays the rents, which `close_permit` returns. May also be the authority, since only lamports leave the account.
    #[account(mut, unsafe(dup))]
    pub payer: Signer,
    #[account(unsafe(dup), address = config.authority @ JobsError::NotAuthority)]
    pub authority: Signer,
    pub config: Account<Config>,
    pub device: Account<Device>,
    #[account(address = config.mint @ JobsError::AccountMismatch)]
    pub mint: Account<Mint>,
    #[account(init, payer = payer, seeds = [Permit::SEED, device.address().as_ref()], bump)]
    pub permit: Account<Permit>,
    #[account(init, payer = payer, seeds = [Permit::VAULT_SEED, permit.address().as_ref()], bump, token::mint = mint, token::authority = permit)]
    pub vault: Account<TokenAccount>,
    /// The authority's token account, which pays the jackpot.
    #[account(mut)]
    pub from: Account<TokenAccount>,
    pub token_program: Program<Token>,
    pub system_program: Program<System>,
}

/// - fails for anyone but the authority, and while the device has a permit
/// - fails without a seal, a rate or a jackpot, and for a rate above the whole
/// - moves the jackpot into the permit's vault, so that it is sure to be paid
pub fn issue_permit(ctx: &mut Context<IssuePermit>, seal: [u8; 32], rate_bps: u16, jackpot: u64) -> Result<()> {
    let bumps = (ctx.bumps.permit, ctx.bumps.vault);
    let accounts = &mut ctx.accounts;
    let (device, payer) = (*accounts.device.address(), *accounts.payer.address());
    accounts.permit.issue(device, payer, seal, rate_bps, jackpot, bumps)?;
    emit!(PermitIssued {
        device,
        seal,
        rate_bps,
        jackpot
    });
    accounts
        .token_program
        .transfer(&mut accounts.from, &mut accounts.vault, &accounts.authority, &[], jackpot)
}
