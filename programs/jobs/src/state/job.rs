use super::{ANY_GPU, Config, DemandHeader, JobTerms, MAX_DURATION, Model, Permit};
use crate::error::JobsError;
use anchor_lang::prelude::*;
use protocol::fees::{self, Quote};
use protocol::hash::Hash;
use protocol::permit::OPENING_SECONDS;
use protocol::trace::{self, JobFacts};
use protocol::units::{Amount, Bps, Clocks, Moment};
use protocol::{audit, bond, demand, price, sortition};
use referee::Claim;
use staking::{Device, GpuModel};

/// No extension moves a deadline beyond so many seconds after the opening: a bond is out of the reach of a slash for as long as its job goes on.
pub const MAX_EXTENDED: u32 = 30 * 86_400;
/// Added to the time for a reveal that an audit must be drawn for: eight slots, and slots without a block among them.
const DRAW_SECONDS: u32 = 10;
/// A deadline that nothing reaches: of a commitment whose reveal has not been called.
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
        /// The result was proved wrong and everybody but the challenger is settled; its priority runs.
        Convicted = 4,
    }
}

protocol::coded! {
    /// Where the audit of a result stands, between the commitment and the payment.
    pub enum AuditStage {
        /// Not drawn, or there is nothing to draw.
        Undrawn = 0,
        /// There is none, or no auditor was in time.
        Cleared = 1,
        /// Waits for an auditor.
        Drawn = 2,
        /// An auditor is computing.
        Taken = 3,
        /// The auditor has committed.
        Sealed = 4,
        /// The auditor has the worker's result, and has shown that it holds its trace.
        Proven = 5,
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
    /// JOB: what a claim and a result are bound to.
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
    /// The consumer's minimum until the claim, then what the worker has at stake.
    pub bond: PodU64,
    pub opened_slot: PodU64,
    pub opened_at: PodI64,
    /// End of the present state by each clock: of the offer, the run, the reveal, the window or the challenger's priority.
    pub deadline_slot: PodU64,
    pub deadline_at: PodI64,
    /// When the present state began: a restart of the cluster after it extends the deadline, the auditors' draw looks from the commit on.
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
    /// What a wrong result could be worth to somebody, in $IO base units.
    pub value_at_risk: PodU64,
    /// Paid in another mint than $IO: nobody on chain knows what its price is worth.
    pub foreign_mint: PodBool,
    /// Demands opened so far, and those that wait for an answer.
    pub demanded: u8,
    pub open_demands: u8,
    /// Seconds of the worker's clock that slow answers have used up.
    pub answer_used: PodU16,
    /// Seconds that answers have added to the window.
    pub extended: PodU16,
    /// Devices that compute the same, and which of them this job's is.
    pub replicas: u8,
    pub replica: u8,
    /// The consumer's share of audits until the claim, then that at which this result is drawn.
    pub audit_bps: PodU16,
    /// See [`AuditStage`].
    pub audit: u8,
    /// Seconds the offer was open for at first.
    pub open_seconds: PodU32,
    /// Whether somebody has asked when there was no time left for a confession to wait for; see [`Job::confession_wait`].
    pub asked_late: PodBool,
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
        // The fees of the day the job was opened stay with it (K3).
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
        // No device could ever meet a bond that does not exist.
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

    /// Fails unless this is the job of that hash: its address may have been used again.
    pub fn check_hash(&self, expected: &Hash) -> Result<()> {
        require!(self.job_hash == *expected, JobsError::TermsChanged);
        Ok(())
    }

    /// Whether the present state's deadline has passed by both clocks, restarts of the cluster allowed for.
    pub fn is_due(&self, clocks: Clocks) -> bool {
        clocks.reached(self.deadline(), self.since_slot.get())
    }

    /// The present state's deadline, restarts of the cluster aside.
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

    /// What a device must put at stake to take the job at `price` per unit: the consumer's minimum, or more where a lie would pay otherwise.
    ///
    /// The price of a job in another mint counts as nothing, since no oracle says what it is worth in $IO: there the consumer's minimum and
    /// its stated value at risk size the bond alone.
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

    /// Hands the open job to `device`, whose last `clean_jobs` jobs ended well, at the auction's price, which must reach `min_price`, for the bond
    /// and the audits that go with it.
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

    /// Whether this replica waits for the others: its reveal has not been called.
    pub fn awaits_siblings(&self) -> bool {
        self.status == Status::Committed && self.deadline() == NEVER
    }

    /// The id of the first of the replicas.
    pub fn first_id(&self) -> u64 {
        self.id.get().saturating_sub(u64::from(self.replica))
    }

    /// What replicas of one job have in common, in an order of no meaning: consumer, place, slot, work and times. So a worker knows from its
    /// own job how long the others may keep it waiting.
    pub fn group(&self) -> impl Ord + use<> {
        let opened = (self.escrow, self.first_id(), self.opened_slot.get());
        let work = (self.model, self.inputs, self.units.get(), self.replicas);
        let times = [self.open_seconds, self.run_seconds, self.window_seconds].map(|seconds| seconds.get());
        (opened, work, times)
    }

