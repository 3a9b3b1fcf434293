//! The market's history, kept from the programs' events alone.
//!
//! A [`Follower`] takes transactions in order and each exactly once: a round of them, what follows from them and where the next begins are
//! one database transaction, so a crash anywhere loses and doubles nothing, and a run from the first slot on comes to the same state.
//! [`check`] compares the books with the accounts. [`api`] serves them.

pub mod api;
mod books;
pub mod check;
mod follow;
mod news;
mod store;
pub mod webhooks;

pub use follow::{Follower, Round, Taken};
pub use store::Store;

use solana_address::Address;

/// The programs whose events are kept.
pub const PROGRAMS: [Address; 5] = [staking::ID, costaking::ID, jobs::ID, referee::ID, governance::ID];

/// Result of the indexer.
pub type Result<T> = std::result::Result<T, Error>;

/// What stops the indexer, or makes it try again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// The database.
    #[error("the database {url} failed ({cause}); check that it is there and may be written")]
    Database {
        /// Which.
        url: String,
        /// Why.
        cause: sqlx::Error,
    },
    /// The history is another chain's.
    #[error(
        "the database {url} has the history of another chain, whose genesis hash is {genesis}; name another with --database, or remove this one"
    )]
    OtherChain {
        /// Which database.
        url: String,
        /// Genesis hash of its chain.
        genesis: String,
    },
    /// The books are wrong.
    #[error(
        "the books differ from the accounts in {count} places; they are listed above. Check again, as the chain goes on; where they stay, \
         remove the database and index the history again"
    )]
    Differences {
        /// In how many places.
        count: usize,
    },
    /// The web app.
    #[error("the web app in {} cannot be read ({cause}); build it, or give the folder it was built into", folder.display())]
    Site {
        /// Where it should be.
        folder: std::path::PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// What the web app would be told.
    #[error("the RPC URL may carry a key, which the web app would show to everybody; give --web-cluster a public URL")]
    Secret,
    /// The webhooks.
    #[error("the webhooks in {} cannot be used: {reason}", file.display())]
    Webhooks {
        /// Where they are.
        file: std::path::PathBuf,
        /// What to correct.
        reason: String,
    },
    /// The port.
    #[error("{address} cannot be served ({cause}); choose another address with --listen")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
}

impl Error {
    /// Exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Chain(chain::Error::Cluster(_)) => 2,
            Self::Chain(_) => 3,
            Self::OtherChain { .. } | Self::Site { .. } | Self::Secret | Self::Webhooks { .. } => 2,
            Self::Database { .. } | Self::Differences { .. } | Self::Listen { .. } => 1,
        }
    }
}
