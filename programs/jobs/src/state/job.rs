use super::{ANY_GPU, Config, Conviction, DemandHeader, JobTerms, MAX_DURATION, MAX_PENALTY_BPS, Model};
use crate::error::JobsError;
use anchor_lang::prelude::*;
use protocol::fees::{self, Quote};
use protocol::hash::Hash;
use protocol::permit::{self, LEAST_WINDOW, OPENING_SECONDS};
use protocol::trace::{self, JobFacts};
use protocol::units::{Amount, Bps, Clocks, Moment};
use protocol::{audit, bond, demand, price, sortition};
use referee::Claim;
use staking::{Device, GpuModel};

/// Latest deadline that an extension may set, in seconds after the opening of the job. There is one because a slash cannot reach a bond while
/// its job is in progress.
pub const MAX_EXTENDED_DEADLINE: u32 = 30 * 86_400;
/// Added to the reveal time where an audit draw must come first: eight slots, with allowance for skipped ones.
const DRAW_SECONDS: u32 = 10;
/// Deadline of a replica's commitment until its reveal is called: never.
const NEVER: Moment = Moment {
    unix: i64::MAX,
    slot: u64::MAX,
};

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

protocol::coded! {
    /// Where the audit of a result stands, between the commitment and the payment.
    pub enum AuditStage {
        /// Not drawn yet, or the job has no draw.
        Undrawn = 0,
        /// No audit was drawn, or no auditor was in time.
        Cleared = 1,
        /// Waiting for an auditor.
        Drawn = 2,
        /// An auditor is computing.
        Taken = 3,
        /// The auditor has committed.
        Sealed = 4,
        /// The auditor got the worker's result and has proved that it holds the trace.
        Proven = 5,
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

    /// Whether a ticket drawn with the hash of `seed_slot` is admitted at `slot`.
    pub fn admits(&self, address: &Address, device: &Address, seed: &Hash, seed_slot: u64, slot: u64, window: u16) -> bool {
        let ticket = sortition::ticket(seed, address.as_array(), device.as_array());
        ticket <= sortition::threshold(slot.saturating_sub(seed_slot), u64::from(window))
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

    /// Whether this replica has committed and waits for the others, so that its reveal has not been called.
    pub fn awaits_siblings(&self) -> bool {
        self.status == Status::Committed && self.deadline() == NEVER
    }

    /// The id of the first of the replicas.
    pub fn first_id(&self) -> u64 {
        self.id.get().saturating_sub(u64::from(self.replica))
    }

    /// Key that all replicas of a job share: escrow, first id, opening slot, work and times. Since the times are equal, a worker knows from
    /// its own job how long the others may keep it waiting. The order of keys has no meaning.
    pub fn group(&self) -> impl Ord + use<> {
        let opened = (self.escrow, self.first_id(), self.opened_slot.get());
        let work = (self.model, self.inputs, self.units.get(), self.replicas);
        let times = [self.open_seconds, self.run_seconds, self.window_seconds].map(|seconds| seconds.get());
        (opened, work, times)
    }

    /// Whether this and the other job are replicas of one job.
    pub fn is_sibling(&self, other: &Job) -> bool {
        self.group() == other.group()
    }

    /// Address of the replica with this index.
    pub fn sibling(&self, replica: u8) -> Address {
        let id = self.first_id().saturating_add(u64::from(replica));
        find_program_address(&[Self::SEED, self.escrow.as_ref(), &id.to_le_bytes()], &crate::ID).0
    }

    /// Records the commitment, before the deadline. A replica's reveal is called only when the others have committed too.
    pub fn commit(&mut self, commitment: Hash, reveal_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Assigned)?;
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        self.commitment = commitment;
        let draw = if self.audit_bps.is_zero() { 0 } else { DRAW_SECONDS };
        self.enter(Status::Committed, clocks.now, reveal_seconds.saturating_add(draw));
        if self.replicas > 1 {
            self.set_deadline(NEVER);
        }
        Ok(())
    }

    /// Starts the reveal's deadline of a replica that has waited for the others.
    pub fn call_reveal(&mut self, reveal_seconds: u32, now: Moment) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(self.deadline() == NEVER, JobsError::RevealsCalled);
        self.enter(Status::Committed, now, reveal_seconds);
        Ok(())
    }

