use crate::error::StakingError;
use anchor_lang::prelude::*;

/// Scores of the devices that checked in to an hour: those whose address falls into its shard. PDA `["tally", start i64 le, shard u8]`.
///
/// The only account that devices have in common, so that an hour has as many as it takes.
#[account]
pub struct Tally {
    /// Paid the rent and gets it back.
    pub payer: Address,
    /// Start of the hour, unix seconds.
    pub hour: PodI64,
    /// Sums of its devices' scores by pool: enterprise, community.
    pub scores: [PodU64; 2],
    /// Devices that checked in with a score.
    pub checked_in: PodU32,
    /// Of these, devices that have collected their reward.
    pub collected: PodU32,
    /// Which of the hour's tallies: seed of the PDA.
    pub shard: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, for fields to come.
    pub reserved: [u8; 13],
}

impl Tally {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"tally";

    /// Adds a device's score.
    pub fn add(&mut self, pool: u8, score: u64) -> Result<()> {
        let sum = self.scores.get_mut(usize::from(pool)).ok_or(StakingError::BooksBroken)?;
        *sum = sum.checked_add(score).ok_or(StakingError::BooksBroken)?;
        self.checked_in = self.checked_in.checked_add(1).ok_or(StakingError::BooksBroken)?;
        Ok(())
    }

    /// A device has its reward.
    pub fn collect(&mut self) -> Result<()> {
        self.collected = self.collected.checked_add(1).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Fails while a device has a reward to collect.
    pub fn check_closable(&self) -> Result<()> {
        require!(self.collected == self.checked_in, StakingError::BlockInUse);
        Ok(())
    }

    /// Only devices that checked in collect.
    pub fn invariant(&self) -> Result<()> {
        require!(self.collected <= self.checked_in, StakingError::BooksBroken);
        Ok(())
    }
}
