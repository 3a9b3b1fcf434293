//! Why a command failed. The exit code follows from the kind of error.

use chain::NotConfirmed;
use solana_address::Address;

/// Result of a command.
pub type Result<T> = std::result::Result<T, Error>;

/// Exit codes, as documented in `ionet --help`.
pub mod code {
    /// The input or the state on the chain does not allow it; nothing was sent beyond what was reported.
    pub const REFUSED: u8 = 1;
    /// The command line is wrong, or there is no terminal to ask for confirmation on.
    pub const USAGE: u8 = 2;
    /// A program on the chain rejected the transaction.
    pub const CHAIN: u8 = 3;
    /// A transaction expired, or its outcome is unknown.
    pub const UNKNOWN: u8 = 4;
    /// A node or blob server does not answer, or belongs to another cluster.
    pub const UNREACHABLE: u8 = 5;
    /// The result that was verified is wrong.
    pub const WRONG: u8 = 6;
}

/// What went wrong, as one sentence that names the thing and the next step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input or the state on the chain does not allow it.
    #[error("{0}")]
    Refused(String),
    /// The command line does not say enough.
    #[error("{0}")]
    Usage(String),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// The blob store.
    #[error(transparent)]
    Blobs(#[from] blobs::Error),
    /// A model package.
    #[error(transparent)]
    Package(#[from] engine::Error),
    /// A prompt, or what a model made.
    #[error(transparent)]
    Task(#[from] task::Error),
    /// A failure after a transaction that opened, or may have opened, a job. Submitting again would pay for a second one.
    #[error("{cause}{} (job {job}, transaction {signature})", goes_on(.cause))]
    Job {
        /// The job.
        job: Address,
        /// The transaction.
        signature: String,
        /// What went wrong.
        cause: Box<Self>,
    },
}

impl From<watchtower::Error> for Error {
    fn from(error: watchtower::Error) -> Self {
        use watchtower::Error as Tower;
        use worker::Error as Work;
        match error {
            Tower::Chain(error) | Tower::Work(Work::Chain(error)) => Self::Chain(error),
            Tower::Blob(error) | Tower::Work(Work::Blob(error)) => Self::Blobs(error),
            error => Self::Refused(error.to_string()),
        }
    }
}

impl From<worker::Error> for Error {
    fn from(error: worker::Error) -> Self {
        watchtower::Error::from(error).into()
    }
}

impl Error {
    /// The process's exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Chain(chain::Error::Cluster(_)) => code::USAGE,
            Self::Chain(chain::Error::Transaction(cause)) => match **cause {
                NotConfirmed::Failed(_) => code::CHAIN,
                NotConfirmed::Unknown(_) => code::UNKNOWN,
            },
            Self::Chain(chain::Error::Unreachable { .. } | chain::Error::WrongCluster { .. } | chain::Error::Refused { .. })
            | Self::Blobs(blobs::Error::Store { .. }) => code::UNREACHABLE,
            Self::Job { cause, .. } => cause.code(),
            _ => code::REFUSED,
        }
    }

    /// Name of the program error behind it, for scripts.
    pub fn program_error(&self) -> Option<&str> {
        match self {
            Self::Chain(error) => error.failure().map(|failure| failure.explanation.name.as_str()),
            Self::Job { cause, .. } => cause.program_error(),
            _ => None,
        }
    }

    /// Signature of a transaction whose outcome is unknown: it may have landed, or may still.
    pub fn unknown(&self) -> Option<String> {
        match self {
            Self::Chain(error) => {
                let uncertain = error.uncertain().filter(|uncertain| !uncertain.expired);
                uncertain.map(|uncertain| uncertain.signature.to_string())
            }
            _ => None,
        }
    }

    /// The job this error is about, and the transaction that opened it, for scripts.
    pub fn job(&self) -> Option<(&Address, &str)> {
        match self {
            Self::Job { job, signature, .. } => Some((job, signature)),
            _ => None,
        }
    }
}

/// How to follow a job that outlives the command that opened it.
fn goes_on(cause: &Error) -> &'static str {
    match cause {
        Error::Refused(_) => "",
        _ => "; `ionet job show` shows where the job stands, and `ionet job fetch` gets its result",
    }
}

/// An [`Error::Refused`].
pub fn refuse<T>(sentence: impl Into<String>) -> Result<T> {
    Err(Error::Refused(sentence.into()))
}
