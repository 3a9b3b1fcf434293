//! Why a worker cannot start or continue, each in one sentence that says what to do next.

use crate::reserve::{FUND, in_sol};
use daemon::settings::SettingsError;
use solana_address::Address;
use std::path::PathBuf;

/// Result of a worker's operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is missing, unknown or malformed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// An error of the chain or its node.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// An error of a blob store.
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
    /// There is no model to serve.
    #[error("there is no model package in {folders}; point `models` at folders with a model.json, or at folders of such folders")]
    NoModels {
        /// Folders searched.
        folders: String,
    },
    /// A model does not reproduce its golden vectors, or gives different results on different hardware.
    #[error("{failed} results differ: this machine would compute wrong ones and lose its bonds; do not run a worker on it")]
    Selftest {
        /// Number of wrong results.
        failed: usize,
    },
    /// A GPU named in the settings cannot be tested.
    #[error("{gpus} could not be tested, although `gpu` names it; run `ionet-worker doctor` to see what is missing")]
    Untested {
        /// Which GPUs.
        gpus: String,
    },
    /// The golden vectors of a package are unreadable, or there are none in the file.
    #[error("the golden vectors {} cannot be used ({reason}); fetch the package again", path.display())]
    Golden {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The replicas of a job must be computed by devices of different owners.
    #[error("this device, or one with the same owner or payout wallet, computes another replica of job {job}")]
    Linked {
        /// The replica that was not claimed.
        job: Address,
    },
    /// Another worker uses the data folder.
    #[error("another worker already runs for this device on {}; stop it first", folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The data folder cannot be written to.
    #[error("{} cannot be written ({source}); free space or make it writable, or move `data`", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The node answers from a state older than one this worker has seen.
    #[error("{cluster} lags behind: it has not reached slot {slot} yet; use another node in `cluster` if this persists")]
    Behind {
        /// The cluster asked.
        cluster: String,
        /// Slot that the node should have reached.
        slot: u64,
    },
    /// No device is registered with the key.
    #[error(
        "no device is registered with the key {key} on {cluster}; register one with `ionet device register --gpu MODEL --device-key FILE`, \
        FILE being this `keypair`, or set `device` if the key was rotated in"
    )]
    Unregistered {
        /// The key.
        key: Address,
        /// The cluster asked.
        cluster: String,
    },
    /// The device in the settings is not registered.
    #[error("there is no device {device} on {cluster}; check `device` and `cluster`")]
    NoDevice {
        /// Its address.
        device: Address,
        /// The cluster asked.
        cluster: String,
    },
    /// The key is not the device's.
    #[error("{key} is not the hot key of device {device}, which is {expected}; give the right `keypair`")]
    WrongKey {
        /// The key given.
        key: Address,
        /// The device.
        device: Address,
        /// Its hot key.
        expected: Address,
    },
    /// The payout wallet is no wallet.
    #[error(
        "jobs of device {device} are paid to {payout}, which is a token account or a mint and no wallet, so the payments would be lost; name a \
        wallet with `ionet device set-payout WALLET --device {device}`"
    )]
    Payout {
        /// The device.
        device: Address,
        /// Its payout wallet.
        payout: Address,
    },
    /// The metrics address is taken.
    #[error("metrics cannot be served at {address} ({source}); give another address in `metrics`")]
    Metrics {
        /// Address asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The job is on a model that this worker does not have.
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
    /// No blob store is set.
    #[error("no blob store is set; name one in `blobs`")]
    NoStore,
    /// The engine failed to compute.
    #[error("computing with {model} failed ({reason}); run `ionet-worker selftest`")]
    Compute {
        /// Name of the model.
        model: String,
        /// What went wrong.
        reason: String,
    },
    /// A check-in would use up SOL that answers need.
    #[error(
        "the evidence of a check-in would leave {key} {left} lamports, and answers to demands about the results in hand may cost {needed}; send it {} SOL",
        in_sol(FUND)
    )]
    Poor {
        /// The hot key.
        key: Address,
        /// Lamports that would be left.
        left: u64,
        /// Lamports it has to keep.
        needed: u64,
    },
    /// The work that a call asks for failed.
    #[error("the work that a call asks for failed ({0}); the hour does not count unless a later try succeeds in time")]
    Work(String),
    /// Other software has committed to a result with this device's key.
    #[error("job {job} is committed to another result than this worker's; check that no other software uses the device's key")]
    ForeignCommitment {
        /// The job.
        job: Address,
    },
    /// The doctor found problems.
    #[error("{0} checks found a problem; each line above says what to do")]
    Unwell(usize),
}

impl Error {
    /// The exit code of the process: 2 for wrong settings, 3 if the chain is unreachable or the wrong one, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            Self::Chain(chain::Error::Unreachable { .. } | chain::Error::WrongCluster { .. }) => 3,
            _ => 1,
        }
    }
}
