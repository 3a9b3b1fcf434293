//! The life of one job in a worker's hands.
//!
//! Each round reads where the job stands on chain and takes the one step that follows. A step that fails is tried again as long as the
//! chain says there is time. Nothing here depends on what happened before the process started. The result is stored beside the steps: the
//! chain needs no store, and answers need only what is kept here.

mod claim;
mod commitment;
mod compute;
mod replicas;
mod settle;
mod store;

use crate::journal::{Roots, Step};
use crate::models::Model;
use crate::{Error, Result, Worker};
use bytes::Bytes;
use compute::Computed;
use daemon::Backoff;
use jobs::{Job, Status};
use protocol::hash::Hash;
use replicas::Before;
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

/// Waits between tries of a step.
pub(crate) const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));

/// How long a result is still stored that was paid for before it was.
const STORED_AFTER: Duration = Duration::from_secs(3_600);

/// Wait before another look at a job that others are to act on, or whose result is being stored.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

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

    fn missed(&self, address: &Address) -> JobOutcome {
        tracing::error!(event = "missed", job = %address, "the deadline has passed; the job is dropped and part of its bond is lost");
        JobOutcome::Missed
    }

    pub(crate) fn model(&self, job: &Job) -> Result<&Arc<Model>> {
        self.models.get(&job.model).ok_or(Error::UnknownModel { model: job.model })
    }
}
