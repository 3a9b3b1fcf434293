//! An offer's account. What follows from the owner's exit, and how rewards are shared, is in one file each.

mod forced;
mod rewards;

use super::Config;
use crate::error::CostakingError;
use anchor_lang::prelude::*;
use protocol::costake::{self, CHANGES, Schedule};
use protocol::emission;
use protocol::units::{Amount, Bps};
use staking::Device;

protocol::coded! {
    /// Stage of an offer.
    pub enum Status {
        /// Co-stakers may join.
        Open = 0,
        /// Nobody may join; co-stakers who have joined share the rewards.
        Closed = 1,
        /// The device's owner has unstaked, and all co-stake cools down with it.
        Forced = 2,
        /// The device has no co-stake of the offer any more; exits in progress continue.
        Ended = 3,
    }
}

/// The terms of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct OfferTerms {
    /// Most co-stake, in $IO base units.
    pub capacity: u64,
    /// Least co-stake of one co-staker, in $IO base units; a ticket of the whole capacity makes an offer for a single co-staker.
    pub ticket: u64,
    /// Co-stakers' share of the device's block rewards when the offer is full, in basis points; proportionally less when it is not.
    pub share_bps: u16,
}

/// Number of distributions that an offer remembers: more than two and a half days of hours.
pub const LOG: usize = 64;

/// A device's offer to co-stakers, and the pool of those who joined. PDA `["offer", device, index u32 le]`.
///
/// Its vault (token account `["vault", offer]`) holds rewards that co-stakers have not claimed. Their stake lies in the device's vault.
#[account]
pub struct Offer {
    /// The device whose rewards are shared.
    pub device: Address,
    /// Owner of the device, who paid the rents and gets them back.
    pub owner: Address,
    /// Most co-stake, in $IO base units; terms never change (E9), see [`OfferTerms`].
    pub capacity: PodU64,
    /// Least co-stake of one co-staker, in $IO base units.
    pub ticket: PodU64,
    /// Co-stakers' share of the rewards when the offer is full, in basis points.
    pub share_bps: PodU16,
    /// All shares of the device's active co-stake, including those of exits whose cooldown has not been started.
    pub shares: PodU64,
    /// Shares that earn before the first of `changes`; see `protocol::costake::Schedule`.
    pub base: PodU64,
    /// Hours from which each of `changes` counts, numbered from 1970 (unix seconds / 3,600); 0 in a free place.
    pub change_hours: [PodU32; 8],
    /// Changes of the shares that earn, in the order of their hours.
    pub changes: [PodI64; 8],
    /// Rewards per share so far, in 2^-63 $IO base units.
    pub reward_index: PodU128,
    /// The latest 64 hours distributed, in a ring.
    pub log_hours: [PodU32; 64],
    /// `reward_index` after each of `log_hours`.
    pub log: [PodU128; 64],
    /// Hours distributed so far.
    pub distributed: PodU32,
    /// Rewards received so far, in $IO base units.
    pub received: PodU64,
    /// Rewards paid out so far, in $IO base units.
    pub paid: PodU64,
    /// When the owner's exit forced everybody out, unix seconds; 0 if it has not.
    pub forced_at: PodI64,
    /// Shares that were forced out and that no exit has taken since.
    pub forced_total: PodU64,
    /// Shares of the device's cooling co-stake that belong to `forced_total`.
    pub forced_shares: PodU64,
    /// All shares when they were forced out; rewards of earlier hours are shared among them.
    pub forced_all: PodU64,
    /// Value of `forced_all` when they were forced out, in $IO base units.
    pub forced_assets: PodU64,
    /// Number of positions and exits that exist.
    pub holders: PodU32,
    /// Number chosen by the owner: seed of the PDA.
    pub index: PodU32,
    /// See [`Status`].
    pub status: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the vault's PDA.
    pub vault_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// When the co-stake that was forced out has cooled down, unix seconds, by the cooldown in force at `forced_at` (K3).
    pub forced_ends_at: PodI64,
    /// Zeros, for future fields.
    pub reserved: [u8; 24],
}

impl Offer {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"offer";
    /// First seed of the vault's PDA.
    pub const VAULT_SEED: &'static [u8] = b"vault";

    /// Writes a new offer for a device whose minimum stake is `minimum`.
    pub fn create(
        &mut self,
        (device, owner): (Address, Address),
        index: u32,
        terms: &OfferTerms,
        minimum: Amount,
        config: &Config,
        (bump, vault_bump): (u8, u8),
    ) -> Result<()> {
        require!(terms.capacity <= config.most(minimum), CostakingError::CapacityTooLarge);
        let share = u64::from(terms.share_bps);
        let shared = share >= u64::from(config.min_share_bps.get()) && share <= Bps::WHOLE;
        require!(shared, CostakingError::ShareOutOfBounds);
        require!((1..=terms.capacity).contains(&terms.ticket), CostakingError::InvalidTicket);
        self.device = device;
        self.owner = owner;
        self.capacity = terms.capacity.into();
        self.ticket = terms.ticket.into();
        self.share_bps = terms.share_bps.into();
        self.index = index.into();
        self.bump = bump;
        self.vault_bump = vault_bump;
        self.version = 1;
        self.invariant()
    }

    /// The terms.
    pub fn terms(&self) -> OfferTerms {
        OfferTerms {
            capacity: self.capacity.get(),
            ticket: self.ticket.get(),
            share_bps: self.share_bps.get(),
        }
    }

