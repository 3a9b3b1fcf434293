use super::{GpuModel, POOL_COMMUNITY, StakingConfig};
use crate::error::StakingError;
use crate::events::{StakeMove, StakeMoved};
use anchor_lang::prelude::*;
use protocol::ballot::History;
use protocol::costake;
use protocol::emission::{self, BLOCK_SECONDS};
use protocol::math;
use protocol::stake;
use protocol::units::{Amount, Bps};

/// [`Device::status`] of a device that is in service.
pub const STATUS_ACTIVE: u8 = 0;
/// Best connectivity tier (B5).
pub const MAX_TIER: u8 = 4;
/// [`Device::status`] of a retired device.
pub const STATUS_TERMINATED: u8 = 1;

/// A supplier's machine: its keys, its stake and its record. PDA `["device", first key]`.
///
/// The device's vault (token account `["vault", device]`) holds exactly its own stake and co-stake, active and cooling, and what is set
/// aside, forfeited and owed: no instruction can touch another device's tokens (H9).
#[account]
pub struct Device {
    /// Stakes, unstakes and rotates keys.
    pub owner: Address,
    /// Wallet that job payments go to.
    pub payout: Address,
    /// Hot key that the worker signs with; it cannot move stake.
    pub key: Address,
    /// The hot key that it was registered with: seed of the PDA.
    pub first_key: Address,
    /// Active stake of the owner, in $IO base units.
    pub own_stake: PodU64,
    /// Active stake of co-stakers, in $IO base units.
    pub co_stake: PodU64,
    /// Part of `own_stake` that is locked in the bonds of jobs and audits in progress, in $IO base units.
    pub locked_bond: PodU64,
    /// Cooling stake of the owner, in $IO base units.
    pub cooling: PodU64,
    /// When the cooling stake, including any part that a slash set aside, may be withdrawn, unix seconds; 0 once it has been.
    pub cooldown_ends: PodI64,
    /// Penalties and upheld slashes, still in the vault, waiting to be burned; in $IO base units.
    pub forfeited: PodU64,
    /// When it was registered, unix seconds; probation begins then.
    pub registered_at: PodI64,
    /// Jobs and audits in progress.
    pub open_jobs: PodU32,
    /// Jobs and audits whose bond was released in full.
    pub jobs_done: PodU32,
    /// Jobs and audits missed: missed deadlines, confessed errors, and audits that were not paid.
    pub jobs_missed: PodU32,
    /// Number of its GPU model.
    pub gpu_model: PodU16,
    /// GPUs behind it, 1 to 8.
    pub quantity: u8,
    /// [`STATUS_ACTIVE`] or [`STATUS_TERMINATED`].
    pub status: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the vault's PDA.
    pub vault_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Bonds of convictions, less the compensation paid at once, in the vault until the conviction ends; in $IO base units.
    pub owed: PodU64,
    /// Jobs whose result was proved wrong.
    pub jobs_convicted: PodU32,
    /// Jobs and audits done since the last conviction or miss; determines how often results are audited.
    pub clean_jobs: PodU32,
    /// Stake that came in during `fresh_hour`, in $IO base units: it was not there when that hour began.
    pub fresh: PodU64,
    /// Stake that came in during the hour before `fresh_hour`, in $IO base units.
    pub fresh_before: PodU64,
    /// The last hour in which stake came in, numbered from 1970 (unix seconds / 3,600), like every hour here.
    pub fresh_hour: PodU32,
    /// Rewards collected and not claimed yet, held in the emission's vault; in $IO base units.
    pub rewards: PodU64,
    /// Scores of hours whose rewards are not collected yet; 0 in a free place.
    pub pending_scores: [PodU64; 4],
    /// Hours of `pending_scores`.
    pub pending_hours: [PodU32; 4],
    /// The last hour that the device checked in to.
    pub last_hour: PodU32,
    /// The first hour of the current run of check-ins without a gap.
    pub streak_hour: PodU32,
    /// The last hour in which a call was answered.
    pub answers_hour: PodU32,
    /// Calls answered in `answers_hour`: bit i stands for beacon i.
    pub answers: PodU16,
    /// Calls answered in the hour before `answers_hour`, as in `answers`.
    pub answers_before: PodU16,
    /// Root of the work of the last call in `answers_hour` that was answered with work.
    pub work: [u8; 32],
    /// Root of the work of the last call in the hour before that was answered with work.
    pub work_before: [u8; 32],
    /// Number of the beacon that asked for `work`, plus one; 0 if there was none.
    pub work_at: u8,
    /// Number of the beacon that asked for `work_before`, plus one; 0 if there was none.
    pub work_at_before: u8,
    /// Connectivity tier, 1 to 4 (B5).
    pub tier: u8,
    /// Pools of `pending_scores`: those of the GPU model when the device checked in.
    pub pending_pools: [u8; 4],
    /// Cooling co-stake, which no longer counts for anything, in $IO base units.
    pub co_cooling: PodU64,
    /// Shares that co-stakers have in `co_cooling`.
    pub co_cooling_shares: PodU64,
    /// When the owner unstaked and all co-stake began to cool down with it, unix seconds; 0 once the offer has recorded that.
    pub forced_at: PodI64,
    /// Shares of `co_cooling` that the offer's co-stake became then; 0 once the offer has recorded them.
    pub forced_shares: PodU64,
    /// See [`Offering`].
    pub offering: u8,
    /// When own stake came in, unix seconds, oldest first; 0 in a free place. See `protocol::ballot::History`.
    pub raised_at: [PodI64; 4],
    /// Own stake just before each time in `raised_at`, in $IO base units.
    pub aged: [PodU64; 4],
    /// Stake set aside by slashes whose appeal period is not over, in $IO base units.
    pub escrowed: PodU64,
    /// Seconds that `forced_shares` cool down from `forced_at` on: the cooldown in force then (K3).
    pub forced_cooldown: PodU32,
    /// Number of slashes that are due own stake in bonds; see `Slash::due`.
    pub dues: u8,
    /// Part of `escrowed` that was taken from the owner's active stake, in $IO base units.
    pub own_escrowed: PodU64,
    /// Part of `escrowed` that was taken from active co-stake, in $IO base units.
    pub co_escrowed: PodU64,
    /// Zeros, for future fields.
    pub reserved: [u8; 1],
}

