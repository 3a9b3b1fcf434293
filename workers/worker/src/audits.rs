//! Audits: this device recomputes a result that another one has committed to, proves that it holds the trace, and is paid if they agree.
//!
//! As with jobs, each round reads the audit's state on chain and takes the one step that follows from it. Input, roots and nonce are kept
//! on disk; everything else can be computed again.

use crate::admission::{Task, blob_sizes, has_room};
use crate::job::{Assignment, JobOutcome, LOOK, RETRY};
use crate::journal::{Roots, Step};
use crate::market::{View, audits_of, drawn_on};
use crate::models::Model;
use crate::{Error, Result, Worker, reserve};
use bytes::Bytes;
use chain::market::audit;
use chain::market::referee;
use chain::sysvar::{Seed, SlotHashes};
use engine::Batch;
use jobs::{Audit, AuditStage, Escrow, Job, Status};
use parking_lot::Mutex;
use protocol::audit::{CHECKS, CustodyUnit, Opening, Place, pay, place};
use protocol::batch::{BatchHeader, unit_leaves};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::units::{Amount, Bps, Clocks};
use solana_address::Address;
use solana_signer::Signer;
use staking::Device;
use std::collections::BTreeSet;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;

/// Shortest challenge window to audit in, besides the time to recompute the units with the drawn chunks: before the job is paid, the
/// auditor reveals, waits for a slot and posts a dozen transactions.
const LEAST_WINDOW: Duration = Duration::from_secs(60);

/// What this process has done for an audit so far.
#[derive(Default)]
struct AuditProgress {
    recomputed: Option<Arc<Recomputation>>,
    /// The openings of the drawn chunks.
    proof: Option<Vec<u8>>,
    /// Whether the input was fetched.
    has_input: bool,
    /// Whether the audit cannot succeed any more. Then the job is only watched until it ends, which frees what is left of the bond.
    given_up: bool,
    /// Whether the next step reveals, or belongs to the proof. Then a stop waits: the chain would soon forget the draw.
    is_proving: bool,
    /// Newest slot in which one of this worker's transactions landed.
    slot: u64,
}

/// A recomputed result, without the outputs, which the audited worker publishes.
struct Recomputation {
    batch: Batch,
    custody: Vec<CustodyUnit>,
    /// Root of each.
    custody_units: Vec<Hash>,
    /// Roots of the result, and the nonce of the commitment to it.
    roots: Roots,
}

/// The state of an audit: its job and its account, while they exist, and the clocks of that state.
type State = (Clocks, Option<Job>, Option<Audit>);

impl Worker {
    /// Audits that this device has taken and nobody serves, and drawn results that it may audit, with what each takes of the machine.
    pub(crate) async fn find_audits(&self) -> Result<Vec<(Assignment, Option<Task>)>> {
        let mut ours: Vec<(Address, Audit)> = self.chain.find(&audits_of(&self.device)).await?;
        ours.retain(|(_, audit)| !self.is_in_hand(&audit.job));
        let addresses: Vec<Address> = ours.iter().map(|(_, audit)| audit.job).collect();
        let (_, jobs) = self.chain.network().accounts(&addresses).await?;
        let taken = ours.iter().zip(jobs).map(|((_, audit), account)| {
            // If the job is gone, only the bond is left to free.
            let job = account.and_then(|account| chain::decode::<Job>(&audit.job, &account).ok());
            let task = job.and_then(|job| self.task_left(&job, audit));
            (Assignment::audit(audit.job, audit.job_hash, None), task)
        });
        let mut found: Vec<(Assignment, Option<Task>)> = taken.collect();
        if !self.may_take_work() {
            return Ok(found);
        }
        let mut drawn: Vec<(Address, Job, &Arc<Model>)> = Vec::new();
        for (address, model) in self.models.iter() {
            let jobs: Vec<(Address, Job)> = self.chain.find(&drawn_on(address)).await?;
            let others = jobs
                .into_iter()
                .filter(|(address, job)| job.device != self.device && !self.is_in_hand(address));
            drawn.extend(others.map(|(address, job)| (address, job, model)));
        }
        if drawn.is_empty() {
            return Ok(found);
        }
        let view = self.view().await?;
        let free_space = self.journal.free_space()?;
        let mut in_hand = self.tasks();
        for (address, job, model) in drawn {
            let task = Task::audit(model, &job, view.now.unix.saturating_add(job.run_seconds.get().into()));
            // An audit leaves enough for a job.
            let fee = self.settings.priority_fee;
            let needed = reserve::to_take(&task, &in_hand, fee).saturating_add(reserve::for_answers(fee));
            let fits = view.lamports >= needed && task.fits(&in_hand, view.now.unix);
            if fits && self.is_worthwhile(&job, model, &view, free_space).await? {
                let Ok(place) = self.places.clone().try_acquire_owned() else {
                    break;
                };
                in_hand.push(task.clone());
                found.push((Assignment::audit(address, job.job_hash, Some(place)), Some(task)));
            }
        }
        Ok(found)
    }