    /// Ends the window of a replica whose result another replica confirms. Fails for one with a value at risk: two colluding devices could
    /// take any value, since nobody could convict them in time.
    pub fn agree(&mut self, now: Moment) -> Result<()> {
        require!(self.value_at_risk.is_zero(), JobsError::ValueAtRisk);
        self.check_answered()?;
        self.enter(Status::Revealed, now, 0);
        self.invariant()
    }

    /// Fails unless the job is committed and its audit stands at `stage`.
    pub fn check_audit(&self, stage: AuditStage) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(self.audit == stage, JobsError::WrongAudit);
        Ok(())
    }

    /// Whether a draw still has to decide if the committed result is audited. Replicas have no draw: they check each other.
    pub fn awaits_draw(&self) -> bool {
        self.status == Status::Committed && self.audit == AuditStage::Undrawn && !self.audit_bps.is_zero()
    }

    /// Whether an auditor is awaited or at work, so that the worker has no deadline.
    pub fn awaits_auditor(&self) -> bool {
        self.audit == AuditStage::Drawn || self.audit == AuditStage::Taken
    }

    /// Whether an auditor has committed to a result of its own.
    pub fn is_audit_sealed(&self) -> bool {
        self.audit >= AuditStage::Sealed
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

    /// The first slot hash after this slot decides whether the committed result is audited.
    pub fn draws_after(&self) -> u64 {
        self.since_slot.get().saturating_add(audit::DRAW_SLOTS).saturating_sub(1)
    }

    /// Whether the slot hash `seed` draws an audit.
    pub fn is_drawn(&self, address: &Address, seed: &Hash) -> bool {
        let rate = Bps::saturating(self.audit_bps.get());
        audit::is_drawn(seed, address.as_array(), self.device.as_array(), rate)
    }

    /// Fails unless a draw still has to decide if the committed result is audited, and may before the deadline.
    pub fn check_undrawn(&self, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(self.awaits_draw(), JobsError::AuditNotDue);
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        Ok(())
    }

    /// Records whether an undrawn result is audited.
    pub fn record_draw(&mut self, drawn: bool, config: &Config, now: Moment) {
        let (stage, seconds) = if drawn {
            (AuditStage::Drawn, config.audit_seconds)
        } else {
            (AuditStage::Cleared, config.reveal_seconds)
        };
        self.audit = stage as u8;
        self.enter(Status::Committed, now, seconds.get());
    }

    /// Records that an auditor has taken the audit, before the deadline. It has the job's run time, without extensions.
    pub fn take_audit(&mut self, clocks: Clocks) -> Result<()> {
        self.check_audit(AuditStage::Drawn)?;
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        self.audit = AuditStage::Taken as u8;
        self.enter(Status::Committed, clocks.now, self.run_seconds.get());
        Ok(())
    }

    /// Records that the auditor has committed, before the deadline: the worker may reveal.
    pub fn seal_audit(&mut self, reveal_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_audit(AuditStage::Taken)?;
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        self.audit = AuditStage::Sealed as u8;
        self.enter(Status::Committed, clocks.now, reveal_seconds);
        Ok(())
    }

    /// Ends an audit whose auditor did not come (`Drawn`) or did not commit (`Taken`) before the deadline: the worker may reveal.
    pub fn clear_audit(&mut self, stage: AuditStage, reveal_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_audit(stage)?;
        require!(self.is_due(clocks), JobsError::DeadlineNotPassed);
        self.audit = AuditStage::Cleared as u8;
        self.enter(Status::Committed, clocks.now, reveal_seconds);
        Ok(())
    }

    /// Records that the auditor has proved that it holds the trace of the revealed result.
    pub fn prove_audit(&mut self) -> Result<()> {
        self.check_status(Status::Revealed)?;
        require!(self.audit == AuditStage::Sealed, JobsError::WrongAudit);
        self.audit = AuditStage::Proven as u8;
        Ok(())
    }

    /// Fails unless the worker is late with a commit or a reveal.
    pub fn check_late(&self, clocks: Clocks) -> Result<()> {
        let late = if self.status == Status::Committed {
            require!(!self.awaits_auditor(), JobsError::AuditRunning);
            Status::Committed
        } else {
            Status::Assigned
        };
        self.check_overdue(late, clocks)
    }

    /// Opens the commitment, before the deadline, and starts the challenge window.
    pub fn reveal(&mut self, traces: Hash, outputs: Hash, nonce: &Hash, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(self.deadline() != NEVER, JobsError::RevealsNotCalled);
        require!(!self.awaits_auditor(), JobsError::AuditRunning);
        require!(!self.awaits_draw(), JobsError::AuditNotDrawn);
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        let party = self.device.as_array();
        let result = trace::result(&self.job_hash, party, &traces, &outputs);
        require!(
            trace::commit(&result, party, nonce) == self.commitment,
            JobsError::CommitmentMismatch
        );
        self.traces = traces;
        self.outputs = outputs;
        self.enter(Status::Revealed, clocks.now, self.window_seconds.get());
        Ok(())
    }

    /// The worker's claim in the form that the referee judges. If the model's traces commit only to checkpoints, evidence is judged by what
    /// the worker has shown of the unit: `asked` is the demand that it answered.
    pub fn result_claim(&self, model: &Model, asked: Option<&DemandHeader>) -> Result<Claim> {
        Ok(Claim {
            graph_root: model.graph_root,
            inputs: self.inputs,
            traces: self.traces,
            outputs: self.outputs,
            n_ops: model.n_ops.get(),
            interval: model.checkpoints().interval(),
            shown: asked.map(|demand| demand.shown_unit(self)).transpose()?,
            units: self.units.get(),
            n_inputs: model.n_inputs,
            input_shapes: model.inputs,
        })
    }

    /// Counts another demand on the revealed result, within the window; returns the deadline for its answer.
    pub fn demand(&mut self, config: &Config, clocks: Clocks) -> Result<Moment> {
        self.check_status(Status::Revealed)?;
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        require!(self.open_demands < demand::MAX_OPEN, JobsError::TooManyDemands);
        if self.confession_wait(config.question_seconds.get(), clocks) == Some(0) {
            self.asked_late = true.into();
        }
        self.open_demands = self.open_demands.saturating_add(1);
        self.demanded = self.demanded.saturating_add(1);
        let allowed = demand::allowance(self.answer_used.get().into(), config.answer_seconds.get());
        Ok(clocks.now.after(allowed))
    }

    /// Records the answer to a demand that was opened at `opened`. The time it took, beyond the first half minute, comes off the worker's
    /// time budget, and the window is extended to leave time for the next question.
    pub fn answered(&mut self, opened: Moment, question_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Revealed)?;
        self.open_demands = self.open_demands.checked_sub(1).ok_or(JobsError::BooksBroken)?;
        let used = u32::from(self.answer_used.get()).saturating_add(demand::spent(opened, clocks));
        // Both sums have limits far below `u16::MAX`.
        self.answer_used = u16::try_from(used.min(demand::TOTAL_SECONDS)).unwrap_or(u16::MAX).into();
        let end = self.deadline().restarted(self.since_slot.get(), clocks.restart);
        let extended = u32::from(self.window_extended.get());
        let more = demand::extension(end, clocks.now, question_seconds, extended);
        self.window_extended = u16::try_from(extended.saturating_add(more)).unwrap_or(u16::MAX).into();
        self.set_deadline(self.deadline().after(more));
        self.invariant()
    }

    /// Cost of the next demand in lamports, where the first one costs `base`.
    pub fn demand_cost(&self, base: u64) -> Result<u64> {
        demand::cost(base, self.demanded).ok_or(JobsError::DemandTooDear.into())
    }

    /// Fails while demands are without an answer.
    pub fn check_answered(&self) -> Result<()> {
        require!(self.open_demands == 0, JobsError::DemandsOpen);
        Ok(())
    }

    /// Records that the revealed result was proved wrong, or a part of it withheld: the priority period starts.
    pub fn convict(&mut self, priority_seconds: u32, now: Moment) -> Result<()> {
        self.check_status(Status::Revealed)?;
        self.open_demands = 0;
        self.enter(Status::Convicted, now, priority_seconds);
        self.invariant()
    }

    /// Fails unless the job is convicted and the priority period has passed. If some permit may excuse the error, which would earn the
    /// challenger a jackpot, there are [`OPENING_SECONDS`] more to open it.
    pub fn check_awardable(&self, config: &Config, conviction: &Conviction, clocks: Clocks) -> Result<()> {
        self.check_overdue(Status::Convicted, clocks)?;
        let over = clocks.reached(self.deadline().after(OPENING_SECONDS), self.since_slot.get());
        let awaited = !config.permits.is_zero() && !conviction.pardoned.get() && self.may_be_excused();
        require!(over || !awaited, JobsError::PermitSealed);
        Ok(())
    }

    /// Whether a permit may excuse an error in this job. Not in a replica, a job with a value at risk above its price, one that is not paid in
    /// $IO, or one with a short window.
    ///
    /// A value up to the price is made good by the consumer's part of the bond, which is several prices. If stating any value were enough,
    /// consumers could do so for nothing, and it would tell watchers what is not worth checking.
    pub fn may_be_excused(&self) -> bool {
        let small = self.full_price().is_ok_and(|price| self.value_at_risk.get() <= price.0);
        self.replicas == 1 && small && !self.foreign_mint.get() && self.window_seconds.get() >= LEAST_WINDOW
    }

    /// What the supplier keeps at least of the [`Job::full_price`] on average, whatever share of it auditors get.
    pub fn kept_price(&self) -> Result<Amount> {
        Ok(permit::kept(self.full_price()?, Bps::saturating(self.audit_bps.get())))
    }

    /// The claimed price of all units together, without fees, in base units of the escrow's mint.
    pub fn full_price(&self) -> Result<Amount> {
        let price = Amount(self.price.get()).checked_times(self.units.get().into());
        Ok(price.ok_or(JobsError::InvalidPrice)?)
    }

    /// Seconds until an error by permit may be confessed, by whichever clock has longer to go; `None` while open demands block a
    /// confession.
    ///
    /// The first half of the window is for challengers. Once a demand was opened they have more: all but the last half of
    /// `question_seconds`. So an answer can lead to the next question, or to a conviction, and the device still has time to confess.
    ///
    /// A demand that is opened while this is 0 is late: from then on no demand or answer blocks a confession. This matters because a
    /// confession discloses the permit's secret, and with it the position of the error, even when its transaction fails. So nobody may be
    /// able to make one fail that is under way. Nobody is: only demands and their answers increase the wait (apart from restarts and
    /// parameter changes), and while it is 0 no demand is open.
    pub fn confession_wait(&self, question_seconds: u32, clocks: Clocks) -> Option<u32> {
        if self.asked_late.get() {
            return Some(0);
        }
        self.check_answered().ok()?;
        let half = self.window_seconds.get() / 2;
        let kept = if self.demanded > 0 { half.min(question_seconds / 2) } else { half };
        let end = self.deadline().restarted(self.since_slot.get(), clocks.restart);
        Some(end.seconds_past(clocks.now).saturating_sub(kept))
    }

    /// Fails unless the result is revealed, no demand blocks a confession, and the time for challengers has passed by both clocks.
    pub fn check_confessable(&self, question_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Revealed)?;
        let wait = self.confession_wait(question_seconds, clocks).ok_or(JobsError::DemandsOpen)?;
        require!(wait == 0, JobsError::TooEarlyToConfess);
        Ok(())
    }

    /// What a missed deadline costs the worker: a share of the bond, rounded up. It is the largest share that the parameters allow if the
    /// worker walks away from an audit: once an auditor has committed, which has then worked in vain, or if the result is `drawn` for one and
    /// nobody has recorded that. A liar that does not reveal because it is audited must not get off lightly.
    pub fn penalty(&self, drawn: bool) -> u64 {
        let walks_away = drawn || (self.status == Status::Committed && self.is_audit_sealed());
        let share = if walks_away { MAX_PENALTY_BPS } else { self.penalty_bps.get() };
        Amount(self.bond.get()).share_ceil(Bps::saturating(share)).0
    }

    /// Extends the present deadline of a job that waits for a claim or a commitment.
    pub fn extend(&mut self, seconds: u32, clocks: Clocks) -> Result<()> {
        require!(self.replicas == 1, JobsError::ReplicasNotExtended);
        require!(self.status <= Status::Assigned, JobsError::WrongStatus);
        require!((1..=MAX_DURATION).contains(&seconds), JobsError::InvalidDuration);
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        // Time that a restart has given is kept; setting `since_slot` below keeps it from being given a second time.
        let deadline = self.deadline().restarted(self.since_slot.get(), clocks.restart).after(seconds);
        let last = self.opened_at.get().saturating_add(i64::from(MAX_EXTENDED_DEADLINE));
        require!(deadline.unix <= last, JobsError::InvalidDuration);
        self.since_slot = self.since_slot.get().max(clocks.restart).into();
        self.set_deadline(deadline);
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