const _: () = assert!(
    core::mem::size_of::<Device>() + 8 == 517,
    "the size of devices on chain must not change"
);

protocol::coded! {
    /// Whether a device's owner shares its rewards.
    pub enum Offering {
        /// All rewards are the owner's.
        Nothing = 0,
        /// Co-stakers may join.
        Open = 1,
        /// Co-stakers who have joined share the rewards; nobody else may join.
        Closed = 2,
    }
}

impl Device {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"device";
    /// First seed of the vault's PDA.
    pub const VAULT_SEED: &'static [u8] = b"vault";

    /// The least amount that the vault must hold.
    pub fn total(&self) -> Result<u64> {
        let parts = [
            self.own_stake,
            self.co_stake,
            self.cooling,
            self.co_cooling,
            self.escrowed,
            self.forfeited,
            self.owed,
        ];
        parts
            .iter()
            .try_fold(0u64, |sum, part| sum.checked_add(part.get()))
            .ok_or(StakingError::BooksBroken.into())
    }

    /// Whether two devices have the same owner. Payout wallets prove nothing: an owner may name any wallet without its holder's consent.
    pub fn is_linked(&self, other: &Device) -> bool {
        self.owner == other.owner
    }

    /// Bonds are covered by own stake. Own stake does not cool down while some of it is active or a slash is due stake in bonds. Bonds are
    /// locked exactly while jobs are open. No cooling share is worth more than a base unit, so that entering costs no more than that in
    /// rounding.
    pub fn invariant(&self) -> Result<()> {
        self.total()?;
        let sound = self.locked_bond.get() <= self.own_stake.get()
            && (self.cooling.is_zero() || self.own_stake.is_zero())
            && self.locked_bond.is_zero() == self.open_jobs.is_zero()
            && (1..=stake::MAX_QUANTITY).contains(&self.quantity)
            && self.status <= STATUS_TERMINATED
            && (1..=MAX_TIER).contains(&self.tier)
            && self.streak_hour <= self.last_hour
            && self.offering <= Offering::Closed
            && (self.dues == 0 || self.cooling.is_zero())
            && self.co_cooling <= self.co_cooling_shares
            && self
                .own_escrowed
                .checked_add(self.co_escrowed.get())
                .is_some_and(|sum| sum <= self.escrowed)
            && self
                .pending()
                .all(|(hour, pool, _)| hour <= self.last_hour.get() && pool <= POOL_COMMUNITY);
        require!(sound, StakingError::BooksBroken);
        Ok(())
    }

