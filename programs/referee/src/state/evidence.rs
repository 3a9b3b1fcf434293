use crate::error::RefereeError;
use anchor_lang::accounts::Slab;
use anchor_lang::bytemuck;
use anchor_lang::prelude::*;
use bytemuck::{Pod, Zeroable};
use protocol::referee::{self, MAX_EVIDENCE_BYTES, Verdict};

/// Evidence of a challenger about a subject, first sealed, then written. PDA `["evidence", challenger, seal]`.
///
/// The tail holds the bytes written so far and grows with them. The rent of all of them is paid with the seal and returns with the account.
#[account]
pub struct EvidenceHeader {
    pub challenger: Address,
    /// What it is about; for a job, the job's account. Whoever acts on a verdict compares it.
    pub subject: Address,
    /// EVIDENCE: hash of the bytes, the challenger and the subject.
    pub seal: [u8; 32],
    /// When it was sealed: the earliest seal has the first claim to a reward.
    pub sealed_slot: PodU64,
    /// Announced number of bytes.
    pub length: PodU32,
    /// All bytes are there and hash to the seal.
    pub complete: PodBool,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 17],
}

/// A byte of evidence.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
#[bytemuck(crate = "anchor_lang::bytemuck")]
pub struct Byte(pub u8);

/// Evidence with its bytes.
pub type Evidence = Slab<EvidenceHeader, Byte>;

/// First seed of an evidence account's PDA.
pub const EVIDENCE_SEED: &[u8] = b"evidence";

impl EvidenceHeader {
    /// Announces evidence.
    pub fn start(&mut self, challenger: Address, subject: Address, seal: [u8; 32], length: u32, slot: u64, bump: u8) -> Result<()> {
        require!((1..=MAX_EVIDENCE_BYTES).contains(&(length as usize)), RefereeError::InvalidLength);
        self.challenger = challenger;
        self.subject = subject;
        self.seal = seal;
        self.sealed_slot = slot.into();
        self.length = length.into();
        self.bump = bump;
        self.version = 1;
        Ok(())
    }

    /// The announced length lies within its limit.
    pub fn invariant(&self) -> Result<()> {
        require!(
            (1..=MAX_EVIDENCE_BYTES).contains(&(self.length.get() as usize)),
            RefereeError::InvalidLength
        );
        Ok(())
    }
}

/// The bytes written so far.
pub fn bytes(evidence: &Evidence) -> &[u8] {
    bytemuck::cast_slice(evidence.as_slice())
}

/// Appends a piece; the account must have room for it. Completes the evidence with the last one, if the seal holds.
pub fn append(evidence: &mut Evidence, offset: u32, piece: &[u8], slot: u64) -> Result<()> {
    require!(slot > evidence.sealed_slot.get(), RefereeError::TooEarly);
    require!(offset as usize == evidence.len(), RefereeError::OutOfOrder);
    for byte in piece {
        evidence.try_push(Byte(*byte))?;
    }
    let (written, length) = (evidence.len(), evidence.length.get() as usize);
    if written == length {
        let seal = referee::seal(bytes(evidence), evidence.challenger.as_array(), evidence.subject.as_array());
        require!(seal == evidence.seal, RefereeError::SealMismatch);
        evidence.complete = true.into();
    }
    evidence.invariant()
}

/// What complete evidence shows about a claim.
pub fn judge(evidence: &Evidence, claim: &referee::Claim) -> Result<Verdict> {
    require!(evidence.complete.get(), RefereeError::Incomplete);
    Ok(referee::judge(claim, bytes(evidence)).map_err(RefereeError::from)?)
}
