//! Reads the events of the market's programs out of a transaction's logs.

use anchor_lang::{
    BORSH_CONFIG, BorshConfig, Discriminator,
    wincode::{self, SchemaRead},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use solana_address::Address;

/// Line that the runtime writes in place of the first one that does not fit into the 10,000 bytes of a transaction's log. Shorter lines
/// that still fit follow it, but `invoke` and `success` lines may be missing between them, so the program they belong to is unknown.
const CUT: &str = "Log truncated";

/// The records that programs logged during a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// Encoded records in order, each with the program that logged it.
    pub records: Vec<(Address, Vec<u8>)>,
    /// Whether the runtime truncated the log, so that records may be missing.
    pub cut: bool,
}

/// Reads a transaction's log, up to the point where it was truncated.
///
/// All programs that a transaction calls write to the same log; the runtime's `invoke` and `success` lines tell them apart, so that no
/// program can forge the events of another. Lines that a program writes itself begin with `Program log: `, `Program data: ` or
/// `Program return: `, none of which is a program's address.
pub fn logged(logs: &[String]) -> Logged {
    let mut running: Vec<Address> = Vec::new();
    let mut logged = Logged::default();
    for line in logs {
        if line == CUT {
            logged.cut = true;
            break;
        }
        if let Some(data) = line.strip_prefix("Program data: ") {
            logged
                .records
                .extend(running.last().copied().zip(BASE64_STANDARD.decode(data).ok()));
            continue;
        }
        let said = line.strip_prefix("Program ").and_then(|rest| rest.split_once(' '));
        let Some((Ok(program), what)) = said.map(|(id, what)| (id.parse(), what)) else {
            continue;
        };
        if what.starts_with("invoke [") {
            running.push(program);
        } else if what == "success" || what.starts_with("failed: ") {
            running.pop();
        }
    }
    logged
}

/// The encoded records that one program logged during a transaction; see [`logged`].
pub fn records(program: &Address, logs: &[String]) -> Vec<Vec<u8>> {
    let all = logged(logs).records.into_iter();
    all.filter_map(|(by, record)| (by == *program).then_some(record)).collect()
}

/// Decodes a record as the event `E`; `None` if it is another event.
pub fn decode_event<E>(record: &[u8]) -> Option<E>
where
    E: Discriminator + for<'de> SchemaRead<'de, BorshConfig, Dst = E>,
{
    let body = record.strip_prefix(E::DISCRIMINATOR)?;
    wincode::config::deserialize(body, BORSH_CONFIG).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use anchor_lang::Event;
    use jobs::events::{Ending, JobCommitted, JobRefunded};

    #[test]
    fn only_the_programs_own_records_count() {
        let event = JobRefunded {
            job: Address::new_unique(),
            ending: Ending::TimedOut,
            refund: 7,
            penalty: 3,
        };
        let data = format!("Program data: {}", BASE64_STANDARD.encode(event.data()));
        let (jobs, other) = (jobs::ID, Address::new_unique());
        let logs = [
            format!("Program {other} invoke [1]"),
            data.clone(),
            format!("Program {jobs} invoke [2]"),
            "Program log: Instruction: TimeoutJob".to_owned(),
            data.clone(),
            format!("Program {other} invoke [3]"),
            data.clone(),
            format!("Program {other} success"),
            format!("Program {jobs} consumed 9 of 10 compute units"),
            format!("Program {jobs} success"),
            data,
            format!("Program {other} success"),
        ];
        let records = records(&jobs, &logs);
        assert_eq!(records.len(), 1);
        let read: JobRefunded = decode_event(&records[0]).unwrap();
        assert_eq!(
            (read.job, read.ending, read.refund, read.penalty),
            (event.job, Ending::TimedOut, 7, 3)
        );
        assert!(decode_event::<JobCommitted>(&records[0]).is_none());
    }

    /// Log of a program that calls another, which logs `log`.
    fn called(caller: &Address, callee: &Address, log: &[&str]) -> Vec<String> {
        let inner = [format!("Program {callee} invoke [2]")]
            .into_iter()
            .chain(log.iter().map(|line| (*line).to_owned()))
            .chain([format!("Program {callee} success")]);
        [format!("Program {caller} invoke [1]")].into_iter().chain(inner).collect()
    }

    #[test]
    fn nothing_counts_after_the_truncation() {
        let other = Address::new_unique();
        // The line on which the callee ended did not fit any more; the caller's record did.
        let mut logs = called(&other, &staking::ID, &["Program data: AQ=="]);
        *logs.last_mut().unwrap() = CUT.to_owned();
        logs.push("Program data: Ag==".to_owned());
        let logged = logged(&logs);
        assert_eq!((logged.records, logged.cut), (vec![(staking::ID, vec![1])], true));
        // Only the runtime can write this line.
        let logs = called(&other, &staking::ID, &["Program log: Log truncated", "Program data: AQ=="]);
        assert_eq!(records(&staking::ID, &logs).len(), 1);
    }

    #[test]
    fn a_program_cannot_forge_the_lines_of_the_runtime() {
        let other = Address::new_unique();
        let words = [
            "Program log: invoke [3]",
            "Program log: success",
            &format!("Program log: Program {other} success"),
            &format!("Program return: {other} invoke ["),
            "Program data: not base64",
        ];
        let mut logs = called(&staking::ID, &other, &words);
        logs.push("Program data: AQ==".to_owned());
        assert_eq!(logged(&logs).records, [(staking::ID, vec![1])]);
        // Nor does a record count before the market's program is called, or after it has ended.
        logs.extend([format!("Program {} success", staking::ID), "Program data: AQ==".to_owned()]);
        logs.extend(called(&other, &Address::new_unique(), &[]));
        logs.push("Program data: AQ==".to_owned());
        assert_eq!(records(&staking::ID, &logs).len(), 1);
    }
}
