//! A complete market on this machine, in one process: an embedded chain with the programs deployed at their real addresses and migrated,
//! the $IO mint with a faucet, funded keys, a blob server and, optionally, the web app with the market's history. Nothing leaves the
//! machine.

mod faucet;
mod keys;
mod node;
mod setup;
mod web;

pub use keys::{KeyName, Keys};
pub use node::{Node, NodeOptions};
pub use setup::{Localnet, Options, mint};
pub use web::WebOptions;

use std::time::Duration;
use tokio::task::JoinHandle;

/// Waits for a server that was asked to stop, and aborts it if its responses in flight take too long.
async fn finish<T>(server: JoinHandle<T>) {
    let abort = server.abort_handle();
    if tokio::time::timeout(Duration::from_secs(2), server).await.is_err() {
        abort.abort();
    }
}
