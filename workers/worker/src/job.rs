//! The life of one job in a worker's hands.
//!
//! Each round reads where the job stands on chain and takes the one step that follows. A step that fails is tried again as long as the
//! chain says there is time. Nothing here depends on what happened before the process started. The result is stored beside the steps: the
//! chain needs no store, and answers need only what is kept here.

use crate::admission::Task;
use crate::blind::Before;
use crate::failpoint::failpoint;
use crate::journal::{Journal, Roots, Step};
use crate::models::Model;
use crate::settings::TraceMode;
use crate::{Error, Fault, Result, Worker};
use anchor_lang::prelude::ProgramError;
use anchor_lang::{AccountDeserialize, Discriminator, Owner};
use blobs::BlobStore;
use bytes::Bytes;
use chain::market::{audit, job as instructions};
use chain::sysvar::{self, CLOCK, CLOCKS};
use chain::{JobEnd, Outcome, Receipt};
use daemon::Backoff;
use engine::Batch;
use futures_util::StreamExt;
use jobs::error::JobsError;
use jobs::instruction::{Award, SettleJob};
use jobs::{Audit, AuditStage, Job, Status};
use protocol::blob::TraceBlob;
use protocol::hash::Hash;
use protocol::trace;
use protocol::units::{Amount, Bps, Clocks};
use solana_account::Account;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::{
    convert::Infallible,
    ops::ControlFlow::{self, Break, Continue},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, SetOnce, mpsc};
use tokio::time::{sleep, timeout};

/// Domain of the nonces, so that the key signs nothing else by them.
const NONCE: &[u8] = b"ionet worker nonce 1";

/// Waits between tries of a step.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));

/// Wait before it is seen to again that a job is settled.
const SETTLE_AGAIN: Duration = Duration::from_secs(8);

/// Seconds before the deadline of a reveal at which it no longer waits for the store: what its transactions take when blocks are full.
const STORED_BY: i64 = 30;

/// How long a result is still stored that was paid for before it was.
const STORED_AFTER: Duration = Duration::from_secs(3_600);

/// Wait before another look at a job that others are to act on, or whose result is being stored.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// Op outputs that wait to be stored while the next ones are computed, at most 16 MiB each.
const TENSORS_IN_FLIGHT: usize = 4;

/// Time that storing one of them may take, as computing waits for it.
const TENSOR_STORED: Duration = Duration::from_secs(30);

/// Transactions about a job, the newest first, among which its end is looked for.
const LOOKED_THROUGH: usize = 64;

/// A node may answer from behind; it is asked this often for a state as new as one's own transaction.
const CATCH_UP: (u32, Duration) = (50, Duration::from_millis(100));

/// A job to be served, or another device's to be audited.
pub(crate) struct Assignment {
    pub address: Address,
    /// JOB: the address can be used again.
    pub hash: Hash,
    /// Whether it is another device's.
    pub audit: bool,
    /// For an open job: when and for what to claim it.
    pub claim: Option<ClaimPlan>,
    /// A place among the jobs in hand; those found in progress get one when they need it.
    pub permit: Option<OwnedSemaphorePermit>,
}

impl Assignment {
    /// A job of this device's, or one that it is to claim.
    pub fn job(address: Address, hash: Hash, claim: Option<ClaimPlan>, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            address,
            hash,
            audit: false,
            claim,
            permit,
        }
    }

    /// The audit of a job.
    pub fn audit(address: Address, hash: Hash, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            address,
            hash,
            audit: true,
            claim: None,
            permit,
        }
    }
}

/// How to claim a job.
#[derive(Clone, Copy)]
pub(crate) struct ClaimPlan {
    /// First slot at which the device is admitted.
    pub slot: u64,
    /// Least price per unit.
    pub floor: u64,
    /// What it pays in.
    pub mint: Address,
}

/// How a job left a worker's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobOutcome {
    /// Settled.
    Paid,
    /// Another device has it, or nobody: it was cancelled or has expired.
    Lost,
    /// Not claimed: its input is not to be had or not what the job says, or the claim was refused.
    Refused,
    /// The deadline passed.
    Missed,
    /// Its result was proved wrong.
    Convicted,
    /// It was wrong by permit, nobody found it, and the consumer is refunded.
    Confessed,
    /// It has ended and nobody says how.
    Ended,
    /// An audit is over, paid or not, and its bond is free.
    Audited,
    /// Let go for now, as the worker stops, or the node does not have it or does not say whose it is; a search, now or at the next start,
    /// takes it up again.
    Left,
}

/// A result as it was computed.
#[derive(Clone)]
pub(crate) struct Computed {
    pub roots: Roots,
    pub output: Bytes,
    pub trace: Bytes,
    /// Whether the disk has it.
    pub kept: bool,
}

/// A job's result, for what goes on beside its steps.
struct JobResult {
    job: Job,
    roots: Roots,
    /// Itself, where the disk did not take it.
    unkept: Option<Computed>,
}

