//! One network in one place, timed as a worker runs it.

use engine::bench::{Times, unit};
use engine::{Engine, Error};
use protocol::batch::BatchHeader;
use serde::Serialize;
use std::time::Duration;

/// Runs of anything, however long they take.
const LEAST: usize = 3;

/// A network in a place.
#[derive(Debug, Serialize)]
pub struct Measurement {
    /// `cpu`, `gpu0` and so on, or `gpus` for all together.
    pub place: String,
    /// Name and version.
    pub network: String,
    /// Whether it is one of the models given, and not one made up to be timed.
    pub shipped: bool,
    /// What came out.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Figures of a network in a place. Times are of whole runs, copies to and from a GPU and the hashing of every op's output included, as
/// in a job.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Multiply-accumulates of a unit.
    pub macs_per_unit: u64,
    /// One unit alone.
    pub unit_ms: Latency,
    /// Units that keep the place busy: as many as its GPUs take at once, or one a thread.
    pub batch_units: u32,
    /// Such a batch.
    pub batch_ms: Latency,
    /// Of full batches, by the median.
    pub units_per_second: f64,
    /// Two operations per multiply-accumulate, in 10^12 a second, of full batches.
    pub tops: f64,
    /// What hashing adds, by the fastest runs: to a unit on the CPU, to a pass without copies on a GPU. `null` for several GPUs.
    pub trace_overhead_percent: Option<f64>,
    /// Of GPUs, what the network holds; of the CPU, activations of a full batch.
    pub memory_bytes: u64,
}

/// Percentiles of so many runs, in milliseconds.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// Runs that were timed.
    pub runs: usize,
    /// The median.
    pub p50: f64,
    /// What 95 % of the runs did not exceed.
    pub p95: f64,
    /// What 99 % of the runs did not exceed.
    pub p99: f64,
}

impl From<&Times> for Latency {
    fn from(times: &Times) -> Self {
        let [p50, p95, p99] = [50, 95, 99].map(|percent| times.percentile(percent) * 1e3);
        Self {
            runs: times.runs(),
            p50,
            p95,
            p99,
        }
    }
}

/// Measures in about so much time, or longer where three runs of each kind take longer.
pub(super) fn measure(engine: &Engine, budget: Duration) -> Result<Figures, Error> {
    let package = engine.package();
    let inputs = unit(package);
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let batch_units = engine.full_batch();
    let header = BatchHeader::inputs(batch_units, &package.input_shapes())?;
    let mut blob = header.encode().to_vec();
    for _ in 0..batch_units {
        blob.extend(inputs.iter().copied().flatten());
    }
    let gpus = engine.residents();
    // A GPU that fails would leave the CPU to be timed.
    let times = |share: u32, run: &dyn Fn() -> Result<(), Error>| {
        Times::within(budget / share, LEAST, || {
            run()?;
            engine.losses().pop().map_or(Ok(()), |loss| Err(loss.error.into()))
        })
    };
    let unit = times(4, &|| engine.run_traced(&inputs).map(drop))?;
    let batch = times(2, &|| engine.run_batch(&blob, || ()).map(drop))?;
    let bare = |traced| times(8, &move || engine.time_passes(None, traced, 1).map(drop));
    let overhead = |with: &Times, without: &Times| (with.percentile(0) / without.percentile(0) - 1.0) * 100.0;
    let trace_overhead_percent = match gpus.len() {
        0 => Some(overhead(&unit, &times(4, &|| engine.run(&inputs).map(drop))?)),
        1 => Some(overhead(&bare(true)?, &bare(false)?)),
        _ => None,
    };
    let units_per_second = f64::from(batch_units) / batch.percentile(50);
    Ok(Figures {
        macs_per_unit: package.facts.macs,
        unit_ms: (&unit).into(),
        batch_units,
        batch_ms: (&batch).into(),
        units_per_second,
        tops: 2.0 * package.facts.macs as f64 * units_per_second / 1e12,
        trace_overhead_percent,
        memory_bytes: match gpus.len() {
            0 => u64::from(batch_units) * engine.unit_memory() as u64,
            _ => gpus.iter().map(|gpu| gpu.bytes).sum(),
        },
    })
}
