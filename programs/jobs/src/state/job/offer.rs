//! From the opening to the claim: terms, price, bond, and who may take the job.

use super::{Job, Status};
use crate::error::JobsError;
use crate::state::{ANY_GPU, Config, JobTerms, MAX_DURATION};
use anchor_lang::prelude::*;
use protocol::fees::{self, Quote};
use protocol::hash::Hash;
use protocol::trace::JobFacts;
use protocol::units::{Amount, Bps, Clocks, Moment};
use protocol::{audit, bond, price, sortition};
use staking::{Device, GpuModel};

/// Latest deadline that an extension may set, in seconds after the opening of the job. There is one because a slash cannot reach a bond
/// while its job is in progress.
pub const MAX_EXTENDED_DEADLINE: u32 = 30 * 86_400;

impl Job {
    /// Writes a new job; returns what must be locked for it.
    #[allow(clippy::too_many_arguments)]
    pub fn open(
        &mut self,
        id: u64,
        address: Address,
        escrow: Address,
        (model, model_hash): (Address, Hash),
        terms: &JobTerms,
        config: &Config,
        foreign_mint: bool,
        now: Moment,
        bump: u8,
    ) -> Result<u64> {
        terms.validate(config)?;
        require!(id >= u64::from(terms.replica), JobsError::UnsupportedPolicy);
        let facts = JobFacts {
            program: *crate::ID.as_array(),
            cluster: config.cluster,
            job: *address.as_array(),
            opened_slot: now.slot,
            model: model_hash,
            inputs: terms.inputs,
            units: terms.units,
            policy: terms.policy(),
        };
        self.escrow = escrow;
        self.model = model;
        self.job_hash = facts.hash();
        self.inputs = terms.inputs;
        self.id = id.into();
        self.start_price = terms.start_price.into();
        self.max_price = terms.max_price.into();
        self.bond = terms.bond.into();
        self.opened_slot = now.slot.into();
        self.opened_at = now.unix.into();
        self.units = terms.units.into();
        self.auction_seconds = terms.auction_seconds.into();
        self.open_seconds = terms.open_seconds.into();
        self.run_seconds = terms.run_seconds.into();
        self.window_seconds = terms.window_seconds.into();
        self.bounty = config.bounty;
        self.min_vram_gb = terms.min_vram_gb.into();
        self.min_multiplier_x100 = terms.min_multiplier_x100.into();
        self.gpu_model = terms.gpu_model.into();
        self.min_jobs_done = terms.min_jobs_done.into();
        // A job keeps the fees that were in force when it was opened (K3).
        self.fee_bps = config.fee_bps;
        self.surcharge_bps = if foreign_mint { config.surcharge_bps } else { PodU16::ZERO };
        self.penalty_bps = config.penalty_bps;
        self.value_at_risk = terms.value_at_risk.into();
        self.foreign_mint = foreign_mint.into();
        self.replicas = terms.replicas;
        self.replica = terms.replica;
        self.audit_bps = terms.audit_bps.into();
        self.bump = bump;
        self.version = 1;
        self.enter(Status::Open, now, terms.open_seconds);
        let highest = self.quote_at(Amount(terms.max_price))?;
        self.locked = highest.consumer_pays.0.into();
        // Fail now rather than open a job for which no bond is large enough.
        self.bond_at(terms.max_price, config)?;
        self.invariant()?;
        Ok(highest.consumer_pays.0)
    }

    /// What each party pays or gets at `price` per unit.
    pub fn quote_at(&self, price: Amount) -> Result<Quote> {
        let base = price.checked_times(u64::from(self.units.get())).ok_or(JobsError::InvalidPrice)?;
        fees::quote(base, Bps::saturating(self.fee_bps.get()), Bps::saturating(self.surcharge_bps.get()))
            .ok_or(JobsError::InvalidPrice.into())
    }

    /// The auction's price per unit at `unix`.
    pub fn price_at(&self, unix: i64) -> Amount {
        let elapsed = u64::try_from(unix.saturating_sub(self.opened_at.get())).unwrap_or(0);
        price::dutch(
            Amount(self.start_price.get()),
            Amount(self.max_price.get()),
            elapsed,
            u64::from(self.auction_seconds.get()),
        )
    }

