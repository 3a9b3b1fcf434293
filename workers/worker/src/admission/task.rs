//! What a job or an audit takes of the machine, and whether that fits next to everything in hand.

use crate::models::Model;
use crate::reserve;
use jobs::Job;
use protocol::demand::{MAX_OPEN, PROMPT_SECONDS};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Seconds left for transactions between the computation and the deadline.
const OVERHEAD: i64 = 3;

/// Seconds of an answer that go to its transactions: a full page of 1,024 hashes takes 41, one after the other.
const SENDING: u32 = 17;

/// A job or an audit, as a load on the machine.
#[derive(Clone)]
pub(crate) struct Task {
    model: Arc<Model>,
    /// Units left to compute.
    left: Arc<AtomicU32>,
    /// Unix time by which they have to be computed.
    due: i64,
    /// Whether it runs with every intermediate value visible.
    observes_ops: bool,
    /// Whether demands about the result have to be answered.
    answers: bool,
    /// Lamports of rent that its accounts have yet to lock.
    pub locks: u64,
}

impl Task {
    /// A job with so many units left, to be committed by unix time `deadline`.
    pub fn job(model: &Arc<Model>, left: u32, deadline: i64, observes_ops: bool) -> Self {
        Self {
            model: model.clone(),
            left: Arc::new(left.into()),
            due: deadline.saturating_sub(OVERHEAD),
            observes_ops,
            answers: true,
            locks: 0,
        }
    }

    /// The audit of a job, to be committed by unix time `deadline`.
    pub fn audit(model: &Arc<Model>, job: &Job, deadline: i64) -> Self {
        Self {
            model: model.clone(),
            left: Arc::new(job.units.get().into()),
            due: deadline.saturating_sub(OVERHEAD),
            observes_ops: true,
            answers: false,
            locks: reserve::AUDIT_LAMPORTS.saturating_add(reserve::for_proof(model, job.units.get())),
        }
    }

    /// Whether it is an audit.
    pub fn is_audit(&self) -> bool {
        !self.answers
    }

    /// Whether nothing is left to compute.
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// The counter of units left to compute.
    pub fn units_left(&self) -> Arc<AtomicU32> {
        self.left.clone()
    }

    fn time(&self) -> Duration {
        let left = self.left.load(Ordering::Relaxed);
        match self.observes_ops {
            true => self.model.estimate_seen(left),
            false => self.model.estimate(left),
        }
    }

    fn takes_cpu(&self) -> bool {
        self.observes_ops || self.model.engine().residents().is_empty()
    }

    /// Whether it and everything in hand that computes on the same hardware would be finished in time, in any order and even if all took
    /// twice as long as estimated.
    pub fn fits(&self, in_hand: &[Self], now: i64) -> bool {
        let shares = |task: &&Self| !task.time().is_zero() && task.takes_cpu() == self.takes_cpu();
        let sharing = || in_hand.iter().filter(shares).chain([self]);
        let work = sharing().fold(Duration::ZERO, |sum, task| sum.saturating_add(task.time()));
        let left = |task: &Self| Duration::from_secs(u64::try_from(task.due.saturating_sub(now)).unwrap_or(0));
        sharing().all(|task| work.saturating_mul(2) <= left(task))
    }

    /// Whether demands about its result and those in hand can be answered in time in the worst case: every question that may be open about
    /// each comes at once, and the worker's clocks are used up. Jobs computed meanwhile may take half of the CPU.
    pub fn can_answer(&self, in_hand: &[Self]) -> bool {
        let asked = in_hand.iter().filter(|task| task.answers).chain([self]);
        let work = asked.fold(Duration::ZERO, |sum, task| sum.saturating_add(task.model.time_to_answer(MAX_OPEN)));
        work.saturating_mul(2) <= Duration::from_secs(PROMPT_SECONDS.saturating_sub(SENDING).into())
    }
}
