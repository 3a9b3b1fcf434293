//! What the worker has in hand: the jobs and audits it serves, and those it must not take up again.

use crate::Worker;
use crate::admission::Task;
use crate::failpoint::unit_computed;
use crate::job::JobOutcome;
use parking_lot::MutexGuard;
use solana_address::Address;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Jobs and audits in hand, by the address of the job.
#[derive(Default)]
pub(crate) struct InHand {
    /// Those being served, with what they take of the machine, if that is known.
    busy: HashMap<Address, Option<Task>>,
    /// Whether to err by permit, for each job for which that is decided. An error stays here after its job has ended: the permit is used up
    /// then, and a lagging node may not know.
    errs: HashMap<Address, bool>,
    /// Jobs that are overdue, convicted, or committed to by other software with the same key.
    pub dropped: HashSet<Address>,
}

impl Worker {
    pub(crate) fn in_hand(&self) -> MutexGuard<'_, InHand> {
        self.in_hand.lock()
    }

    /// Whether any job or audit is being served.
    pub(crate) fn is_busy(&self) -> bool {
        !self.in_hand().busy.is_empty()
    }

    /// Whether a job or audit in hand has something left to compute, or an answer to a demand may have.
    pub(crate) fn is_computing(&self) -> bool {
        *self.demands.borrow() > 0 || !self.tasks().iter().all(Task::is_done)
    }

    /// Whether a job, or its audit, is being served.
    pub(crate) fn is_in_hand(&self, address: &Address) -> bool {
        self.in_hand().busy.contains_key(address)
    }

    /// What everything in hand takes of the machine.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        self.in_hand().busy.values().flatten().cloned().collect()
    }

    /// The counter of units left to compute for the job or audit at an address. A counter of its own if it is not in hand.
    pub(crate) fn units_left(&self, address: &Address, task: impl FnOnce() -> Task) -> Arc<AtomicU32> {
        match self.in_hand().busy.get_mut(address) {
            Some(known) => known.get_or_insert_with(task).units_left(),
            None => Arc::default(),
        }
    }

    /// Notes that nothing is left to compute for the job or audit at an address.
    pub(crate) fn none_left(&self, address: &Address) {
        if let Some(Some(task)) = self.in_hand().busy.get(address) {
            task.units_left().store(0, Ordering::Relaxed);
        }
    }

    /// A callback that counts each computed unit and says whether to go on: it does until the guard is dropped.
    pub(crate) fn counting(&self, left: Arc<AtomicU32>) -> (impl Fn() -> bool + use<>, DropGuard) {
        let (metrics, stop) = (self.metrics.clone(), CancellationToken::new());
        let guard = stop.clone().drop_guard();
        let go_on = move || {
            metrics.units_total.add(1);
            // The last unit is left until the result is complete. One under way when the computation is given up finds none left.
            let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1).filter(|left| *left > 0)
            });
            unit_computed();
            !stop.is_cancelled()
        };
        (go_on, guard)
    }

    /// Notes the rent that accounts have yet to lock for the job or audit at an address.
    pub(crate) fn will_lock(&self, address: &Address, lamports: u64) {
        if let Some(Some(task)) = self.in_hand().busy.get_mut(address) {
            task.locks = lamports;
        }
    }

    /// Decides, once, whether to err by permit in a job: only if every one of `others` is known not to be an error, and there is no error
    /// here that a lagging node left out of `others`.
    pub(crate) fn decide_to_err(&self, address: &Address, others: &[Address]) -> bool {
        let errs = &mut self.in_hand().errs;
        let free = !errs.values().any(|errs| *errs) && others.iter().all(|other| errs.contains_key(other));
        *errs.entry(*address).or_insert(free)
    }

    /// Notes an error by permit, possibly made by an earlier process, before its permit is used up: so that no other error follows.
    pub(crate) fn note_error(&self, address: &Address) {
        self.in_hand().errs.insert(*address, true);
    }

    /// Takes a job or an audit in hand. Returns false if it already is.
    pub(crate) fn start_serving(&self, address: Address, task: Option<Task>) -> bool {
        let mut in_hand = self.in_hand();
        let new = !in_hand.busy.contains_key(&address);
        if new {
            in_hand.busy.insert(address, task);
        }
        self.metrics.jobs_in_hand.set(in_hand.busy.len() as u64);
        new
    }

    pub(crate) fn finish_serving(&self, address: &Address, outcome: JobOutcome) {
        let metrics = &self.metrics;
        let (counter, dropped) = match outcome {
            // Found again by the next search: its input may have been uploaded by then.
            JobOutcome::Refused => (Some(&metrics.jobs_refused_total), false),
            JobOutcome::Lost => (Some(&metrics.jobs_lost_total), false),
            JobOutcome::Missed => (Some(&metrics.jobs_missed_total), true),
            JobOutcome::Convicted => (Some(&metrics.jobs_convicted_total), true),
            JobOutcome::Foreign => (Some(&metrics.jobs_foreign_total), true),
            JobOutcome::Ended | JobOutcome::Closed | JobOutcome::LetGo => (None, false),
        };
        if let Some(counter) = counter {
            counter.add(1);
        }
        let mut in_hand = self.in_hand();
        in_hand.busy.remove(address);
        in_hand.errs.retain(|job, errs| *errs || job != address);
        metrics.jobs_in_hand.set(in_hand.busy.len() as u64);
        if dropped {
            in_hand.dropped.insert(*address);
        }
    }
}
