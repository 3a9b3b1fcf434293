//! Why a watchtower cannot start or continue, each in one sentence that says what to do next.

use daemon::settings::SettingsError;
use solana_address::Address;
use std::path::PathBuf;

/// Result of the watchtower.
pub type Result<T> = std::result::Result<T, Error>;

/// Errors of the watchtower.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is missing, unknown or malformed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// A blob store.
    #[error(transparent)]
    Blob(#[from] blobs::Error),
    /// A model, or an input that does not fit one.
    #[error(transparent)]
    Work(#[from] worker::Error),
    /// The engine failed.
    #[error("recomputing job {job} failed ({reason}); run `ionet-worker selftest` on this machine")]
    Compute {
        /// The job.
        job: Address,
        /// What went wrong.
        reason: String,
    },
    /// A difference was found that the referee would not convict for.
    #[error(
        "job {job} differs from what this machine computes, but the referee's own code rejects the evidence ({reason}); \
         please report this with the job"
    )]
    Unconvincing {
        /// The job.
        job: Address,
        /// Why the evidence is rejected.
        reason: String,
    },
    /// Two watchtowers, one data folder.
    #[error("another watchtower already runs for this key on {}; stop it first", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The data folder.
    #[error("{} cannot be written ({source}); free space or make it writable, or move `data`", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// A supplier or challenger cannot be paid.
    #[error(
        "the payee of job {job} has no token account; set `create_payouts` to create one at this key's expense, and give the key more SOL \
         than it keeps for evidence"
    )]
    NoPayout {
        /// The job.
        job: Address,
    },
    /// Only what is kept for evidence is left.
    #[error("the key has too little SOL beyond the {} kept for evidence; send it more", *kept as f64 / 1e9)]
    Reserved {
        /// Lamports kept.
        kept: u64,
    },
}

impl Error {
    /// Exit code of the process: 2 for settings, 3 if the chain is unreachable or the wrong one, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            Self::Chain(chain::Error::Unreachable { .. } | chain::Error::WrongCluster { .. }) => 3,
            Self::Work(error) => error.exit_code(),
            _ => 1,
        }
    }
}

pub(crate) fn disk(path: &std::path::Path, source: std::io::Error) -> Error {
    Error::Disk {
        path: path.to_owned(),
        source,
    }
}
