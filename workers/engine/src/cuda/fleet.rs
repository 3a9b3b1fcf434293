//! The GPUs that a package is on: they share out the units of a batch among themselves.

use super::device::{Device, DeviceError};
use super::runner::{Computed, Resident, Runner, Unit};
use crate::error::Error;
use crate::package::Package;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A GPU that failed, and has been left alone since.
#[derive(Clone, Debug)]
pub struct Loss {
    /// What it was and had done.
    pub gpu: Resident,
    /// Why it failed.
    pub error: DeviceError,
}

/// The GPUs of a package, those that failed among them.
#[derive(Default)]
pub(crate) struct Fleet {
    runners: RwLock<Vec<Arc<Runner>>>,
    losses: Mutex<Vec<Loss>>,
    /// Which GPU begins the next batch, so that single units go to all in turn.
    turn: AtomicUsize,
}

/// What is left of a batch and what is done.
pub(crate) struct Work {
    /// Numbers of the units that nobody has taken.
    pub left: Vec<Range<usize>>,
    /// Units computed, by the number of the first.
    pub parts: Vec<(usize, Computed)>,
    /// Nobody wants the rest.
    stopped: bool,
}

impl Fleet {
    /// Puts a package on one more GPU, for passes of so many units, or of as many as there is room for.
    pub(crate) fn attach(&self, package: Arc<Package>, device: Arc<dyn Device>, units: Option<u32>) -> Result<(), Error> {
        let runner = Runner::new(package, device, units)?;
        let most = runner.capacity() as u32;
        if let Some(units) = units.filter(|units| *units != most) {
            return Err(Error::PassUnits { units, most });
        }
        self.runners.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(runner));
        Ok(())
    }

    /// Leaves all of them.
    pub(crate) fn detach(&self) {
        self.runners.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Those that work.
    pub(crate) fn runners(&self) -> Vec<Arc<Runner>> {
        self.runners.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that failed.
    pub(crate) fn losses(&self) -> Vec<Loss> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs units; `go_on` is asked after each, from any thread, and its no ends it with [`Error::Stopped`] once the passes under way are
    /// done. What comes back are parts of the batch, in any order, and the units that no GPU was left for. A GPU that fails is left for
    /// good; one whose memory others have taken, until the next batch.
    pub(crate) fn run(&self, units: &[Unit], traced: bool, go_on: &(impl Fn() -> bool + Sync)) -> Result<Work, Error> {
        let work = Mutex::new(Work::new(units.len()));
        let mut full: Vec<Arc<Runner>> = Vec::new();
        loop {
            let mut runners = self.runners();
            runners.retain(|runner| !full.iter().any(|full| Arc::ptr_eq(full, runner)));
            if let Some(turn) = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(runners.len()) {
                runners.rotate_left(turn);
            }
            // The first lane of each GPU, then the second ones: each begins with a pass, so that no lane takes what another GPU is free
            // for.
            let lanes = runners.iter().map(|runner| runner.lanes()).max().unwrap_or(0);
            let lanes = (0..lanes).flat_map(|lane| runners.iter().filter(move |runner| lane < runner.lanes()));
            let mut begun = work.lock().unwrap_or_else(PoisonError::into_inner);
            let count = runners.len().min(begun.units());
            let mut drivers: Vec<(&Arc<Runner>, Range<usize>)> = Vec::new();
            for runner in lanes {
                let Some(pass) = begun.take(count, runner.capacity()) else { break };
                drivers.push((runner, pass));
            }
            drop(begun);
            // What a GPU gives back after the others have gone home takes another round.
            let mut drivers = drivers.into_iter();
            let Some(first) = drivers.next() else { break };
            let failures = std::thread::scope(|scope| {
                let drive = |(runner, pass)| self.drive(runner, pass, count, units, traced, &work, go_on);
                let others: Vec<_> = drivers.map(|driver| scope.spawn(move || drive(driver))).collect();
                let mut failures = vec![drive(first)];
                failures.extend(others.into_iter().map(|other| match other.join() {
                    Ok(failure) => failure,
                    Err(panic) => std::panic::resume_unwind(panic),
                }));
                failures
            });
            let failures = failures.into_iter().flatten();
            let (wanting, lost): (Vec<_>, Vec<_>) = failures.partition(|(_, error)| error.is_want_of_memory());
            full.extend(wanting.into_iter().map(|(runner, _)| runner));
            // By now its other lanes have ended too, so that what it has done is known.
            let losses = lost.into_iter().map(|(runner, error)| Loss {
                gpu: runner.resident(),
                error,
            });
            self.losses.lock().unwrap_or_else(PoisonError::into_inner).extend(losses);
        }
        let work = work.into_inner().unwrap_or_else(PoisonError::into_inner);
        if work.stopped { Err(Error::Stopped) } else { Ok(work) }
    }

    /// Keeps a lane of one of `count` GPUs busy, with a pass to begin with, until no units are left or wanted, or it fails; how, if nobody
    /// has noticed yet.
    #[allow(clippy::too_many_arguments, reason = "a private helper of one call site")]
    fn drive(
        &self,
        runner: &Arc<Runner>,
        mut range: Range<usize>,
        count: usize,
        units: &[Unit],
        traced: bool,
        work: &Mutex<Work>,
        go_on: &impl Fn() -> bool,
    ) -> Option<(Arc<Runner>, DeviceError)> {
        let work = || work.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // The lock is not held while the GPU computes.
            match runner.pass(units.get(range.clone()).unwrap_or(&[]), traced) {
                Ok(computed) => {
                    work().parts.push((range.start, computed));
                    let goes_on = range.all(|_| go_on());
                    let mut work = work();
                    work.stopped |= !goes_on;
                    range = work.take(count, runner.capacity())?;
                }
                Err(error) => {
                    work().left.push(range);
                    let noted = error.is_want_of_memory() || self.leave(runner);
                    return noted.then(|| (runner.clone(), error));
                }
            }
        }
    }

    /// Takes a GPU off the list, unless another of its lanes, or another batch, has met the same failure before.
    fn leave(&self, runner: &Arc<Runner>) -> bool {
        let mut runners = self.runners.write().unwrap_or_else(PoisonError::into_inner);
        let before = runners.len();
        runners.retain(|other| !Arc::ptr_eq(other, runner));
        runners.len() < before
    }
}

