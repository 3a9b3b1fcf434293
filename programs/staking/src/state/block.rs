use super::{Device, Emission};
use crate::error::StakingError;
use anchor_lang::prelude::*;
use protocol::emission::{self, BLOCK_SECONDS};
use protocol::hash::Hash;
use protocol::presence::{self, BEACONS};
use protocol::score::{self, Weights};
use protocol::units::{Amount, Bps};
use protocol::work::{self, Draw, Size};

/// Seconds after the end of an hour in which its last calls may still be answered. After that, devices check in until the next hour ends.
pub const ANSWERS_END: i64 = super::MAX_ANSWER as i64;

/// Seconds into an hour after which its beacons no longer draw from the work of the hour before. From then on it is known whether that hour
/// is paid, and devices have the second half of this hour to check in.
pub const DRAW_ENDS: i64 = BLOCK_SECONDS / 2;

/// Seconds that a block is kept after its hour, so that a week's rewards can be looked up.
pub const BLOCK_STAYS: i64 = 7 * 86_400;

/// One hour: its beacons, and the reward that its devices share. PDA `["block", start i64 le]`.
///
/// Devices only read it. It keeps the rules that were in force when it was opened.
#[account]
pub struct RewardBlock {
    /// Paid the rent and gets it back.
    pub payer: Address,
    /// Start of the hour, unix seconds.
    pub hour: PodI64,
    /// Slot in which it was opened, from which its beacons are counted.
    pub opened_slot: PodU64,
    /// Beacons; all zero where none was recorded.
    pub beacons: [[u8; 32]; 12],
    /// When each beacon was recorded, seconds after the start of the hour.
    pub recorded: [PodU16; 12],
    /// Sums of the tallies counted so far, by pool: enterprise, community.
    pub scores: [PodU64; 2],
    /// Amount that devices get from each pool, in $IO base units, once settled.
    pub pools: [PodU64; 2],
    /// Presence required before the hour for it to be paid, in seconds; like the rules below, as it was when the block was opened, see
    /// `RewardRules`.
    pub min_uptime: PodU32,
    /// Seconds in which a call must be answered.
    pub answer_seconds: PodU16,
    /// Share of devices that a beacon calls, in basis points.
    pub call_bps: PodU16,
    /// The enterprise pool's share of the block, in basis points.
    pub enterprise_bps: PodU16,
    /// Score points per GPU and hundredth of its multiplier.
    pub multiplier_weight: PodU16,
    /// Score points per connectivity tier.
    pub tier_weight: PodU16,
    /// Score points for working on a job.
    pub hired_weight: PodU16,
    /// Tallies that the hour's scores are summed in.
    pub shards: u8,
    /// Tallies that exist now.
    pub open_tallies: u8,
    /// Tallies counted so far, in the order of their shards.
    pub counted: u8,
    /// Whether all tallies are counted and the pools are fixed.
    pub settled: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, for future fields.
    pub reserved: [u8; 32],
}

impl RewardBlock {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"block";

    /// Opens the block of the current hour.
    pub fn open(&mut self, hour: i64, rules: &Emission, payer: Address, clock: &Clock, bump: u8) -> Result<()> {
        let on = clock.unix_timestamp >= hour && clock.unix_timestamp < hour.saturating_add(BLOCK_SECONDS);
        require!(on && emission::number(hour).is_some(), StakingError::NoSuchHour);
        require!(hour >= rules.next_hour.get(), StakingError::HourOutOfOrder);
        self.payer = payer;
        self.hour = hour.into();
        self.opened_slot = clock.slot.into();
        self.min_uptime = rules.min_uptime;
        self.answer_seconds = rules.answer_seconds;
        self.call_bps = rules.call_bps;
        self.enterprise_bps = rules.enterprise_bps;
        self.multiplier_weight = rules.multiplier_weight;
        self.tier_weight = rules.tier_weight;
        self.hired_weight = rules.hired_weight;
        self.shards = rules.shards;
        self.bump = bump;
        self.version = 1;
        self.invariant()
    }

    /// Number of the hour.
    pub fn number(&self) -> Result<u32> {
        emission::number(self.hour.get()).ok_or(StakingError::NoSuchHour.into())
    }

