//! The GPUs that hold a package, and how a batch is divided among them.

use super::device::{Device, DeviceError};
use super::runner::{Computed, Resident, Runner, Unit};
use crate::error::Error;
use crate::package::Package;
use parking_lot::{Mutex, RwLock};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A GPU that failed and is no longer used.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The GPU, and what it had computed.
    pub gpu: Resident,
    /// Why it failed.
    pub error: DeviceError,
}

/// The GPUs of a package, including those that failed.
#[derive(Default)]
pub(crate) struct Fleet {
    runners: RwLock<Vec<Arc<Runner>>>,
    losses: Mutex<Vec<Loss>>,
    /// The GPU that starts the next batch. Rotates, so that batches of one unit go to all GPUs in turn.
    turn: AtomicUsize,
}

/// The state of a batch.
pub(crate) struct Work {
    /// Ranges of units that no GPU has taken.
    pub left: Vec<Range<usize>>,
    /// Computed parts, each with the index of its first unit.
    pub parts: Vec<(usize, Computed)>,
    /// Whether the caller has stopped the batch.
    stopped: bool,
}

impl Fleet {
    /// Loads a package onto one more GPU, for passes of `units` units, or of as many as there is room for.
    pub(crate) fn attach(&self, package: Arc<Package>, device: Arc<dyn Device>, units: Option<u32>) -> Result<(), Error> {
        let runner = Runner::new(package, device, units)?;
        let most = runner.capacity() as u32;
        if let Some(units) = units.filter(|units| *units != most) {
            return Err(Error::PassUnits { units, most });
        }
        self.runners.write().push(Arc::new(runner));
        Ok(())
    }

    /// Unloads the package from all GPUs.
    pub(crate) fn detach(&self) {
        self.runners.write().clear();
        self.losses.lock().clear();
    }

    /// The GPUs that work.
    pub(crate) fn runners(&self) -> Vec<Arc<Runner>> {
        self.runners.read().clone()
    }

    /// The GPUs that failed.
    pub(crate) fn losses(&self) -> Vec<Loss> {
        self.losses.lock().clone()
    }

    /// Runs units. `go_on` is called after each, from any thread; when it returns false, the batch ends with [`Error::Stopped`] once the
    /// passes in flight are done. Returns the computed parts in any order, and the units for which no GPU was left. A GPU that fails is not
    /// used again; one that runs out of memory is not used again in this batch.
    pub(crate) fn run(&self, units: &[Unit], traced: bool, go_on: &(impl Fn() -> bool + Sync)) -> Result<Work, Error> {
        let work = Mutex::new(Work::new(units.len()));
        let mut full: Vec<Arc<Runner>> = Vec::new();
        loop {
            let mut runners = self.runners();
            runners.retain(|runner| !full.iter().any(|full| Arc::ptr_eq(full, runner)));
            if let Some(turn) = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(runners.len()) {
                runners.rotate_left(turn);
            }
            // Start the first lane of each GPU, then the second lanes. Each gets its first pass here, so that no lane takes units for which
            // another GPU is still free.
            let lanes = runners.iter().map(|runner| runner.lanes()).max().unwrap_or(0);
            let lanes = (0..lanes).flat_map(|lane| runners.iter().filter(move |runner| lane < runner.lanes()));
            let mut begun = work.lock();
            let count = runners.len().min(begun.units());
            let mut drivers: Vec<(&Arc<Runner>, Range<usize>)> = Vec::new();
            for runner in lanes {
                let Some(pass) = begun.take(count, runner.capacity()) else { break };
                drivers.push((runner, pass));
            }
            drop(begun);
            // If a GPU fails after the others are done, the units that it returns need another round.
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
            // All lanes have ended, so the count of computed units is final.
            let losses = lost.into_iter().map(|(runner, error)| Loss {
                gpu: runner.resident(),
                error,
            });
            self.losses.lock().extend(losses);
        }
        let work = work.into_inner();
        if work.stopped { Err(Error::Stopped) } else { Ok(work) }
    }

    /// Drives a lane of one of `count` GPUs, starting with the pass over `range`, until no units are left, the batch is stopped or the GPU
    /// fails. Returns the failure, unless another lane has reported it.
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
        let work = || work.lock();
        loop {
            // Do not hold the lock while the GPU computes.
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

    /// Removes a GPU from the list. Returns false if another of its lanes, or another batch, already did.
    fn leave(&self, runner: &Arc<Runner>) -> bool {
        let mut runners = self.runners.write();
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

    /// Number of units that no GPU has taken.
    fn units(&self) -> usize {
        self.left.iter().map(ExactSizeIterator::len).sum()
    }

    /// Takes the next pass for one of `count` GPUs: an even share of what is left, so that all finish together, but at most `capacity`
    /// units.
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

    /// The passes that GPUs of these capacities take in turn.
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
    fn returned_units_are_taken_again() {
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
