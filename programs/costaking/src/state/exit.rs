use super::{Offer, Position};
use crate::error::CostakingError;
use anchor_lang::prelude::*;
use protocol::costake;

/// Shares on their way out. PDA `["exit", position, n u32 le]`.
#[account]
pub struct Exit {
    pub offer: Address,
    pub holder: Address,
    /// Shares of the device's co-stake while it waits; what it earned with, after.
    pub shares: PodU64,
    /// Shares of the device's cooling co-stake, once it cools down.
    pub cooling_shares: PodU64,
    /// See [`Position`].
    pub reward_index: PodU128,
    /// When it stops counting, and when it may be withdrawn, unix seconds.
    pub cools_at: PodI64,
    pub ends_at: PodI64,
    /// First hour it earned in, and the first it did not any more.
    pub from_hour: PodU32,
    pub until_hour: PodU32,
    pub settled: PodBool,
    pub cooling: PodBool,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 20],
}

impl Exit {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"exit";

    /// Writes a new exit of a position's shares.
    pub fn request(&mut self, position: &Position, shares: u64, until_hour: u32, (cools_at, ends_at): (i64, i64), bump: u8) {
        self.offer = position.offer;
        self.holder = position.holder;
        self.shares = shares.into();
        self.reward_index = position.reward_index;
        self.settled = position.settled;
        self.from_hour = position.from_hour;
        self.until_hour = until_hour.into();
        self.cools_at = cools_at.into();
        self.ends_at = ends_at.into();
        self.bump = bump;
        self.version = 1;
    }

    /// It cools down from now on, and until `ends_at` at the latest.
    pub fn cool(&mut self, cooling_shares: u64, ends_at: i64) -> Result<()> {
        require!(!self.cooling.get(), CostakingError::Cooling);
        self.cooling = true.into();
        self.cooling_shares = cooling_shares.into();
        self.ends_at = self.ends_at.get().min(ends_at).into();
        Ok(())
    }

    /// Fails until it has cooled down.
    pub fn check_over(&self, now: i64) -> Result<()> {
        require!(self.cooling.get() && now >= self.ends_at.get(), CostakingError::CooldownNotOver);
        Ok(())
    }

    /// What it has earned up to its last hour and not claimed.
    pub fn earned(&self, offer: &Offer) -> u64 {
        let from = match self.settled.get() {
            true => self.reward_index.get(),
            false => offer.index_before(self.from_hour.get()),
        };
        costake::earned(self.shares.get(), from, offer.index_before(self.until_hour.get())).0
    }
}
