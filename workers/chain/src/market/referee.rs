//! Addresses and instructions of the referee.

use super::{instruction, pda};
use ::referee::EvidenceHeader;
use ::referee::state::{Claim, EVIDENCE_SEED};
use anchor_lang::Id;
use anchor_lang::programs::System;
use protocol::hash::Hash;
use solana_address::Address;
use solana_instruction::Instruction;

/// Bytes of evidence in one piece: what fits an ordinary transaction of 1,232 bytes beside a signature (65), header and three keys (100),
/// blockhash (32), the instruction (23) and those of compute limit and priority fee (52).
pub const PIECE: usize = 960;

/// Evidence of a challenger, by its seal.
pub fn evidence(challenger: &Address, seal: &Hash) -> Address {
    pda(::referee::ID, &[EVIDENCE_SEED, challenger.as_ref(), seal])
}

/// Announces evidence of `length` bytes about `subject`.
pub fn seal_evidence(challenger: &Address, subject: &Address, seal: Hash, length: u32) -> Instruction {
    let accounts = ::referee::accounts::SealEvidence {
        challenger: *challenger,
        evidence: evidence(challenger, &seal),
        system_program: System::id(),
    };
    let data = ::referee::instruction::SealEvidence {
        seal,
        subject: *subject,
        length,
    };
    instruction(::referee::ID, accounts, data)
}

/// Appends a piece of evidence at `offset`.
pub fn write_evidence(challenger: &Address, seal: &Hash, offset: u32, bytes: Vec<u8>) -> Instruction {
    let accounts = ::referee::accounts::WriteEvidence {
        challenger: *challenger,
        evidence: evidence(challenger, seal),
    };
    instruction(::referee::ID, accounts, ::referee::instruction::WriteEvidence { offset, bytes })
}

/// What is to be sent next for evidence to be complete, given its account if there is one: the seal, then piece after piece. `None` when
/// all is there.
///
/// The first piece is refused in the slot of the seal.
pub fn next(challenger: &Address, subject: &Address, bytes: &[u8], account: Option<&EvidenceHeader>) -> Option<Instruction> {
    let seal = protocol::referee::seal(bytes, challenger.as_array(), subject.as_array());
    let Some(header) = account else {
        // Evidence has at most 96 KiB.
        return Some(seal_evidence(challenger, subject, seal, bytes.len() as u32));
    };
    let at = header.written.get();
    let piece = bytes.get(at as usize..)?.chunks(PIECE).next()?;
    Some(write_evidence(challenger, &seal, at, piece.to_vec()))
}

/// Drops evidence.
pub fn close_evidence(challenger: &Address, seal: &Hash) -> Instruction {
    let accounts = ::referee::accounts::CloseEvidence {
        challenger: *challenger,
        evidence: evidence(challenger, seal),
    };
    instruction(::referee::ID, accounts, ::referee::instruction::CloseEvidence {})
}

/// Has evidence judged.
pub fn judge(evidence: &Address, claim: Claim) -> Instruction {
    let accounts = ::referee::accounts::Judge { evidence: *evidence };
    instruction(::referee::ID, accounts, ::referee::instruction::Judge { claim })
}