    /// Whether this and the other job are replicas of the same.
    pub fn is_sibling(&self, other: &Job) -> bool {
        self.group() == other.group()
    }

    /// Where the replica of this index lives while it is in progress.
    pub fn sibling(&self, replica: u8) -> Address {
        let id = self.first_id().saturating_add(u64::from(replica));
        find_program_address(&[Self::SEED, self.escrow.as_ref(), &id.to_le_bytes()], &crate::ID).0
    }

    /// Records the commitment, in time. A replica waits for the others before its reveal is called.
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

    /// Ends the window of a replica whose result another one has confirmed.
    pub fn agree(&mut self, now: Moment) -> Result<()> {
        self.check_answered()?;
        self.enter(Status::Revealed, now, 0);
        self.invariant()
    }

    /// Fails unless the audit of a commitment stands at `stage`.
    pub fn check_audit(&self, stage: AuditStage) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(self.audit == stage, JobsError::WrongAudit);
        Ok(())
    }

    /// Whether an auditor is awaited or at work: nobody waits for the worker.
    pub fn awaits_auditor(&self) -> bool {
        self.audit == AuditStage::Drawn || self.audit == AuditStage::Taken
    }

    /// Whether an auditor has committed to a result of its own.
    pub fn is_audit_sealed(&self) -> bool {
        self.audit >= AuditStage::Sealed
    }

    /// Fails for a device below what the consumer asks for.
    pub fn check_requirements(&self, device: &Device, gpu: &GpuModel) -> Result<()> {
        let meets = (self.gpu_model == ANY_GPU || self.gpu_model == gpu.id)
            && gpu.vram_gb >= self.min_vram_gb
            && gpu.multiplier_x100 >= self.min_multiplier_x100
            && device.jobs_done.get() >= u32::from(self.min_jobs_done.get());
        require!(meets, JobsError::RequirementsNotMet);
        Ok(())
    }

    /// The slot after which the first hash draws whether the committed result is audited.
    pub fn draws_after(&self) -> u64 {
        self.since_slot.get().saturating_add(audit::DRAW_SLOTS).saturating_sub(1)
    }

    /// Whether that hash draws an audit.
    pub fn is_drawn(&self, address: &Address, seed: &Hash) -> bool {
        let rate = Bps::saturating(self.audit_bps.get());
        audit::is_drawn(seed, address.as_array(), self.device.as_array(), rate)
    }

    /// Draws whether the committed result is audited, in time. `seed` looks up the first slot hash after a slot; one that is no longer kept draws it.
    pub fn draw_audit(
        &mut self,
        address: &Address,
        seed: impl FnOnce(u64) -> Result<Option<Hash>>,
        config: &Config,
        clocks: Clocks,
    ) -> Result<bool> {
        self.check_status(Status::Committed)?;
        let drawable = self.audit == AuditStage::Undrawn && !self.audit_bps.is_zero() && self.replicas == 1;
        require!(drawable, JobsError::AuditNotDue);
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        let drawn = seed(self.draws_after())?.is_none_or(|seed| self.is_drawn(address, &seed));
        let (stage, seconds) = if drawn {
            (AuditStage::Drawn, config.audit_seconds)
        } else {
            (AuditStage::Cleared, config.reveal_seconds)
        };
        self.audit = stage as u8;
        self.enter(Status::Committed, clocks.now, seconds.get());
        Ok(drawn)
    }

    /// An auditor takes the audit, in time, and has as long as the worker had.
    pub fn take_audit(&mut self, clocks: Clocks) -> Result<()> {
        self.check_audit(AuditStage::Drawn)?;
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        self.audit = AuditStage::Taken as u8;
        self.enter(Status::Committed, clocks.now, self.run_seconds.get());
        Ok(())
    }

    /// The auditor has committed, in time: the worker may reveal.
    pub fn seal_audit(&mut self, reveal_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_audit(AuditStage::Taken)?;
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        self.audit = AuditStage::Sealed as u8;
        self.enter(Status::Committed, clocks.now, reveal_seconds);
        Ok(())
    }

    /// No auditor came to the audit at `stage`, or none committed, in time: the worker may reveal.
    pub fn clear_audit(&mut self, stage: AuditStage, reveal_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_audit(stage)?;
        require!(self.is_due(clocks), JobsError::DeadlineNotPassed);
        self.audit = AuditStage::Cleared as u8;
        self.enter(Status::Committed, clocks.now, reveal_seconds);
        Ok(())
    }

    /// The auditor has shown that it holds the trace of the revealed result.
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

