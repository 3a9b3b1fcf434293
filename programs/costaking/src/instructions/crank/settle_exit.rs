use crate::error::CostakingError;
use crate::state::{Exit, Offer};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SettleExit {
    #[account(address = exit.offer @ CostakingError::AccountMismatch)]
    pub offer: Account<Offer>,
    #[account(mut)]
    pub exit: Account<Exit>,
}

/// - anyone may call; fails when there is nothing to record
/// - records what the exit has earned; the offer's log reaches back for 64 distributions after its last hour
pub fn settle_exit(ctx: &mut Context<SettleExit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    require!(accounts.exit.settle(&accounts.offer)?, CostakingError::NothingToSettle);
    Ok(())
}
