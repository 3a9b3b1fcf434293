//! A job's account. Its transitions are in one file for each subject.

mod audit;
mod dispute;
mod offer;
mod replicas;
mod result;

pub use audit::AuditStage;
pub use offer::MAX_EXTENDED_DEADLINE;

use crate::error::JobsError;
use anchor_lang::prelude::*;
use protocol::demand;
use protocol::hash::Hash;
use protocol::units::{Amount, Clocks, Moment};

protocol::coded! {
    /// Where a job stands. The account is closed when it ends.
    pub enum Status {
        /// Waiting for a device.
        Open = 0,
        /// A device is working; its deadline runs.
        Assigned = 1,
        /// A commitment is posted; the reveal's deadline runs.
        Committed = 2,
        /// The result is public; the challenge window runs.
        Revealed = 3,
        /// The result was proved wrong, and all parties but the challenger are settled. Until the deadline, evidence sealed earlier may
        /// take over its reward.
        Convicted = 4,
    }
}

/// One job under one escrow and one commitment. PDA `["job", escrow, id u64 le]`; the consumer chooses the id.
///
/// 437 bytes with its discriminator: at most 0.00393 SOL of rent, returned by the transaction that ends the job.
#[account]
pub struct Job {
    /// The escrow that pays.
    pub escrow: Address,
    /// The registered model's account.
    pub model: Address,
    /// The device that took the job; zero before.
    pub device: Address,
    /// JOB: what a claim and a result are bound to.
    pub job_hash: [u8; 32],
    /// Root of the inputs batch.
    pub inputs: [u8; 32],
    /// COMMIT; zero before.
    pub commitment: [u8; 32],
    /// Root of the traces; zero before the reveal.
    pub traces: [u8; 32],
    /// Root of the delivered outputs; zero before the reveal.
    pub outputs: [u8; 32],
    /// Number chosen by the consumer; a seed of the PDA.
    pub id: PodU64,
    /// Price per unit at the start of the auction, in base units of the escrow's mint.
    pub start_price: PodU64,
    /// Price per unit at the end of the auction, in base units of the escrow's mint.
    pub max_price: PodU64,
    /// Price per unit, fixed by the claim.
    pub price: PodU64,
    /// Amount locked in the escrow: the highest possible cost.
    pub locked: PodU64,
    /// The consumer's minimum until the claim, then what the worker has at stake.
    pub bond: PodU64,
    /// Slot of the opening; the first slot hash after it seeds the tickets.
    pub opened_slot: PodU64,
    /// When the job was opened, unix seconds.
    pub opened_at: PodI64,
    /// Slot in which the present state ends: the offer, the run, the reveal time, the challenge window or the priority period.
    pub deadline_slot: PodU64,
    /// When the present state ends, unix seconds; it has ended when both deadlines have passed.
    pub deadline_at: PodI64,
    /// Slot in which the present state began. A restart of the cluster after it extends the deadline; an audit draw counts its slots from
    /// it.
    pub since_slot: PodU64,
    /// Units of work.
    pub units: PodU32,
    /// Seconds from the start price to the maximum.
    pub auction_seconds: PodU32,
    /// Seconds from the claim to the commitment.
    pub run_seconds: PodU32,
    /// Seconds of the challenge window.
    pub window_seconds: PodU32,
    /// Lamports for the caller that ends the job, held on top of the rent.
    pub bounty: PodU32,
    /// Smallest memory of one GPU, GiB.
    pub min_vram_gb: PodU16,
    /// Least multiplier of the GPU model, in hundredths.
    pub min_multiplier_x100: PodU16,
    /// The GPU model that may claim, or `ANY_GPU`.
    pub gpu_model: PodU16,
    /// Least number of jobs that the device has completed.
    pub min_jobs_done: PodU16,
    /// Fee of each side as of the opening, in basis points (K3).
    pub fee_bps: PodU16,
    /// Surcharge of each side as of the opening, in basis points; zero for $IO.
    pub surcharge_bps: PodU16,
    /// Share of the bond that a missed deadline costs, as of the opening, in basis points.
    pub penalty_bps: PodU16,
    /// See [`Status`].
    pub status: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// What a wrong result could be worth to an attacker, in $IO base units.
    pub value_at_risk: PodU64,
    /// Whether the job is paid in another mint than $IO, so that the chain cannot tell what its price is worth.
    pub foreign_mint: PodBool,
    /// Demands opened so far.
    pub demanded: u8,
    /// Demands still without an answer.
    pub open_demands: u8,
    /// Seconds of the worker's time budget that slow answers have used up.
    pub answer_used: PodU16,
    /// Seconds that answers have added to the window.
    pub window_extended: PodU16,
    /// Number of jobs in this group of replicas; 1 for a single job.
    pub replicas: u8,
    /// This job's index among them.
    pub replica: u8,
    /// Until the claim, the chance of an audit that the consumer asks for; then the chance with which this result is drawn.
    pub audit_bps: PodU16,
    /// See [`AuditStage`].
    pub audit: u8,
    /// Seconds that the offer was open for originally, without extensions.
    pub open_seconds: PodU32,
    /// Whether a demand was opened when a confession no longer had to wait; see [`Job::confession_wait`].
    pub asked_late: PodBool,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 23],
}

