use crate::error::StakingError;
use crate::state::{RewardBlock, Tally};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CloseTally {
    /// CHECK: the tally's payer, which receives the rent.
    #[account(mut, address = tally.payer @ StakingError::WrongTally)]
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
    require!(accounts.block.settled.get(), StakingError::BlockInUse);
    accounts.tally.check_closable()?;
    accounts.block.open_tallies = accounts.block.open_tallies.checked_sub(1).ok_or(StakingError::BooksBroken)?;
    accounts.block.invariant()
}
