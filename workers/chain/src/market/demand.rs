//! Demands: what a challenger asks a worker to show, and the answers.

use super::job::{config, sentence};
use super::{grown, instruction, pda};
use anchor_lang::Id;
use anchor_lang::programs::System;
use jobs::state::DEMAND_SEED;
use jobs::{DemandHeader, Job, PageEnd};
use protocol::demand::Item;
use protocol::hash::Hash;
use solana_address::Address;
use solana_instruction::Instruction;

/// Hashes in one piece of an answer: what fits an ordinary transaction of 1,232 bytes beside a signature (65), header and seven keys (228),
/// blockhash (32), the instruction (23) and those of compute limit and priority fee (52).
pub const HASHES: usize = 26;

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
