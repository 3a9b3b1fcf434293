//! A whole market on this machine, in one process: an embedded chain with the programs deployed at their own addresses and migrated,
//! the $IO mint with a faucet, funded keys, and a blob server. Nothing leaves the machine.

mod keys;
mod node;
mod record;
mod setup;

pub use keys::{KeyName, Keys};
pub use node::{Node, NodeOptions};
pub use record::{KeyRecord, Record};
pub use setup::{IO_DECIMALS, Localnet, Options, mint};
