//! Rules of the market, shared by the on-chain programs and everything off chain.
//!
//! Pure and `no_std`: time, slots, prices and hashes come in as arguments; nothing here knows Anchor, RPC or a clock.
#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod audit;
pub mod ballot;
pub mod batch;
pub mod blob;
pub mod bond;
pub mod coded;
pub mod costake;
pub mod demand;
pub mod emission;
pub mod fees;
pub mod graph;
pub mod hash;
pub mod loader;
pub mod math;
pub mod merkle;
pub mod ops;
pub mod permit;
pub mod presence;
pub mod price;
pub mod referee;
pub mod requantise;
pub mod score;
pub mod settings;
pub mod sortition;
pub mod stake;
pub mod tensor;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod trace;
pub mod units;
pub mod work;
