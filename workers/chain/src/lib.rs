//! Typed client of the market's programs.
//!
//! Everything that talks to a Solana node goes through here: [`Chain`] sends transactions and reports whether they were confirmed, failed
//! or are unknown, [`Pending`] remembers across a crash what was sent, [`AccountWatch`] follows an account. The node itself is behind
//! [`Network`], so that all of this is tested without one.

mod client;
mod cluster;
mod collection;
mod error;
mod events;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod fee;
pub mod idl;
mod job_end;
mod keys;
mod live;
pub mod localnet;
pub mod market;
mod network;
mod payee;
mod pending;
mod program_error;
mod pulse;
mod subscriptions;
pub mod sysvar;
mod watch;

pub use client::{
    Chain, Failure, NotConfirmed, Outcome, Prepared, Preview, Receipt, SendOptions, Uncertain, decode, decode_if_any, made, rent,
};
pub use cluster::Cluster;
pub use collection::Collection;
pub use error::{Error, Result};
pub use events::{Logged, decode_event, logged, records};
pub use fee::PriorityFee;
pub use job_end::{JobEnd, job_parties};
pub use keys::{default_keypair_path, load_keypair, save_keypair};
pub use live::Live;
pub use network::{Filter, Landed, Lifetime, Network, Simulation, past, past_each, past_landed};
pub use payee::Payee;
pub use pending::{Intent, Pending};
pub use program_error::Explanation;
pub use pulse::{lag, lag_problem};
pub use subscriptions::Subscriptions;
pub use watch::{AccountWatch, News, Snapshot};