    /// Fails unless the offer has one of these statuses.
    pub fn check_status(&self, allowed: &[Status]) -> Result<()> {
        require!(allowed.iter().any(|status| self.status == *status), CostakingError::WrongStatus);
        Ok(())
    }

    /// Fails unless `caller` is the holder or the offer has ended, so that inactive holders cannot keep an ended offer from being closed.
    pub fn check_leaver(&self, caller: &Address, holder: &Address) -> Result<()> {
        let allowed = caller == holder || self.status == Status::Ended;
        require!(allowed, CostakingError::NotHolder);
        Ok(())
    }

    fn schedule(&self) -> Schedule {
        let mut changes = [(0, 0); CHANGES];
        for (place, (hour, change)) in changes.iter_mut().zip(self.change_hours.iter().zip(&self.changes)) {
            *place = (hour.get(), change.get());
        }
        Schedule {
            base: self.base.get(),
            changes,
        }
    }

    /// Changes the earning shares from `hour` on.
    fn change(&mut self, hour: u32, change: i64, device: &Device, now: i64) -> Result<()> {
        // Hours that are pending, still open for check-ins, or in the future.
        let next = device.last_hour.get().saturating_add(1).max(hour_of(now)?.saturating_sub(1));
        let open = |from: u32, to: u32| to > next || device.pending().any(|(hour, _, _)| (from..to).contains(&hour));
        let mut schedule = self.schedule();
        schedule.change(hour, change, open).ok_or(CostakingError::BooksBroken)?;
        self.base = schedule.base.into();
        for ((hours, changes), (hour, change)) in self.change_hours.iter_mut().zip(&mut self.changes).zip(schedule.changes) {
            (*hours, *changes) = (hour.into(), change.into());
        }
        Ok(())
    }

    /// Adds `amount` for shares of the device's co-stake, which earn from the next hour on (E13); returns the shares and that hour.
    ///
    /// The capacity is also limited by the current minimum stake (L10).
    pub fn join(
        &mut self,
        amount: u64,
        expected: &OfferTerms,
        device: &Device,
        minimum: Amount,
        config: &Config,
        now: i64,
    ) -> Result<(u64, u32)> {
        self.check_status(&[Status::Open])?;
        require!(*expected == self.terms(), CostakingError::TermsChanged);
        let most = config.most(minimum).min(self.capacity.get());
        let room = most.saturating_sub(device.co_stake.get());
        require!(amount <= room, CostakingError::OfferFull);
        require!(
            amount > 0 && (amount >= self.ticket.get() || amount == room),
            CostakingError::AmountTooSmall
        );
        let shares = costake::shares_for(Amount(amount), self.shares.get(), Amount(device.co_stake.get()));
        let shares = shares.filter(|shares| *shares > 0).ok_or(CostakingError::Worthless)?;
        // Changes of shares are signed, which limits shares to 2^62. After repeated slashes an offer may have to end before anybody can
        // join the device again.
        let all = self.shares.checked_add(shares).filter(|all| *all < costake::MOST_SHARES);
        self.shares = all.ok_or(CostakingError::Worthless)?;
        let hour = hour_of(now)?.saturating_add(1);
        self.change(hour, i64::try_from(shares).map_err(|_| CostakingError::BooksBroken)?, device, now)?;
        self.hold()?;
        self.invariant()?;
        Ok((shares, hour))
    }

    /// Stops shares of a position that earns from `from_hour` on from earning, beginning with the current hour; returns the first hour in
    /// which they do not earn.
    pub fn leave(&mut self, shares: u64, from_hour: u32, device: &Device, now: i64) -> Result<u32> {
        let hour = hour_of(now)?.max(from_hour);
        let change = i64::try_from(shares).map_err(|_| CostakingError::BooksBroken)?;
        self.change(hour, change.saturating_neg(), device, now)?;
        self.hold()?;
        self.invariant()?;
        Ok(hour)
    }

    /// Removes shares that leave the device's co-stake; returns their value.
    pub fn take_out(&mut self, shares: u64, assets: u64) -> Result<u64> {
        let amount = costake::worth(shares, self.shares.get(), Amount(assets));
        self.shares = self.shares.checked_sub(shares).ok_or(CostakingError::BooksBroken)?;
        self.invariant()?;
        Ok(amount.0)
    }

    /// Counts a new position or exit.
    fn hold(&mut self) -> Result<()> {
        self.holders = self.holders.checked_add(1).ok_or(CostakingError::BooksBroken)?;
        Ok(())
    }

    /// Counts a position or an exit as closed.
    pub fn release(&mut self) -> Result<()> {
        self.holders = self.holders.checked_sub(1).ok_or(CostakingError::BooksBroken)?;
        Ok(())
    }

    /// No more was paid than received, and a forced or ended offer has no shares of active co-stake.
    pub fn invariant(&self) -> Result<()> {
        let forced = self.status == Status::Forced || self.status == Status::Ended;
        let sound = self.paid <= self.received
            && self.status <= Status::Ended
            && (!forced || self.shares.is_zero())
            && (1..=self.capacity.get()).contains(&self.ticket.get())
            && u64::from(self.share_bps.get()) <= Bps::WHOLE;
        require!(sound, CostakingError::BooksBroken);
        Ok(())
    }
}

/// Number of the hour that `now` lies in, counted from 1970.
pub fn hour_of(now: i64) -> Result<u32> {
    emission::number_of(now).ok_or(CostakingError::BooksBroken.into())
}