    /// Records a beacon within the hour. `slot_hash` is the first slot hash after the beacon's slot.
    pub fn record(&mut self, index: u8, slot_hash: &Hash, now: i64) -> Result<Hash> {
        let since = now.saturating_sub(self.hour.get());
        require!((0..BLOCK_SECONDS).contains(&since), StakingError::HourOver);
        let hour = self.hour.get();
        let place = self.beacons.get_mut(usize::from(index)).ok_or(StakingError::NoSuchBeacon)?;
        require!(*place == [0; 32], StakingError::BeaconRecorded);
        *place = presence::beacon(hour, index, slot_hash);
        let beacon = *place;
        // Below 3,600.
        let recorded = u16::try_from(since).map_err(|_| StakingError::HourOver)?;
        if let Some(place) = self.recorded.get_mut(usize::from(index)) {
            *place = recorded.into();
        }
        Ok(beacon)
    }

    /// Fails unless the beacon was recorded, calls the device, and may still be answered.
    pub fn check_called(&self, index: u8, device: &Address, now: i64) -> Result<()> {
        let at = usize::from(index);
        let (Some(beacon), Some(recorded)) = (self.beacons.get(at), self.recorded.get(at)) else {
            return Err(StakingError::NoSuchBeacon.into());
        };
        let rate = Bps::saturating(self.call_bps.get());
        let called = *beacon != [0; 32] && presence::is_called(beacon, device.as_array(), rate);
        require!(called, StakingError::NotCalled);
        let deadline = self
            .hour
            .get()
            .saturating_add(i64::from(recorded.get()))
            .saturating_add(i64::from(self.answer_seconds.get()));
        require!(now <= deadline, StakingError::AnswerLate);
        Ok(())
    }

    /// The beacons that call a device: bit i stands for beacon i.
    pub fn calls(&self, device: &Address) -> u16 {
        const { assert!(BEACONS == 12) };
        presence::calls(&self.beacons, device.as_array(), Bps::saturating(self.call_bps.get()))
    }

    /// The beacon of this hour that draws an element of the work done in the hour before: the first recorded one apart from beacon 0, so
    /// that it comes after that hour's last answers, five minutes into this hour. `None` when none was recorded before [`DRAW_ENDS`]; fails
    /// while one may still come.
    pub fn draw(&self, now: i64) -> Result<Option<&Hash>> {
        let mut late = self.beacons.iter().zip(&self.recorded).skip(1);
        let drawing = late.find(|(beacon, recorded)| **beacon != [0; 32] && i64::from(recorded.get()) < DRAW_ENDS);
        let over = now >= self.hour.get().saturating_add(DRAW_ENDS);
        require!(drawing.is_some() || over, StakingError::NoDraw);
        Ok(drawing.map(|(beacon, _)| beacon))
    }

    /// Whether this hour may be paid: it is not when `next`, the block of the next hour, drew nothing, since otherwise devices that did no
    /// work could earn the hour by keeping beacons from being recorded. Fails unless `evidence` shows the work of the device's last call in
    /// this hour, if it did any.
    pub fn check_work(
        &self,
        next: &RewardBlock,
        device: &Device,
        address: &Address,
        size: Size,
        evidence: &[u8],
        now: i64,
    ) -> Result<bool> {
        require!(
            next.hour.get() == self.hour.get().saturating_add(BLOCK_SECONDS),
            StakingError::WrongBlock
        );
        let Some(draw) = next.draw(now)? else {
            return Ok(false);
        };
        let Some((index, root)) = device.work_of(self.number()?) else {
            return Ok(true);
        };
        let beacon = self.beacons.get(usize::from(index)).ok_or(StakingError::NoSuchBeacon)?;
        let draw = Draw::new(draw, address.as_array(), size, device.quantity);
        let right = work::is_right(size, device.quantity, [beacon, address.as_array()], &root, &draw, evidence);
        require!(right, StakingError::WorkWrong);
        Ok(true)
    }

    /// Fails outside the time for checking in: after the hour's last answers, and before the next hour has ended.
    pub fn check_open(&self, now: i64) -> Result<()> {
        let end = self.hour.get().saturating_add(BLOCK_SECONDS);
        require!(now >= end.saturating_add(ANSWERS_END), StakingError::HourNotOver);
        require!(now < end.saturating_add(BLOCK_SECONDS), StakingError::HourOver);
        Ok(())
    }

