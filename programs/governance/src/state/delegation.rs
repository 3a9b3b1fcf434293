use anchor_lang::prelude::*;

/// Who votes for an owner of stake, unless it votes itself. PDA `["delegation", owner]`.
#[account]
pub struct Delegation {
    pub owner: Address,
    pub representative: Address,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 14],
}

impl Delegation {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"delegation";
}
