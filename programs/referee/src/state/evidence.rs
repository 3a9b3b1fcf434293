use crate::error::RefereeError;
use anchor_lang::accounts::Slab;
use anchor_lang::bytemuck;
use anchor_lang::prelude::*;
use bytemuck::{Pod, Zeroable};
use protocol::referee::{self, MAX_EVIDENCE_BYTES, Verdict};

/// A challenger's evidence about a subject, first sealed, then written. PDA `["evidence", challenger, seal]`.
///
/// The tail holds the bytes written so far, in words, and grows with them. The rent for the announced length is paid with the seal and
/// returned when the account is closed.
#[account]
pub struct EvidenceHeader {
    /// Challenger that sealed it, writes it, and gets the rent back.
    pub challenger: Address,
    /// Account that it is about; for a job, the job's account. A program that acts on a verdict must check it.
    pub subject: Address,
    /// EVIDENCE: hash of the bytes, the challenger and the subject.
    pub seal: [u8; 32],
    /// Slot in which it was sealed: the earliest seal has the first claim to a reward.
    pub sealed_slot: PodU64,
    /// Announced number of bytes.
    pub length: PodU32,
    /// Number of bytes written so far.
    pub written: PodU32,
    /// Whether all bytes are written and match the seal.
    pub complete: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 13],
}

/// 32 bytes of evidence; the last word is padded with zeros. A tail grows element by element, and words make that cheaper than bytes.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
#[bytemuck(crate = "anchor_lang::bytemuck")]
pub struct Word(pub [u8; 32]);

const WORD: usize = size_of::<Word>();

/// Evidence with its bytes.
pub type Evidence = Slab<EvidenceHeader, Word>;

/// First seed of an evidence account's PDA.
pub const EVIDENCE_SEED: &[u8] = b"evidence";

impl EvidenceHeader {
    /// Seals new evidence.
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

    /// Fails unless the announced length is within its limit and no more than that is written.
    pub fn invariant(&self) -> Result<()> {
        let sound = (1..=MAX_EVIDENCE_BYTES).contains(&(self.length.get() as usize)) && self.written <= self.length;
        require!(sound, RefereeError::InvalidLength);
        Ok(())
    }
}

/// Number of words that hold this many bytes.
fn words(bytes: u32) -> usize {
    (bytes as usize).div_ceil(WORD)
}

/// Account size for this many bytes of evidence.
pub fn space(bytes: u32) -> usize {
    // At most 192 KiB.
    Evidence::space_for(words(bytes) as u32)
}

/// The bytes written so far.
pub fn bytes(evidence: &Evidence) -> &[u8] {
    let words: &[u8] = bytemuck::cast_slice(evidence.as_slice());
    words.get(..evidence.written.get() as usize).unwrap_or(words)
}

/// Appends a piece. The last one completes the evidence; it fails if the whole does not match the seal.
pub fn append(evidence: &mut Evidence, offset: u32, piece: &[u8], slot: u64) -> Result<()> {
    let end = u32::try_from(piece.len()).ok().and_then(|count| offset.checked_add(count));
    let end = end.filter(|end| !piece.is_empty() && *end <= evidence.length.get());
    let end = end.ok_or(RefereeError::BeyondLength)?;
    require!(offset == evidence.written.get(), RefereeError::OutOfOrder);
    require!(slot > evidence.sealed_slot.get(), RefereeError::TooEarly);
    evidence.resize_to_capacity(words(end) as u32)?;
    let all: &mut [u8] = bytemuck::cast_slice_mut(evidence.as_mut_slice());
    let room = all.get_mut(offset as usize..).unwrap_or(&mut []);
    let (odd_start, rest) = piece.split_at_checked(room.len()).unwrap_or((piece, &[]));
    room.iter_mut().zip(odd_start).for_each(|(to, from)| *to = *from);
    let (whole, odd_end) = rest.as_chunks::<WORD>();
    for word in whole {
        evidence.try_push(Word(*word))?;
    }
    if !odd_end.is_empty() {
        let mut word = [0; WORD];
        word.iter_mut().zip(odd_end).for_each(|(to, from)| *to = *from);
        evidence.try_push(Word(word))?;
    }
    evidence.written = end.into();
    if evidence.written == evidence.length {
        let seal = referee::seal(bytes(evidence), evidence.challenger.as_array(), evidence.subject.as_array());
        require!(seal == evidence.seal, RefereeError::SealMismatch);
        evidence.complete = true.into();
    }
    evidence.invariant()
}

/// The referee's verdict on a claim; fails for incomplete evidence.
pub fn judge(evidence: &Evidence, claim: &referee::Claim) -> Result<Verdict> {
    require!(evidence.complete.get(), RefereeError::Incomplete);
    Ok(referee::judge(claim, bytes(evidence)).map_err(RefereeError::from)?)
}
