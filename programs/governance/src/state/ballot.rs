use super::Delegation;
use crate::error::GovernanceError;
use anchor_lang::prelude::*;
use protocol::ballot::Choice;

/// A vote by the owner's stake in a device, or by a co-staker's position. PDA `["ballot", proposal, source]`, so no stake votes twice.
#[account]
pub struct Ballot {
    /// The proposal that it votes on.
    pub proposal: Address,
    /// Account of the device or position whose stake votes.
    pub source: Address,
    /// Owner of that stake.
    pub owner: Address,
    /// Account that paid the rent and gets it back.
    pub payer: Address,
    /// Weight of the vote, in $IO base units of stake.
    pub weight: PodU64,
    /// See `protocol::ballot::Choice`.
    pub choice: u8,
    /// Whether the owner cast or changed the vote itself.
    pub by_owner: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 12],
}

impl Ballot {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"ballot";

    /// Writes a new vote of the stake in `source`, which belongs to `owner`.
    pub fn create(
        &mut self,
        proposal: Address,
        (source, owner): (Address, Address),
        (payer, by_owner): (Address, bool),
        (choice, weight): (Choice, u64),
        bump: u8,
    ) -> Result<()> {
        self.proposal = proposal;
        self.source = source;
        self.owner = owner;
        self.payer = payer;
        self.weight = weight.into();
        self.choice = choice as u8;
        self.by_owner = by_owner.into();
        self.bump = bump;
        self.version = 1;
        self.invariant()
    }

    /// Moves the vote to another choice.
    pub fn change(&mut self, choice: Choice, by_owner: bool) -> Result<()> {
        self.choice = choice as u8;
        self.by_owner = by_owner.into();
        self.invariant()
    }

    /// The choice of this vote.
    pub fn choice(&self) -> Result<Choice> {
        Choice::from_code(self.choice).ok_or(GovernanceError::BooksBroken.into())
    }

    /// Fails unless the choice exists and the weight is not zero.
    pub fn invariant(&self) -> Result<()> {
        self.choice()?;
        require!(!self.weight.is_zero(), GovernanceError::BooksBroken);
        Ok(())
    }

    /// Fails unless `signer` may change the vote: its owner, or the owner's representative while the owner has not voted itself. Returns
    /// whether it is the owner.
    pub fn authorize(&self, signer: &Address, delegation: Option<&Delegation>) -> Result<bool> {
        let by_owner = authorize(signer, &self.owner, delegation)?;
        require!(by_owner || !self.by_owner.get(), GovernanceError::OwnerVoted);
        Ok(by_owner)
    }
}

/// Fails unless `signer` may vote with a stake: its owner, or the owner's representative. Returns whether it is the owner.
pub fn authorize(signer: &Address, owner: &Address, delegation: Option<&Delegation>) -> Result<bool> {
    let represents = |delegation: &Delegation| delegation.owner == *owner && delegation.representative == *signer;
    let by_owner = signer == owner;
    require!(by_owner || delegation.is_some_and(represents), GovernanceError::NotVoter);
    Ok(by_owner)
}