    /// Bond for taking the job at `price` per unit: the consumer's minimum, or more if a lie would pay otherwise.
    ///
    /// A price in another mint than $IO counts as zero, since no oracle says what it is worth in $IO. Then only the consumer's minimum and
    /// its stated value at risk size the bond.
    pub fn bond_at(&self, price: u64, config: &Config) -> Result<u64> {
        let base = if self.foreign_mint.get() {
            Some(Amount::ZERO)
        } else {
            Amount(price).checked_times(u64::from(self.units.get()))
        };
        let watch = Bps::saturating(config.watch_bps.get());
        let required = base.and_then(|base| bond::of_job(base, Amount(self.value_at_risk.get()), watch, self.replicas));
        Ok(required.ok_or(JobsError::BondTooLarge)?.0.max(self.bond.get()))
    }

    /// The claimed price of all units together, without fees, in base units of the escrow's mint.
    pub fn full_price(&self) -> Result<Amount> {
        let price = Amount(self.price.get()).checked_times(self.units.get().into());
        Ok(price.ok_or(JobsError::InvalidPrice)?)
    }

    /// Whether a ticket drawn with the hash of `seed_slot` is admitted at `slot`.
    pub fn admits(&self, address: &Address, device: &Address, seed: &Hash, seed_slot: u64, slot: u64, window: u16) -> bool {
        let ticket = sortition::ticket(seed, address.as_array(), device.as_array());
        ticket <= sortition::threshold(slot.saturating_sub(seed_slot), u64::from(window))
    }

    /// Fails for a device that does not meet the consumer's requirements.
    pub fn check_requirements(&self, device: &Device, gpu: &GpuModel) -> Result<()> {
        let meets = (self.gpu_model == ANY_GPU || self.gpu_model == gpu.id)
            && gpu.vram_gb >= self.min_vram_gb
            && gpu.multiplier_x100 >= self.min_multiplier_x100
            && device.jobs_done.get() >= u32::from(self.min_jobs_done.get());
        require!(meets, JobsError::RequirementsNotMet);
        Ok(())
    }

    /// Assigns the open job to `device` at the auction's price, which must reach `min_price`, and fixes the bond and the chance of an
    /// audit. `clean_jobs` is the number of the device's jobs that have ended well in a row.
    pub fn claim(&mut self, device: Address, clean_jobs: u32, min_price: u64, config: &Config, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Open)?;
        require!(!self.is_due(clocks), JobsError::JobExpired);
        let price = self.price_at(clocks.now.unix);
        require!(price.0 >= min_price, JobsError::PriceTooLow);
        self.device = device;
        self.price = price.0.into();
        self.bond = self.bond_at(price.0, config)?.into();
        if self.replicas == 1 {
            let [floor, extra] = [config.audit_floor_bps, self.audit_bps].map(|share| Bps::saturating(share.get()));
            let rate = audit::rate(clean_jobs, config.audit_jobs.get(), floor, extra).get();
            // At most 10,000.
            self.audit_bps = u16::try_from(rate).unwrap_or(u16::MAX).into();
        }
        self.enter(Status::Assigned, clocks.now, self.run_seconds.get());
        self.invariant()
    }

    /// Extends the present deadline of a job that waits for a claim or a commitment.
    pub fn extend(&mut self, seconds: u32, clocks: Clocks) -> Result<()> {
        require!(self.replicas == 1, JobsError::ReplicasNotExtended);
        require!(self.status <= Status::Assigned, JobsError::WrongStatus);
        require!((1..=MAX_DURATION).contains(&seconds), JobsError::InvalidDuration);
        self.check_in_time(clocks)?;
        // Time that a restart has given is kept; setting `since_slot` below keeps it from being given a second time.
        let deadline = self.end(clocks).after(seconds);
        let last = self.opened_at.get().saturating_add(i64::from(MAX_EXTENDED_DEADLINE));
        require!(deadline.unix <= last, JobsError::InvalidDuration);
        self.since_slot = self.since_slot.get().max(clocks.restart).into();
        self.set_deadline(deadline);
        Ok(())
    }
}
