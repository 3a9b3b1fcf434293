//! Why a worker cannot start or go on, each in one sentence that says what to do next.

use crate::reserve::{FUND, in_sol};
use daemon::settings::SettingsError;
use solana_address::Address;
use std::path::PathBuf;

/// Result of what the worker does.
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
    /// A model package is broken.
    #[error("the model package {} cannot be used: {source}", folder.display())]
    Model {
        /// Its folder.
        folder: PathBuf,
        /// What is wrong with it.
        source: engine::Error,
    },
    /// A folder of models cannot be read.
    #[error("the models folder {} cannot be read ({source}); check `models`", folder.display())]
    ModelFolder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is nothing to serve.
    #[error("there is no model package in {folders}; point `models` at folders that hold model.json, or whose subfolders do")]
    NoModels {
        /// Where they were sought.
        folders: String,
    },
    /// A package does not reproduce its golden vectors, or not the same everywhere.
    #[error("{failed} results differ: this machine would compute wrong ones and lose its bonds; do not run a worker on it")]
    Selftest {
        /// How many.
        failed: usize,
    },
    /// A GPU that the settings name.
    #[error("{gpus} cannot be used, though `gpu` names it, so nothing is known of it; `ionet-worker doctor` says what is missing")]
    LeftOut {
        /// Which.
        gpus: String,
    },
    /// A package with unreadable golden vectors, or with a list of none.
    #[error("the golden vectors {} cannot be used ({reason}); fetch the package again", path.display())]
    Golden {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The replicas of a job are for devices of different owners.
    #[error("another replica of job {job} is computed by this device, or by one of the same owner or payout wallet")]
    Linked {
        /// The replica that is left to others.
        job: Address,
    },
    /// Two workers, one data folder.
    #[error("another worker already runs for this device on {}; stop it first", folder.display())]
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
    /// The node answers from a state older than one this worker knows of.
    #[error("{cluster} is behind: it does not know slot {slot} yet; name another node in `cluster` if that goes on")]
    Behind {
        /// The cluster asked.
        cluster: String,
        /// Slot that has been.
        slot: u64,
    },
    /// Nobody registered the device.
    #[error("there is no device {device} on {cluster}; register it with `ionet device register`, or set `device` if its key was rotated")]
    NoDevice {
        /// Its address.
        device: Address,
        /// The cluster asked.
        cluster: String,
    },
    /// The key is not the device's.
    #[error("{key} is not the hot key of device {device}, which is {expected}; give the right `keypair`")]
    WrongKey {
        /// Key given.
        key: Address,
        /// The device.
        device: Address,
        /// Its key.
        expected: Address,
    },
    /// The metrics address is taken.
    #[error("metrics cannot be served at {address} ({source}); give another address in `metrics`")]
    Metrics {
        /// Address asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The job is on a model this worker does not have.
    #[error("this worker has no model registered at {model}; add its package to `models`")]
    UnknownModel {
        /// Where the model is registered.
        model: Address,
    },
    /// The input blob is not what the job says.
    #[error("the input is not {job_units} units of the model: {reason}")]
    WrongInput {
        /// Units of the job.
        job_units: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// No blob store.
    #[error("no blob store is set; name one in `blobs`")]
    NoStore,
    /// The engine failed.
    #[error("computing with {model} failed ({reason}); run `ionet-worker selftest`")]
    Compute {
        /// Name of the model.
        model: String,
        /// What went wrong.
        reason: String,
    },
    /// A check-in would take what answers need.
    #[error(
        "what is to be shown would leave {key} {left} lamports, and answers to demands about the results in hand may take {needed}; send it {} SOL",
        in_sol(FUND)
    )]
    Poor {
        /// The hot key.
        key: Address,
        /// Lamports it would have left.
        left: u64,
        /// Lamports it has to keep.
        needed: u64,
    },
    /// The work that a call asks for failed.
    #[error("the work that a call asks for failed ({0}); the hour does not count unless a later try succeeds in time")]
    Work(String),
    /// Somebody else committed with this device's key.
    #[error("job {job} has a commitment to another result than this worker's; check that no other software uses the device's key")]
    ForeignCommitment {
        /// The job.
        job: Address,
    },
    /// The doctor found something.
    #[error("{0} of the checks found a problem; each line above says what to do")]
    Unwell(usize),
}

impl Error {
    /// The process's exit code: 2 for settings, 3 when the chain is out of reach or the wrong one, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            Self::Chain(chain::Error::Unreachable { .. } | chain::Error::WrongCluster { .. }) => 3,
            _ => 1,
        }
    }
}