/// What a job's steps share with what goes on beside them.
#[derive(Default)]
struct JobProgress {
    result: SetOnce<JobResult>,
    /// Whether nothing is left to do about storing it.
    stored: SetOnce<()>,
    /// Whether its reveal has landed. Replicas that agree are paid so soon that nobody may see them revealed.
    revealed: AtomicBool,
    /// Newest slot in which a transaction of ours landed.
    slot: AtomicU64,
}

impl JobProgress {
    /// The result that will be stored; the first one stays.
    fn set_result(&self, job: &Job, roots: Roots, unkept: Option<Computed>) -> Roots {
        let result = JobResult { job: *job, roots, unkept };
        // It follows from the job, so another one is the same.
        let _ = self.result.set(result);
        roots
    }
}

impl Worker {
    /// Serves a job until it leaves this worker's hands.
    pub(crate) async fn serve(&self, assignment: Assignment) -> JobOutcome {
        let (address, progress) = (assignment.address, JobProgress::default());
        let mut storing = pin!(self.store_result(&address, &progress));
        let outcome = tokio::select! {
            biased;
            outcome = self.take_steps(assignment, &progress) => outcome,
            never = &mut storing => match never {},
        };
        // Whoever has paid for it shall have it, and what is let go as the worker stops may not be taken up again in time.
        let owed = match outcome {
            JobOutcome::Paid | JobOutcome::Ended => true,
            JobOutcome::Left => self.stop.is_cancelled(),
            _ => false,
        };
        if owed && progress.result.initialized() {
            tokio::select! {
                biased;
                _ = progress.stored.wait() => {}
                () = sleep(STORED_AFTER) => {
                    tracing::warn!(event = "unstored", job = %address, "the job has ended and no store has its result; see the blob store");
                }
                never = &mut storing => match never {},
            }
        }
        outcome
    }

    async fn take_steps(&self, mut assignment: Assignment, progress: &JobProgress) -> JobOutcome {
        let address = assignment.address;
        // What was found may be out of date, and costs nothing yet.
        let mut job = match self.account_since::<Job>(&address, 0).await {
            Ok(Some(job)) if job.job_hash == assignment.hash => job,
            _ => return JobOutcome::Left,
        };
        let (mut input, mut retry) = (None, RETRY);
        loop {
            match self.step(&job, &mut assignment, &mut input, progress).await {
                Ok(Break(outcome)) => return outcome,
                Ok(Continue(Some(landed))) => {
                    progress.slot.store(landed, Ordering::Relaxed);
                    retry.reset();
                }
                Ok(Continue(None)) => {
                    // The machine is free meanwhile.
                    assignment.permit = None;
                    let stored = progress.stored.initialized();
                    tokio::select! {
                        () = sleep(LOOK.min(self.settings.scan)) => {}
                        _ = progress.stored.wait(), if !stored => {}
                    }
                }
                Err(error @ Error::ForeignCommitment { .. }) => {
                    tracing::error!(event = "missed", job = %address, %error);
                    return JobOutcome::Missed;
                }
                Err(error) => {
                    self.metrics.errors_total.add(1);
                    tracing::warn!(event = "retry", job = %address, %error, "a step failed; trying again");
                    retry.wait().await;
                }
            }
            job = match self.reread(&address, &job, progress).await {
                Continue(job) => job,
                Break(outcome) => return outcome,
            };
        }
    }

    /// Takes the step that follows; says how the job left, when it has, or the slot in which its transaction landed, or `None` when others
    /// are to act first.
    async fn step(
        &self,
        job: &Job,
        assignment: &mut Assignment,
        input: &mut Option<Bytes>,
        progress: &JobProgress,
    ) -> Result<ControlFlow<JobOutcome, Option<u64>>> {
        let address = &assignment.address;
        let landed = match (Status::from_code(job.status), &assignment.claim) {
            (Some(Status::Open), Some(claim)) => return Ok(self.try_claim(address, job, claim, input).await),
            (Some(Status::Assigned), _) => {
                if assignment.permit.is_none() {
                    assignment.permit = self.places.clone().acquire_owned().await.ok();
                }
                return self.commit(address, job, progress, input).await;
            }
            (Some(Status::Committed), _) => {
                // Others may take their time, and the disk has it.
                *input = None;
                match self.before_reveal(address, job).await? {
                    Before::Along(first) => return self.reveal(address, job, progress, first).await,
                    Before::Alone(draw) => Some(self.send("draw", Step::Revealing, address, job, &[draw]).await?.slot),
                    Before::Wait => None,
                }
            }
            (Some(Status::Revealed), _) => {
                drop((assignment.permit.take(), input.take()));
                // The chain says what to store.
                let (traces, outputs, nonce) = (job.traces, job.outputs, None);
                progress.set_result(job, Roots { traces, outputs, nonce }, None);
                return Ok(Break(self.await_pay(address, job).await));
            }
            (Some(Status::Convicted), _) => return Ok(Break(self.convicted(address, job).await)),
            (Some(Status::Open) | None, _) => return Ok(Break(JobOutcome::Left)),
        };
        Ok(Continue(landed))
    }

