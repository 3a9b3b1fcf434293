//! What becomes of a transaction.

use crate::{Error, Explanation, Result};
use solana_signature::Signature;
use solana_transaction_error::TransactionError;
use std::fmt;

/// What it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Signature of the transaction.
    pub signature: Signature,
    /// Slot of its block.
    pub slot: u64,
    /// Compute units used.
    pub compute_units: u64,
    /// Lamports paid in fees.
    pub fee: u64,
    /// Log lines.
    pub logs: Vec<String>,
}

/// A transaction that failed, in simulation or in a block.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why, in words.
    pub explanation: Explanation,
    /// Why, as the runtime says it.
    pub error: TransactionError,
    /// Log lines.
    pub logs: Vec<String>,
    /// What it cost; `None` when it was never sent.
    pub receipt: Option<Receipt>,
}

/// A transaction without an answer.
#[derive(Clone, Debug)]
pub struct Uncertain {
    /// Signature of the transaction.
    pub signature: Signature,
    /// True when it is in no confirmed block and can no longer get into one: sending it anew is safe.
    pub expired: bool,
    /// The last thing that went wrong on the way, if anything did.
    pub last_error: Option<String>,
}

/// What became of a transaction.
#[derive(Clone, Debug)]
#[must_use = "a transaction that was sent has not necessarily done anything"]
pub enum Outcome {
    /// It is in a confirmed block and did what it says.
    Confirmed(Receipt),
    /// It did nothing but pay its fee.
    Failed(Failure),
    /// Nobody said.
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

    /// True when the transaction has landed or never can.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Unknown(Uncertain { expired: false, .. }))
    }
}

/// Why there is no receipt.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotConfirmed {
    /// It failed.
    #[error("{}", .0.explanation)]
    Failed(Failure),
    /// Nobody said what became of it.
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
                "transaction {signature} expired before any block took it and did nothing; send it again"
            )?;
        } else {
            write!(
                f,
                "nobody said in time whether transaction {signature} landed; look it up before sending it again"
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