    /// What an audit in progress still takes of the machine, if anything.
    fn task_left(&self, job: &Job, audit: &Audit) -> Option<Task> {
        let stands = job.job_hash == audit.job_hash && job.status != Status::Convicted;
        let opens = audit.revealed_slot.is_zero() || audit.agrees.get();
        let computes = stands && (job.audit == AuditStage::Taken || job.audit == AuditStage::Sealed && opens);
        let model = self.models.get(&job.model).filter(|_| computes)?;
        let mut task = Task::audit(model, job, job.deadline_at.get());
        // The rent of its account is paid.
        task.locks = reserve::for_proof(model, job.units.get());
        Some(task)
    }

    /// Whether an audit pays enough, can be finished in time, leaves its input room on the disk, and is of a result by an unrelated owner.
    async fn is_worthwhile(&self, job: &Job, model: &Model, view: &View, free_space: u64) -> Result<bool> {
        let least = LEAST_WINDOW.saturating_add(model.estimate_seen(CHECKS.into()));
        let window = job.window_seconds.get();
        let in_time = Duration::from_secs(window.into()) >= least && window <= self.settings.max_window;
        let [input, ..] = blob_sizes(model, job.units.get());
        if !in_time || input > free_space || !has_room(model, job.units.get(), self.settings.max_blob) {
            return Ok(false);
        }
        let escrow: Escrow = self.chain.fetch(&job.escrow).await?;
        let audited: Device = self.chain.fetch(&job.device).await?;
        let accept = &self.settings.accept;
        let floor = accept.iter().find(|accept| accept.mint.unwrap_or(view.jobs.mint) == escrow.mint);
        let per_unit = pay(Amount(job.price.get()), Bps::saturating(view.jobs.audit_share_bps.get()));
        Ok(floor.is_some_and(|floor| per_unit.0 >= floor.min_price) && !view.device.is_linked(&audited))
    }

    /// Serves an audit until it is over, and then recovers the rent of a proof that came too late.
    pub(crate) async fn audit(&self, assignment: Assignment) -> JobOutcome {
        let subject = audit::address(&assignment.address);
        match self.take_audit_steps(assignment).await {
            // The next search picks it up again.
            JobOutcome::Closed if self.sweep(&subject).await.is_err() => JobOutcome::LetGo,
            outcome => outcome,
        }
    }

    async fn take_audit_steps(&self, assignment: Assignment) -> JobOutcome {
        let Assignment {
            address, hash, mut place, ..
        } = assignment;
        let (mut progress, mut retry) = (AuditProgress::default(), RETRY);
        loop {
            let state = self.audit_state(&address, &hash, progress.slot).await;
            let step = match state {
                Ok(state) => self.audit_step(&address, &state, &mut progress).await,
                Err(error) => Err(error),
            };
            let pause = match step {
                Ok(Break(outcome)) => return outcome,
                Ok(Continue(pause)) => {
                    retry.reset();
                    Some(pause)
                }
                // It would fail again.
                Err(error @ (Error::Compute { .. } | Error::UnknownModel { .. })) => {
                    self.metrics.errors_total.add(1);
                    self.give_up_audit(&address, &mut progress);
                    tracing::error!(
                        event = "audit failed",
                        job = %address,
                        %error,
                        "the audit is given up until the worker is started again; unless that happens in time, part of its bond is lost"
                    );
                    Some(LOOK)
                }
                Err(error) => {
                    self.metrics.errors_total.add(1);
                    tracing::warn!(event = "retry", job = %address, %error, "a step of an audit failed; trying again");
                    None
                }
            };
            if progress.recomputed.is_some() || progress.given_up {
                // Jobs may use the machine while the audit waits for the audited worker and the chain.
                place = None;
            }
            if self.stop.is_cancelled() && place.is_none() && !progress.is_proving {
                return JobOutcome::LetGo;
            }
            match pause {
                Some(pause) => sleep(pause.min(self.settings.scan)).await,
                None => retry.wait().await,
            }
        }
    }

