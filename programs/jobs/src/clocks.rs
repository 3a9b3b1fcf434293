//! Time as the chain tells it: its two clocks, and the slot in which it last restarted.

use anchor_lang::pinocchio::sysvars::get_sysvar;
use anchor_lang::prelude::*;
use protocol::units::{Clocks, Moment};

/// The sysvar that holds the slot of the last restart as a `u64`.
const LAST_RESTART_SLOT: Address = Address::from_str_const("SysvarLastRestartS1ot1111111111111111111111");

/// Now, by both of the chain's clocks.
pub fn now() -> Result<Moment> {
    let clock = Clock::get()?;
    Ok(Moment {
        unix: clock.unix_timestamp,
        slot: clock.slot,
    })
}

/// Now, and the slot in which the cluster last restarted. On a cluster without the sysvar that is slot 0.
pub fn clocks() -> Result<Clocks> {
    let mut slot = [0; 8];
    let restart = match get_sysvar(&mut slot, &LAST_RESTART_SLOT, 0) {
        Ok(()) => u64::from_le_bytes(slot),
        Err(_) => 0,
    };
    Ok(Clocks { now: now()?, restart })
}
