//! Errors of talking to the chain. Each is one sentence that says what to do next.

use crate::{Failure, NotConfirmed, Uncertain};
use solana_address::Address;
use std::path::PathBuf;

/// Result of talking to the chain.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request to the chain, or a transaction, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is neither a moniker nor a URL; contains no credentials.
    #[error("{0} is not a cluster: give localnet, devnet, testnet, mainnet-beta or an http(s) URL")]
    Cluster(String),
    /// The node does not answer.
    #[error("no Solana node answers at {url} ({reason}); check the URL and that the node is up, or start one with `ionet localnet`")]
    Unreachable {
        /// RPC URL without credentials.
        url: String,
        /// Error of the transport.
        reason: String,
    },
    /// The node answered with an error.
    #[error("{url} refused to {action}: {reason}")]
    Refused {
        /// RPC URL without credentials.
        url: String,
        /// The request, as a verb phrase.
        action: &'static str,
        /// The message of the node.
        reason: String,
    },
    /// The machine that answered is behind another.
    #[error("{url} has not reached slot {slot} yet; try again")]
    Behind {
        /// RPC URL without credentials.
        url: String,
        /// The requested slot.
        slot: u64,
    },
    /// A program this software needs is not deployed there.
    #[error("program {program} is not deployed at {url}: this is the wrong cluster, or the market has not been set up on it")]
    WrongCluster {
        /// RPC URL without credentials.
        url: String,
        /// The missing program.
        program: Address,
    },
    /// No such account.
    #[error("{url} has no account at {address}; check the address and the cluster")]
    NoAccount {
        /// RPC URL without credentials.
        url: String,
        /// Address of the missing account.
        address: Address,
    },
    /// The account is not of the expected type.
    #[error(
        "account {address} is not what was expected ({reason}); check the address, and that this software matches the deployed programs"
    )]
    AccountKind {
        /// Address of the account.
        address: Address,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no keypair file.
    #[error("there is no keypair file {}; create one with `ionet wallet new -o {}`", path.display(), path.display())]
    NoKeypair {
        /// File given.
        path: PathBuf,
    },
    /// The keypair file cannot be used.
    #[error("{} cannot be used as a keypair file ({reason}); name another, or create one with `ionet wallet new -o FILE`", path.display())]
    Keypair {
        /// File given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A new keypair file cannot be written.
    #[error("keypair file {} cannot be written ({reason}); name another", path.display())]
    KeypairUnwritten {
        /// File given.
        path: PathBuf,
        /// Error of the system.
        reason: String,
    },
    /// At the price that others pay, the transaction would cost more than it may.
    #[error("the transaction would cost {fee} lamports at the price that others pay, more than the {most} it may; try again later")]
    TooDear {
        /// Lamports it would cost.
        fee: u64,
        /// Most lamports it may cost.
        most: u64,
    },
    /// A transaction could not be built or signed.
    #[error("the transaction could not be signed: {0}")]
    Signing(String),
    /// The file of sent transactions cannot be used.
    #[error(
        "the record of sent transactions {} cannot be used ({reason}); make the file writable",
        path.display()
    )]
    Pending {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The transaction failed, or its outcome is unknown.
    #[error(transparent)]
    Transaction(#[from] Box<crate::client::NotConfirmed>),
}

impl Error {
    fn not_confirmed(&self) -> Option<&NotConfirmed> {
        match self {
            Self::Transaction(cause) => Some(cause),
            _ => None,
        }
    }

    /// The failure, if a program refused the transaction: sending it again would fail again.
    pub fn failure(&self) -> Option<&Failure> {
        match self.not_confirmed()? {
            NotConfirmed::Failed(failure) => Some(failure),
            NotConfirmed::Unknown(_) => None,
        }
    }

    /// The transaction whose outcome is unknown, if there is one.
    pub fn uncertain(&self) -> Option<&Uncertain> {
        match self.not_confirmed()? {
            NotConfirmed::Unknown(uncertain) => Some(uncertain),
            NotConfirmed::Failed(_) => None,
        }
    }
}
