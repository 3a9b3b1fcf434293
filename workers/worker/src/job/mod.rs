//! The life of one job, from its claim to its settlement.
//!
//! Each round reads the job's state on chain and takes the one step that follows from it. A failed step is retried for as long as the chain
//! leaves time for it. Nothing here depends on what happened before the process started. Uploading the result runs in parallel with the
//! steps: the chain needs no blob store, and demands are answered from what is kept on disk.

mod claim;
mod commitment;
mod compute;
mod replicas;
mod settle;
mod store;

use crate::journal::Roots;
use crate::models::Model;
use crate::{Error, Result, Worker};
use bytes::Bytes;
use compute::Computed;
use daemon::Backoff;
use jobs::{Job, Status};
use protocol::hash::Hash;
use replicas::BeforeReveal;
use solana_address::Address;
use std::{
    ops::ControlFlow::{self, Break, Continue},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use store::JobResult;
use tokio::sync::{OwnedSemaphorePermit, SetOnce};
use tokio::time::sleep;

/// Waits between attempts at a step.
pub(crate) const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));

/// How long to keep uploading a result after its job has ended.
const STORED_AFTER: Duration = Duration::from_secs(3_600);

/// Delay before a job is read again, while the worker waits for another party or for an upload.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// A job to serve, or another device's job to audit.
pub(crate) struct Assignment {
    pub address: Address,
    /// Hash of the job (JOB): its address may be reused for another one.
    pub hash: Hash,
    /// Whether it is to be audited.
    pub audit: bool,
    /// How to claim it, if it is still open.
    pub claim: Option<ClaimPlan>,
    /// A place among `parallel_jobs`. A job found in progress gets one before it computes. An audit found in progress computes without one,
    /// since its proof has to be sealed before the chain forgets the draw.
    pub place: Option<OwnedSemaphorePermit>,
}

impl Assignment {
    /// A job that this device has claimed, or is going to claim.
    pub fn job(address: Address, hash: Hash, claim: Option<ClaimPlan>, place: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            address,
            hash,
            audit: false,
            claim,
            place,
        }
    }

    /// The audit of a job.
    pub fn audit(address: Address, hash: Hash, place: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            address,
            hash,
            audit: true,
            claim: None,
            place,
        }
    }
}

/// How to claim a job.
#[derive(Clone, Copy)]
pub(crate) struct ClaimPlan {
    /// First slot in which the device may claim it.
    pub slot: u64,
    /// Minimum price per unit.
    pub floor: u64,
    /// Mint that it pays in.
    pub mint: Address,
}

/// Why the worker no longer serves a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobOutcome {
    /// Another device took it, or it was cancelled or expired.
    Lost,
    /// Not claimed: its input is missing or wrong, or the claim was refused.
    Refused,
    /// The deadline passed.
    Missed,
    /// Its result was proved wrong.
    Convicted,
    /// Other software has committed to another result with this device's key.
    Foreign,
    /// It has ended, and its consumer has paid for the result, unless the node does not say how it ended.
    Ended,
    /// An error by permit is confessed and the consumer refunded, or an audit is over and its bond free.
    Closed,
    /// Let go for now, because the worker stops or the node does not know the job or its owner. A later search picks it up again.
    LetGo,
}

/// What a job's steps share with the task that stores its result.
#[derive(Default)]
struct JobProgress {
    result: SetOnce<JobResult>,
    /// Set once the result is stored, or is not going to be.
    stored: SetOnce<()>,
    /// Whether its reveal has landed. Replicas that agree are paid so soon that the job may never be seen in that state.
    revealed: AtomicBool,
    /// Newest slot in which one of this worker's transactions landed.
    slot: AtomicU64,
}

impl JobProgress {
    /// Sets the result to store, unless there is one already.
    fn set_result(&self, job: &Job, roots: Roots, unkept: Option<Computed>) -> Roots {
        let unkept = unkept.into();
        let result = JobResult { job: *job, roots, unkept };
        // The result follows from the job, so a second one is the same.
        let _ = self.result.set(result);
        roots
    }
}

