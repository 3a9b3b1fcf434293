use crate::error::GovernanceError;
use anchor_lang::prelude::*;

/// Names the representative that votes with an owner's stake unless the owner votes itself. PDA `["delegation", owner]`.
#[account]
pub struct Delegation {
    /// Owner of stake.
    pub owner: Address,
    /// The representative.
    pub representative: Address,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 14],
}

impl Delegation {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"delegation";

    /// Names the representative, who must not be the owner.
    pub fn create(&mut self, owner: Address, representative: Address, bump: u8) -> Result<()> {
        require!(representative != owner, GovernanceError::OwnRepresentative);
        self.owner = owner;
        self.representative = representative;
        self.bump = bump;
        self.version = 1;
        Ok(())
    }
}