    /// Stops working on an audit that cannot succeed any more, so that new work need not wait for it, nor for its rent.
    fn give_up_audit(&self, address: &Address, progress: &mut AuditProgress) {
        progress.given_up = true;
        progress.is_proving = false;
        self.none_left(address);
        self.will_lock(address, 0);
    }

    /// Reads an audit from a state at least as new as `slot`.
    async fn audit_state(&self, address: &Address, hash: &Hash, slot: u64) -> Result<State> {
        let at = audit::address(address);
        let (clocks, accounts) = self.state_since(&[*address, at], slot).await?;
        let [job, audit] = accounts.try_into().unwrap_or([None, None]);
        let job = chain::decode_if_any::<Job>(address, job.as_ref())?;
        let audit = chain::decode_if_any::<Audit>(&at, audit.as_ref())?;
        Ok((
            clocks,
            job.filter(|job| job.job_hash == *hash),
            audit.filter(|audit| audit.job_hash == *hash),
        ))
    }

    /// Takes the next step. Breaks with the outcome once the audit is over; otherwise returns when to look again.
    async fn audit_step(
        &self,
        address: &Address,
        state: &State,
        progress: &mut AuditProgress,
    ) -> Result<ControlFlow<JobOutcome, Duration>> {
        let key = self.key.pubkey();
        let (clocks, job, audit) = state;
        let (job, audit) = match (job, audit) {
            (job, Some(audit)) if audit.device == self.device => match job {
                Some(job) if job.status != Status::Convicted => (job, audit),
                _ => return self.close_audit(audit).await.map(Break),
            },
            (Some(job), None) if job.audit == AuditStage::Drawn => return self.claim_audit(address, job, progress).await,
            // The audit is over. If the node only lags, the next search finds it.
            (None, None) => return Ok(Break(JobOutcome::LetGo)),
            // Another device took it, or its time has passed.
            _ => return Ok(Break(JobOutcome::Lost)),
        };
        progress.is_proving = !progress.given_up && is_proving(job, audit);
        if job.audit == AuditStage::Taken && job.is_due(*clocks) {
            tracing::error!(event = "audit missed", job = %address, "the deadline of the audit has passed; part of its bond is lost");
            return Ok(Break(JobOutcome::Missed));
        }
        if progress.given_up {
            return Ok(Continue(LOOK));
        }
        if job.audit == AuditStage::Sealed && audit.agrees.get() {
            // The rent that it has yet to lock depends on the account of the proof, which is read there.
            return self.prove(address, job, audit, progress).await.map(Continue);
        }
        self.will_lock(address, self.task_left(job, audit).map_or(0, |task| task.locks));
        if job.audit == AuditStage::Taken {
            let Some(recomputed) = self.recomputation(address, job, progress).await? else {
                return Ok(Continue(Duration::ZERO));
            };
            let (_, commitment) = self.seal(job, &recomputed.roots);
            let custody = merkle::root(&recomputed.custody_units);
            let committing = audit::commit(&key, address, &self.device, commitment, custody);
            let receipt = self.send("commit audit", address, job, &[committing]).await?;
            progress.slot = receipt.slot;
            tracing::info!(event = "audit committed", job = %address, signature = %receipt.signature);
        } else if job.audit == AuditStage::Sealed && audit.revealed_slot.is_zero() {
            // Everything slow comes before the reveal: after that, the proof has to be done before the chain forgets the draw.
            let Some(recomputed) = self.recomputation(address, job, progress).await? else {
                return Ok(Continue(Duration::ZERO));
            };
            if job.status != Status::Revealed {
                return Ok(Continue(LOOK));
            }
            let opens = |roots: &Roots| self.seal(job, roots).1 == audit.commitment;
            let committed = self.journal.results(address, &job.job_hash).into_iter().find(opens);
            let roots = committed.unwrap_or(recomputed.roots);
            let (nonce, _) = self.seal(job, &roots);
            let revealing = audit::reveal(&key, address, &self.device, roots.traces, roots.outputs, nonce);
            progress.slot = self.send("reveal audit", address, job, &[revealing]).await?.slot;
            if (roots.traces, roots.outputs) != (job.traces, job.outputs) {
                tracing::error!(
                    event = "audit differs",
                    job = %address,
                    "the audited result is not what this device computes: the audit costs part of its bond unless somebody convicts the job. \
                     If `ionet-worker selftest` finds nothing wrong with this machine, run `ionet verify {address} --convict` at once"
                );
            }
        } else {
            // Another party has to act first.
            return Ok(Continue(LOOK));
        }
        Ok(Continue(Duration::ZERO))
    }

