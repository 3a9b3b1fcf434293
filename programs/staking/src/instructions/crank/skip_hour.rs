use crate::error::StakingError;
use crate::events::HourSettled;
use crate::state::{Emission, RewardBlock};
use anchor_lang::prelude::*;
use protocol::emission::BLOCK_SECONDS;

#[derive(Accounts)]
pub struct SkipHour {
    #[account(mut)]
    pub emission: Account<Emission>,
    /// CHECK: the hour's block, whose address is derived here; the handler checks that it does not exist.
    #[account(seeds = [RewardBlock::SEED, &emission.next_hour.get().to_le_bytes()], bump)]
    pub block: UncheckedAccount,
}

/// - anyone may call, once the hour is over; fails when the hour has a block; never paused, because later hours can only be settled after
///   it
/// - the hour pays nothing, and its emission stays in the vault
pub fn skip_hour(ctx: &mut Context<SkipHour>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let hour = accounts.emission.next_hour.get();
    let over = Clock::get()?.unix_timestamp >= hour.saturating_add(BLOCK_SECONDS);
    require!(over, StakingError::HourNotOver);
    require!(accounts.block.account().is_data_empty(), StakingError::BlockExists);
    accounts.emission.advance();
    emit!(HourSettled {
        hour,
        block: 0,
        pools: [0; 2],
        scores: [0; 2],
        owed: accounts.emission.owed.get()
    });
    Ok(())
}
