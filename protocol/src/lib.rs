//! Rules of the market, shared by the on-chain programs and everything off chain.
//!
//! Pure and `no_std`: time, slots, prices and hashes come in as arguments; nothing here knows Anchor, RPC or a clock.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod hash;
pub mod math;
pub mod merkle;
