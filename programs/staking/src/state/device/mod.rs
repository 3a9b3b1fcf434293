//! A device's account. Its transitions are in one file for each subject.

mod bond;
mod costake;
mod hours;
mod slash;
mod stake;

use super::{GpuModel, POOL_COMMUNITY, StakingConfig};
use crate::error::StakingError;
use crate::events::{StakeMove, StakeMoved};
use anchor_lang::prelude::*;
use protocol::stake::MAX_QUANTITY;
use protocol::units::Amount;

/// [`Device::status`] of a device that is in service.
pub const STATUS_ACTIVE: u8 = 0;
/// [`Device::status`] of a retired device.
pub const STATUS_TERMINATED: u8 = 1;
/// Best connectivity tier (B5).
pub const MAX_TIER: u8 = 4;

/// A supplier's machine: its keys, its stake and its record. PDA `["device", first key]`.
///
/// The device's vault (token account `["vault", device]`) holds at least its own stake and co-stake, active and cooling, and what is set
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
    /// The last hour from which a call was answered.
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
    /// Stake set aside by open slashes, in $IO base units.
    pub aside: PodU64,
    /// Seconds that `forced_shares` cool down from `forced_at` on: the cooldown in force then (K3).
    pub forced_cooldown: PodU32,
    /// Number of slashes that are due own stake in bonds; see `Slash::due`.
    pub dues: u8,
    /// Part of `aside` that was taken from the owner's active stake, in $IO base units.
    pub own_aside: PodU64,
    /// Part of `aside` that was taken from active co-stake, in $IO base units.
    pub co_aside: PodU64,
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

    /// Writes a new device: on probation, without stake, in the lowest connectivity tier, with payments to its owner.
    pub fn create(
        &mut self,
        (owner, key): (Address, Address),
        gpu: &GpuModel,
        quantity: u8,
        now: i64,
        (bump, vault_bump): (u8, u8),
    ) -> Result<()> {
        require!(gpu.listed.get(), StakingError::GpuModelNotListed);
        require!((1..=MAX_QUANTITY).contains(&quantity), StakingError::InvalidQuantity);
        self.owner = owner;
        self.payout = owner;
        self.key = key;
        self.first_key = key;
        self.registered_at = now.into();
        self.gpu_model = gpu.id;
        self.quantity = quantity;
        self.tier = 1;
        self.bump = bump;
        self.vault_bump = vault_bump;
        self.version = 1;
        self.invariant()
    }

    /// The least amount that the vault must hold.
    pub fn total(&self) -> Result<u64> {
        let parts = [
            self.own_stake,
            self.co_stake,
            self.cooling,
            self.co_cooling,
            self.aside,
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
            && (1..=MAX_QUANTITY).contains(&self.quantity)
            && self.status <= STATUS_TERMINATED
            && (1..=MAX_TIER).contains(&self.tier)
            && self.streak_hour <= self.last_hour
            && self.offering <= Offering::Closed
            && (self.dues == 0 || self.cooling.is_zero())
            && self.co_cooling <= self.co_cooling_shares
            && self.own_aside.checked_add(self.co_aside.get()).is_some_and(|sum| sum <= self.aside)
            && self
                .pending()
                .all(|(hour, pool, _)| hour <= self.last_hour.get() && pool <= POOL_COMMUNITY);
        require!(sound, StakingError::BooksBroken);
        Ok(())
    }

    /// Fails unless the device may be hired, whatever its stake: it is in service, of a GPU model that earns, and no longer on probation.
    pub fn check_operational(&self, config: &StakingConfig, gpu: &GpuModel, now: i64) -> Result<()> {
        require!(self.status == STATUS_ACTIVE, StakingError::DeviceTerminated);
        require!(!gpu.multiplier_x100.is_zero(), StakingError::GpuModelNotListed);
        let hireable_at = self.registered_at.get().saturating_add(i64::from(config.probation.get()));
        require!(now >= hireable_at, StakingError::OnProbation);
        Ok(())
    }

    /// Minimum stake at `now` (C1).
    pub fn minimum(&self, config: &StakingConfig, gpu: &GpuModel, now: i64) -> Result<Amount> {
        require!(gpu.id == self.gpu_model, StakingError::WrongGpuModel);
        protocol::stake::minimum(config.required_base(now), gpu.required_multiplier(now), self.quantity)
            .ok_or(StakingError::BooksBroken.into())
    }

    /// Sets the connectivity tier, 1 to 4: a device can be ranked below others, but never at zero.
    pub fn set_tier(&mut self, tier: u8) -> Result<()> {
        require!((1..=MAX_TIER).contains(&tier), StakingError::InvalidTier);
        self.tier = tier;
        Ok(())
    }

    /// Retires the device; its stake stays until unstaked (B10).
    pub fn terminate(&mut self) -> Result<()> {
        require!(self.status == STATUS_ACTIVE, StakingError::DeviceTerminated);
        require!(self.open_jobs.is_zero(), StakingError::DeviceBusy);
        self.status = STATUS_TERMINATED;
        self.invariant()
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
            aside: self.aside.get(),
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
