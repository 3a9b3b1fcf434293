//! What becomes of a transaction.

use crate::{Error, Explanation, Result};
use solana_signature::Signature;
use solana_transaction_error::TransactionError;
use std::fmt;

/// A confirmed or failed transaction in its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Signature of the transaction.
    pub signature: Signature,
    /// Slot of its block.
    pub slot: u64,
    /// Compute units used; `None` if the node did not have the transaction's details in time.
    pub compute_units: Option<u64>,
    /// Lamports paid in fees.
    pub fee: u64,
    /// Log lines; likewise empty.
    pub logs: Vec<String>,
}

/// A transaction that failed in simulation or in a block.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why, in words.
    pub explanation: Explanation,
    /// Why, as reported by the runtime.
    pub error: TransactionError,
    /// Log lines.
    pub logs: Vec<String>,
    /// Its slot and cost; `None` when it was never sent.
    pub receipt: Option<Receipt>,
}

/// A transaction whose outcome is unknown.
#[derive(Clone, Debug)]
pub struct Uncertain {
    /// Signature of the transaction.
    pub signature: Signature,
    /// True when it is in no confirmed block and can no longer get into one: it is safe to send another in its place.
    pub expired: bool,
    /// The last error on the way, if there was one.
    pub last_error: Option<String>,
}

/// The outcome of a transaction.
#[derive(Clone, Debug)]
#[must_use = "a transaction that was sent has not necessarily done anything"]
pub enum Outcome {
    /// It succeeded in a confirmed block.
    Confirmed(Receipt),
    /// It had no effect; if it reached a block, it paid its fee.
    Failed(Failure),
    /// No node said in time whether it landed, or it has expired.
    Unknown(Uncertain),
}

impl Outcome {
    /// The receipt, or an error that says why there is none.
    pub fn confirmed(self) -> Result<Receipt> {
        match self {
            Self::Confirmed(receipt) => Ok(receipt),
            Self::Failed(failure) => Err(NotConfirmed::Failed(failure).into()),
            Self::Unknown(uncertain) => Err(NotConfirmed::Unknown(uncertain).into()),
        }
    }

    /// True when the transaction has landed or can no longer land.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Unknown(Uncertain { expired: false, .. }))
    }
}

/// Why a transaction was not confirmed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotConfirmed {
    /// It failed.
    #[error("{}", .0.explanation)]
    Failed(Failure),
    /// Its outcome is unknown.
    #[error("{0}")]
    Unknown(Uncertain),
}

impl fmt::Display for Uncertain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            signature,
            expired,
            last_error,
        } = self;
        if *expired {
            write!(
                f,
                "transaction {signature} expired before it reached a block and had no effect; send it again"
            )?;
        } else {
            write!(
                f,
                "the node did not say in time whether transaction {signature} landed; look it up before sending it again"
            )?;
        }
        last_error.iter().try_for_each(|last_error| write!(f, " ({last_error})"))
    }
}

impl From<NotConfirmed> for Error {
    fn from(not_confirmed: NotConfirmed) -> Self {
        Self::Transaction(Box::new(not_confirmed))
    }
}