    /// Takes a drawn audit once its input is fetched and the device may claim it.
    async fn claim_audit(&self, address: &Address, job: &Job, progress: &mut AuditProgress) -> Result<ControlFlow<JobOutcome, Duration>> {
        if job.is_due(self.chain.clocks().await?) || self.stop.is_cancelled() {
            return Ok(Break(JobOutcome::LetGo));
        }
        if !progress.has_input {
            let found = self.find_input(address, job, self.model(job)?).await;
            // As for jobs, a disk that cannot store the input is not trusted.
            if let Err(error) = found.and_then(|(_, kept)| kept) {
                self.note_disk_error(&error);
                tracing::info!(event = "audit refused", job = %address, reason = %error);
                return Ok(Break(JobOutcome::Refused));
            }
            progress.has_input = true;
        }
        let now = self.chain.now().await?;
        let config: jobs::Config = self.chain.fetch(&chain::market::job::config()).await?;
        let admitted = match SlotHashes::read(&self.chain).await?.first_after(job.since_slot.get()) {
            Seed::NotYet => false,
            Seed::Known(seed_slot, seed) => job.admits(address, &self.device, &seed, seed_slot, now.slot, config.sortition_slots.get()),
            Seed::Forgotten => true,
        };
        if admitted {
            let escrow: Escrow = self.chain.fetch(&job.escrow).await?;
            self.ensure_payout(&escrow.mint).await?;
            let claiming = audit::claim(&self.key.pubkey(), address, job, &self.device, self.gpu);
            let sent = self
                .send_recorded("claim audit", address, job, &[claiming], &self.options, Some(Step::Claiming))
                .await;
            match sent {
                Ok(receipt) => {
                    progress.slot = receipt.slot;
                    tracing::info!(event = "audit claimed", job = %address, signature = %receipt.signature);
                    return Ok(Continue(Duration::ZERO));
                }
                Err(error) => {
                    if self.claim_in_doubt(address, &error) {
                        return Ok(Break(JobOutcome::LetGo));
                    }
                    // Another device was faster, or this one may not audit. Nothing is at stake yet.
                    tracing::info!(event = "audit refused", job = %address, reason = %error);
                    return Ok(Break(JobOutcome::Lost));
                }
            }
        }
        Ok(Continue(self.settings.poll))
    }

    /// The recomputed result, computed on the first call. `None` if it became useless meanwhile.
    async fn recomputation(&self, address: &Address, job: &Job, progress: &mut AuditProgress) -> Result<Option<Arc<Recomputation>>> {
        if progress.recomputed.is_none() {
            let recomputed = tokio::select! {
                biased;
                recomputed = self.recompute(address, job) => recomputed?,
                () = self.audit_lapses(address, job, progress.slot) => return Ok(None),
            };
            progress.recomputed = Some(Arc::new(recomputed));
        }
        Ok(progress.recomputed.clone())
    }

    /// Completes when recomputing a result has become useless: the time for it has passed, or the job is over.
    async fn audit_lapses(&self, address: &Address, job: &Job, slot: u64) {
        let mut job = *job;
        loop {
            self.pause_until_due(&job).await;
            let (clocks, stands) = match self.audit_state(address, &job.job_hash, slot).await {
                Ok((clocks, Some(now), Some(audit))) if audit.device == self.device => {
                    job = now;
                    (clocks, true)
                }
                Ok((clocks, ..)) => (clocks, false),
                Err(_) => continue,
            };
            let is_sealed = stands && job.audit != AuditStage::Taken;
            // Whatever a node says, only a conviction ends a job before its deadline.
            if job.status == Status::Convicted || (!is_sealed && job.is_due(clocks)) {
                return;
            }
        }
    }

