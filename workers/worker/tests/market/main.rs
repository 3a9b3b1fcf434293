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
use std::time::Duration;

/// Settles a job and completes once the worker has forgotten it.
async fn settled(market: &Market, address: &solana_address::Address) {
    market.settle(address);
    emptied(market).await;
}

/// Completes once the journal is empty.
async fn emptied(market: &Market) {
    while !market.journal("data").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
