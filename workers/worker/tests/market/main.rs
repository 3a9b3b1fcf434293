//! A worker on a market with consumers, rivals, bad nodes and bad stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod lagging;
#[path = "../common/log.rs"]
mod log;
mod serving;
mod setup;
mod storage;

use common::Market;

/// Settles a job and completes once the worker has forgotten it.
async fn settled(market: &Market, address: &solana_address::Address) {
    market.settle(address);
    market.forgets("data").await;
}