    async fn recompute(&self, address: &Address, job: &Job) -> Result<Recomputation> {
        let model = self.model(job)?.clone();
        // There is no telling when the input will be available again, so new work does not wait for this.
        let input = self.input(address, job, &model).await;
        let bytes = input.inspect_err(|_| self.none_left(address))?;
        let (party, job_hash, units) = (self.device, job.job_hash, job.units.get());
        let engine = model.clone();
        let left = self.units_left(address, || Task::audit(&model, job, job.deadline_at.get()));
        left.store(units, Ordering::Relaxed);
        let (go_on, _guard) = self.counting(left);
        let computing = tokio::task::spawn_blocking(move || {
            let checkpoints = engine.engine().package().checkpoints();
            let custody: Vec<Mutex<CustodyUnit>> = (0..units).map(|_| Mutex::new(CustodyUnit::new(checkpoints))).collect();
            let see = |unit: u32, op: usize, codes: &mut [u8]| {
                if let Some(custody) = custody.get(unit as usize) {
                    let mut custody = custody.lock();
                    custody.salt(checkpoints, party.as_array(), &job_hash, unit, op as u32, codes);
                }
            };
            let (mut batch, _) = engine.run_seen(&bytes, go_on, see)?;
            batch.outputs = Vec::new();
            let custody: Vec<CustodyUnit> = custody.into_iter().map(Mutex::into_inner).collect();
            let custody_units = custody.iter().map(CustodyUnit::root).collect();
            Ok::<_, engine::Error>((batch, custody, custody_units))
        });
        let computed = computing.await.map_err(|error| model.failed(error))?;
        let (batch, custody, custody_units) = computed.map_err(|error| model.failed(error))?;
        tracing::info!(event = "audit computed", job = %address, model = model.name, units);
        self.none_left(address);
        let roots = Roots {
            traces: batch.traces_root,
            outputs: batch.outputs_root,
            nonce: Some(self.nonce(job)),
        };
        self.tolerate_disk_error(self.journal.record(address, job, Step::Computed(roots)));
        Ok(Recomputation {
            batch,
            custody,
            custody_units,
            roots,
        })
    }

    /// Takes the next step of the proof, which opens the chunks drawn by the slot after the reveal: seals it, writes it, has it checked and
    /// recovers the rent. Returns when to look again.
    async fn prove(&self, address: &Address, job: &Job, audit: &Audit, progress: &mut AuditProgress) -> Result<Duration> {
        let seed = match SlotHashes::read(&self.chain).await?.first_after(audit.revealed_slot.get()) {
            Seed::NotYet => return Ok(self.settings.poll),
            Seed::Known(_, seed) => seed,
            Seed::Forgotten => {
                self.sweep(&audit::address(address)).await?;
                self.give_up_audit(address, progress);
                tracing::error!(event = "audit unproven", job = %address, "the chain has forgotten the draw before the proof was done; part of the bond is lost");
                return Ok(LOOK);
            }
        };
        let proof = match progress.proof.take() {
            Some(proof) => proof,
            None => {
                let Some(recomputed) = self.recomputation(address, job, progress).await? else {
                    return Ok(Duration::ZERO);
                };
                self.openings(address, job, recomputed, seed).await?
            }
        };
        let proof = &*progress.proof.insert(proof);
        let (key, subject) = (self.key.pubkey(), audit::address(address));
        let seal = protocol::referee::seal(proof, key.as_array(), subject.as_array());
        let evidence = referee::evidence(&key, &seal);
        let account: Option<::referee::EvidenceHeader> = self.account_since(&evidence, progress.slot).await?;
        // The chain forgets the draw within minutes, which leaves no time to repeat one of a dozen transactions.
        let urgent = self.options.within(0);
        if account.is_some() {
            self.will_lock(address, 0);
        }
        if let Some(next) = referee::next(&key, &subject, proof, account.as_ref()) {
            let what = account.map_or_else(|| "seal proof".to_owned(), |header| format!("write proof {}", header.written.get()));
            progress.slot = self.send_recorded(&what, address, job, &[next], &urgent, None).await?.slot;
            // Nothing can be written in the slot of the seal.
            return Ok(if account.is_none() { self.settings.poll } else { Duration::ZERO });
        }
        let proving = [audit::prove(address, &job.model, &evidence), referee::close_evidence(&key, &seal)];
        let receipt = self.send_recorded("prove", address, job, &proving, &urgent, None).await?;
        progress.slot = receipt.slot;
        self.metrics.audits_proven_total.add(1);
        tracing::info!(event = "audit proven", job = %address, signature = %receipt.signature);
        Ok(Duration::ZERO)
    }

