use crate::error::StakingError;
use crate::events::HourSettled;
use crate::state::{Emission, RewardBlock};
use anchor_lang::prelude::*;
use protocol::emission::BLOCK_SECONDS;

#[derive(Accounts)]
pub struct SkipHour {
    #[account(mut)]
    pub emission: Account<Emission>,
    /// CHECK: the address of the hour's block, derived here; the handler checks that nothing is there.
    #[account(seeds = [RewardBlock::SEED, &emission.next_hour.get().to_le_bytes()], bump)]
    pub block: UncheckedAccount,
}

/// - anyone may call, once the hour is over; fails when it has a block; never paused, since later hours wait behind it
/// - nobody opened its block: nothing is minted for it, and its emission stays in the vault
pub fn skip_hour(ctx: &mut Context<SkipHour>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let hour = accounts.emission.next_hour.get();
    let over = Clock::get()?.unix_timestamp >= hour.saturating_add(BLOCK_SECONDS);
    require!(over, StakingError::HourNotOver);
    require!(accounts.block.account().is_data_empty(), StakingError::BlockExists);
    accounts.emission.advance(hour)?;
    emit!(HourSettled {
        hour,
        block: 0,
        pools: [0; 2],
        scores: [0; 2],
        owed: accounts.emission.owed.get()
    });
    Ok(())
}
