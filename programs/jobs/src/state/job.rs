use super::Config;
use crate::error::JobsError;
use anchor_lang::prelude::*;
use protocol::batch::MAX_UNITS;
use protocol::fees::{self, Quote};
use protocol::hash::{Hash, Tag, tagged};
use protocol::trace::{self, JobFacts};
use protocol::units::{Amount, Bps, Moment};
use protocol::{price, sortition};

/// Longest of a job's durations, and the most an extension may add at a time: a week.
pub const MAX_DURATION: u32 = 7 * 86_400;
/// [`JobTerms::gpu_model`] when any will do.
pub const ANY_GPU: u16 = u16::MAX;

/// Where a job stands. The account is closed when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Waiting for a device.
    Open = 0,
    /// A device is working; its deadline runs.
    Assigned = 1,
    /// A commitment is posted; the reveal's deadline runs.
    Committed = 2,
    /// The result is public; the challenge window runs.
    Revealed = 3,
}

/// What a consumer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct JobTerms {
    /// Root of the inputs batch, which is also the address of its blob.
    pub inputs: [u8; 32],
    /// Price per unit at the start of the auction, in base units of the escrow's mint.
    pub start_price: u64,
    /// Price per unit at its end.
    pub max_price: u64,
    /// What the worker puts at stake, in $IO base units.
    pub bond: u64,
    /// What a wrong result could be worth to somebody, in $IO base units; part of the policy that sizes audits and bonds.
    pub value_at_risk: u64,
    /// Units of work (tiles, prompts).
    pub units: u32,
    /// Seconds from start to maximum price.
    pub auction_seconds: u32,
    /// Seconds the job waits for a claim.
    pub open_seconds: u32,
    /// Seconds the worker has from claim to commit.
    pub run_seconds: u32,
    /// Seconds of the challenge window.
    pub window_seconds: u32,
    /// Smallest memory of one GPU, GiB.
    pub min_vram_gb: u16,
    /// Smallest earning multiplier times 100 of one GPU.
    pub min_multiplier_x100: u16,
    /// Exact GPU model, or [`ANY_GPU`].
    pub gpu_model: u16,
    /// Jobs the device must have done.
    pub min_jobs_done: u16,
    /// Share of audits beyond the market's own.
    pub audit_bps: u16,
    /// Devices that compute the job independently.
    pub replicas: u8,
}

impl JobTerms {
    /// Refuses what no device could serve or no escrow pay.
    pub fn validate(&self, config: &Config) -> Result<()> {
        require!((1..=MAX_UNITS).contains(&self.units), JobsError::InvalidUnits);
        require!(self.max_price > 0 && self.start_price <= self.max_price, JobsError::InvalidPrice);
        let durations = [self.open_seconds, self.run_seconds, self.window_seconds];
        let sensible = durations.iter().all(|seconds| (1..=MAX_DURATION).contains(seconds)) && self.auction_seconds <= self.open_seconds;
        require!(sensible, JobsError::InvalidDuration);
        require!(self.bond >= config.min_bond.get(), JobsError::BondTooSmall);
        require!(self.replicas == 1 && self.audit_bps == 0, JobsError::UnsupportedPolicy);
        Ok(())
    }

    /// Hash of the terms that decide how a result is checked.
    pub fn policy(&self) -> Hash {
        let (bond, value) = (self.bond.to_le_bytes(), self.value_at_risk.to_le_bytes());
        let (run, window) = (self.run_seconds.to_le_bytes(), self.window_seconds.to_le_bytes());
        let audit = self.audit_bps.to_le_bytes();
        tagged(Tag::Policy, [&bond, &value, &run, &window, &audit, &[self.replicas]])
    }
}

/// One job under one escrow and one commitment. PDA `["job", escrow, id u64 le]`; the consumer chooses the id.
///
/// 437 bytes with its discriminator: at most 0.00393 SOL of rent, returned by the transaction that ends the job.
#[account]
pub struct Job {
    pub escrow: Address,
    /// The registered model's account.
    pub model: Address,
    /// The device that took the job; zero before.
    pub device: Address,
    /// JOB: what a result is bound to.
    pub job_hash: [u8; 32],
    /// Root of the inputs batch.
    pub inputs: [u8; 32],
    /// COMMIT; zero before.
    pub commitment: [u8; 32],
    /// Roots of traces and outputs; zero before the reveal.
    pub traces: [u8; 32],
    pub outputs: [u8; 32],
    pub id: PodU64,
    pub start_price: PodU64,
    pub max_price: PodU64,
    /// Price per unit, fixed by the claim.
    pub price: PodU64,
    /// Set aside in the escrow: the highest cost.
    pub locked: PodU64,
    pub bond: PodU64,
    pub opened_slot: PodU64,
    pub opened_at: PodI64,
    /// End of the present state by each clock: of the offer, the run, the reveal or the window.
    pub deadline_slot: PodU64,
    pub deadline_at: PodI64,
    /// When the present state began, by each clock: the auditors' draw looks from the commit on.
    pub since_slot: PodU64,
    pub units: PodU32,
    pub auction_seconds: PodU32,
    pub run_seconds: PodU32,
    pub window_seconds: PodU32,
    /// Lamports for whoever ends the job, on top of the rent.
    pub bounty: PodU32,
    pub min_vram_gb: PodU16,
    pub min_multiplier_x100: PodU16,
    pub gpu_model: PodU16,
    pub min_jobs_done: PodU16,
    pub fee_bps: PodU16,
    pub surcharge_bps: PodU16,
    pub penalty_bps: PodU16,
    /// See [`Status`].
    pub status: u8,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 48],
}

