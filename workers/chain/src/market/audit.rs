//! Audits: the draw, the work of the second device, and the release of its bond.

use super::job::{authority, config};
use super::{instruction, pda};
use anchor_lang::Id;
use anchor_lang::programs::System;
use jobs::{Audit, Job};
use protocol::hash::Hash;
use solana_address::Address;
use solana_instruction::Instruction;

/// The audit of a job.
pub fn address(job: &Address) -> Address {
    pda(jobs::ID, &[Audit::SEED, job.as_ref()])
}

/// Draws whether a committed result is audited.
pub fn draw(job: &Address) -> Instruction {
    let accounts = jobs::accounts::DrawAudit {
        config: config(),
        job: *job,
    };
    instruction(jobs::ID, accounts, jobs::instruction::DrawAudit {})
}

/// Ends an audit that no auditor has claimed in time.
pub fn skip(job: &Address) -> Instruction {
    let accounts = jobs::accounts::DrawAudit {
        config: config(),
        job: *job,
    };
    instruction(jobs::ID, accounts, jobs::instruction::SkipAudit {})
}

/// Claims the audit of a job, whose account is `facts`, for a device of GPU model `gpu`.
pub fn claim(key: &Address, job: &Address, facts: &Job, device: &Address, gpu: u16) -> Instruction {
    let accounts = jobs::accounts::ClaimAudit {
        key: *key,
        config: config(),
        job: *job,
        audited: facts.device,
        audit: address(job),
        device: *device,
        gpu_model: super::stake::gpu_model(gpu),
        staking_config: super::stake::config(),
        authority: authority(),
        staking_program: staking::ID,
        system_program: System::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::ClaimAudit { expected: facts.job_hash })
}

fn work(key: &Address, job: &Address, device: &Address) -> jobs::accounts::WorkAudit {
    jobs::accounts::WorkAudit {
        key: *key,
        config: config(),
        device: *device,
        job: *job,
        audit: address(job),
    }
}

/// Posts the auditor's commitment and the root of its salted custody tree.
pub fn commit(key: &Address, job: &Address, device: &Address, commitment: Hash, custody: Hash) -> Instruction {
    let data = jobs::instruction::CommitAudit { commitment, custody };
    instruction(jobs::ID, work(key, job, device), data)
}

/// Opens the auditor's commitment.
pub fn reveal(key: &Address, job: &Address, device: &Address, traces: Hash, outputs: Hash, nonce: Hash) -> Instruction {
    let data = jobs::instruction::RevealAudit { traces, outputs, nonce };
    instruction(jobs::ID, work(key, job, device), data)
}

/// Proves that the auditor holds the trace; `proof` is an evidence account with the openings.
pub fn prove(job: &Address, model: &Address, proof: &Address) -> Instruction {
    let accounts = jobs::accounts::ProveCustody {
        job: *job,
        model: *model,
        audit: address(job),
        proof: *proof,
    };
    instruction(jobs::ID, accounts, jobs::instruction::ProveCustody {})
}

/// Ends an audit whose auditor has missed its deadline.
pub fn timeout(audit: &Audit) -> Instruction {
    let accounts = jobs::accounts::EndAudit {
        payer: audit.payer,
        config: config(),
        job: audit.job,
        audit: address(&audit.job),
        device: audit.device,
        staking_config: super::stake::config(),
        authority: authority(),
        staking_program: staking::ID,
    };
    instruction(jobs::ID, accounts, jobs::instruction::TimeoutAudit {})
}

/// Frees the bond of an auditor whose job is over.
pub fn close(audit: &Audit) -> Instruction {
    let accounts = jobs::accounts::CloseAudit {
        payer: audit.payer,
        config: config(),
        job: audit.job,
        audit: address(&audit.job),
        device: audit.device,
        staking_config: super::stake::config(),
        authority: authority(),
        staking_program: staking::ID,
    };
    instruction(jobs::ID, accounts, jobs::instruction::CloseAudit {})
}
