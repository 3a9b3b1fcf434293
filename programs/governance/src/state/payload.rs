use crate::error::GovernanceError;
use alloc::vec::Vec;
use anchor_lang::accounts::Slab;
use anchor_lang::bytemuck;
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use bytemuck::{Pod, Zeroable};

/// Most bytes of an instruction; an account can grow by at most 10,240 bytes in one call.
pub const MAX_BYTES: u32 = 9_000;
/// Fewest bytes of an instruction: its program and its number of accounts.
pub const MIN_BYTES: u32 = 33;
/// Flag of an account that the instruction may write.
pub const WRITABLE: u8 = 1;
/// Flag of an account that must sign.
pub const SIGNER: u8 = 2;

/// An instruction of a proposal. PDA `["payload", proposal, index u8]`.
///
/// The tail holds the instruction: program (32 bytes), number of accounts (1), each account's address and flags (33), data. It grows as it
/// is written, and no longer changes once it is complete.
#[account]
pub struct PayloadHeader {
    /// The proposal that it belongs to.
    pub proposal: Address,
    /// Announced number of bytes.
    pub length: PodU32,
    /// Its place in the proposal, from 0.
    pub index: u8,
    /// Whether all bytes are written, so that the instruction is final.
    pub complete: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 24],
}

impl PayloadHeader {
    /// Announces a proposal's instruction of `length` bytes.
    pub fn open(&mut self, proposal: Address, index: u8, length: u32, bump: u8) {
        self.proposal = proposal;
        self.length = length.into();
        self.index = index;
        self.bump = bump;
        self.version = 1;
    }
}

/// A byte of an instruction.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
#[bytemuck(crate = "anchor_lang::bytemuck")]
pub struct Byte(pub u8);

/// An instruction with its bytes.
pub type Payload = Slab<PayloadHeader, Byte>;

/// First seed of a payload's PDA.
pub const PAYLOAD_SEED: &[u8] = b"payload";

/// The bytes written so far.
pub fn bytes(payload: &Payload) -> &[u8] {
    bytemuck::cast_slice(payload.as_slice())
}

/// Appends bytes at `offset`; returns whether the instruction is complete.
pub fn append(payload: &mut Payload, offset: u32, bytes: &[u8]) -> Result<bool> {
    let end = u32::try_from(bytes.len()).ok().and_then(|count| offset.checked_add(count));
    let end = end.filter(|end| !bytes.is_empty() && *end <= payload.length.get());
    let end = end.ok_or(GovernanceError::OutOfOrder)?;
    require!(offset as usize == payload.len(), GovernanceError::OutOfOrder);
    payload.resize_to_capacity(end)?;
    for byte in bytes {
        payload.try_push(Byte(*byte))?;
    }
    let complete = end == payload.length.get();
    payload.complete = complete.into();
    Ok(complete)
}

/// Parses the bytes of an instruction.
pub fn parse(bytes: &[u8]) -> Result<Instruction> {
    let parsed = || {
        let (program, rest) = bytes.split_first_chunk::<32>()?;
        let (count, mut rest) = rest.split_first()?;
        let mut accounts = Vec::with_capacity((*count).into());
        for _ in 0..*count {
            let (address, after) = rest.split_first_chunk::<32>()?;
            let (flags, after) = after.split_first()?;
            if *flags > WRITABLE | SIGNER {
                return None;
            }
            accounts.push(AccountMeta {
                pubkey: Address::new_from_array(*address),
                is_signer: flags & SIGNER != 0,
                is_writable: flags & WRITABLE != 0,
            });
            rest = after;
        }
        Some(Instruction {
            program_id: Address::new_from_array(*program),
            accounts,
            data: rest.to_vec(),
        })
    };
    parsed().ok_or(GovernanceError::InvalidInstruction.into())
}

/// The bytes of an instruction; the inverse of [`parse`].
pub fn encode(instruction: &Instruction) -> Option<Vec<u8>> {
    let count = u8::try_from(instruction.accounts.len()).ok()?;
    let mut bytes = instruction.program_id.as_array().to_vec();
    bytes.push(count);
    for meta in &instruction.accounts {
        bytes.extend_from_slice(meta.pubkey.as_array());
        let flag = |set, flag| if set { flag } else { 0 };
        bytes.push(flag(meta.is_writable, WRITABLE) | flag(meta.is_signer, SIGNER));
    }
    bytes.extend_from_slice(&instruction.data);
    Some(bytes)
}
