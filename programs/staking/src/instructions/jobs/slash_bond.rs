use super::release_bond::SettleBond;
use crate::events::StakeMove;
use anchor_lang::prelude::*;

/// - fails for any caller but the jobs program
/// - fails for a penalty larger than the bond, and for a bond larger than the locked bonds
/// - releases the bond, forfeits the penalty and counts a missed job
pub fn slash_bond(ctx: &mut Context<SettleBond>, bond: u64, penalty: u64) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.device.slash_bond(bond, penalty)?;
    accounts
        .device
        .announce_stake(*accounts.device.address(), StakeMove::Slashed, penalty);
    accounts.announce(bond, penalty);
    Ok(())
}