    /// Reads a job again, from a state that knows what landed of ours, however often that takes; says how it left, when it has.
    async fn reread(&self, address: &Address, job: &Job, progress: &JobProgress) -> ControlFlow<JobOutcome, Job> {
        let (slot, revealed) = (progress.slot.load(Ordering::Relaxed), progress.revealed.load(Ordering::Relaxed));
        let mut retry = RETRY;
        let (clocks, job) = loop {
            let reason = match self.job_since(address, slot).await {
                Ok((clocks, Some(now))) if now.job_hash == job.job_hash && [self.device, Address::default()].contains(&now.device) => {
                    break (clocks, now);
                }
                Ok((_, Some(_))) => {
                    tracing::info!(event = "lost", job = %address, reason = "another device has taken it");
                    return Break(JobOutcome::Lost);
                }
                Ok((_, None)) if revealed && job.replicas > 1 => return Break(self.ended(address, job).await),
                // The deadline came with a transaction whose effect was not seen. If it is still there, the next search finds it.
                Ok((_, None)) if job.status == Status::Open || job.awaits_siblings() => return Break(JobOutcome::Left),
                Ok((clocks, None)) if job.is_due(clocks) => {
                    return Break(match revealed {
                        true => self.ended(address, job).await,
                        false => self.missed(address),
                    });
                }
                Ok((_, None)) => "the node does not have it, which cannot be before its deadline".to_owned(),
                Err(error) => error.to_string(),
            };
            tracing::warn!(event = "retry", job = %address, reason, "the job cannot be read; trying again");
            retry.wait().await;
        };
        let in_time = job.awaits_auditor() || !matches!(Status::from_code(job.status), Some(Status::Assigned | Status::Committed));
        if !in_time && job.is_due(clocks) {
            return Break(self.missed(address));
        }
        Continue(job)
    }

    /// Completes when a job leaves while something is computed for it; says how.
    async fn leaves(&self, address: &Address, job: &Job, progress: &JobProgress) -> JobOutcome {
        let mut job = *job;
        loop {
            self.pause_until_due(&job).await;
            job = match self.reread(address, &job, progress).await {
                Continue(job) => job,
                Break(outcome) => return outcome,
            };
        }
    }

    /// Waits while a job's deadline is ahead, before which nothing that is computed for it is in vain, but for no longer than a search
    /// waits: the chain's clock may run faster than ours.
    pub(crate) async fn pause_until_due(&self, job: &Job) {
        let now = self.chain.now().await;
        let left = now.map_or(0, |now| job.deadline().seconds_past(now));
        let scan = self.settings.scan;
        sleep(Duration::from_secs(left.into()).clamp(LOOK.min(scan), scan)).await;
    }

    /// The job has ended with its result revealed: paid, or convicted and awarded before anybody here saw that.
    async fn ended(&self, address: &Address, job: &Job) -> JobOutcome {
        match self.is_paid(address).await {
            Ok(Some(true)) => self.paid(address, job).await,
            Ok(Some(false)) => self.convicted(address, job).await,
            unknown => {
                let reason = unknown.err().map(|error| error.to_string());
                tracing::info!(event = "ended", job = %address, reason, "the node does not say whether it was paid");
                JobOutcome::Ended
            }
        }
    }

    /// Whether the last that was done to a job is that it was paid; `None` when the node does not remember.
    async fn is_paid(&self, address: &Address) -> Result<Option<bool>> {
        let network = &**self.chain.network();
        let ask = move |signature| async move { network.instructions(&signature).await };
        // Anybody can name an address in useless transactions.
        let mut past = chain::past_each(network, address, ask).take(LOOKED_THROUGH);
        while let Some(instructions) = past.next().await.transpose()? {
            let ours = instructions.into_iter().flatten();
            let acts: Vec<Instruction> = ours
                .filter(|one| one.program_id == jobs::ID && one.accounts.iter().any(|meta| meta.pubkey == *address))
                .collect();
            let does = |what: &[u8]| acts.iter().any(|one| one.data.starts_with(what));
            let ends = [(SettleJob::DISCRIMINATOR, true), (Award::DISCRIMINATOR, false)];
            if let Some((_, paid)) = ends.into_iter().find(|(what, _)| does(what)) {
                return Ok(Some(paid));
            }
        }
        Ok(None)
    }

    /// The job was settled.
    async fn paid(&self, address: &Address, job: &Job) -> JobOutcome {
        let quote = job.quote_at(Amount(job.price.get())).ok();
        let supplier_gets = quote.map_or(Amount::default(), |quote| quote.supplier_gets);
        // An auditor's share is its own.
        let audit = match job.audit == AuditStage::Proven {
            true => self.chain.try_fetch::<Audit>(&audit::address(address)).await.ok().flatten(),
            false => None,
        };
        let share = audit.map_or(Bps::default(), |audit| Bps::saturating(audit.share_bps.get()));
        let auditor_gets = protocol::audit::pay(supplier_gets, share);
        let amount = supplier_gets.saturating_sub(auditor_gets).0;
        self.metrics.jobs_paid_total.add(1);
        tracing::info!(event = "paid", job = %address, amount);
        JobOutcome::Paid
    }

