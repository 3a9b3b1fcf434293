//! Presence and rewards: calls answered, hours checked in to, rewards collected.

use super::{Device, STATUS_ACTIVE};
use crate::error::StakingError;
use anchor_lang::prelude::*;
use protocol::emission::BLOCK_SECONDS;
use protocol::units::Amount;

impl Device {
    /// Answers the call of beacon `index` in hour number `hour`, once, with the root of the work that it asks for; a device with a job in
    /// progress need not do the work (F7).
    ///
    /// Only the work of an hour's last call is kept. Nobody knows which call is the last before the hour is over.
    pub fn answer(&mut self, hour: u32, index: u8, root: Option<[u8; 32]>) -> Result<()> {
        let answered = self.answers_of(hour);
        let bit = 1u16.checked_shl(index.into()).ok_or(StakingError::NoSuchBeacon)?;
        require!(answered & bit == 0, StakingError::CallAnswered);
        let late = self.answers_hour.get() == hour.saturating_add(1);
        if !late && self.answers_hour.get() != hour {
            let before = hour.saturating_sub(1);
            (self.work_at_before, self.work_before) = self.work_of(before).map_or((0, [0; 32]), |(at, root)| (at.saturating_add(1), root));
            (self.work_at, self.work) = (0, [0; 32]);
            self.answers_before = self.answers_of(before).into();
            self.answers_hour = hour.into();
        }
        let (answers, at, work) = match late {
            true => (&mut self.answers_before, &mut self.work_at_before, &mut self.work_before),
            false => (&mut self.answers, &mut self.work_at, &mut self.work),
        };
        *answers = (answered | bit).into();
        if self.open_jobs.is_zero() {
            let root = root.ok_or(StakingError::WorkAsked)?;
            if *at <= index {
                (*at, *work) = (index.saturating_add(1), root);
            }
        }
        Ok(())
    }

    /// Beacon and root of the last call in hour number `hour` that was answered with work.
    pub fn work_of(&self, hour: u32) -> Option<(u8, [u8; 32])> {
        let kept = self.answers_hour.get();
        let (at, root) = if kept == hour {
            (self.work_at, self.work)
        } else if kept == hour.saturating_add(1) {
            (self.work_at_before, self.work_before)
        } else {
            return None;
        };
        Some((at.checked_sub(1)?, root))
    }

    /// Whether the call of a beacon in hour number `hour` is answered.
    pub fn has_answered(&self, hour: u32, index: u8) -> bool {
        1u16.checked_shl(index.into()).is_some_and(|bit| self.answers_of(hour) & bit != 0)
    }

    /// Calls answered in hour number `hour`: bit i stands for beacon i. Zero when the hour is too long ago.
    fn answers_of(&self, hour: u32) -> u16 {
        let kept = self.answers_hour.get();
        if kept == hour {
            self.answers.get()
        } else if kept == hour.saturating_add(1) {
            self.answers_before.get()
        } else {
            0
        }
    }

    /// Checks in to hour number `hour` after it is over; returns whether the hour is paid. Fails unless the device was present for all of
    /// it: it is not retired, it answered `calls`, and its stake reached `minimum` from before the hour's start (F1, F5). The hour is paid
    /// if more than `min_uptime` seconds of presence without a gap came before it (F2).
    pub fn check_in(&mut self, hour: u32, start: i64, calls: u16, minimum: Amount, min_uptime: u32) -> Result<bool> {
        require!(self.status == STATUS_ACTIVE, StakingError::DeviceTerminated);
        require!(hour > self.last_hour.get(), StakingError::CheckedIn);
        require!(self.registered_at.get() <= start, StakingError::NotThere);
        require!(calls & !self.answers_of(hour) == 0, StakingError::CallMissed);
        self.check_staked(self.fresh_from(hour), minimum)?;
        if hour != self.last_hour.get().saturating_add(1) || self.last_hour.is_zero() {
            self.streak_hour = hour.into();
        }
        self.last_hour = hour.into();
        let uptime = u64::from(hour.saturating_sub(self.streak_hour.get())).saturating_mul(BLOCK_SECONDS as u64);
        self.invariant()?;
        Ok(uptime > u64::from(min_uptime))
    }

    /// Rewards that are not collected yet: number of the hour, pool and score.
    pub fn pending(&self) -> impl Iterator<Item = (u32, u8, u64)> {
        let places = self.pending_hours.iter().zip(self.pending_pools).zip(self.pending_scores);
        let all = places.map(|((hour, pool), score)| (hour.get(), pool, score.get()));
        all.filter(|(_, _, score)| *score > 0)
    }

    /// Whether there is room for another uncollected reward.
    pub fn has_room(&self) -> bool {
        self.pending_scores.iter().any(PodU64::is_zero)
    }

    /// Records the score of a paid hour, whose reward can be collected once its block is settled.
    pub fn expect_reward(&mut self, hour: u32, pool: u8, score: u64) -> Result<()> {
        let mut places = self
            .pending_hours
            .iter_mut()
            .zip(&mut self.pending_pools)
            .zip(&mut self.pending_scores);
        let free = places.find(|(_, score)| score.is_zero());
        let ((hours, pools), scores) = free.ok_or(StakingError::BooksBroken)?;
        (*hours, *pools, *scores) = (hour.into(), pool, score.into());
        self.invariant()
    }

    /// Collects the reward of an hour; `reward` computes it from pool and score.
    pub fn collect_reward(&mut self, hour: u32, reward: impl FnOnce(u8, u64) -> Result<u64>) -> Result<u64> {
        let mut places = self.pending_hours.iter().zip(self.pending_pools).zip(&mut self.pending_scores);
        let found = places.find(|((of, _), score)| of.get() == hour && !score.is_zero());
        let ((_, pool), score) = found.ok_or(StakingError::NothingPending)?;
        let reward = reward(pool, score.get())?;
        *score = PodU64::ZERO;
        self.rewards = self.rewards.checked_add(reward).ok_or(StakingError::BooksBroken)?;
        self.invariant()?;
        Ok(reward)
    }

    /// Clears the collected rewards; returns them.
    pub fn claim_rewards(&mut self) -> Result<u64> {
        let amount = self.rewards.get();
        require!(amount > 0, StakingError::NothingToClaim);
        self.rewards = PodU64::ZERO;
        Ok(amount)
    }
}
