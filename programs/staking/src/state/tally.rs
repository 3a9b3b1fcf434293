use super::RewardBlock;
use crate::error::StakingError;
use anchor_lang::prelude::*;

/// Sums of the scores of the devices in one shard that checked in to an hour. PDA `["tally", start i64 le, shard u8]`.
///
/// It is the only account that several devices write, so an hour has as many tallies as it takes to spread the load.
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
    /// Number of these devices that have collected their reward.
    pub collected: PodU32,
    /// Number of the shard: seed of the PDA.
    pub shard: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, for future fields.
    pub reserved: [u8; 13],
}

impl Tally {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"tally";

    /// Opens the tally of a shard of a block's hour.
    pub fn open(&mut self, block: &RewardBlock, shard: u8, payer: Address, bump: u8) {
        self.payer = payer;
        self.hour = block.hour;
        self.shard = shard;
        self.bump = bump;
        self.version = 1;
    }

    /// Whether it sums the scores of this device in a block's hour.
    pub fn counts(&self, block: &RewardBlock, device: &Address) -> bool {
        self.hour == block.hour && self.shard == block.shard(device)
    }

    /// Adds a device's score.
    pub fn add(&mut self, pool: u8, score: u64) -> Result<()> {
        let sum = self.scores.get_mut(usize::from(pool)).ok_or(StakingError::BooksBroken)?;
        *sum = sum.checked_add(score).ok_or(StakingError::BooksBroken)?;
        self.checked_in = self.checked_in.checked_add(1).ok_or(StakingError::BooksBroken)?;
        Ok(())
    }

    /// Counts a device that has collected its reward.
    pub fn collect(&mut self) -> Result<()> {
        self.collected = self.collected.checked_add(1).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Fails while a device has not collected its reward.
    pub fn check_closable(&self) -> Result<()> {
        require!(self.collected == self.checked_in, StakingError::BlockInUse);
        Ok(())
    }

    /// No more devices have collected than checked in.
    pub fn invariant(&self) -> Result<()> {
        require!(self.collected <= self.checked_in, StakingError::BooksBroken);
        Ok(())
    }
}
