//! Why a command did not do what was asked. The exit code follows from the kind.

use chain::NotConfirmed;
use solana_address::Address;

/// Result of a command.
pub type Result<T> = std::result::Result<T, Error>;

/// Exit codes, as documented in `ionet --help`.
pub mod code {
    /// Input or state that does not allow it; nothing was sent, or nothing more than was reported.
    pub const REFUSED: u8 = 1;
    /// The command line is wrong, or a question could not be asked.
    pub const USAGE: u8 = 2;
    /// A program on the chain said no.
    pub const CHAIN: u8 = 3;
    /// Nobody said what became of a transaction.
    pub const UNKNOWN: u8 = 4;
    /// A node or blob server does not answer, or is of another cluster.
    pub const UNREACHABLE: u8 = 5;
    /// The result that was verified is wrong.
    pub const WRONG: u8 = 6;
}

/// What went wrong, as one sentence that names the thing and the next step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input or the state of things does not allow it.
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
    /// An image file.
    #[error(transparent)]
    Photo(#[from] crate::photo::Error),
    /// A prompt, or what a model made.
    #[error(transparent)]
    Task(#[from] task::Error),
    /// What went wrong with a job after a transaction that opened it, or may have. Whoever opens another pays for both.
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

    /// Signature of a transaction that may have landed, or may still: nobody said what became of it.
    pub fn unknown(&self) -> Option<String> {
        match self {
            Self::Chain(error) => {
                let uncertain = error.uncertain().filter(|uncertain| !uncertain.expired);
                uncertain.map(|uncertain| uncertain.signature.to_string())
            }
            _ => None,
        }
    }

    /// The job that it is about and the transaction that opened it, for scripts.
    pub fn job(&self) -> Option<(&Address, &str)> {
        match self {
            Self::Job { job, signature, .. } => Some((job, signature)),
            _ => None,
        }
    }
}

/// What to do about a job that goes on without the program that opened it.
fn goes_on(cause: &Error) -> &'static str {
    match cause {
        Error::Refused(_) => "",
        _ => "; `ionet job show` says how the job stands, and `ionet job fetch` gets its result",
    }
}

/// An [`Error::Refused`].
pub fn refuse<T>(sentence: impl Into<String>) -> Result<T> {
    Err(Error::Refused(sentence.into()))
}
