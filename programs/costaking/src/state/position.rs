use super::Offer;
use crate::error::CostakingError;
use anchor_lang::prelude::*;
use protocol::ballot;
use protocol::costake;
use protocol::emission::BLOCK_SECONDS;
use protocol::units::Amount;
use staking::Device;

/// A co-staker's shares of an offer. PDA `["position", offer, holder, id u32 le]`.
#[account]
pub struct Position {
    /// The offer that it is in.
    pub offer: Address,
    /// The co-staker's wallet.
    pub holder: Address,
    /// Shares of the offer for which no exit was requested.
    pub shares: PodU64,
    /// Rewards per share, in 2^-63 base units, that were claimed or came before its first hour; 0 until `settled`.
    pub reward_index: PodU128,
    /// First hour whose rewards it shares, numbered from 1970 (unix seconds / 3,600).
    pub from_hour: PodU32,
    /// Number chosen by the holder: seed of the PDA.
    pub id: PodU32,
    /// Number of exits so far: seed of the next exit's PDA.
    pub exits: PodU32,
    /// Whether `reward_index` is known, which it is once its first hour or a later one has been distributed.
    pub settled: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, for future fields.
    pub reserved: [u8; 17],
}

impl Position {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"position";

    /// Writes a new position with shares that earn from `from_hour` on.
    pub fn create(&mut self, offer: Address, holder: Address, id: u32, (shares, from_hour): (u64, u32), bump: u8) -> Result<()> {
        self.offer = offer;
        self.holder = holder;
        self.shares = shares.into();
        self.from_hour = from_hour.into();
        self.id = id.into();
        self.bump = bump;
        self.version = 1;
        self.invariant()
    }

    /// Records the index from which it earns, once its first hour or a later one was distributed; returns whether that changed anything.
    ///
    /// The offer's log has to reach back to the first hour, which it does for 64 more distributions; otherwise the position earns from the
    /// oldest hour in the log.
    pub fn settle(&mut self, offer: &Offer) -> bool {
        let Some(from) = offer.index_from(self.from_hour.get()).filter(|_| !self.settled.get()) else {
            return false;
        };
        (self.reward_index, self.settled) = (from.into(), true.into());
        true
    }

    /// Books the rewards since the last claim as claimed; returns the amount.
    pub fn claim(&mut self, offer: &Offer) -> u64 {
        self.settle(offer);
        if !self.settled.get() {
            return 0;
        }
        let (from, to) = (self.reward_index.get(), offer.reward_index.get());
        self.reward_index = to.into();
        costake::earned(self.shares.get(), from, to).0
    }

    /// Weight in a vote opened at `opened_at`: the value of its shares of the device's co-stake, including what open slashes have set
    /// aside. Zero if it joined less than a week before, and after the owner's exit, which leaves the device without active co-stake.
    pub fn voting_weight(&self, offer: &Offer, device: &Device, opened_at: i64) -> u64 {
        // It joined in the hour before its first.
        let joined_by = i64::from(self.from_hour.get()).saturating_mul(BLOCK_SECONDS);
        match joined_by <= ballot::since(opened_at) {
            true => costake::worth(self.shares.get(), offer.shares.get(), Amount(device.whole_co_stake())).0,
            false => 0,
        }
    }

    /// Removes shares for a new exit.
    pub fn take(&mut self, shares: u64) -> Result<()> {
        require!(shares > 0, CostakingError::NotEnoughShares);
        self.shares = self.shares.checked_sub(shares).ok_or(CostakingError::NotEnoughShares)?;
        self.exits = self.exits.saturating_add(1);
        self.invariant()
    }

    /// It begins with shares, which leave only by exits; its index is zero until it is settled.
    pub fn invariant(&self) -> Result<()> {
        let sound = (!self.shares.is_zero() || !self.exits.is_zero())
            && (self.settled.get() || self.reward_index.get() == 0)
            && !self.from_hour.is_zero();
        require!(sound, CostakingError::BooksBroken);
        Ok(())
    }
}