impl Work {
    fn new(units: usize) -> Self {
        Self {
            left: std::iter::once(0..units).collect(),
            parts: Vec::new(),
            stopped: false,
        }
    }

    /// How many units nobody has taken.
    fn units(&self) -> usize {
        self.left.iter().map(ExactSizeIterator::len).sum()
    }

    /// The next pass of one of `count` GPUs: an even share of what is left, so that all end together, but no more than it takes at once.
    fn take(&mut self, count: usize, capacity: usize) -> Option<Range<usize>> {
        if self.stopped {
            return None;
        }
        let share = self.units().div_ceil(count.max(1)).min(capacity);
        let range = self.left.pop()?;
        let middle = range.start.saturating_add(share).min(range.end);
        if middle < range.end {
            self.left.push(middle..range.end);
        }
        Some(range.start..middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes that GPUs of these capacities take when they take turns.
    fn shares(units: usize, capacities: &[usize]) -> Vec<Range<usize>> {
        let mut work = Work::new(units);
        let turns = capacities.iter().cycle();
        turns.map_while(|capacity| work.take(capacities.len(), *capacity)).collect()
    }

    #[test]
    fn a_pass_is_an_even_share_of_what_is_left() {
        assert_eq!(shares(100, &[64]), [0..64, 64..100]);
        assert_eq!(shares(10, &[64, 64]), [0..5, 5..8, 8..9, 9..10]);
        assert_eq!(
            shares(300, &[64, 4]),
            [
                0..64,
                64..68,
                68..132,
                132..136,
                136..200,
                200..204,
                204..252,
                252..256,
                256..278,
                278..282,
                282..291,
                291..295,
                295..298,
                298..299,
                299..300
            ]
        );
        assert_eq!(shares(2, &[64, 64, 64]), [0..1, 1..2]);
    }

    #[test]
    fn what_is_given_back_is_taken_again() {
        let mut work = Work::new(10);
        let (first, second) = (work.take(2, 64), work.take(2, 64));
        work.left.extend(first);
        let rest: Vec<usize> = std::iter::from_fn(|| work.take(1, 3))
            .flatten()
            .chain(second.into_iter().flatten())
            .collect();
        let mut units = rest.clone();
        units.sort_unstable();
        assert_eq!(units, (0..10).collect::<Vec<_>>(), "{rest:?}");
    }
}
