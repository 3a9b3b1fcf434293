use crate::error::CostakingError;
use crate::state::{Offer, Position};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct ClosePosition {
    #[account(mut, address = position.holder @ CostakingError::NotHolder)]
    pub holder: Signer,
    #[account(mut, address = position.offer @ CostakingError::AccountMismatch)]
    pub offer: Account<Offer>,
    #[account(mut, close = holder)]
    pub position: Account<Position>,
}

/// - fails for anyone but the holder, and while the position has shares; its exits go on
/// - returns the rent
pub fn close_position(ctx: &mut Context<ClosePosition>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    require!(accounts.position.shares.is_zero(), CostakingError::OfferInUse);
    accounts.offer.release()
}
