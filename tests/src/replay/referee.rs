//! Evidence from its seal until it is closed.

use super::{Record, compare, view};
use crate::audit::Books;
use referee::EvidenceHeader;
use referee::events::*;
use solana_address::Address;
use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub struct Replay {
    evidence: BTreeMap<Address, Evidence>,
}

#[derive(Clone, Debug, PartialEq)]
struct Evidence {
    challenger: Address,
    subject: Address,
    seal: [u8; 32],
    length: u32,
    slot: u64,
    complete: bool,
}

impl From<&EvidenceHeader> for Evidence {
    fn from(evidence: &EvidenceHeader) -> Self {
        Self {
            challenger: evidence.challenger,
            subject: evidence.subject,
            seal: evidence.seal,
            length: evidence.length.get(),
            slot: evidence.sealed_slot.get(),
            complete: evidence.complete.get(),
        }
    }
}

impl Replay {
    pub fn apply(&mut self, record: &Record) {
        if let Some(event) = record.is::<EvidenceSealed>() {
            let evidence = Evidence {
                challenger: event.challenger,
                subject: event.subject,
                seal: event.seal,
                length: event.length,
                slot: event.slot,
                complete: false,
            };
            self.evidence.insert(event.evidence, evidence);
        } else if let Some(event) = record.is::<EvidenceCompleted>() {
            let evidence = self.evidence.get_mut(&event.evidence).expect("evidence that was sealed");
            let about = (evidence.challenger, evidence.subject);
            assert_eq!((event.challenger, event.subject), about, "whose evidence is complete");
            evidence.complete = true;
        } else if let Some(event) = record.is::<EvidenceClosed>() {
            let evidence = self.evidence.remove(&event.evidence).expect("evidence that was sealed");
            let about = (evidence.challenger, evidence.subject);
            assert_eq!((event.challenger, event.subject), about, "whose evidence was closed");
        } else {
            panic!("an unknown event of the referee");
        }
    }

    /// What the accounts say.
    pub fn read(books: &Books) -> Self {
        Self {
            evidence: view(&books.evidence, |address, (header, _)| (*address, header.into())),
        }
    }

    /// Compares what the events say with what the accounts say.
    pub fn check(&self, books: &Books) {
        compare("evidence", &self.evidence, &Self::read(books).evidence);
    }
}
