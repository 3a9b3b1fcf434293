use super::{Offer, Position};
use crate::error::CostakingError;
use crate::events::ExitCooled;
use anchor_lang::prelude::*;
use protocol::costake;

/// Shares of a position that are leaving. PDA `["exit", position, n u32 le]`.
#[account]
pub struct Exit {
    /// The offer that they leave.
    pub offer: Address,
    /// Wallet that is paid.
    pub holder: Address,
    /// Shares of the offer that leave; once the exit cools down they only serve to compute its rewards.
    pub shares: PodU64,
    /// Shares of the device's cooling co-stake; 0 until it cools down.
    pub cooling_shares: PodU64,
    /// Rewards per share that `rewards` includes so far, in 2^-63 base units; see [`Position`].
    pub reward_index: PodU128,
    /// Rewards earned up to `reward_index`, in $IO base units, to be paid with the stake.
    pub rewards: PodU64,
    /// When its cooldown may be started, unix seconds; until then it counts for the device.
    pub cools_at: PodI64,
    /// When it may be withdrawn, unix seconds.
    pub ends_at: PodI64,
    /// First hour in which it earns, numbered from 1970 (unix seconds / 3,600).
    pub from_hour: PodU32,
    /// First hour in which it no longer earns.
    pub until_hour: PodU32,
    /// Whether `reward_index` is known, as for a [`Position`].
    pub settled: PodBool,
    /// Whether `rewards` is final.
    pub ended: PodBool,
    /// Whether its cooldown has been started.
    pub cooling: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, for future fields.
    pub reserved: [u8; 11],
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

    /// Starts the cooldown of an exit that is not cooling down, which ends at `ends_at` at the latest.
    pub fn cool(&mut self, cooling_shares: u64, ends_at: i64) -> Result<()> {
        self.cooling = true.into();
        self.cooling_shares = cooling_shares.into();
        self.ends_at = self.ends_at.get().min(ends_at).into();
        self.invariant()
    }

    /// Emits that its co-stake cools down. `total` is the offer's shares without it.
    pub fn announce_cooling(&self, exit: Address, total: u64) {
        emit!(ExitCooled {
            offer: self.offer,
            exit,
            cooling_shares: self.cooling_shares.get(),
            ends_at: self.ends_at.get(),
            total,
        });
    }

    /// Fails until the cooldown is over.
    pub fn check_over(&self, now: i64) -> Result<()> {
        require!(self.cooling.get() && now >= self.ends_at.get(), CostakingError::CooldownNotOver);
        Ok(())
    }

    /// Records the rewards that came in up to its last hour; returns whether that changed anything.
    ///
    /// The offer's log has to reach back to that hour, which it does for 64 more distributions; rewards that are not recorded by then are
    /// lost.
    pub fn settle(&mut self, offer: &Offer) -> Result<bool> {
        let before = (self.reward_index, self.settled, self.ended);
        if !self.settled.get() {
            let Some(from) = offer.index_from(self.from_hour.get()) else {
                return Ok(false);
            };
            (self.reward_index, self.settled) = (from.into(), true.into());
        }
        self.ended = offer.has_reached(self.until_hour.get()).into();
        let from = self.reward_index.get();
        let to = match self.ended.get() {
            true => offer.index_until(self.until_hour.get()).unwrap_or(from).max(from),
            false => offer.reward_index.get(),
        };
        let rewards = self.rewards.checked_add(costake::earned(self.shares.get(), from, to).0);
        (self.reward_index, self.rewards) = (to.into(), rewards.ok_or(CostakingError::BooksBroken)?);
        self.invariant()?;
        Ok(before != (self.reward_index, self.settled, self.ended))
    }

    /// It has shares; it has no shares of the cooling pool before its cooldown starts, and no rewards before the index that they begin at
    /// is known.
    pub fn invariant(&self) -> Result<()> {
        let sound = !self.shares.is_zero()
            && (self.cooling.get() || (self.cooling_shares.is_zero() && self.cools_at <= self.ends_at))
            && (self.settled.get() || (self.rewards.is_zero() && !self.ended.get()))
            && self.from_hour <= self.until_hour;
        require!(sound, CostakingError::BooksBroken);
        Ok(())
    }
}
