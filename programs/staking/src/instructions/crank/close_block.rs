use crate::error::StakingError;
use crate::state::RewardBlock;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CloseBlock {
    /// CHECK: the block's payer, which receives the rent.
    #[account(mut, address = block.payer @ StakingError::WrongPayer)]
    pub payer: UncheckedAccount,
    #[account(mut, close = payer)]
    pub block: Account<RewardBlock>,
}

/// - anyone may call; fails before the block is settled and all its tallies are closed, and within a week after its hour
/// - returns the rent
pub fn close_block(ctx: &mut Context<CloseBlock>) -> Result<()> {
    ctx.accounts.block.check_closable(Clock::get()?.unix_timestamp)
}
