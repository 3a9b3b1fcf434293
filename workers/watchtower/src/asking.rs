//! Which jobs may be asked about on the chain at a time, as each holds memory until its questions end.

use crate::question::Spent;
use futures_util::future::{AbortHandle, AbortRegistration};
use jobs::Job;
use protocol::hash::Hash;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// The jobs that are being asked about, and those that wait for it.
#[derive(Debug)]
pub(crate) struct Asking {
    /// Most bytes that the jobs may hold together.
    room: u64,
    jobs: HashMap<Hash, Held>,
    /// Jobs that wait for room, since when, and what has been spent on each.
    waiting: HashMap<Hash, (Instant, Arc<Spent>)>,
}

#[derive(Debug)]
struct Held {
    bond: u64,
    bytes: u64,
    spent: Arc<Spent>,
    stop: AbortHandle,
}

impl Asking {
    pub(crate) fn new(room: u64) -> Self {
        Self {
            room,
            jobs: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// Bytes held for jobs with at least this bond.
    fn held(&self, bond: u64) -> u64 {
        let counted = self.jobs.values().filter(|held| held.bond >= bond);
        counted.fold(0, |sum, held| sum.saturating_add(held.bytes))
    }

    /// Whether a job of so many bytes fits if all with smaller bonds make way for it.
    fn fits(&self, job: &Job, bytes: u64) -> bool {
        self.held(job.bond.get()).saturating_add(bytes) <= self.room
    }

    /// Admits a job of so many bytes, evicting those with the smallest bonds if need be. Returns the registration through which the job's
    /// own questions are aborted if it is evicted, and what has been spent on it; `None` if the job has to wait.
    pub(crate) fn begin(&mut self, job: &Job, bytes: u64) -> Option<(AbortRegistration, Arc<Spent>)> {
        if !self.fits(job, bytes) {
            self.waiting.entry(job.job_hash).or_insert_with(|| (Instant::now(), Arc::default()));
            return None;
        }
        while self.held(0).saturating_add(bytes) > self.room {
            let (least, _) = self.jobs.iter().min_by_key(|(_, held)| held.bond)?;
            let least = *least;
            if let Some(held) = self.jobs.remove(&least) {
                held.stop.abort();
                self.waiting.insert(least, (Instant::now(), held.spent));
            }
        }
        let spent = self.waiting.remove(&job.job_hash).map(|(_, spent)| spent).unwrap_or_default();
        let (stop, registration) = AbortHandle::new_pair();
        let held = Held {
            bond: job.bond.get(),
            bytes,
            spent: spent.clone(),
            stop,
        };
        self.jobs.insert(job.job_hash, held);
        Some((registration, spent))
    }

    /// The questions about a job are over.
    pub(crate) fn end(&mut self, job: &Job) {
        self.jobs.remove(&job.job_hash);
    }

    /// Forgets the waiting jobs that have ended, given whether a job that has waited since then is still alive.
    pub(crate) fn forget_unless(&mut self, lives: impl Fn(&Hash, &Instant) -> bool) {
        self.waiting.retain(|hash, (since, _)| lives(hash, since));
    }

    /// Whether a job of so many bytes waits and still does not fit, so that checking it now would be useless.
    pub(crate) fn waits(&self, job: &Job, bytes: u64) -> bool {
        self.waiting.contains_key(&job.job_hash) && !self.fits(job, bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use anchor_lang::bytemuck::Zeroable;
    use protocol::demand::Item;

    fn job(number: u8, bond: u64) -> Job {
        Job {
            job_hash: [number; 32],
            bond: bond.into(),
            ..Job::zeroed()
        }
    }

    #[test]
    fn jobs_with_the_smallest_bonds_make_way_for_larger_ones() {
        let mut asking = Asking::new(100);
        let [small, other, middle, large] = [(1, 10), (2, 10), (3, 20), (4, 30)].map(|(number, bond)| job(number, bond));
        let (first, spent) = asking.begin(&small, 60).unwrap();
        spent.note(Item::traces(0), Some(7));
        assert!(asking.begin(&other, 41).is_none(), "its bond is no larger");
        assert!(asking.waits(&other, 41) && !asking.waits(&large, 41));
        let _middle = asking.begin(&middle, 40).unwrap();
        assert_eq!(asking.held(0), 100);
        assert!(!first.handle().is_aborted());

        let _large = asking.begin(&large, 60).unwrap();
        assert!(first.handle().is_aborted(), "the smallest makes way");
        assert_eq!(asking.held(0), 100);
        assert!(asking.waits(&small, 60), "but is not forgotten");

        asking.end(&large);
        assert!(!asking.waits(&small, 60));
        let (_small, spent) = asking.begin(&small, 60).unwrap();
        assert_eq!(spent.note(Item::traces(0), None), Some(7), "nor is what was spent on it");
        assert!(asking.waits(&other, 41));
        assert_eq!(asking.held(0), 100);

        assert!(asking.begin(&large, 101).is_none(), "it can never fit");
        assert_eq!(asking.held(0), 100, "so none makes way for it");

        asking.forget_unless(|hash, _| *hash == other.job_hash);
        assert!(asking.waits(&other, 41) && !asking.waits(&large, 101));
    }
}