    /// The openings of the drawn chunks, in both trees.
    async fn openings(&self, address: &Address, job: &Job, recomputed: Arc<Recomputation>, seed: Hash) -> Result<Vec<u8>> {
        let model = self.model(job)?.clone();
        let inputs = self.input(address, job, &model).await?;
        let (engine, party) = (model.clone(), self.device);
        let opening = tokio::task::spawn_blocking(move || open(&engine, &inputs, &recomputed, &seed, party.as_array()));
        let opened = opening.await.map_err(|error| model.failed(error))?;
        opened
            .map_err(|error| model.failed(error))?
            .ok_or_else(|| model.failed("the drawn chunks cannot be opened"))
    }

    /// Frees the bond of an audit whose job is over.
    async fn close_audit(&self, audit: &Audit) -> Result<JobOutcome> {
        let paid = audit.outcome == jobs::state::Outcome::Paid;
        self.chain.send(&[audit::close(audit)], &[&self.key], &self.options).await?;
        tracing::info!(event = "audit closed", job = %audit.job, paid);
        Ok(JobOutcome::Closed)
    }
}

/// Whether nothing but the auditor's own steps are left until the proof of its result, which agrees as far as is known.
fn is_proving(job: &Job, audit: &Audit) -> bool {
    let agrees = audit.revealed_slot.is_zero() || audit.agrees.get();
    job.audit == AuditStage::Sealed && job.status == Status::Revealed && agrees
}

/// Opens the chunks that `seed` draws. `None` if the recomputed result has no such chunk.
fn open(
    model: &Model,
    inputs: &Bytes,
    recomputed: &Recomputation,
    seed: &Hash,
    party: &Hash,
) -> std::result::Result<Option<Vec<u8>>, engine::Error> {
    let package = model.engine().package();
    let checkpoints = package.checkpoints();
    let units = unit_leaves(0, &recomputed.batch.traces);
    let layout = |op: u32| package.ops.get(op as usize).map(|op| op.descriptor.output.layout());
    let n_chunks = |_: u32, op: u32| layout(op).and_then(|layout| layout.chunks()).unwrap_or(1);
    let places: Vec<Place> = (0..CHECKS)
        .map(|check| place(seed, party, check, units.len() as u32, checkpoints, n_chunks))
        .collect();
    let values = drawn_values(model, inputs, &places)?;
    let opened = || {
        let mut proof = Vec::new();
        for (place, value) in places.iter().zip(&values) {
            let Place { unit, op, chunk } = *place;
            let layout = layout(op)?;
            let id = (package.inputs.len() as u32).saturating_add(op);
            let chunks = layout.leaves(id, value);
            let opening = Opening {
                place: *place,
                head: &layout.head(chunks.len() as u32),
                preimage: &layout.preimage(id, chunk, value)?,
                chunks: &chunks,
                checkpoints,
                ops: &checkpoints.leaves(recomputed.batch.unit(unit)),
                units: &units,
                custody: recomputed.custody.get(unit as usize)?,
                custody_units: &recomputed.custody_units,
            };
            opening.write(&mut proof)?;
        }
        Some(proof)
    };
    Ok(opened())
}

/// The op output that contains each place. Computes each unit once, no matter how many places lie in it, and keeps nothing else of it.
fn drawn_values(model: &Model, inputs: &[u8], places: &[Place]) -> std::result::Result<Vec<Vec<u8>>, engine::Error> {
    let (header, blob) = BatchHeader::parse(inputs)?;
    let mut values = vec![Vec::new(); places.len()];
    let units: BTreeSet<u32> = places.iter().map(|place| place.unit).collect();
    for unit in units {
        let codes: Vec<&[u8]> = header.tensors(blob.get(unit).unwrap_or_default()).map(|(_, codes)| codes).collect();
        let keep = |op: usize, codes: &mut [u8]| {
            for (value, _) in values
                .iter_mut()
                .zip(places)
                .filter(|(_, at)| (at.unit, at.op as usize) == (unit, op))
            {
                *value = codes.to_vec();
            }
        };
        model.engine().run_seen(&codes, keep)?;
    }
    Ok(values)
}