    /// Score of a device.
    pub fn score(&self, multiplier_x100: u16, quantity: u8, tier: u8, hired: bool) -> u64 {
        let weights = Weights {
            multiplier: self.multiplier_weight.get(),
            tier: self.tier_weight.get(),
            hired: self.hired_weight.get(),
        };
        weights.score(multiplier_x100, quantity, tier, hired)
    }

    /// Shard of the tally that a device belongs to.
    pub fn shard(&self, device: &Address) -> u8 {
        device.as_array().first().copied().unwrap_or(0) % self.shards.max(1)
    }

    /// Counts a new tally of this shard as open.
    pub fn open_tally(&mut self, shard: u8) -> Result<()> {
        require!(shard < self.shards, StakingError::WrongTally);
        require!(!self.settled.get(), StakingError::BlockSettled);
        self.open_tallies = self.open_tallies.saturating_add(1);
        self.invariant()
    }

    /// Counts a tally as closed.
    pub fn close_tally(&mut self) -> Result<()> {
        require!(self.settled.get(), StakingError::BlockInUse);
        self.open_tallies = self.open_tallies.checked_sub(1).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Counts the next tally once check-ins are over; returns whether it was the last. A settled block is never the next hour's.
    pub fn count(&mut self, tally: &super::Tally, now: i64) -> Result<bool> {
        let end = self.hour.get().saturating_add(2 * BLOCK_SECONDS);
        require!(now >= end, StakingError::HourNotOver);
        require!(tally.hour == self.hour && tally.shard == self.counted, StakingError::WrongTally);
        for (sum, part) in self.scores.iter_mut().zip(tally.scores) {
            *sum = sum.checked_add(part.get()).ok_or(StakingError::BooksBroken)?;
        }
        self.counted = self.counted.saturating_add(1);
        Ok(self.counted == self.shards)
    }

    /// Divides `block` between the pools; returns the sum that goes to devices. A pool without a paid device leaves its part in the vault
    /// (A8).
    pub fn settle(&mut self, block: Amount) -> Result<u64> {
        let enterprise = score::pool(block, Bps::saturating(self.enterprise_bps.get()));
        let shares = [enterprise, block.saturating_sub(enterprise)];
        let mut paid = 0u64;
        for ((pool, sum), share) in self.pools.iter_mut().zip(self.scores).zip(shares) {
            let share = if sum.is_zero() { 0 } else { share.0 };
            *pool = share.into();
            paid = paid.checked_add(share).ok_or(StakingError::BooksBroken)?;
        }
        self.settled = true.into();
        self.invariant()?;
        Ok(paid)
    }

    /// Reward of a device with this score from a pool.
    pub fn reward(&self, pool: u8, score: u64) -> Result<u64> {
        require!(self.settled.get(), StakingError::BlockNotSettled);
        let at = usize::from(pool);
        let (Some(pool), Some(sum)) = (self.pools.get(at), self.scores.get(at)) else {
            return Err(StakingError::BooksBroken.into());
        };
        Ok(score::reward(Amount(pool.get()), score, sum.get()).0)
    }

    /// Fails until the block is settled, its tallies are closed and [`BLOCK_STAYS`] have passed since its hour.
    pub fn check_closable(&self, now: i64) -> Result<()> {
        let stays = self.hour.get().saturating_add(BLOCK_SECONDS).saturating_add(BLOCK_STAYS);
        let closable = self.settled.get() && self.open_tallies == 0 && now >= stays;
        require!(closable, StakingError::BlockInUse);
        Ok(())
    }

    /// Each tally is counted once, and a pool that nobody shares pays nothing.
    pub fn invariant(&self) -> Result<()> {
        let settled = self.settled.get();
        let empty = self
            .pools
            .iter()
            .zip(&self.scores)
            .all(|(pool, sum)| !sum.is_zero() || pool.is_zero());
        let sound = self.counted <= self.shards && self.open_tallies <= self.shards && settled == (self.counted == self.shards) && empty;
        require!(sound, StakingError::BooksBroken);
        Ok(())
    }
}
