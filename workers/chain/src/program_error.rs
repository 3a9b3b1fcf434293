//! Explains failed transactions in a sentence.

use crate::idl;
use solana_address::Address;
use solana_instruction::error::InstructionError;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use std::fmt;

const SYSTEM: Address = Address::from_str_const("11111111111111111111111111111111");
const TOKEN: Address = Address::from_str_const("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");

/// Why a transaction failed, for people and for scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Name of the program that failed, if one did.
    pub program: Option<String>,
    /// Its error code, if it gave one.
    pub code: Option<u32>,
    /// Name of the error, for scripts.
    pub name: String,
    /// What went wrong, for people.
    pub message: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.program, self.code) {
            (Some(program), Some(code)) => write!(f, "{} ({program} error {code}, {})", self.message, self.name),
            (Some(program), None) => write!(f, "{} ({program}, {})", self.message, self.name),
            (None, _) => write!(f, "{} ({})", self.message, self.name),
        }
    }
}

/// Explains why `transaction` failed. The codes of the market's programs are those of their IDLs.
pub(crate) fn explain(error: &TransactionError, transaction: &VersionedTransaction, logs: &[String]) -> Explanation {
    let TransactionError::InstructionError(index, inner) = error else {
        return general(error);
    };
    // The innermost failure comes first in the logs; without logs, the instruction's own program is the best guess.
    let program = logs.iter().find_map(|line| failed_program(line)).or_else(|| {
        let instruction = transaction.message.instructions().get(usize::from(*index))?;
        transaction
            .message
            .static_account_keys()
            .get(usize::from(instruction.program_id_index))
            .copied()
    });
    let code = match inner {
        InstructionError::Custom(code) => Some(*code),
        _ => None,
    };
    let (name, message) = program
        .zip(code)
        .and_then(|(program, code)| {
            let own = idl::of(&program).and_then(|idl| idl.error(code));
            own.or_else(|| builtin(&program, code))
        })
        .map(|(name, message)| (name.to_owned(), message.to_owned()))
        .unwrap_or_else(|| {
            let name = format!("{inner:?}");
            (
                name.split(['(', ' ']).next().unwrap_or(&name).to_owned(),
                format!("instruction {} failed: {inner}", u16::from(*index)),
            )
        });
    Explanation {
        program: program.map(|program| name_of(&program)),
        code,
        name,
        message,
    }
}

fn name_of(program: &Address) -> String {
    match idl::of(program) {
        Some(idl) => idl.name().to_owned(),
        None if *program == SYSTEM => "system".to_owned(),
        None if *program == TOKEN => "token".to_owned(),
        None => program.to_string(),
    }
}

fn failed_program(line: &str) -> Option<Address> {
    let (program, _) = line.strip_prefix("Program ")?.split_once(" failed: ")?;
    program.parse().ok()
}

/// Explains failures that no program reports.
fn general(error: &TransactionError) -> Explanation {
    let message = match error {
        TransactionError::AccountNotFound | TransactionError::InsufficientFundsForFee => {
            "the wallet that pays has too little SOL; send it some".to_owned()
        }
        TransactionError::InsufficientFundsForRent { .. } => {
            "an account would be left with less SOL than its rent; send SOL to the wallet that pays".to_owned()
        }
        TransactionError::BlockhashNotFound => "the transaction expired; send it again".to_owned(),
        TransactionError::AlreadyProcessed => "this transaction has already landed; nothing was done twice".to_owned(),
        other => format!("the chain refused the transaction: {other}"),
    };
    let name = format!("{error:?}");
    let name = name.split([' ', '(', '{']).next().unwrap_or(&name).to_owned();
    Explanation {
        program: None,
        code: None,
        name,
        message,
    }
}

/// Common errors of the system and token programs, and of the framework that the market's programs are written with.
fn builtin(program: &Address, code: u32) -> Option<(&'static str, &'static str)> {
    Some(match (*program, code) {
        (SYSTEM, 0) => (
            "AccountAlreadyInUse",
            "the account to be created exists already; this may have been done before",
        ),
        (SYSTEM, 1) => (
            "ResultWithNegativeLamports",
            "the wallet that pays has too little SOL; send it some",
        ),
        (TOKEN, 1) => ("InsufficientFunds", "the token account holds too few tokens; send it some"),
        (TOKEN, 4) => (
            "OwnerMismatch",
            "the token account belongs to somebody else; sign with its owner's key",
        ),
        (TOKEN, 17) => ("AccountFrozen", "the token account is frozen by the mint's authority"),
        (SYSTEM | TOKEN, _) => return None,
        (_, 2000..3000) => {
            let name = match code {
                2000 => "ConstraintMut",
                2001 => "ConstraintHasOne",
                2003 => "ConstraintRaw",
                2005 => "ConstraintRentExempt",
                2007 => "ConstraintExecutable",
                2011 => "ConstraintClose",
                2012 => "ConstraintAddress",
                2013 => "ConstraintZero",
                2019 => "ConstraintSpace",
                2020 => "ConstraintAccountIsNone",
                2040 => "ConstraintDuplicateMutableAccount",
                _ => "RequireViolated",
            };
            (
                name,
                "an account is not the one the program expects; check that this software matches the deployed program",
            )
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use solana_instruction::Instruction;
    use solana_message::{VersionedMessage, v0};

    fn explain(error: TransactionError, program: Address, logs: &[&str]) -> Explanation {
        let instruction = Instruction::new_with_bytes(program, &[], vec![]);
        let message = v0::Message::try_compile(&Address::new_unique(), &[instruction], &[], Default::default()).unwrap();
        let transaction = VersionedTransaction {
            signatures: vec![],
            message: VersionedMessage::V0(message),
        };
        let logs: Vec<String> = logs.iter().map(|line| (*line).to_owned()).collect();
        super::explain(&error, &transaction, &logs)
    }

    #[test]
    fn codes_become_sentences() {
        let jobs = jobs::ID;
        let custom = |code| TransactionError::InstructionError(0, InstructionError::Custom(code));

        let own = explain(custom(8001), jobs, &[]);
        assert_eq!(
            own.to_string(),
            "Only the config's authority may do this (jobs error 8001, NotAuthority)"
        );

        let failed = [
            format!("Program {jobs} invoke [1]"),
            format!("Program {TOKEN} failed: custom program error: 0x1"),
            format!("Program {jobs} failed: custom program error: 0x1"),
        ];
        let inner = explain(custom(1), jobs, &failed.each_ref().map(String::as_str));
        assert_eq!(
            (inner.program.as_deref(), inner.name.as_str()),
            (Some("token"), "InsufficientFunds")
        );

        let anchor = explain(custom(2012), jobs, &[]);
        assert_eq!(
            (anchor.program.as_deref(), anchor.name.as_str()),
            (Some("jobs"), "ConstraintAddress")
        );

        let unknown = explain(custom(9999), jobs, &[]);
        assert_eq!((unknown.code, unknown.name.as_str()), (Some(9999), "Custom"));

        let plain = explain(TransactionError::InstructionError(0, InstructionError::InvalidSeeds), jobs, &[]);
        assert_eq!((plain.code, plain.name.as_str()), (None, "InvalidSeeds"));

        let poor = explain(TransactionError::AccountNotFound, jobs, &[]);
        assert!(poor.program.is_none() && poor.message.contains("SOL"), "{poor}");
    }
}
