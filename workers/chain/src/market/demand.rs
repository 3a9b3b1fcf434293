//! Demands by which a challenger asks a worker for part of a result, and their answers.

use super::job::{config, sentence};
use super::{grown, instruction, pda};
use anchor_lang::Id;
use anchor_lang::programs::System;
use jobs::state::{DEMAND_SEED, Demand};
use jobs::{DemandHeader, Job, PageEnd};
use protocol::demand::Item;
use protocol::hash::Hash;
use solana_address::Address;
use solana_instruction::Instruction;

/// Hashes in one piece of an answer: as many as fit a transaction of 1,232 bytes that sets a priority fee.
pub const HASHES: usize = 25;

/// Bytes of a chunk in one piece of an answer.
pub const BYTES: usize = HASHES * 32;

/// The demand for an item of a job.
pub fn address(job: &Address, item: Item) -> Address {
    pda(jobs::ID, &[DEMAND_SEED, job.as_ref(), &jobs::Item::from(item).seed()])
}

/// Number of bytes of a chunk that have arrived, given the data of the demand's account.
pub fn come(data: &[u8]) -> u32 {
    grown::<DemandHeader>(data)
}

/// The bytes of a chunk that have arrived; they follow their number.
pub fn bytes(data: &[u8]) -> &[u8] {
    let start = Demand::space_for(0);
    let end = start.saturating_add(come(data) as usize);
    data.get(start..end).unwrap_or_default()
}

/// Demands an item of a job's result for a fee of at most `most` lamports; `treasury` is that of the config.
pub fn open(challenger: &Address, job: &Address, facts: &Job, treasury: &Address, item: Item, most: u64) -> Instruction {
    let accounts = jobs::accounts::OpenDemand {
        challenger: *challenger,
        config: config(),
        job: *job,
        model: facts.model,
        device: facts.device,
        treasury: *treasury,
        above: item.above().map(|above| address(job, above)),
        demand: address(job, item),
        system_program: System::id(),
    };
    let data = jobs::instruction::OpenDemand { item: item.into(), most };
    instruction(jobs::ID, accounts, data)
}

/// The device that has to answer, with its hot key and payout wallet.
#[derive(Clone, Copy, Debug)]
pub struct Answerer {
    /// Hot key.
    pub key: Address,
    /// Device.
    pub device: Address,
    /// Payout wallet.
    pub payout: Address,
}

impl Answerer {
    fn accounts(&self, job: &Address, item: Item) -> jobs::accounts::Answer {
        jobs::accounts::Answer {
            key: self.key,
            config: config(),
            device: self.device,
            payout: self.payout,
            job: *job,
            demand: address(job, item),
        }
    }

    /// Answers with the TENSORs of a unit's op outputs, starting at op `offset`; `path` ends the answer.
    pub fn ops(&self, job: &Address, item: Item, offset: u32, tensors: Vec<Hash>, path: Option<Vec<Hash>>) -> Instruction {
        let data = jobs::instruction::AnswerOps { offset, tensors, path };
        instruction(jobs::ID, self.accounts(job, item), data)
    }

    /// Answers with the TRACEs or delivered TENSORs of a page of units, starting at `offset` within the page; `above` ends the answer.
    pub fn units(&self, job: &Address, item: Item, offset: u32, hashes: Vec<Hash>, above: Option<Vec<Hash>>) -> Instruction {
        let data = jobs::instruction::AnswerUnits { offset, hashes, above };
        instruction(jobs::ID, self.accounts(job, item), data)
    }

    /// Answers with the chunk hashes of a page, starting at `offset` within the page; `end` ends the answer.
    pub fn page(&self, job: &Address, item: Item, offset: u32, leaves: Vec<Hash>, end: Option<PageEnd>) -> Instruction {
        let data = jobs::instruction::AnswerPage { offset, leaves, end };
        instruction(jobs::ID, self.accounts(job, item), data)
    }

    /// Answers with the bytes of a chunk's preimage, starting at `offset`; `path` ends the answer.
    pub fn chunk(&self, job: &Address, item: Item, offset: u32, bytes: Vec<u8>, path: Option<Vec<Hash>>) -> Instruction {
        let data = jobs::instruction::AnswerChunk { offset, bytes, path };
        instruction(jobs::ID, self.accounts(job, item), data)
    }
}

/// Convicts a device that has not answered in time; `compensated` is an $IO account of the consumer's.
pub fn convict_silence(
    payer: &Address,
    job: &Address,
    escrow: &Address,
    device: &Address,
    demand: &Address,
    compensated: &Address,
) -> Instruction {
    let accounts = jobs::accounts::ConvictSilence {
        sentence: sentence(payer, job, escrow, device, compensated),
        demand: *demand,
    };
    instruction(jobs::ID, accounts, jobs::instruction::ConvictSilence {})
}

/// Closes a demand whose job is over and returns its remaining lamports.
pub fn close(challenger: &Address, job: &Address, demand: &Address) -> Instruction {
    let accounts = jobs::accounts::CloseDemand {
        challenger: *challenger,
        job: *job,
        demand: *demand,
    };
    instruction(jobs::ID, accounts, jobs::instruction::CloseDemand {})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fake::pays_for_its_place;
    use protocol::demand::Kind;
    use solana_keypair::Keypair;
    use solana_signer::Signer;

    #[tokio::test]
    async fn the_longest_pieces_of_answers_fit_with_a_priority_fee() {
        let (key, job) = (Keypair::new(), Address::new_unique());
        let by = Answerer {
            key: key.pubkey(),
            device: Address::new_unique(),
            payout: Address::new_unique(),
        };
        let item = |kind| Item {
            kind,
            unit: u32::MAX,
            op: u32::MAX,
            index: u32::MAX,
        };
        let hashes = |count| vec![[7; 32]; count];
        let end = PageEnd {
            head: [7; 22],
            above: hashes(10),
            path: hashes(12),
        };
        let longest = [
            by.units(&job, item(Kind::Traces), u32::MAX, hashes(HASHES), None),
            by.ops(&job, item(Kind::Ops), u32::MAX, hashes(HASHES), None),
            by.page(&job, item(Kind::Page), u32::MAX, hashes(HASHES), None),
            by.chunk(&job, item(Kind::Chunk), u32::MAX, vec![7; BYTES], None),
            // The end of an answer takes the room of its hashes, plus one for the lengths of its lists.
            by.units(&job, item(Kind::Traces), u32::MAX, hashes(HASHES - 11), Some(hashes(10))),
            by.chunk(&job, item(Kind::Chunk), u32::MAX, vec![7; BYTES - 11 * 32], Some(hashes(10))),
            by.page(&job, item(Kind::Page), u32::MAX, hashes(HASHES - 24), Some(end)),
        ];
        for instruction in longest {
            assert!(pays_for_its_place(&[instruction], &[&key]).await);
        }
    }
}
