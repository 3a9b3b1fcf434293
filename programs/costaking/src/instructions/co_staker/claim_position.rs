use crate::error::CostakingError;
use crate::events::RewardsClaimed;
use crate::state::{Offer, Position};
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
    pay_rewards(
        &mut accounts.offer,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        amount,
    )
}

/// Pays rewards from an offer's vault.
pub(super) fn pay_rewards(
    offer: &mut Account<Offer>,
    vault: &mut Account<TokenAccount>,
    to: &mut Account<TokenAccount>,
    token_program: &Program<Token>,
    amount: u64,
) -> Result<()> {
    offer.pay(amount)?;
    let (device, index, bump) = (offer.device, offer.index.get().to_le_bytes(), [offer.bump]);
    let seeds: [&[u8]; 4] = [Offer::SEED, device.as_ref(), &index, &bump];
    token_program.transfer(vault, to, offer, &[&seeds], amount)
}