impl Worker {
    /// Serves a job until it is over or let go.
    pub(crate) async fn serve(&self, assignment: Assignment) -> JobOutcome {
        let (address, progress) = (assignment.address, JobProgress::default());
        let mut storing = pin!(self.store_result(&address, &progress));
        let outcome = tokio::select! {
            biased;
            outcome = self.take_steps(assignment, &progress) => outcome,
            never = &mut storing => match never {},
        };
        // The consumer has paid for the result. And if the worker stops now, it may not be back in time to upload it.
        let owed = match outcome {
            JobOutcome::Ended => true,
            JobOutcome::LetGo => self.stop.is_cancelled(),
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
        // What the search found may be out of date. Letting the job go costs nothing yet.
        let mut job = match self.account_since::<Job>(&address, 0).await {
            Ok(Some(job)) if job.job_hash == assignment.hash => job,
            _ => return JobOutcome::LetGo,
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
                    // Other jobs may use the machine meanwhile.
                    assignment.place = None;
                    let stored = progress.stored.initialized();
                    tokio::select! {
                        () = sleep(LOOK.min(self.settings.scan)) => {}
                        _ = progress.stored.wait(), if !stored => {}
                    }
                }
                Err(error @ Error::ForeignCommitment { .. }) => {
                    tracing::error!(event = "foreign", job = %address, %error);
                    return JobOutcome::Foreign;
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

    /// Takes the next step. Breaks with the outcome once the job is over; otherwise returns the slot in which a transaction landed, or
    /// `None` if another party has to act first.
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
                if assignment.place.is_none() {
                    assignment.place = self.places.clone().acquire_owned().await.ok();
                }
                return self.commit(address, job, progress, input).await;
            }
            (Some(Status::Committed), _) => {
                // The other parties may take a while, and the input is on disk.
                *input = None;
                match self.before_reveal(address, job).await? {
                    BeforeReveal::Include(first) => return self.reveal(address, job, progress, first).await,
                    BeforeReveal::Draw(draw) => Some(self.send("draw", address, job, &[draw]).await?.slot),
                    BeforeReveal::Wait => None,
                }
            }
            (Some(Status::Revealed), _) => {
                drop((assignment.place.take(), input.take()));
                // The chain now says which result to store.
                let (traces, outputs, nonce) = (job.traces, job.outputs, None);
                progress.set_result(job, Roots { traces, outputs, nonce }, None);
                return Ok(Break(self.await_pay(address, job).await));
            }
            (Some(Status::Convicted), _) => return Ok(Break(self.convicted(address, job).await)),
            (Some(Status::Open) | None, _) => return Ok(Break(JobOutcome::LetGo)),
        };
        Ok(Continue(landed))
    }

    /// Reads a job again, from a state that includes this worker's own transactions, and retries until that succeeds. Breaks with the
    /// outcome once the job is over.
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
                // A transaction whose effect was never seen has set its deadline. If the job still exists, the next search finds it.
                Ok((_, None)) if job.status == Status::Open || job.awaits_siblings() => return Break(JobOutcome::LetGo),
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

    /// Completes with the outcome when a job ends while its result is being computed.
    async fn job_ends(&self, address: &Address, job: &Job, progress: &JobProgress) -> JobOutcome {
        let mut job = *job;
        loop {
            self.pause_until_due(&job).await;
            job = match self.reread(address, &job, progress).await {
                Continue(job) => job,
                Break(outcome) => return outcome,
            };
        }
    }

    /// Waits for a job's deadline, before which its computation cannot be in vain, but no longer than the search interval: the chain's
    /// clock may run faster than the local one.
    pub(crate) async fn pause_until_due(&self, job: &Job) {
        let now = self.chain.now().await;
        let left = now.map_or(0, |now| job.deadline().seconds_past(now));
        let scan = self.settings.scan;
        sleep(Duration::from_secs(left.into()).clamp(LOOK.min(scan), scan)).await;
    }

    fn missed(&self, address: &Address) -> JobOutcome {
        tracing::error!(event = "missed", job = %address, "the deadline has passed; the job is dropped and part of its bond is lost");
        JobOutcome::Missed
    }

    pub(crate) fn model(&self, job: &Job) -> Result<&Arc<Model>> {
        self.models.get(&job.model).ok_or(Error::UnknownModel { model: job.model })
    }
}
