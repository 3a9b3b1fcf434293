use super::Offer;
use crate::error::CostakingError;
use anchor_lang::prelude::*;
use protocol::costake;

/// What a co-staker has in an offer. PDA `["position", offer, holder, id u32 le]`.
#[account]
pub struct Position {
    pub offer: Address,
    pub holder: Address,
    pub shares: PodU64,
    /// Rewards a share that are claimed; those before the first hour once `settled`.
    pub reward_index: PodU128,
    /// First hour whose rewards are shared, by its number from 1970 on.
    pub from_hour: PodU32,
    pub id: PodU32,
    /// Exits so far: seed of the next.
    pub exits: PodU32,
    /// Whether `reward_index` is known: an hour from the first one on has been distributed.
    pub settled: PodBool,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 17],
}

impl Position {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"position";

    /// Takes out what the shares have earned since the last claim; returns it.
    pub fn claim(&mut self, offer: &Offer) -> Result<u64> {
        let from = match self.settled.get() {
            true => self.reward_index.get(),
            false => offer.index_before(self.from_hour.get()),
        };
        let to = offer.reward_index.get();
        self.settled = (self.settled.get() || offer.has_reached(self.from_hour.get())).into();
        if self.settled.get() {
            self.reward_index = to.into();
        }
        Ok(costake::earned(self.shares.get(), from, to).0)
    }

    /// Takes shares out.
    pub fn take(&mut self, shares: u64) -> Result<()> {
        require!(shares > 0, CostakingError::NotEnoughShares);
        self.shares = self.shares.checked_sub(shares).ok_or(CostakingError::NotEnoughShares)?;
        self.exits = self.exits.saturating_add(1);
        Ok(())
    }
}
