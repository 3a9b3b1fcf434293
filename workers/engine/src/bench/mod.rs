//! Shared by benchmarks: synthetic networks, inputs, and statistics of durations.

mod gpu;
mod synthetic;

pub use gpu::{GpuReport, gpu, on_gpu};
pub use synthetic::{Network, gemm};

use crate::error::Error;
use crate::package::Package;
use protocol::batch::BatchHeader;
use std::time::{Duration, Instant};

/// The inputs of a unit, as codes. All inputs take the same time; these are the top bytes of multiples of a large number, so that no work
/// can be skipped.
pub fn unit(package: &Package) -> Vec<Vec<u8>> {
    numbered(package, 0)
}

/// Inputs that differ for each unit number.
fn numbered(package: &Package, unit: u32) -> Vec<Vec<u8>> {
    let shapes = package.input_shapes();
    let inputs = shapes.iter().map(|shape| {
        (0..shape.elements().unwrap_or(0))
            .map(|index| (index.wrapping_add(unit.wrapping_mul(1_000_003)).wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    });
    inputs.collect()
}

/// An inputs blob of `units` units, all different.
pub fn batch(package: &Package, units: u32) -> Result<Vec<u8>, Error> {
    let mut blob = BatchHeader::inputs(units, &package.input_shapes())?.encode().to_vec();
    blob.extend((0..units).flat_map(|unit| numbered(package, unit)).flatten());
    Ok(blob)
}

/// The durations of runs in seconds, shortest first.
#[derive(Clone, Debug)]
pub struct Times(Vec<f64>);

impl Times {
    /// Takes durations in seconds, in any order.
    pub fn new(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self(seconds)
    }

    /// Times `runs` runs, after a tenth as many to warm up.
    pub fn of(runs: u32, run: impl Fn() -> Result<(), Error>) -> Result<Self, Error> {
        for _ in 0..runs.div_ceil(10) {
            run()?;
        }
        let seconds: Result<Vec<f64>, Error> = (0..runs).map(|_| time(&run)).collect();
        Ok(Self::new(seconds?))
    }

    /// Runs each closure once to warm up, then times all of them in turn, so that other load on the machine affects all alike: for
    /// `budget`, but at least `least` times each.
    pub fn in_turn<const N: usize>(budget: Duration, least: usize, runs: [&dyn Fn() -> Result<(), Error>; N]) -> Result<[Self; N], Error> {
        for run in runs {
            run()?;
        }
        let start = Instant::now();
        let mut seconds = runs.map(|run| (run, Vec::new()));
        let mut turns = 0;
        while turns < least || start.elapsed() < budget {
            for (run, seconds) in &mut seconds {
                seconds.push(time(&**run)?);
            }
            turns += 1;
        }
        Ok(seconds.map(|(_, seconds)| Self::new(seconds)))
    }

    /// Number of runs.
    pub fn runs(&self) -> usize {
        self.0.len()
    }

    /// The shortest duration that `percent` percent of the runs did not exceed: the median at 50, the minimum at 0. 0 if there were no
    /// runs.
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = percent.saturating_mul(self.0.len()).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }

    /// [`Times::percentile`], or `None` if there were too few runs for any of them to exceed it: fewer than 20 for 95 %, or 100 for 99 %.
    pub fn tail(&self, percent: usize) -> Option<f64> {
        let beyond = self.runs().saturating_mul(100_usize.saturating_sub(percent));
        (beyond >= 100).then(|| self.percentile(percent))
    }
}

fn time(run: impl Fn() -> Result<(), Error>) -> Result<f64, Error> {
    let start = Instant::now();
    run()?;
    Ok(start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn no_two_units_of_a_batch_are_the_same() {
        let package = gemm(64);
        let blob = package.map(|package| batch(&package, 300));
        let blob = blob.ok().and_then(Result::ok).unwrap_or_default();
        let parsed = BatchHeader::parse(&blob).map(|(_, units)| units.iter().collect::<std::collections::HashSet<_>>().len());
        assert_eq!(parsed, Ok(300));
    }

    #[test]
    fn a_percentile_is_the_shortest_time_that_a_share_of_the_runs_did_not_exceed() {
        let times = |count: u32| Times::new((1..=count).rev().map(f64::from).collect());
        // By counting: the smallest of 1 … n that at least `percent` of them do not exceed.
        for count in 1..=250u32 {
            for percent in 0..=100 {
                let counted = (1..=count).find(|value| value * 100 >= percent * count).map(f64::from);
                assert_eq!(Some(times(count).percentile(percent as usize)), counted, "{percent} % of {count}");
            }
        }
        assert_eq!(times(0).percentile(50), 0.0);
        let tails = |count| (times(count).tail(95), times(count).tail(99));
        assert_eq!(tails(19), (None, None));
        assert_eq!((tails(20), tails(99).1), ((Some(19.0), None), None));
        assert_eq!(tails(100), (Some(95.0), Some(99.0)));
    }

    #[test]
    fn runs_continue_for_the_budget_and_at_least_as_often_as_asked() {
        let calls = Cell::new(0);
        let count = || {
            calls.set(calls.get() + 1);
            Ok(())
        };
        let both = Times::in_turn(Duration::ZERO, 7, [&count, &|| Ok(())]);
        assert_eq!(both.map(|both| both.map(|times| times.runs())).ok(), Some([7, 7]));
        assert_eq!(calls.replace(0), 8, "one to warm up");
        assert_eq!(Times::of(20, count).map(|times| times.runs()).ok(), Some(20));
        assert_eq!(calls.replace(0), 22);
        let start = Instant::now();
        assert!(Times::in_turn(Duration::from_millis(20), 1, [&count]).is_ok_and(|[times]| times.runs() >= 1));
        assert!(start.elapsed() >= Duration::from_millis(20));
        let broken = Times::in_turn(Duration::ZERO, 1, [&count, &|| Err(Error::Internal("it"))]);
        assert!(broken.is_err());
    }
}