    async fn convicted(&self, address: &Address, job: &Job) -> JobOutcome {
        if self.is_forced(job) {
            self.note_error(address);
            return self.open_permit(address, job).await;
        }
        tracing::error!(event = "convicted", job = %address, "the result was proved wrong and the bond is lost; run `ionet-worker selftest` before anything else");
        JobOutcome::Convicted
    }

    fn missed(&self, address: &Address) -> JobOutcome {
        tracing::error!(event = "missed", job = %address, "the deadline has passed; the job is dropped and part of its bond is lost");
        JobOutcome::Missed
    }

    /// Whether the deadline of a job has passed, as far as the node knows.
    async fn is_overdue(&self, job: &Job) -> bool {
        self.chain.clocks().await.is_ok_and(|clocks| job.is_due(clocks))
    }

    /// Reads an account of a program from a state at least as new as `slot`.
    pub(crate) async fn account_since<T: AccountDeserialize + Owner>(&self, address: &Address, slot: u64) -> Result<Option<T>> {
        let account = self.accounts_since(&[*address], slot).await?.into_iter().next().flatten();
        Ok(chain::decode_if_any(address, account.as_ref())?)
    }

    /// Reads a job from a state at least as new as `slot`, with the clocks of that state.
    async fn job_since(&self, address: &Address, slot: u64) -> Result<(Clocks, Option<Job>)> {
        let (clocks, accounts) = self.state_since(&[*address], slot).await?;
        let account = accounts.first().and_then(Option::as_ref);
        Ok((clocks, chain::decode_if_any(address, account)?))
    }

    /// Reads accounts from a state at least as new as `slot`, with its clocks: what is late by those stays late, while those of another
    /// machine may be ahead of it.
    pub(crate) async fn state_since(&self, addresses: &[Address], slot: u64) -> Result<(Clocks, Vec<Option<Account>>)> {
        let mut accounts = self.accounts_since(&[addresses, &CLOCKS].concat(), slot).await?;
        let clocks = sysvar::clocks(&accounts.split_off(addresses.len().min(accounts.len())));
        Ok((clocks.ok_or_else(|| self.chain.missing(&CLOCK))?, accounts))
    }

    /// Reads accounts from a state at least as new as `slot`.
    pub(crate) async fn accounts_since(&self, addresses: &[Address], slot: u64) -> Result<Vec<Option<Account>>> {
        let (tries, pause) = CATCH_UP;
        for _ in 0..tries {
            let (seen, accounts) = self.chain.network().accounts(addresses).await?;
            if seen >= slot {
                return Ok(accounts);
            }
            sleep(pause).await;
        }
        let cluster = self.chain.network().url().to_owned();
        Err(Error::Behind { cluster, slot })
    }

    /// Claims an open job; one that is refused leaves, as nothing is at stake yet: another look at the market decides whether to try again.
    async fn try_claim(
        &self,
        address: &Address,
        job: &Job,
        claim: &ClaimPlan,
        input: &mut Option<Bytes>,
    ) -> ControlFlow<JobOutcome, Option<u64>> {
        match self.claim(address, job, claim, input).await {
            Ok(Some(receipt)) => Continue(Some(receipt.slot)),
            Ok(None) => Break(JobOutcome::Left),
            Err(error) => {
                if self.claim_in_doubt(address, &error) {
                    return Break(JobOutcome::Left);
                }
                let gone = [JobsError::WrongStatus, JobsError::JobExpired, JobsError::TermsChanged];
                let lost = gone.into_iter().any(|code| failed_with(&error, code));
                tracing::info!(event = if lost { "lost" } else { "refused" }, job = %address, reason = %error);
                Break(if lost { JobOutcome::Lost } else { JobOutcome::Refused })
            }
        }
    }

    /// Takes note of why a claim failed; whether nobody said what became of it: then it may have landed, and nothing of it is to be dropped.
    pub(crate) fn claim_in_doubt(&self, address: &Address, error: &Error) -> bool {
        if error.is_disk() {
            self.disk_failed(error);
        }
        let in_doubt = matches!(error, Error::Chain(cause) if cause.uncertain().is_some_and(|uncertain| !uncertain.expired));
        if in_doubt {
            tracing::warn!(event = "retry", job = %address, %error, "the claim may have landed; the next search tells");
        }
        in_doubt
    }