    /// Minimum stake at `now` (C1).
    pub fn minimum(&self, config: &StakingConfig, gpu: &GpuModel, now: i64) -> Result<Amount> {
        require!(gpu.id == self.gpu_model, StakingError::WrongGpuModel);
        stake::minimum(config.required_base(now), gpu.required_multiplier(now), self.quantity).ok_or(StakingError::BooksBroken.into())
    }

    /// Adds own stake; not while earlier stake cools down (D3).
    pub fn stake(&mut self, amount: u64, now: i64) -> Result<()> {
        require!(amount > 0, StakingError::ZeroAmount);
        require!(self.status == STATUS_ACTIVE, StakingError::DeviceTerminated);
        require!(self.cooling.is_zero(), StakingError::CoolingDown);
        let before = self
            .own_stake
            .checked_add(self.own_escrowed.get())
            .ok_or(StakingError::BooksBroken)?;
        let history = self.history().raised(before.get(), now);
        for ((at, aged), raise) in self.raised_at.iter_mut().zip(&mut self.aged).zip(history.0) {
            (*at, *aged) = (raise.0.into(), raise.1.into());
        }
        self.own_stake = self.own_stake.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        self.freshen(amount, now)?;
        self.invariant()
    }

    /// Weight of the owner's stake in a vote opened at `opened_at`: the stake that had been there for a week and is not cooling down.
    /// Active stake that a slash has set aside keeps its weight until the slash is upheld: judges cannot silence those who may overturn
    /// them.
    pub fn voting_weight(&self, opened_at: i64) -> u64 {
        let aside = match self.cooling.is_zero() {
            true => self.own_escrowed.get(),
            false => 0,
        };
        self.history().weight(self.counting().saturating_add(aside), opened_at)
    }

    /// Active co-stake, including what open slashes have set aside of it, which keeps voting and earning until they are upheld.
    pub fn whole_co_stake(&self) -> u64 {
        self.co_stake.get().saturating_add(self.co_escrowed.get())
    }

    /// Own stake outside bonds.
    pub fn unbonded(&self) -> u64 {
        self.own_stake.get().saturating_sub(self.locked_bond.get())
    }

    /// Own stake that counts for hours and votes: without bonds while a slash is due stake in them.
    fn counting(&self) -> u64 {
        match self.dues {
            0 => self.own_stake.get(),
            _ => self.unbonded(),
        }
    }

    fn history(&self) -> History {
        let mut history = History::default();
        for (raise, (at, aged)) in history.0.iter_mut().zip(self.raised_at.iter().zip(&self.aged)) {
            *raise = (at.get(), aged.get());
        }
        history
    }

    fn freshen(&mut self, amount: u64, now: i64) -> Result<()> {
        let hour = emission::number_of(now).ok_or(StakingError::BooksBroken)?;
        if self.fresh_hour.get() != hour {
            self.fresh_before = self.fresh_from(hour.saturating_sub(1)).into();
            self.fresh = PodU64::ZERO;
            self.fresh_hour = hour.into();
        }
        self.fresh = self.fresh.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        Ok(())
    }