const _: () = assert!(core::mem::size_of::<Job>() + 8 == 437, "a job's rent is promised in README.md");

impl Job {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"job";

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
        self.run_seconds = terms.run_seconds.into();
        self.window_seconds = terms.window_seconds.into();
        self.bounty = config.bounty;
        self.min_vram_gb = terms.min_vram_gb.into();
        self.min_multiplier_x100 = terms.min_multiplier_x100.into();
        self.gpu_model = terms.gpu_model.into();
        self.min_jobs_done = terms.min_jobs_done.into();
        // The fees of the day the job was opened stay with it (K3).
        self.fee_bps = config.fee_bps;
        self.surcharge_bps = if foreign_mint { config.surcharge_bps } else { PodU16::ZERO };
        self.penalty_bps = config.penalty_bps;
        self.bump = bump;
        self.version = 1;
        self.enter(Status::Open, now, terms.open_seconds);
        let highest = self.quote_at(Amount(terms.max_price))?;
        self.locked = highest.consumer_pays.0.into();
        self.invariant()?;
        Ok(highest.consumer_pays.0)
    }

    fn enter(&mut self, status: Status, now: Moment, seconds: u32) {
        let deadline = now.after(seconds);
        self.status = status as u8;
        self.since_slot = now.slot.into();
        self.deadline_at = deadline.unix.into();
        self.deadline_slot = deadline.slot.into();
    }

    /// Fails unless the job stands at `status`.
    pub fn check_status(&self, status: Status) -> Result<()> {
        require!(self.status == status as u8, JobsError::WrongStatus);
        Ok(())
    }

    /// The present state's deadline.
    pub fn deadline(&self) -> Moment {
        Moment {
            unix: self.deadline_at.get(),
            slot: self.deadline_slot.get(),
        }
    }

    /// The split of `price` per unit over all units.
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

    /// Whether a ticket drawn with the hash of `seed_slot` is admitted at `slot`.
    pub fn admits(&self, address: &Address, device: &Address, seed: &Hash, seed_slot: u64, slot: u64, window: u16) -> bool {
        let ticket = sortition::ticket(seed, address.as_array(), device.as_array());
        ticket <= sortition::threshold(slot.saturating_sub(seed_slot), u64::from(window))
    }

    /// Hands the open job to `device` at the auction's price, which must reach `min_price`.
    pub fn claim(&mut self, device: Address, min_price: u64, now: Moment) -> Result<()> {
        self.check_status(Status::Open)?;
        require!(!now.reached(self.deadline()), JobsError::JobExpired);
        let price = self.price_at(now.unix);
        require!(price.0 >= min_price, JobsError::PriceTooLow);
        self.device = device;
        self.price = price.0.into();
        self.enter(Status::Assigned, now, self.run_seconds.get());
        self.invariant()
    }

    /// Records the commitment, in time.
    pub fn commit(&mut self, commitment: Hash, reveal_seconds: u32, now: Moment) -> Result<()> {
        self.check_status(Status::Assigned)?;
        require!(!now.reached(self.deadline()), JobsError::DeadlinePassed);
        self.commitment = commitment;
        self.enter(Status::Committed, now, reveal_seconds);
        Ok(())
    }

    /// Opens the commitment, in time, and starts the window.
    pub fn reveal(&mut self, traces: Hash, outputs: Hash, nonce: &Hash, now: Moment) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(!now.reached(self.deadline()), JobsError::DeadlinePassed);
        let party = self.device.as_array();
        let result = trace::result(&self.job_hash, party, &traces, &outputs);
        require!(
            trace::commit(&result, party, nonce) == self.commitment,
            JobsError::CommitmentMismatch
        );
        self.traces = traces;
        self.outputs = outputs;
        self.enter(Status::Revealed, now, self.window_seconds.get());
        Ok(())
    }

    /// What a missed deadline costs the worker: a share of the bond, rounded up.
    pub fn penalty(&self) -> u64 {
        Amount(self.bond.get()).share_ceil(Bps::saturating(self.penalty_bps.get())).0
    }

    /// Moves the present deadline of a job that waits for a claim or a commit.
    pub fn extend(&mut self, seconds: u32, now: Moment) -> Result<()> {
        require!(self.status <= Status::Assigned as u8, JobsError::WrongStatus);
        require!((1..=MAX_DURATION).contains(&seconds), JobsError::InvalidDuration);
        require!(!now.reached(self.deadline()), JobsError::DeadlinePassed);
        let deadline = self.deadline().after(seconds);
        self.deadline_at = deadline.unix.into();
        self.deadline_slot = deadline.slot.into();
        Ok(())
    }

    /// Fails unless the job stands at `status` and its deadline has passed.
    pub fn check_overdue(&self, status: Status, now: Moment) -> Result<()> {
        self.check_status(status)?;
        require!(now.reached(self.deadline()), JobsError::DeadlineNotPassed);
        Ok(())
    }

    /// The lock covers every price the auction can reach, and a device stands for the job exactly from the claim on.
    pub fn invariant(&self) -> Result<()> {
        let highest = self.quote_at(Amount(self.max_price.get()))?;
        let unassigned = self.device == Address::default();
        let sound = self.locked.get() == highest.consumer_pays.0
            && self.price.get() <= self.max_price.get()
            && unassigned == (self.status == Status::Open as u8)
            && self.status <= Status::Revealed as u8;
        require!(sound, JobsError::BooksBroken);
        Ok(())
    }
}
