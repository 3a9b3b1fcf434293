//! The market's history, kept from the programs' events alone.
//!
//! A [`Follower`] takes in transactions in order, each exactly once. A round of transactions, the resulting changes of the books and the
//! start of the next round are one database transaction, so a crash loses and repeats nothing, and indexing from the first slot again gives
//! the same state. [`check`] compares the books with the accounts; [`api`] serves them.

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

/// The programs whose events are indexed.
pub const PROGRAMS: [Address; 5] = [staking::ID, costaking::ID, jobs::ID, referee::ID, governance::ID];

/// Result of the indexer.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors that stop the indexer, or make it try again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// The database.
    #[error("the database {url} failed ({cause}); check that it exists and is writable")]
    Database {
        /// URL of the database.
        url: String,
        /// Error of the database.
        cause: sqlx::Error,
    },
    /// The history is another chain's.
    #[error(
        "the database {url} has the history of another chain, whose genesis hash is {genesis}; choose another with --database, or remove it"
    )]
    OtherChain {
        /// URL of the database.
        url: String,
        /// Genesis hash of its chain.
        genesis: String,
    },
    /// The books are wrong.
    #[error(
        "the books differ from the accounts in the {count} places listed above. Check again, as the chain may have moved on meanwhile; \
         if differences remain, remove the database and index the history again"
    )]
    Differences {
        /// Number of differences.
        count: usize,
    },
    /// The web app.
    #[error("the web app in {} cannot be read ({cause}); build it, or give the folder it was built into", folder.display())]
    Site {
        /// Folder of the web app.
        folder: std::path::PathBuf,
        /// Error of the file system.
        cause: std::io::Error,
    },
    /// The web app would publish a URL with a key.
    #[error("the URL of the {whose} may contain a key, which the web app would show to everybody; give {flag} a public one")]
    Secret {
        /// Whose URL it is.
        whose: &'static str,
        /// The flag that sets another.
        flag: &'static str,
    },
    /// The webhooks.
    #[error("the webhooks in {} cannot be used: {reason}", file.display())]
    Webhooks {
        /// File of the webhooks.
        file: std::path::PathBuf,
        /// What is wrong, and how to correct it.
        reason: String,
    },
    /// The port.
    #[error("cannot listen on {address} ({cause}); choose another address with --listen")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Error of the system.
        cause: std::io::Error,
    },
}

impl Error {
    /// Exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Chain(chain::Error::Cluster(_)) => 2,
            Self::Chain(_) => 3,
            Self::OtherChain { .. } | Self::Site { .. } | Self::Secret { .. } | Self::Webhooks { .. } => 2,
            Self::Database { .. } | Self::Differences { .. } | Self::Listen { .. } => 1,
        }
    }
}
