//! The life of evidence, for indexers and watchtowers.

use anchor_lang::prelude::*;

/// Evidence was announced.
#[event]
#[derive(AnchorDeserialize)]
pub struct EvidenceSealed {
    pub evidence: Address,
    pub challenger: Address,
    pub subject: Address,
    pub seal: [u8; 32],
    pub length: u32,
    pub slot: u64,
}

/// The last piece arrived and the seal holds.
#[event]
#[derive(AnchorDeserialize)]
pub struct EvidenceCompleted {
    pub evidence: Address,
    pub challenger: Address,
    pub subject: Address,
}

/// Evidence was dropped and its rent returned.
#[event]
#[derive(AnchorDeserialize)]
pub struct EvidenceClosed {
    pub evidence: Address,
    pub challenger: Address,
    pub subject: Address,
}
