//! One instruction, one file, grouped by who may call it.

mod admin;
mod consumer;
mod crank;
mod registrar;
mod worker;

pub use admin::*;
pub use consumer::*;
pub use crank::*;
pub use registrar::*;
pub use worker::*;

use anchor_lang::prelude::*;
use protocol::units::Moment;

/// Now, by both of the chain's clocks.
pub(crate) fn now() -> Result<Moment> {
    let clock = Clock::get()?;
    Ok(Moment {
        unix: clock.unix_timestamp,
        slot: clock.slot,
    })
}