    /// Stake that came in since the start of `hour`. That must be no earlier than the hour before the last one in which stake came in.
    fn fresh_from(&self, hour: u32) -> u64 {
        let (last, before) = (self.fresh_hour.get(), self.fresh_hour.get().saturating_sub(1));
        let now = if last >= hour { self.fresh.get() } else { 0 };
        let earlier = if before >= hour { self.fresh_before.get() } else { 0 };
        now.saturating_add(earlier)
    }

    /// Adds co-stake.
    pub fn add_co_stake(&mut self, amount: u64, now: i64) -> Result<()> {
        require!(amount > 0, StakingError::ZeroAmount);
        require!(self.status == STATUS_ACTIVE, StakingError::DeviceTerminated);
        require!(self.cooling.is_zero(), StakingError::CoolingDown);
        require!(self.offering == Offering::Open, StakingError::NoOffer);
        // Otherwise someone could join at the slashed price and share what an overturned slash returns.
        require!(self.escrowed.is_zero(), StakingError::SlashOpen);
        // What is due may be the owner's whole stake.
        require!(self.dues == 0, StakingError::DueOpen);
        self.co_stake = self.co_stake.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        let cooling = self.co_cooling_shares.get();
        let all = costake::shares_for(Amount(self.co_stake.get()), cooling, Amount(self.co_cooling.get()));
        let all = all.and_then(|shares| shares.checked_add(cooling));
        require!(all.is_some_and(|all| all < costake::MOST_SHARES), StakingError::CoolingWorthless);
        self.freshen(amount, now)?;
        self.invariant()
    }

    /// Moves co-stake to the cooling pool, where it no longer counts; returns the shares of that pool that it buys, rounded down.
    pub fn cool_co_stake(&mut self, amount: u64) -> Result<u64> {
        // Otherwise co-stakers who moved between the pools would share what an overturned slash returns to the other pool.
        require!(self.escrowed.is_zero(), StakingError::SlashOpen);
        let (active, pool) = (Amount(self.co_stake.get()), Amount(self.co_cooling.get()));
        let shares = costake::cooling_shares(Amount(amount), active, self.co_cooling_shares.get(), pool);
        self.co_stake = self.co_stake.checked_sub(amount).ok_or(StakingError::BooksBroken)?;
        self.co_cooling = self.co_cooling.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        self.co_cooling_shares = self.co_cooling_shares.checked_add(shares).ok_or(StakingError::BooksBroken)?;
        self.invariant()?;
        Ok(shares)
    }

    /// Withdraws shares of the cooling pool; returns their value, rounded down.
    pub fn withdraw_co_stake(&mut self, shares: u64) -> Result<u64> {
        let all = self.co_cooling_shares.get();
        let left = all.checked_sub(shares).ok_or(StakingError::BooksBroken)?;
        // The last shares take the dust of rounding.
        let amount = match left {
            0 => self.co_cooling.get(),
            _ => costake::worth(shares, all, Amount(self.co_cooling.get())).0,
        };
        self.co_cooling = self.co_cooling.checked_sub(amount).ok_or(StakingError::BooksBroken)?;
        self.co_cooling_shares = left.into();
        self.invariant()?;
        Ok(amount)
    }

    /// Starts or ends sharing rewards. A device has one offer at a time, and cannot end it while it has co-stake.
    pub fn set_offering(&mut self, offering: u8) -> Result<()> {
        let ends = offering == Offering::Nothing;
        require!(
            !ends || (self.co_stake.is_zero() && self.forced_at.is_zero()),
            StakingError::CoStaked
        );
        // An offer relies on the owner's stake, part of which is due.
        require!(self.dues == 0 || offering != Offering::Open, StakingError::DueOpen);
        self.offering = offering;
        self.invariant()
    }

    /// Clears the record of the owner's exit once the offer has recorded it.
    pub fn take_forced(&mut self) -> Result<()> {
        require!(!self.forced_at.is_zero(), StakingError::NotForced);
        (self.forced_at, self.forced_cooldown, self.forced_shares) = (PodI64::ZERO, PodU32::ZERO, PodU64::ZERO);
        self.invariant()
    }

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
        let late = self.fresh_from(hour);
        let staked = Amount(self.counting())
            .checked_add(Amount(self.co_stake.get()))
            .ok_or(StakingError::BooksBroken)?;
        require!(staked.saturating_sub(Amount(late)) >= minimum, StakingError::BelowMinimumStake);
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