    /// Opens the commitment, in time, and starts the window.
    pub fn reveal(&mut self, traces: Hash, outputs: Hash, nonce: &Hash, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(self.deadline() != NEVER, JobsError::RevealsNotCalled);
        require!(!self.awaits_auditor(), JobsError::AuditRunning);
        let undrawn = self.audit == AuditStage::Undrawn && !self.audit_bps.is_zero();
        require!(!undrawn, JobsError::AuditNotDrawn);
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

    /// What the worker claims, as the referee judges it. Where the model's traces commit to checkpoints only, evidence is judged by what the
    /// worker has shown of its unit: `asked` is the demand that it answered.
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

    /// Counts another demand on the revealed result, within its window; returns the deadline of its answer.
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

    /// A demand of `opened` is answered: what that took beyond promptness is gone from the worker's clock, and the window leaves time for the
    /// next question.
    pub fn answered(&mut self, opened: Moment, question_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Revealed)?;
        self.open_demands = self.open_demands.checked_sub(1).ok_or(JobsError::BooksBroken)?;
        let used = u32::from(self.answer_used.get()).saturating_add(demand::spent(opened, clocks));
        // Both sums stay within limits far below a `u16`.
        self.answer_used = u16::try_from(used.min(demand::TOTAL_SECONDS)).unwrap_or(u16::MAX).into();
        let end = self.deadline().restarted(self.since_slot.get(), clocks.restart);
        let extended = u32::from(self.extended.get());
        let more = demand::extension(end, clocks.now, question_seconds, extended);
        self.extended = u16::try_from(extended.saturating_add(more)).unwrap_or(u16::MAX).into();
        self.set_deadline(self.deadline().after(more));
        self.invariant()
    }

    /// What the next demand costs in lamports.
    pub fn demand_cost(&self, base: u64) -> Result<u64> {
        demand::cost(base, self.demanded).ok_or(JobsError::DemandTooDear.into())
    }

    /// Fails while demands wait for an answer.
    pub fn check_answered(&self) -> Result<()> {
        require!(self.open_demands == 0, JobsError::DemandsOpen);
        Ok(())
    }

    /// The revealed result was proved wrong, or something of it withheld: the challenger's priority starts.
    pub fn convict(&mut self, priority_seconds: u32, now: Moment) -> Result<()> {
        self.check_status(Status::Revealed)?;
        self.open_demands = 0;
        self.enter(Status::Convicted, now, priority_seconds);
        self.invariant()
    }

    /// Fails unless the job is convicted and its priority has passed. Where the device's permit may excuse the error, so that the challenger is owed
    /// more, its secret has [`OPENING_SECONDS`] on top.
    pub fn check_awardable(&self, permit: Option<&Permit>, clocks: Clocks) -> Result<()> {
        self.check_overdue(Status::Convicted, clocks)?;
        let over = clocks.reached(self.deadline().after(OPENING_SECONDS), self.since_slot.get());
        let awaited = permit.is_some_and(|permit| permit.may_excuse(self));
        require!(over || !awaited, JobsError::PermitSealed);
        Ok(())
    }

    /// Seconds until an error by permit may be confessed, by the clock that says more; `None` while demands hold a confession up.
    ///
    /// Half of the window is for challengers. Once somebody has asked it is more: all but the last half of a question's time, so that what
    /// an answer has shown can lead to the next question, or to a conviction, and the device still has time to confess.
    ///
    /// A demand that is opened once this says 0 is late: from then on nothing holds a confession up, however much is asked and answered. A
    /// confession shows the permit's secret, and with it where the error is, even when it fails, so nobody may make one fail that is on its
    /// way. Nobody can: only demands and their answers make this grow (restarts and parameters aside), and at 0 none waits for an answer.
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

    /// Fails unless the result is revealed, no demand holds a confession up, and the time for challengers has passed by both clocks.
    pub fn check_confessable(&self, question_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Revealed)?;
        let wait = self.confession_wait(question_seconds, clocks).ok_or(JobsError::DemandsOpen)?;
        require!(wait == 0, JobsError::TooEarlyToConfess);
        Ok(())
    }

    /// What a missed deadline costs the worker: a share of the bond, rounded up.
    pub fn penalty(&self) -> u64 {
        Amount(self.bond.get()).share_ceil(Bps::saturating(self.penalty_bps.get())).0
    }

    /// Moves the present deadline of a job that waits for a claim or a commit.
    pub fn extend(&mut self, seconds: u32, clocks: Clocks) -> Result<()> {
        require!(self.replicas == 1, JobsError::ReplicasNotExtended);
        require!(self.status <= Status::Assigned, JobsError::WrongStatus);
        require!((1..=MAX_DURATION).contains(&seconds), JobsError::InvalidDuration);
        require!(!self.is_due(clocks), JobsError::DeadlinePassed);
        // What a restart has given stays; what is added now is not given twice.
        let deadline = self.deadline().restarted(self.since_slot.get(), clocks.restart).after(seconds);
        let last = self.opened_at.get().saturating_add(i64::from(MAX_EXTENDED));
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

    /// The lock covers every price the auction can reach, a device stands for the job exactly from the claim on, and demands are about what is
    /// revealed.
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
            && u32::from(self.extended.get()) <= demand::MAX_EXTENSION
            && self.status <= Status::Convicted;
        require!(sound, JobsError::BooksBroken);
        Ok(())
    }
}
