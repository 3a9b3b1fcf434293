//! Demands: what a challenger asks a worker to show, and the answers.

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

/// Hashes in one piece of an answer: as many as fit a transaction of 1,232 bytes that pays for its place.
pub const HASHES: usize = 25;

/// Bytes of a chunk in one piece, likewise.
pub const BYTES: usize = HASHES * 32;

/// The demand for an item of a job.
pub fn address(job: &Address, item: Item) -> Address {
    pda(jobs::ID, &[DEMAND_SEED, job.as_ref(), &jobs::Item::from(item).seed()])
}

/// Bytes of a chunk that have come, by a demand account's data.
pub fn come(data: &[u8]) -> u32 {
    grown::<DemandHeader>(data)
}

/// These bytes; they follow their number.
pub fn bytes(data: &[u8]) -> &[u8] {
    let start = Demand::space_for(0);
    let end = start.saturating_add(come(data) as usize);
    data.get(start..end).unwrap_or_default()
}

/// Asks for an item of a job's result, for `most` lamports at most; `treasury` is the config's.
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

/// Who answers: the device that took the job, its hot key and its payout wallet.
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

    /// TENSORs of a unit's op outputs from op `offset` on; `path` ends the answer.
    pub fn ops(&self, job: &Address, item: Item, offset: u32, tensors: Vec<Hash>, path: Option<Vec<Hash>>) -> Instruction {
        let data = jobs::instruction::AnswerOps { offset, tensors, path };
        instruction(jobs::ID, self.accounts(job, item), data)
    }

    /// TRACEs or delivered TENSORs of a page of units from `offset` within it on; `above` ends the answer.
    pub fn units(&self, job: &Address, item: Item, offset: u32, hashes: Vec<Hash>, above: Option<Vec<Hash>>) -> Instruction {
        let data = jobs::instruction::AnswerUnits { offset, hashes, above };
        instruction(jobs::ID, self.accounts(job, item), data)
    }

    /// Chunk hashes of a page from `offset` within it on; `end` ends the answer.
    pub fn page(&self, job: &Address, item: Item, offset: u32, leaves: Vec<Hash>, end: Option<PageEnd>) -> Instruction {
        let data = jobs::instruction::AnswerPage { offset, leaves, end };
        instruction(jobs::ID, self.accounts(job, item), data)
    }

    /// Bytes of a chunk's preimage from `offset` on; `path` ends the answer.
    pub fn chunk(&self, job: &Address, item: Item, offset: u32, bytes: Vec<u8>, path: Option<Vec<Hash>>) -> Instruction {
        let data = jobs::instruction::AnswerChunk { offset, bytes, path };
        instruction(jobs::ID, self.accounts(job, item), data)
    }
}

/// Convicts a device whose time for an answer has passed; `compensated` is an $IO account of the consumer's.
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

/// Returns what is left in a demand whose job is over.
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
    async fn the_longest_pieces_of_answers_pay_for_their_place() {
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
            // What ends an answer takes the place of as many hashes, and of one more for the lengths of its lists.
            by.units(&job, item(Kind::Traces), u32::MAX, hashes(HASHES - 11), Some(hashes(10))),
            by.chunk(&job, item(Kind::Chunk), u32::MAX, vec![7; BYTES - 11 * 32], Some(hashes(10))),
            by.page(&job, item(Kind::Page), u32::MAX, hashes(HASHES - 24), Some(end)),
        ];
        for instruction in longest {
            assert!(pays_for_its_place(&[instruction], &[&key]).await);
        }
    }
}