    /// Sets the connectivity tier, 1 to 4: a device can be ranked below others, but never at zero.
    pub fn set_tier(&mut self, tier: u8) -> Result<()> {
        require!((1..=MAX_TIER).contains(&tier), StakingError::InvalidTier);
        self.tier = tier;
        Ok(())
    }

    /// Own stake that may leave without a cooldown: the part above the minimum and outside bonds (D5). While the device has an offer, own
    /// stake of half the minimum has to stay, even if a cut of the minimum leaves it covered by co-stake alone (E26). Zero while a slash is
    /// due stake in bonds.
    pub fn overflow(&self, minimum: Amount) -> u64 {
        if self.dues != 0 {
            return 0;
        }
        let own = self.own_stake.get();
        let overflow = stake::overflow(Amount(own), Amount(self.co_stake.get()), minimum).0;
        let kept = match self.offering == Offering::Nothing {
            true => 0,
            false => minimum.0.div_ceil(2),
        };
        overflow.min(self.unbonded()).min(own.saturating_sub(kept))
    }

    /// Withdraws `amount` of own stake without a cooldown.
    pub fn withdraw_overflow(&mut self, amount: u64, minimum: Amount) -> Result<()> {
        require!(amount > 0, StakingError::ZeroAmount);
        require!(self.dues == 0, StakingError::DueOpen);
        require!(amount <= self.overflow(minimum), StakingError::ExceedsOverflow);
        self.own_stake = self.own_stake.checked_sub(amount).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Starts the cooldown of the whole own stake; returns the amount (D2, D6).
    pub fn unstake(&mut self, now: i64, cooldown: u32) -> Result<u64> {
        let amount = self.own_stake.get();
        require!(amount > 0, StakingError::NothingStaked);
        require!(self.open_jobs.is_zero(), StakingError::DeviceBusy);
        require!(self.dues == 0, StakingError::DueOpen);
        require!(self.offering != Offering::Open, StakingError::OfferOpen);
        self.own_stake = PodU64::ZERO;
        self.cooling = amount.into();
        self.cooldown_ends = now.saturating_add(i64::from(cooldown)).into();
        if !self.co_stake.is_zero() {
            // All co-stake leaves with the owner, from the same moment on (E19).
            self.forced_shares = self.cool_co_stake(self.co_stake.get())?.into();
            self.forced_at = now.into();
            self.forced_cooldown = cooldown.into();
        }
        self.invariant()?;
        Ok(amount)
    }

    /// Withdraws the cooling stake once its cooldown has ended; returns the amount (D4).
    pub fn withdraw(&mut self, now: i64) -> Result<u64> {
        let amount = self.cooling.get();
        require!(amount > 0, StakingError::NothingToWithdraw);
        require!(now >= self.cooldown_ends.get(), StakingError::CooldownNotOver);
        self.cooling = PodU64::ZERO;
        self.cooldown_ends = PodI64::ZERO;
        self.invariant()?;
        Ok(amount)
    }

    /// Retires the device; its stake stays until unstaked (B10).
    pub fn terminate(&mut self) -> Result<()> {
        require!(self.status == STATUS_ACTIVE, StakingError::DeviceTerminated);
        require!(self.open_jobs.is_zero(), StakingError::DeviceBusy);
        self.status = STATUS_TERMINATED;
        self.invariant()
    }

    /// Locks `bond` for a new job. Fails unless the device may be hired and its free own stake covers the bond (C6, I13).
    pub fn lock_bond(&mut self, bond: u64, config: &StakingConfig, gpu: &GpuModel, now: i64) -> Result<()> {
        require!(bond > 0, StakingError::ZeroAmount);
        require!(self.dues == 0, StakingError::DueOpen);
        require!(self.status == STATUS_ACTIVE, StakingError::DeviceTerminated);
        require!(!gpu.multiplier_x100.is_zero(), StakingError::GpuModelNotListed);
        let hireable_at = self.registered_at.get().saturating_add(i64::from(config.probation.get()));
        require!(now >= hireable_at, StakingError::OnProbation);
        let minimum = self.minimum(config, gpu, now)?;
        let staked = Amount(self.own_stake.get())
            .checked_add(Amount(self.co_stake.get()))
            .ok_or(StakingError::BooksBroken)?;
        require!(staked >= minimum, StakingError::BelowMinimumStake);
        let locked = self.locked_bond.checked_add(bond).ok_or(StakingError::BooksBroken)?;
        require!(locked <= self.own_stake, StakingError::InsufficientFreeStake);
        self.locked_bond = locked;
        self.open_jobs = self.open_jobs.checked_add(1).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Releases the bond of a finished job.
    pub fn release_bond(&mut self, bond: u64) -> Result<()> {
        self.unlock(bond)?;
        self.jobs_done = self.jobs_done.saturating_add(1);
        self.clean_jobs = self.clean_jobs.saturating_add(1);
        self.invariant()
    }

    /// Releases the bond of a missed job; `penalty`, at most the bond, is forfeited (H9).
    pub fn slash_bond(&mut self, bond: u64, penalty: u64) -> Result<()> {
        require!(penalty <= bond, StakingError::BondNotLocked);
        self.unlock(bond)?;
        self.own_stake = self.own_stake.checked_sub(penalty).ok_or(StakingError::BooksBroken)?;
        self.forfeited = self.forfeited.checked_add(penalty).ok_or(StakingError::BooksBroken)?;
        self.jobs_missed = self.jobs_missed.saturating_add(1);
        self.clean_jobs = PodU32::ZERO;
        self.invariant()
    }

    /// Takes the whole bond of a job whose result was proved wrong: `compensation` leaves the vault at once, the rest is owed.
    pub fn convict_bond(&mut self, bond: u64, compensation: u64) -> Result<()> {
        let owed = bond.checked_sub(compensation).ok_or(StakingError::BondNotLocked)?;
        self.unlock(bond)?;
        self.own_stake = self.own_stake.checked_sub(bond).ok_or(StakingError::BooksBroken)?;
        self.owed = self.owed.checked_add(owed).ok_or(StakingError::BooksBroken)?;
        self.jobs_convicted = self.jobs_convicted.saturating_add(1);
        self.clean_jobs = PodU32::ZERO;
        self.invariant()
    }

    /// Ends a conviction: `reward` leaves the vault, `burned` is forfeited.
    pub fn pay_reward(&mut self, reward: u64, burned: u64) -> Result<()> {
        let ends = reward.checked_add(burned).ok_or(StakingError::NotOwed)?;
        self.owed = self.owed.checked_sub(ends).ok_or(StakingError::NotOwed)?;
        self.forfeited = self.forfeited.checked_add(burned).ok_or(StakingError::BooksBroken)?;
        self.invariant()
    }

    /// Reverses the conviction for an error that a permit excuses: `returned` of what is owed becomes stake again, active or cooling like
    /// the owner's other stake, and `jackpot` more is owed.
    pub fn pardon(&mut self, returned: u64, jackpot: u64) -> Result<()> {
        let owed = self.owed.checked_sub(returned).ok_or(StakingError::NotOwed)?;
        self.owed = owed.checked_add(jackpot).ok_or(StakingError::BooksBroken)?;
        let stake = if self.cooling.is_zero() {
            &mut self.own_stake
        } else {
            &mut self.cooling
        };
        *stake = stake.checked_add(returned).ok_or(StakingError::BooksBroken)?;
        self.jobs_convicted = self.jobs_convicted.checked_sub(1).ok_or(StakingError::NotOwed)?;
        self.invariant()
    }

    fn unlock(&mut self, bond: u64) -> Result<()> {
        self.locked_bond = self.locked_bond.checked_sub(bond).ok_or(StakingError::BondNotLocked)?;
        self.open_jobs = self.open_jobs.checked_sub(1).ok_or(StakingError::BondNotLocked)?;
        Ok(())
    }

    /// Sets aside a share of all stake, rounded up: from the owner's stake first, active or cooling; then from the co-stake, active and
    /// cooling alike (H4, D8). If part of the owner's share is in bonds, it is due when they are released, and is not taken from co-stakers
    /// instead. A part of each pool of co-stake always remains, see [`costake::beyond_slash`]. Returns the parts, whether the owner's part
    /// was cooling, and what is due.
    pub fn escrow(&mut self, share: Bps) -> Result<([u64; 3], bool, u64)> {
        let of_cooling = !self.cooling.is_zero();
        let (own, reachable) = match of_cooling {
            true => (self.cooling.get(), self.cooling.get()),
            false => (self.own_stake.get(), self.unbonded()),
        };
        let [active, cooling] =
            [self.co_stake, self.co_cooling].map(|pool| pool.get().saturating_sub(costake::beyond_slash(Amount(pool.get())).0));
        let co = active.checked_add(cooling).ok_or(StakingError::BooksBroken)?;
        let all = own.checked_add(co).ok_or(StakingError::BooksBroken)?;
        let whole = Amount(all).share_ceil(share).0;
        let of_own = whole.min(own);
        let rest = whole.saturating_sub(of_own);
        // Rounded up, so that the cooling pool is not cut by more than the active pool, which may still move there.
        let of_active = math::mul_div_ceil(rest, active, co).unwrap_or(0);
        let parts = [of_own.min(reachable), of_active, rest.saturating_sub(of_active)];
        let due = of_own.saturating_sub(reachable);
        require!(parts != [0; 3] || due > 0, StakingError::NothingStaked);
        let [own, active, cooling] = parts;
        let place = if of_cooling { &mut self.cooling } else { &mut self.own_stake };
        *place = place.checked_sub(own).ok_or(StakingError::BooksBroken)?;
        self.co_stake = self.co_stake.checked_sub(active).ok_or(StakingError::BooksBroken)?;
        self.co_cooling = self.co_cooling.checked_sub(cooling).ok_or(StakingError::BooksBroken)?;
        self.set_aside(parts, of_cooling)?;
        if due > 0 {
            self.dues = self.dues.checked_add(1).ok_or(StakingError::BooksBroken)?;
        }
        self.invariant()?;
        Ok((parts, of_cooling, due))
    }

    /// Sets aside as much of a slash's `due` as is outside bonds; returns that amount and what is still due. Once the last bond is released
    /// nothing is due any more: what penalties and convictions have taken in the meantime is gone.
    pub fn escrow_due(&mut self, due: u64) -> Result<(u64, u64)> {
        let taken = due.min(self.unbonded());
        let left = match self.open_jobs.is_zero() {
            true => 0,
            false => due.saturating_sub(taken),
        };
        require!(taken > 0 || left == 0, StakingError::DueBonded);
        self.own_stake = self.own_stake.checked_sub(taken).ok_or(StakingError::BooksBroken)?;
        self.set_aside([taken, 0, 0], false)?;
        if left == 0 {
            self.dues = self.dues.checked_sub(1).ok_or(StakingError::BooksBroken)?;
        }
        self.invariant()?;
        Ok((taken, left))
    }

    /// Returns each part of a slash to where it was taken, and cancels its `due`. The part of cooling co-stake beyond one base unit per
    /// remaining share is forfeited, because the holders of the other shares have left.
    ///
    /// The owner's stake is active or cooling, never both. A part taken `of_cooling` stake becomes active if the owner has staked again
    /// since. A part taken from active stake cools down if the owner has unstaked the rest since; the cooldown of all of it then starts
    /// again at `now`, so that no stake leaves without a full cooldown.
    pub fn unescrow(&mut self, [own, active, cooling]: [u64; 3], of_cooling: bool, due: u64, now: i64, cooldown: u32) -> Result<()> {
        let back = cooling.min(self.co_cooling_shares.get().saturating_sub(self.co_cooling.get()));
        // If something is due, the owner has staked again since, even if none of that stake is left.
        let idle = self.own_stake.is_zero() && self.dues == 0;
        let cools = !self.cooling.is_zero() || (of_cooling && idle);
        if cools && !of_cooling && own > 0 {
            let ends = now.saturating_add(cooldown.into());
            self.cooldown_ends = self.cooldown_ends.get().max(ends).into();
        }
        let moves = [
            (if cools { &mut self.cooling } else { &mut self.own_stake }, own),
            (&mut self.co_stake, active),
            (&mut self.co_cooling, back),
            (&mut self.forfeited, cooling.saturating_sub(back)),
        ];
        for (place, amount) in moves {
            *place = place.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        }
        self.end_aside([own, active, cooling], of_cooling)?;
        if due > 0 {
            self.dues = self.dues.checked_sub(1).ok_or(StakingError::BooksBroken)?;
        }
        self.invariant()
    }

    /// Upholds a slash: what it set aside is forfeited, to be burned. Returns the amount.
    pub fn uphold(&mut self, parts: [u64; 3], of_cooling: bool) -> Result<u64> {
        let all = self.end_aside(parts, of_cooling)?;
        self.forfeited = self.forfeited.checked_add(all).ok_or(StakingError::BooksBroken)?;
        self.invariant()?;
        Ok(all)
    }

    /// Books the parts of a slash as set aside.
    fn set_aside(&mut self, [own, active, cooling]: [u64; 3], of_cooling: bool) -> Result<()> {
        if !of_cooling {
            self.own_escrowed = self.own_escrowed.checked_add(own).ok_or(StakingError::BooksBroken)?;
        }
        self.co_escrowed = self.co_escrowed.checked_add(active).ok_or(StakingError::BooksBroken)?;
        for part in [own, active, cooling] {
            self.escrowed = self.escrowed.checked_add(part).ok_or(StakingError::BooksBroken)?;
        }
        Ok(())
    }

    /// Books the parts of a slash as no longer set aside; returns their sum.
    fn end_aside(&mut self, parts: [u64; 3], of_cooling: bool) -> Result<u64> {
        let [own, active, _] = parts;
        let all = parts.iter().try_fold(0u64, |sum, part| sum.checked_add(*part));
        let all = all.ok_or(StakingError::BooksBroken)?;
        if !of_cooling {
            self.own_escrowed = self.own_escrowed.checked_sub(own).ok_or(StakingError::BooksBroken)?;
        }
        self.co_escrowed = self.co_escrowed.checked_sub(active).ok_or(StakingError::BooksBroken)?;
        self.escrowed = self.escrowed.checked_sub(all).ok_or(StakingError::BooksBroken)?;
        Ok(all)
    }

    /// Clears the forfeited stake; returns the amount.
    pub fn take_forfeited(&mut self) -> Result<u64> {
        let amount = self.forfeited.get();
        require!(amount > 0, StakingError::NothingForfeited);
        self.forfeited = PodU64::ZERO;
        self.invariant()?;
        Ok(amount)
    }

    /// Emits a move of stake with the balances after it.
    pub fn announce_stake(&self, device: Address, kind: StakeMove, amount: u64) {
        emit!(StakeMoved {
            device,
            kind,
            amount,
            own_stake: self.own_stake.get(),
            cooling: self.cooling.get(),
            cooldown_ends: self.cooldown_ends.get(),
            co_stake: self.co_stake.get(),
            co_cooling: self.co_cooling.get(),
            escrowed: self.escrowed.get(),
            forfeited: self.forfeited.get(),
            owed: self.owed.get(),
        });
    }

    /// Fails unless the device can be closed.
    pub fn check_closable(&self) -> Result<()> {
        let rewarded = self.rewards.is_zero() && self.pending().next().is_none();
        require!(
            self.status == STATUS_TERMINATED && self.total()? == 0 && self.dues == 0 && rewarded && self.offering == Offering::Nothing,
            StakingError::DeviceNotEmpty
        );
        Ok(())
    }
}
