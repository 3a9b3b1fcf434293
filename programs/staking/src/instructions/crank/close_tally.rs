use crate::error::StakingError;
use crate::state::{RewardBlock, Tally};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CloseTally {
    /// CHECK: the tally's payer, which receives the rent.
    #[account(mut, address = tally.payer @ StakingError::WrongPayer)]
    pub payer: UncheckedAccount,
    #[account(mut, constraint(block.hour == tally.hour @ StakingError::WrongTally))]
    pub block: Account<RewardBlock>,
    #[account(mut, close = payer)]
    pub tally: Account<Tally>,
}

/// - anyone may call; fails before the block is settled, and while a device of the tally has not collected its reward
/// - returns the rent
pub fn close_tally(ctx: &mut Context<CloseTally>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.tally.check_closable()?;
    accounts.block.close_tally()
}
