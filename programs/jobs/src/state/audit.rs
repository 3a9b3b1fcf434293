use crate::error::JobsError;
use crate::state::{Job, Status};
use anchor_lang::prelude::*;
use protocol::audit::{self, Custody};
use protocol::hash::Hash;
use protocol::trace::{self, Checkpoints};
use protocol::units::{Amount, Bps};

protocol::coded! {
    /// What became of an audit whose job was paid.
    pub enum Outcome {
        /// The job has not been paid.
        Open = 0,
        /// The job was paid, and the auditor out of it.
        Paid = 1,
        /// The job was paid without the auditor, which had another result or did not prove that it holds the trace.
        Unpaid = 2,
    }
}

/// A second device at work on a committed result. PDA `["audit", job]`.
#[account]
pub struct Audit {
    /// The audited job.
    pub job: Address,
    /// JOB: binds the job's address and the slot in which it was opened.
    pub job_hash: [u8; 32],
    /// The auditor's device.
    pub device: Address,
    /// Wallet that receives the auditor's pay.
    pub payout: Address,
    /// Account that paid this account's rent and gets it back: the auditor's hot key.
    pub payer: Address,
    /// COMMIT of the auditor; zero before it commits.
    pub commitment: [u8; 32],
    /// Root of the auditor's salted tree; zero before it commits.
    pub custody: [u8; 32],
    /// Bond that the auditor has at stake for being in time, in $IO base units.
    pub bond: PodU64,
    /// Slot in which the auditor revealed; 0 before.
    pub revealed_slot: PodU64,
    /// Auditor's share of what the audited device would have earned, in basis points.
    pub share_bps: PodU16,
    /// Whether its result is the worker's.
    pub agrees: PodBool,
    /// See [`Outcome`].
    pub outcome: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Share of the bond that a missed deadline costs, in basis points: the job's penalty.
    pub penalty_bps: PodU16,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 24],
}

impl Audit {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"audit";

    /// Writes a new audit.
    pub fn start(
        &mut self,
        (address, job): (Address, &Job),
        (device, payout): (Address, Address),
        payer: Address,
        bond: u64,
        share_bps: PodU16,
        bump: u8,
    ) {
        self.job = address;
        self.job_hash = job.job_hash;
        self.device = device;
        self.payout = payout;
        self.payer = payer;
        self.bond = bond.into();
        self.share_bps = share_bps;
        // An auditor risks the same penalty as the worker, even if the parameter has changed since (K3).
        self.penalty_bps = job.penalty_bps;
        self.bump = bump;
        self.version = 1;
    }

    /// Fails unless this audit is of that very job, since its address may have been reused.
    pub fn check_of(&self, job: &Job) -> Result<()> {
        require!(self.job_hash == job.job_hash, JobsError::AccountMismatch);
        Ok(())
    }

    /// Records the auditor's commitment and its tree.
    pub fn commit(&mut self, commitment: Hash, custody: Hash) {
        self.commitment = commitment;
        self.custody = custody;
    }

    /// Opens the commitment once the worker has revealed.
    pub fn reveal(&mut self, job: &Job, traces: &Hash, outputs: &Hash, nonce: &Hash, slot: u64) -> Result<()> {
        job.check_status(Status::Revealed)?;
        require!(self.revealed_slot.is_zero(), JobsError::WrongAudit);
        let party = self.device.as_array();
        let result = trace::result(&self.job_hash, party, traces, outputs);
        require!(
            trace::commit(&result, party, nonce) == self.commitment,
            JobsError::CommitmentMismatch
        );
        self.revealed_slot = slot.into();
        self.agrees = ((*traces, *outputs) == (job.traces, job.outputs)).into();
        Ok(())
    }

    /// Fails unless `proof` opens the chunks that `seed` draws in the worker's tree and in the auditor's.
    pub fn check_custody(&self, job: &Job, checkpoints: Checkpoints, seed: &Hash, proof: &[u8]) -> Result<()> {
        let custody = Custody {
            party: *self.device.as_array(),
            job: self.job_hash,
            traces: job.traces,
            custody: self.custody,
            units: job.units.get(),
            checkpoints,
        };
        Ok(custody.check(seed, proof).map_err(|_| JobsError::CustodyMismatch)?)
    }

    /// Settles with the auditor of a job that is being paid; returns its part of what the audited device would have earned.
    pub fn settle(&mut self, job: &Job, supplier_gets: Amount) -> Amount {
        let proven = job.audit == super::AuditStage::Proven;
        self.outcome = if proven { Outcome::Paid } else { Outcome::Unpaid } as u8;
        if proven {
            audit::pay(supplier_gets, Bps::saturating(self.share_bps.get()))
        } else {
            Amount::ZERO
        }
    }

    /// What a missed deadline costs the auditor: a share of its bond, rounded up.
    pub fn penalty(&self) -> u64 {
        Amount(self.bond.get()).share_ceil(Bps::saturating(self.penalty_bps.get())).0
    }

    /// Fails while the audit's job exists and is not convicted.
    pub fn check_over(&self, job: Option<&Job>) -> Result<()> {
        let stands = job.is_some_and(|job| job.job_hash == self.job_hash && job.check_status(Status::Convicted).is_err());
        require!(!stands, JobsError::AuditStands);
        Ok(())
    }

    /// Fails unless an auditor that has revealed has committed, and one that agrees or is paid has revealed.
    pub fn invariant(&self) -> Result<()> {
        let revealed = !self.revealed_slot.is_zero();
        let sound = (!revealed || self.commitment != [0; 32])
            && (revealed || !self.agrees.get())
            && (self.outcome != Outcome::Paid || self.agrees.get())
            && u64::from(self.share_bps.get()) <= Bps::WHOLE;
        require!(sound, JobsError::BooksBroken);
        Ok(())
    }
}
