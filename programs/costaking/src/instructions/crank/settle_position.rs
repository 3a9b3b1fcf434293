use crate::error::CostakingError;
use crate::state::{Offer, Position};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SettlePosition {
    #[account(address = position.offer @ CostakingError::AccountMismatch)]
    pub offer: Account<Offer>,
    #[account(mut)]
    pub position: Account<Position>,
}

/// - anyone may call; fails when there is nothing to record
/// - records the index from which the position earns rewards; the offer's log reaches back for 64 distributions after its first hour
pub fn settle_position(ctx: &mut Context<SettlePosition>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    require!(accounts.position.settle(&accounts.offer), CostakingError::NothingToSettle);
    Ok(())
}