    /// Claims an open job once its input is here and checked; `None` when the worker is to stop.
    async fn claim(&self, address: &Address, job: &Job, claim: &ClaimPlan, input: &mut Option<Bytes>) -> Result<Option<Receipt>> {
        let model = self.model(job)?;
        let (bytes, kept) = self.find_input(address, job, model).await?;
        // A disk that does not take it is not trusted with what follows.
        kept?;
        *input = Some(bytes);
        self.ensure_payout(&claim.mint).await?;
        loop {
            if self.chain.now().await?.slot >= claim.slot {
                let claiming = self.claiming(address, job, claim.floor).await?;
                let sent = self.send("claim", Step::Claiming, address, job, &[claiming]).await;
                let early = |error: &Error| {
                    let codes = [JobsError::SeedNotReady, JobsError::NotAdmittedYet, JobsError::PriceTooLow];
                    codes.into_iter().any(|code| failed_with(error, code))
                };
                match sent {
                    Err(error) if early(&error) => tracing::debug!(job = %address, %error, "too early"),
                    Err(error) => return Err(error),
                    Ok(receipt) => {
                        self.metrics.jobs_claimed_total.add(1);
                        tracing::info!(event = "claimed", job = %address, model = model.name, units = job.units.get(), signature = %receipt.signature);
                        return Ok(Some(receipt));
                    }
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(None),
                () = sleep(self.settings.poll) => {}
            }
        }
    }

    /// Computes the result unless it is there, and commits to it; says the same as [`Worker::step`].
    async fn commit(
        &self,
        address: &Address,
        job: &Job,
        progress: &JobProgress,
        input: &mut Option<Bytes>,
    ) -> Result<ControlFlow<JobOutcome, Option<u64>>> {
        let roots = match self.result(address, job, progress, input, |_| true).await? {
            Continue(roots) => roots,
            Break(outcome) => return Ok(Break(outcome)),
        };
        let (_, commitment) = self.seal(job, &roots);
        let committing = instructions::commit_result(&self.key.pubkey(), address, &self.device, commitment);
        let receipt = self.send("commit", Step::Committing, address, job, &[committing]).await?;
        self.metrics.jobs_committed_total.add(1);
        tracing::info!(event = "committed", job = %address, commitment = hex::encode(commitment), signature = %receipt.signature);
        Ok(Continue(Some(receipt.slot)))
    }

    /// Opens the commitment, after what comes first, once the result is stored or time runs out; says the same as [`Worker::step`].
    async fn reveal(
        &self,
        address: &Address,
        job: &Job,
        progress: &JobProgress,
        first: Vec<Instruction>,
    ) -> Result<ControlFlow<JobOutcome, Option<u64>>> {
        let opens = |roots: &Roots| self.seal(job, roots).1 == job.commitment;
        let roots = match self.result(address, job, progress, &mut None, opens).await? {
            Continue(roots) => roots,
            Break(outcome) => return Ok(Break(outcome)),
        };
        if !opens(&roots) {
            return Err(Error::ForeignCommitment { job: *address });
        }
        if !progress.stored.initialized() {
            if !first.is_empty() {
                // The time for the reveal starts, and what is drawn by is not forgotten meanwhile.
                let what = if job.awaits_siblings() { "call" } else { "draw" };
                let receipt = self.send(what, Step::Revealing, address, job, &first).await?;
                return Ok(Continue(Some(receipt.slot)));
            }
            let left = job.deadline().unix.saturating_sub(self.chain.now().await?.unix);
            // A worker that stops may not be back in time.
            if left > STORED_BY && !self.stop.is_cancelled() {
                return Ok(Continue(None));
            }
            tracing::warn!(event = "unstored", job = %address, "revealed before a store has the result, which is tried on");
        }
        let (nonce, _) = self.seal(job, &roots);
        let revealing = instructions::reveal_result(&self.key.pubkey(), address, &self.device, roots.traces, roots.outputs, nonce);
        let all: Vec<Instruction> = first.into_iter().chain([revealing]).collect();
        let receipt = self.send("reveal", Step::Revealing, address, job, &all).await?;
        progress.revealed.store(true, Ordering::Relaxed);
        self.metrics.jobs_revealed_total.add(1);
        tracing::info!(event = "revealed", job = %address, outputs = hex::encode(roots.outputs), signature = %receipt.signature);
        Ok(Continue(Some(receipt.slot)))
    }

    /// The result that `fits`, as this process or an earlier one has it, or computed now; how the job left, when it does meanwhile.
    async fn result(
        &self,
        address: &Address,
        job: &Job,
        progress: &JobProgress,
        input: &mut Option<Bytes>,
        fits: impl Fn(&Roots) -> bool,
    ) -> Result<ControlFlow<JobOutcome, Roots>> {
        if let Some(result) = progress.result.get() {
            return Ok(Continue(result.roots));
        }
        if let Some(roots) = self.journal.results(address, &job.job_hash).into_iter().find(&fits) {
            return Ok(Continue(progress.set_result(job, roots, None)));
        }
        let computing = async {
            let computed = self.compute(address, job, input).await?;
            if self.secret.is_none() || fits(&computed.roots) {
                return Ok(computed);
            }
            // What was committed to is no error.
            let input = self.input(address, job, self.model(job)?).await?;
            self.compute_with(address, job, input, None).await
        };
        let computed = tokio::select! {
            biased;
            computed = computing => computed?,
            outcome = self.leaves(address, job, progress) => return Ok(Break(outcome)),
        };
        let roots = progress.set_result(job, computed.roots, Some(computed).filter(|computed| !computed.kept));
        Ok(Continue(roots))
    }

    /// The nonce and the commitment of a result.
    pub(crate) fn seal(&self, job: &Job, roots: &Roots) -> (Hash, Hash) {
        let nonce = roots.nonce.unwrap_or_else(|| self.nonce(job));
        let party = self.device.as_array();
        let result = trace::result(&job.job_hash, party, &roots.traces, &roots.outputs);
        (nonce, trace::commit(&result, party, &nonce))
    }

    /// The nonce of a right result. It follows from key and job, so that a lost disk does not lose it; the journal has it too, since the
    /// key may be rotated before the reveal.
    pub(crate) fn nonce(&self, job: &Job) -> Hash {
        solana_sha256_hasher::hashv(&[NONCE, self.key.secret_bytes(), &job.job_hash]).to_bytes()
    }

    /// Has what is made stored, however often that takes.
    async fn store_result(&self, address: &Address, progress: &JobProgress) -> Infallible {
        let result = progress.result.wait().await;
        let (mut at_hand, mut retry) = (result.unkept.clone(), RETRY);
        while !self.silent
            && let Err(error) = self.try_store_result(address, result, &mut at_hand).await
        {
            self.metrics.errors_total.add(1);
            tracing::warn!(event = "retry", job = %address, %error, "the result is not stored; trying again");
            retry.wait().await;
        }
        drop(at_hand);
        // It is set here alone.
        let _ = progress.stored.set(());
        std::future::pending().await
    }

    /// Sees to it that the store has output and trace: from what is at hand, as kept, or computed again when they are lost.
    async fn try_store_result(&self, address: &Address, result: &JobResult, at_hand: &mut Option<Computed>) -> Result<()> {
        let store = self.output_store()?;
        type Kept = fn(&Journal, &Address) -> Option<Bytes>;
        type Part = fn(&Computed) -> &Bytes;
        let parts: [(&str, &Hash, Kept, Part); 2] = [
            ("output", &result.roots.outputs, Journal::kept_output, |computed| &computed.output),
            ("trace", &result.roots.traces, Journal::kept_trace, |computed| &computed.trace),
        ];
        for (what, root, kept, part) in parts {
            if !store.contains(root).await? {
                if at_hand.is_none() && !put(store, kept(&self.journal, address), root).await? {
                    let _place = self.places.acquire().await;
                    let computed = self.compute(address, &result.job, &mut None).await?;
                    if computed.roots.traces != result.roots.traces {
                        return Err(Error::ForeignCommitment { job: *address });
                    }
                    *at_hand = Some(computed);
                }
                if let Some(computed) = at_hand {
                    store.put_at(root, part(computed).clone(), "this worker").await?;
                }
            }
            tracing::info!(event = "stored", job = %address, what, root = hex::encode(root), %store);
            failpoint(what, "stored", address).await;
        }
        Ok(())
    }

    /// Runs the model over all units and keeps the result, if the disk takes it.
    pub(crate) async fn compute(&self, address: &Address, job: &Job, input: &mut Option<Bytes>) -> Result<Computed> {
        let model = self.model(job)?;
        let bytes = match input {
            Some(bytes) => bytes.clone(),
            None => input.insert(self.input(address, job, model).await?).clone(),
        };
        let forced = self.forced_fault(address, job, model.engine().package().checkpoints()).await?;
        self.compute_with(address, job, bytes, forced).await
    }

    /// The same with this error by permit, or none.
    async fn compute_with(&self, address: &Address, job: &Job, input: Bytes, forced: Option<Fault>) -> Result<Computed> {
        let model = self.model(job)?;
        let batch = self.run_model(address, job, model, input, forced.or(self.fault)).await?;
        let nonce = forced.and(self.forced_nonce(job)).or_else(|| Some(self.nonce(job)));
        self.record_result(address, job, model, batch, nonce).await
    }

    /// Runs the model over all units of a job, and stores every op's output where that is wanted.
    async fn run_model(&self, address: &Address, job: &Job, model: &Arc<Model>, input: Bytes, fault: Option<Fault>) -> Result<Batch> {
        let store = self.output_store()?;
        let full = self.settings.trace == TraceMode::Full && !self.silent;
        let units = job.units.get();
        let left = self.units_left(address, || Task::job(model, units, job.deadline_at.get(), self.observes_ops()));
        left.store(units, Ordering::Relaxed);
        let (go_on, _guard) = self.counting(left);
        let running = model.clone();
        let (sender, mut tensors) = mpsc::channel(TENSORS_IN_FLIGHT);
        let computing = tokio::task::spawn_blocking(move || {
            let see = |unit: u32, op: usize, codes: &mut [u8]| {
                if let Some(fault) = fault {
                    fault.strike(unit, op, codes);
                }
                if full && let Ok(blob) = running.tensor_blob(op, codes) {
                    // When the store has failed nobody listens any more.
                    let _ = sender.blocking_send(Bytes::from(blob));
                }
            };
            if fault.is_some() || full {
                running.run_seen(&input, go_on, see)
            } else {
                running.run(&input, go_on)
            }
        });
        let showing = async move {
            while let Some(blob) = tensors.recv().await {
                // What is not shown can be asked for; a deadline does not wait.
                let reason = match timeout(TENSOR_STORED, store.put(blob)).await {
                    Ok(Ok(_)) => continue,
                    Ok(Err(error)) => error.to_string(),
                    Err(late) => late.to_string(),
                };
                tracing::warn!(event = "unstored", job = %address, reason, "the rest of the op outputs is not stored");
                break;
            }
        };
        let (computed, ()) = tokio::join!(computing, showing);
        let computed = computed.map_err(|error| model.failed(error))?;
        let (batch, elapsed) = computed.map_err(|error| model.failed(error))?;
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.metrics.compute_milliseconds_total.add(milliseconds);
        tracing::info!(event = "computed", job = %address, model = model.name, units, milliseconds);
        self.none_left(address);
        failpoint("compute", "done", address).await;
        Ok(batch)
    }

    /// Keeps a result, if the disk takes it: what was computed can be asked for as long as the bond is at stake, and a store may fail. Neither
    /// must take computing it again.
    async fn record_result(&self, address: &Address, job: &Job, model: &Model, batch: Batch, nonce: Option<Hash>) -> Result<Computed> {
        let roots = Roots {
            traces: batch.traces_root,
            outputs: batch.outputs_root,
            nonce,
        };
        let trace = TraceBlob::new(model.engine().package().checkpoints(), &batch.tensors);
        let trace = trace.map_err(|error| model.failed(error))?.encode();
        let kept = self.journal.keep_result(address, &batch.outputs, &trace);
        let kept = kept.and_then(|()| self.journal.record(address, job, Step::Computed(roots)));
        let computed = Computed {
            roots,
            output: batch.outputs.into(),
            trace: trace.into(),
            kept: kept.is_ok(),
        };
        self.tolerate_disk_error(kept);
        failpoint("output", "recorded", address).await;
        Ok(computed)
    }

    /// Waits until the job is settled, and settles it when nobody else does.
    async fn await_pay(&self, address: &Address, job: &Job) -> JobOutcome {
        let mut job = *job;
        let revealed = job.since_slot.get();
        let mut states = self.chain.watch(*address);
        let mut pause = Duration::ZERO;
        let forced = self.is_forced(&job);
        if forced {
            self.note_error(address);
        }
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return JobOutcome::Left,
                state = states.next() => {
                    // The runtime shuts down.
                    let Some(state) = state else { return JobOutcome::Left };
                    // A machine that is behind: what is kept of the job goes by no such word.
                    let past = state.slot < revealed;
                    let same = state.account.and_then(|account| chain::decode::<Job>(address, &account).ok());
                    match same.filter(|now| now.job_hash == job.job_hash) {
                        Some(now) if now.status == Status::Convicted => return self.convicted(address, &now).await,
                        // Answers, other replicas and auditors move what is to come.
                        Some(now) => (job, pause) = (now, Duration::ZERO),
                        None if past => return JobOutcome::Left,
                        // Only replicas that agree are paid before the deadline. If it is still there, the next search finds it.
                        None if job.replicas == 1 && !self.is_overdue(&job).await => return JobOutcome::Left,
                        None => return self.ended(address, &job).await,
                    }
                }
                () = sleep(pause), if forced || self.settings.crank_after.is_some() => {
                    let tried = match forced {
                        true => self.try_confess(address, &job).await,
                        false => self.try_settle(address, &job).await.map(Some),
                    };
                    pause = match tried {
                        Ok(Some(pause)) => pause,
                        Ok(None) => return JobOutcome::Confessed,
                        Err(error) => {
                            tracing::info!(event = "retry", job = %address, %error, "not settled yet");
                            SETTLE_AGAIN
                        }
                    };
                }
            }
        }
    }

    /// Confesses, once the challengers' time has passed, that a result is an error by permit; returns when to try again until that is done.
    async fn try_confess(&self, address: &Address, job: &Job) -> Result<Option<Duration>> {
        let config: jobs::Config = self.chain.fetch(&instructions::config()).await?;
        let wait = job.confession_wait(config.question_seconds.get(), self.chain.clocks().await?);
        if wait != Some(0) {
            tracing::debug!(event = "waiting", job = %address, "challengers come first");
            let wait = wait.map_or(self.settings.scan, |seconds| Duration::from_secs(seconds.into()));
            return Ok(Some(wait.min(self.settings.scan)));
        }
        let confession = self.confession(address, job).await?;
        let receipt = self.send("confess", Step::Confessing, address, job, &confession).await?;
        tracing::warn!(event = "confessed", job = %address, signature = %receipt.signature, "nobody found the error; the consumer is refunded");
        Ok(None)
    }

    /// Opens the permit of a convicted error, as long as that can be.
    async fn open_permit(&self, address: &Address, job: &Job) -> JobOutcome {
        let mut retry = RETRY;
        loop {
            let opened = self.send("open permit", Step::Opening, address, job, &self.opening(address)).await;
            match opened {
                Ok(receipt) => {
                    tracing::info!(event = "permit opened", job = %address, signature = %receipt.signature, "the error was found; its challenger gets the jackpot");
                    return JobOutcome::Convicted;
                }
                Err(error) => {
                    tracing::warn!(event = "retry", job = %address, %error, "the permit is not open yet");
                    // Once the challenger is paid there is nothing to take back. A machine from before the conviction does not know of that.
                    let now = self.account_since::<Job>(address, job.since_slot.get()).await;
                    if now.is_ok_and(|now| now.is_none_or(|now| now.job_hash != job.job_hash)) {
                        return JobOutcome::Convicted;
                    }
                    retry.wait().await;
                }
            }
        }
    }

    /// Settles the job when its window and the grace for others have passed; says when to try again.
    async fn try_settle(&self, address: &Address, job: &Job) -> Result<Duration> {
        let deadline = job.deadline();
        let grace = self.settings.crank_after.unwrap_or_default();
        let now = self.chain.now().await?;
        let seconds = u64::try_from(deadline.unix.saturating_sub(now.unix)).unwrap_or(0);
        if seconds > 0 {
            // The chain's clock may run faster than ours.
            return Ok(Duration::from_secs(seconds).saturating_add(grace).min(self.settings.scan));
        }
        if !now.reached(deadline.after(u32::try_from(grace.as_secs()).unwrap_or(u32::MAX))) {
            return Ok(SETTLE_AGAIN.min(self.settings.scan));
        }
        let settling = JobEnd::settle(&self.chain, &self.key.pubkey(), address, job).await?;
        let receipt = self.send("settle", Step::Settling, address, job, &settling.instructions).await?;
        tracing::info!(event = "settled", job = %address, signature = %receipt.signature);
        Ok(SETTLE_AGAIN)
    }

    /// Sends one transaction for a job, so that a crash at any point neither loses it nor sends it twice.
    pub(crate) async fn send(
        &self,
        action: &str,
        step: Step,
        address: &Address,
        job: &Job,
        instructions: &[Instruction],
    ) -> Result<Receipt> {
        let purpose = format!("{action} {address} {}", hex::encode(job.job_hash));
        for intent in self.pending.unsettled().into_iter().filter(|intent| intent.purpose == purpose) {
            match self
                .chain
                .resolve(&self.pending, &intent.prepared, &self.options)
                .await
                .map_err(Error::from)
            {
                Ok(Outcome::Confirmed(receipt)) => return Ok(receipt),
                Ok(_) => {}
                // The look at the chain before this step said that it is due.
                Err(error) if error.is_disk() => self.disk_failed(&error),
                Err(error) => return Err(error),
            }
        }
        let prepared = self.chain.prepare(instructions, &[&self.key], &self.options).await?;
        failpoint(action, "prepared", address).await;
        let written = self.journal.record(address, job, step);
        match written.and_then(|()| Ok(self.pending.record(&purpose, &prepared)?)) {
            // Nothing is at stake yet.
            Err(error) if step == Step::Claiming => return Err(error),
            // After a crash it may be sent once more, which the program refuses for a fee.
            written => self.tolerate_disk_error(written),
        }
        failpoint(action, "recorded", address).await;
        let outcome = self.chain.submit(&prepared, &self.options).await;
        failpoint(action, "landed", address).await;
        if outcome.is_final() {
            self.tolerate_disk_error(self.pending.settle(&prepared.signature()).map_err(Error::from));
        }
        failpoint(action, "settled", address).await;
        Ok(outcome.confirmed()?)
    }

    pub(crate) fn model(&self, job: &Job) -> Result<&Arc<Model>> {
        self.models.get(&job.model).ok_or(Error::UnknownModel { model: job.model })
    }

    pub(crate) fn output_store(&self) -> Result<&BlobStore> {
        self.stores.first().ok_or(Error::NoStore)
    }
}

/// Stores what was kept of a result; false when it is lost or damaged.
async fn put(store: &BlobStore, kept: Option<Bytes>, root: &Hash) -> Result<bool> {
    let Some(blob) = kept else { return Ok(false) };
    match store.put_at(root, blob, "the journal").await {
        Ok(_) => Ok(true),
        Err(blobs::Error::Mismatch { .. } | blobs::Error::Malformed { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a transaction failed with this code of the jobs program.
pub(crate) fn failed_with(error: &Error, code: JobsError) -> bool {
    let Error::Chain(error) = error else { return false };
    match (error.failure(), ProgramError::from(code)) {
        (Some(failure), ProgramError::Custom(number)) => failure.explanation.code == Some(number),
        _ => false,
    }
}
