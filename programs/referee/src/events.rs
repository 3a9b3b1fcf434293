//! Events about the life of evidence, for indexers and watchtowers.

use anchor_lang::prelude::*;

/// A challenger sealed evidence: announced it by a hash that hides its content. Emitted by `seal_evidence`.
#[event]
#[derive(AnchorDeserialize)]
pub struct EvidenceSealed {
    /// The evidence's account.
    pub evidence: Address,
    /// Challenger that sealed it and may write it.
    pub challenger: Address,
    /// Account that it is about: for a job, the job's account.
    pub subject: Address,
    /// EVIDENCE: hash of the bytes, the challenger and the subject.
    pub seal: [u8; 32],
    /// Length of the evidence in bytes.
    pub length: u32,
    /// Slot of the seal.
    pub slot: u64,
}

/// All bytes of the evidence have been written and match its seal. Emitted by the last `write_evidence`.
#[event]
#[derive(AnchorDeserialize)]
pub struct EvidenceCompleted {
    /// The evidence's account.
    pub evidence: Address,
    /// Challenger that sealed it.
    pub challenger: Address,
    /// Account that it is about: for a job, the job's account.
    pub subject: Address,
}

/// Evidence, complete or not, was closed and its rent returned. Emitted by `close_evidence`.
#[event]
#[derive(AnchorDeserialize)]
pub struct EvidenceClosed {
    /// The evidence's account, which is gone.
    pub evidence: Address,
    /// Challenger that sealed it and got the rent back.
    pub challenger: Address,
    /// Account that it was about.
    pub subject: Address,
}
