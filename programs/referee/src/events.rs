//! The life of evidence, for indexers and watchtowers.

use anchor_lang::prelude::*;

/// A challenger announced evidence by a hash that hides it. Emitted by `seal_evidence`.
#[event]
#[derive(AnchorDeserialize)]
pub struct EvidenceSealed {
    /// The evidence's account.
    pub evidence: Address,
    /// Challenger that will show it.
    pub challenger: Address,
    /// What it is about: for a job, the job's account.
    pub subject: Address,
    /// EVIDENCE: hash of the bytes, the challenger and the subject.
    pub seal: [u8; 32],
    /// Bytes that it will have.
    pub length: u32,
    /// Slot of the seal.
    pub slot: u64,
}

/// All bytes of evidence have arrived and hash to its seal. Emitted by the last `write_evidence`.
#[event]
#[derive(AnchorDeserialize)]
pub struct EvidenceCompleted {
    /// The evidence's account.
    pub evidence: Address,
    /// Challenger that sealed it.
    pub challenger: Address,
    /// What it is about: for a job, the job's account.
    pub subject: Address,
}

/// Evidence was dropped, complete or not, and its rent returned. Emitted by `close_evidence`.
#[event]
#[derive(AnchorDeserialize)]
pub struct EvidenceClosed {
    /// The evidence's account, which is gone.
    pub evidence: Address,
    /// Challenger that sealed it, and got the rent back.
    pub challenger: Address,
    /// What it was about.
    pub subject: Address,
}
