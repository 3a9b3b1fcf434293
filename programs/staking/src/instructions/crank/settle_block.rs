use crate::error::StakingError;
use crate::events::HourSettled;
use crate::state::{Emission, RewardBlock, Tally};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;

#[derive(Accounts)]
pub struct SettleBlock {
    #[account(mut)]
    pub emission: Account<Emission>,
    #[account(seeds = [Emission::VAULT_SEED, emission.address().as_ref()], bump = emission.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut)]
    pub block: Account<RewardBlock>,
}

/// - anyone may call, once check-ins to the hour are over; fails out of order (A7); never paused, because devices that were present have
///   earned it (K5)
/// - counts the given tallies, in the order of their shards; the last tally of the hour settles the block
/// - promises no more than the vault holds; a pool that nobody shares leaves its part in the vault (A8)
pub fn settle_block(ctx: &mut Context<SettleBlock>) -> Result<()> {
    let tallies = ctx.remaining_accounts()?;
    let accounts = &mut ctx.accounts;
    let (hour, now) = (accounts.block.hour.get(), Clock::get()?.unix_timestamp);
    require!(accounts.emission.next_hour.get() == hour, StakingError::HourOutOfOrder);
    require!(!tallies.is_empty(), StakingError::WrongTally);
    let mut complete = false;
    for view in &tallies {
        let tally = Account::<Tally>::load(*view)?;
        complete = accounts.block.count(&tally, now)?;
    }
    if !complete {
        return Ok(());
    }
    let block = accounts.emission.block(hour, accounts.vault.amount())?;
    let paid = accounts.block.settle(block)?;
    accounts.emission.owe(paid)?;
    accounts.emission.advance();
    emit!(HourSettled {
        hour,
        block: block.0,
        pools: accounts.block.pools.map(|pool| pool.get()),
        scores: accounts.block.scores.map(|sum| sum.get()),
        owed: accounts.emission.owed.get()
    });
    Ok(())
}
