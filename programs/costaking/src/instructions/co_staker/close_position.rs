use crate::error::CostakingError;
use crate::state::{Offer, Position};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct ClosePosition {
    // May be the holder too: the caller only signs, and the holder's account only receives lamports.
    #[account(unsafe(dup))]
    pub caller: Signer,
    /// CHECK: the position's holder, which receives the rent.
    #[account(mut, unsafe(dup), address = position.holder @ CostakingError::NotHolder)]
    pub holder: UncheckedAccount,
    #[account(mut, address = position.offer @ CostakingError::AccountMismatch)]
    pub offer: Account<Offer>,
    #[account(mut, close = holder)]
    pub position: Account<Position>,
}

/// - fails for anyone but the holder until the offer has ended, and while the position has shares; its exits continue
/// - always returns the rent to the holder
pub fn close_position(ctx: &mut Context<ClosePosition>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.offer.check_leaver(accounts.caller.address(), &accounts.position.holder)?;
    require!(accounts.position.shares.is_zero(), CostakingError::OfferInUse);
    accounts.offer.release()
}
