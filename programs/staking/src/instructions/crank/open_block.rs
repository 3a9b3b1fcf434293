#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::events::BlockOpened;
use crate::state::{Emission, RewardBlock};
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(hour: i64)]
pub struct OpenBlock {
    /// Pays the rent, which `close_block` returns.
    #[account(mut)]
    pub payer: Signer,
    pub emission: Account<Emission>,
    #[account(init, payer = payer, seeds = [RewardBlock::SEED, &hour.to_le_bytes()], bump)]
    pub block: Account<RewardBlock>,
    pub system_program: Program<System>,
}

/// - anyone may call; fails outside the hour, and when the block exists
/// - the block keeps the rules in force now; its beacons are counted from this slot
pub fn open_block(ctx: &mut Context<OpenBlock>, hour: i64) -> Result<()> {
    let bump = ctx.bumps.block;
    let accounts = &mut ctx.accounts;
    let (payer, clock) = (*accounts.payer.address(), Clock::get()?);
    accounts.block.open(hour, &accounts.emission, payer, &clock, bump)?;
    emit!(BlockOpened { hour, slot: clock.slot });
    Ok(())
}
