use super::release_bond::SettleBond;
use crate::events::StakeMove;
use anchor_lang::prelude::*;

/// - fails for any caller but the jobs program
/// - fails for a penalty above the bond, or a bond larger than what is locked
/// - frees the bond, moves the penalty to what is forfeited and counts a job missed
pub fn slash_bond(ctx: &mut Context<SettleBond>, bond: u64, penalty: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.device.slash_bond(bond, penalty)?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::Slashed, penalty);
    accounts.announce(bond, penalty);
    Ok(())
}
