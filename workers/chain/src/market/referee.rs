//! Addresses and instructions of the referee.

use super::{instruction, pda};
use ::referee::EvidenceHeader;
use ::referee::state::{Claim, EVIDENCE_SEED};
use anchor_lang::Id;
use anchor_lang::programs::System;
use protocol::hash::Hash;
use solana_address::Address;
use solana_instruction::Instruction;

/// Bytes of evidence in one piece: as many as fit a transaction of 1,232 bytes that sets a priority fee.
pub const PIECE: usize = 944;

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

/// The next instruction needed to complete evidence, given its account if there is one: the seal, then one piece after another. `None` if
/// the evidence is complete.
///
/// The first piece is refused in the slot of the seal.
pub fn next(challenger: &Address, subject: &Address, bytes: &[u8], account: Option<&EvidenceHeader>) -> Option<Instruction> {
    let seal = protocol::referee::seal(bytes, challenger.as_array(), subject.as_array());
    let Some(header) = account else {
        // Evidence has at most 192 KiB.
        return Some(seal_evidence(challenger, subject, seal, bytes.len() as u32));
    };
    let at = header.written.get();
    let piece = bytes.get(at as usize..)?.chunks(PIECE).next()?;
    Some(write_evidence(challenger, &seal, at, piece.to_vec()))
}

/// Closes an evidence account.
pub fn close_evidence(challenger: &Address, seal: &Hash) -> Instruction {
    let accounts = ::referee::accounts::CloseEvidence {
        challenger: *challenger,
        evidence: evidence(challenger, seal),
    };
    instruction(::referee::ID, accounts, ::referee::instruction::CloseEvidence {})
}

/// Asks the referee to judge evidence.
pub fn judge(evidence: &Address, claim: Claim) -> Instruction {
    let accounts = ::referee::accounts::Judge { evidence: *evidence };
    instruction(::referee::ID, accounts, ::referee::instruction::Judge { claim })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fake::pays_for_its_place;
    use solana_keypair::Keypair;
    use solana_signer::Signer;

    #[tokio::test]
    async fn the_longest_piece_of_evidence_fits_with_a_priority_fee() {
        let key = Keypair::new();
        let write = write_evidence(&key.pubkey(), &[7; 32], u32::MAX, vec![7; PIECE]);
        assert!(pays_for_its_place(&[write], &[&key]).await);
    }
}
