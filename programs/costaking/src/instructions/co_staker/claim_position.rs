use crate::error::CostakingError;
use crate::events::RewardsClaimed;
use crate::state::{Offer, Position};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct ClaimPosition {
    #[account(address = position.holder @ CostakingError::NotHolder)]
    pub holder: Signer,
    #[account(mut, address = position.offer @ CostakingError::AccountMismatch)]
    pub offer: Account<Offer>,
    #[account(mut)]
    pub position: Account<Position>,
    #[account(mut, seeds = [Offer::VAULT_SEED, offer.address().as_ref()], bump = offer.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut, token::authority = holder)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for anyone but the holder, and when no rewards have come in; never paused, and independent of other claims (E24)
pub fn claim_position(ctx: &mut Context<ClaimPosition>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let amount = accounts.position.claim(&accounts.offer);
    require!(amount > 0, CostakingError::NothingToClaim);
    emit!(RewardsClaimed {
        offer: *accounts.offer.address(),
        position: *accounts.position.address(),
        holder: accounts.position.holder,
        amount
    });
    accounts.offer.pay(amount)?;
    vault::pay(
        &accounts.offer,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        amount,
    )
}
