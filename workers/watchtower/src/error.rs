//! Why a watchtower cannot start or go on, each in one sentence that says what to do next.

use daemon::settings::SettingsError;
use solana_address::Address;
use std::path::PathBuf;

/// Result of what the watchtower does.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong.
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
        "job {job} differs from what this machine computes, but the referee's own code turns the evidence down ({reason}); \
         please report this with the job"
    )]
    Unconvincing {
        /// The job.
        job: Address,
        /// What the referee's code says.
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
        /// File or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A supplier or challenger cannot be paid.
    #[error("the payee of job {job} has no token account; `create_payouts` creates one at this key's expense")]
    NoPayout {
        /// The job.
        job: Address,
    },
}

impl Error {
    /// The process's exit code: 2 for settings, 3 when the chain is out of reach or the wrong one, 1 for everything else.
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
