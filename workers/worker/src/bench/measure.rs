//! Timing one network in one place, the way a worker runs it.

use engine::bench::{Times, batch, on_gpu, unit};
use engine::{Engine, Error};
use serde::Serialize;
use std::time::Duration;

/// Fewest runs of each kind, however long they take.
const LEAST: usize = 3;

/// The measurement of a network in one place.
#[derive(Debug, Serialize)]
pub struct Measurement {
    /// `cpu`, `gpu0` and so on, or `gpus` for all together.
    pub place: String,
    /// Name and version.
    pub network: String,
    /// Whether it is one of the given models, not a synthetic one.
    pub shipped: bool,
    /// The results.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Figures of a network in one place. Times are of whole runs, including copies to and from a GPU and the hashing of every op's output, as
/// in a job.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Multiply-accumulates per unit.
    pub macs_per_unit: u64,
    /// One unit alone.
    pub unit_ms: Latency,
    /// Units that keep the place busy: as many as its GPUs take at once, or one per thread.
    pub batch_units: u32,
    /// A batch of that many units.
    pub batch_ms: Latency,
    /// Of full batches, from the median time.
    pub units_per_second: f64,
    /// 10^12 operations per second in full batches, counting two per multiply-accumulate.
    pub tops: f64,
    /// What hashing adds to the median time: of a unit on the CPU, or of a pass without copies on a GPU. `null` for several GPUs.
    pub trace_overhead_percent: Option<f64>,
    /// On GPUs, the memory that the network holds; on the CPU, the activations of a full batch.
    pub memory_bytes: u64,
}

/// Percentiles of the run times, in milliseconds.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// Number of timed runs.
    pub runs: usize,
    /// The median.
    pub p50: f64,
    /// 95th percentile; `null` for fewer than 20 runs.
    pub p95: Option<f64>,
    /// 99th percentile; `null` for fewer than 100 runs.
    pub p99: Option<f64>,
}

impl From<&Times> for Latency {
    fn from(times: &Times) -> Self {
        Self {
            runs: times.runs(),
            p50: times.percentile(50) * 1e3,
            p95: times.tail(95).map(|seconds| seconds * 1e3),
            p99: times.tail(99).map(|seconds| seconds * 1e3),
        }
    }
}

/// Measures for about this long, or until there are three runs of each kind.
pub(super) fn measure(engine: &Engine, budget: Duration) -> Result<Figures, Error> {
    let package = engine.package();
    let inputs = unit(package);
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let batch_units = engine.full_batch();
    let blob = batch(package, batch_units)?;
    let gpus = engine.residents();
    let traced = || on_gpu(engine, 1, || engine.run_traced(&inputs)).map(drop);
    let bare = || on_gpu(engine, 1, || engine.run(&inputs)).map(drop);
    let whole = || on_gpu(engine, batch_units, || engine.run_batch(&blob, || true)).map(drop);
    let pass = |traced| engine.time_passes(traced, 1, Duration::ZERO).map(drop);
    let [unit, without] = Times::in_turn(budget / 2, LEAST, [&traced, &bare])?;
    let [full] = Times::in_turn(budget / 2, LEAST, [&whole])?;
    let overhead = |with: &Times, without: &Times| (with.percentile(50) / without.percentile(50) - 1.0) * 100.0;
    let trace_overhead_percent = match gpus.len() {
        0 => Some(overhead(&unit, &without)),
        1 => {
            let [with, without] = Times::in_turn(budget / 4, LEAST, [&|| pass(true), &|| pass(false)])?;
            Some(overhead(&with, &without))
        }
        _ => None,
    };
    let units_per_second = f64::from(batch_units) / full.percentile(50);
    Ok(Figures {
        macs_per_unit: package.facts.macs,
        unit_ms: (&unit).into(),
        batch_units,
        batch_ms: (&full).into(),
        units_per_second,
        tops: 2.0 * package.facts.macs as f64 * units_per_second / 1e12,
        trace_overhead_percent,
        memory_bytes: match gpus.len() {
            0 => u64::from(batch_units) * engine.unit_memory() as u64,
            _ => gpus.iter().map(|gpu| gpu.bytes).sum(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::tests::failing;
    use engine::cuda::DeviceError;
    use std::sync::Arc;

    #[test]
    fn the_cpu_is_not_timed_in_place_of_gpus_without_memory() -> Result<(), Box<dyn std::error::Error>> {
        let engine = Engine::new(Arc::new(engine::bench::gemm(64)?), 1)?;
        assert!(measure(&engine, Duration::ZERO).is_ok());
        for ordinal in [0, 1] {
            engine.attach(failing(ordinal, Some(DeviceError::NoMemoryForDriver)))?;
        }
        let error = measure(&engine, Duration::ZERO).err();
        assert!(matches!(error, Some(Error::Device(DeviceError::NoMemoryForDriver))), "{error:?}");
        Ok(())
    }

    #[test]
    fn percentiles_of_too_few_runs_are_left_out() {
        let latency = |runs: u32| Latency::from(&Times::new((1..=runs).map(|run| f64::from(run) / 1e3).collect()));
        let shown = |of: Latency| (of.runs, of.p50.round(), of.p95.map(f64::round), of.p99.map(f64::round));
        assert_eq!(shown(latency(19)), (19, 10.0, None, None));
        assert_eq!(shown(latency(20)), (20, 10.0, Some(19.0), None));
        assert_eq!(shown(latency(100)), (100, 50.0, Some(95.0), Some(99.0)));
    }
}