const _: () = assert!(core::mem::size_of::<Job>() + 8 == 437, "a job's rent is promised in README.md");

impl Job {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"job";

    fn enter(&mut self, status: Status, now: Moment, seconds: u32) {
        let deadline = now.after(seconds);
        self.status = status as u8;
        self.since_slot = now.slot.into();
        self.set_deadline(deadline);
    }

    fn set_deadline(&mut self, deadline: Moment) {
        self.deadline_at = deadline.unix.into();
        self.deadline_slot = deadline.slot.into();
    }

    /// Fails unless the job stands at `status`.
    pub fn check_status(&self, status: Status) -> Result<()> {
        require!(self.status == status, JobsError::WrongStatus);
        Ok(())
    }

    /// Fails unless this is the job with that hash, since its address may have been reused.
    pub fn check_hash(&self, expected: &Hash) -> Result<()> {
        require!(self.job_hash == *expected, JobsError::TermsChanged);
        Ok(())
    }

    /// Whether the present state's deadline has passed by both clocks, with allowance for restarts of the cluster.
    pub fn is_due(&self, clocks: Clocks) -> bool {
        clocks.reached(self.deadline(), self.since_slot.get())
    }

    /// The present state's deadline, without allowance for restarts of the cluster.
    pub fn deadline(&self) -> Moment {
        Moment {
            unix: self.deadline_at.get(),
            slot: self.deadline_slot.get(),
        }
    }

    /// The present state's deadline, with allowance for a restart of the cluster.
    fn end(&self, clocks: Clocks) -> Moment {
        self.deadline().restarted(self.since_slot.get(), clocks.restart)
    }

    /// Fails once the present state's deadline has passed.
    pub fn check_in_time(&self, clocks: Clocks) -> Result<()> {
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        Ok(())
    }

    /// Fails unless the job stands at `status` and its deadline has passed.
    pub fn check_overdue(&self, status: Status, clocks: Clocks) -> Result<()> {
        self.check_status(status)?;
        require!(self.is_due(clocks), JobsError::DeadlineNotPassed);
        Ok(())
    }

    /// Fails unless the lock covers every price the auction can reach, the job has a device exactly from its claim on, and demands are open
    /// only on a revealed result.
    pub fn invariant(&self) -> Result<()> {
        let highest = self.quote_at(Amount(self.max_price.get()))?;
        let unassigned = self.device == Address::default();
        let sound = self.locked.get() == highest.consumer_pays.0
            && self.price.get() <= self.max_price.get()
            && unassigned == (self.status == Status::Open)
            && self.replica < self.replicas
            && self.open_demands <= demand::MAX_OPEN
            && (self.open_demands == 0 || self.status == Status::Revealed)
            && (!self.asked_late.get() || self.demanded > 0)
            && u32::from(self.window_extended.get()) <= demand::MAX_EXTENSION
            && self.status <= Status::Convicted;
        require!(sound, JobsError::BooksBroken);
        Ok(())
    }
}
