#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::state::{RewardBlock, Tally};
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(shard: u8)]
pub struct OpenTally {
    /// Pays the rent, which `close_tally` returns.
    #[account(mut)]
    pub payer: Signer,
    #[account(mut)]
    pub block: Account<RewardBlock>,
    #[account(init, payer = payer, seeds = [Tally::SEED, &block.hour.get().to_le_bytes(), &[shard]], bump)]
    pub tally: Account<Tally>,
    pub system_program: Program<System>,
}

/// - anyone may call; fails when the tally exists, when the block has no such shard, and once the block is settled
pub fn open_tally(ctx: &mut Context<OpenTally>, shard: u8) -> Result<()> {
    let bump = ctx.bumps.tally;
    let accounts = &mut ctx.accounts;
    accounts.block.open_tally(shard)?;
    accounts.tally.open(&accounts.block, shard, *accounts.payer.address(), bump);
    Ok(())
}
