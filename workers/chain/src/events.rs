//! Reads the events of the market's programs out of a transaction's logs.

use anchor_lang::{
    BORSH_CONFIG, BorshConfig, Discriminator,
    wincode::{self, SchemaRead},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use solana_address::Address;

/// What one program logged during a transaction, each record still encoded.
///
/// Programs called by it, or calling it, log into the same lines; the runtime's `invoke` and `success` lines tell them apart, so no
/// program can speak for another. Logs that were cut short lose their last records.
pub fn records(program: &Address, logs: &[String]) -> Vec<Vec<u8>> {
    let mut running: Vec<Option<Address>> = Vec::new();
    let mut records = Vec::new();
    for line in logs {
        if let Some(data) = line.strip_prefix("Program data: ") {
            if running.last() == Some(&Some(*program)) {
                records.extend(log_data(data));
            }
        } else if let Some(rest) = line.strip_prefix("Program ") {
            match rest.split_once(' ') {
                Some((id, "success")) if id.parse::<Address>().is_ok() => drop(running.pop()),
                Some((id, what)) if what.starts_with("invoke [") => running.push(id.parse().ok()),
                Some((id, what)) if what.starts_with("failed: ") && id.parse::<Address>().is_ok() => drop(running.pop()),
                _ => {}
            }
        }
    }
    records
}

/// The bytes of a line of logged data, without its prefix; `None` when they are malformed.
pub fn log_data(line: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(line).ok()
}

/// A record as the event `E`; `None` when it is another event.
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
}
