use crate::error::CostakingError;
use crate::events::OfferClosed;
use crate::state::{Offer, Status};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct CloseOffer {
    /// CHECK: the offer's owner, which receives both rents.
    #[account(mut, address = offer.owner @ CostakingError::AccountMismatch)]
    pub owner: UncheckedAccount,
    #[account(mut, close = owner)]
    pub offer: Account<Offer>,
    #[account(mut, seeds = [Offer::VAULT_SEED, offer.address().as_ref()], bump = offer.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Receives the dust of rounding.
    #[account(mut, token::authority = owner)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - anyone may call; fails unless the offer has ended and everybody has left it
/// - the dust of rounding and both rents go to the device's owner
pub fn close_offer(ctx: &mut Context<CloseOffer>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.offer.check_status(&[Status::Ended])?;
    require!(accounts.offer.holders.is_zero(), CostakingError::OfferInUse);
    emit!(OfferClosed {
        offer: *accounts.offer.address(),
        dust: accounts.vault.amount()
    });
    vault::close(
        &accounts.offer,
        &mut accounts.vault,
        &mut accounts.to,
        &mut accounts.owner,
        &accounts.token_program,
    )
}
