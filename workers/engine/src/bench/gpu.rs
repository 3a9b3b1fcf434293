//! What a GPU makes of a package: that it is what the CPU makes of it, and how fast.

use super::{Times, batch};
use crate::cuda::{DeviceError, PassTimes};
use crate::engine::Engine;
use crate::error::Error;
use protocol::batch::BatchHeader;
use serde::Serialize;
use std::time::Duration;

/// Turns that passes with hashes and without take.
const TURNS: u32 = 10;

/// How long a turn is at least: starting the threads that wait for passes, and ending with one alone, is then little of it.
const TURN: Duration = Duration::from_millis(50);

/// Passes of a GPU over so many units, without copies, and as many under way as it has room for.
#[derive(Clone, Debug, Serialize)]
pub struct GpuReport {
    /// What it is.
    pub name: String,
    /// Units of a batch as large as those that are timed that were compared with the CPU's, bit for bit: the first and the last.
    pub checked: u32,
    /// Passes under way at once.
    pub passes: u32,
    /// Units of a pass.
    pub units: u32,
    /// Of its memory.
    pub memory_mib: f64,
    /// Without copies.
    pub pass_p50_ms: f64,
    /// The same, of the slowest twentieth; `null` of fewer than 20.
    pub pass_p95_ms: Option<f64>,
    /// The same, of the slowest hundredth; `null` of fewer than 100.
    pub pass_p99_ms: Option<f64>,
    /// Of passes without hashes.
    pub units_per_second: f64,
    /// Two operations per multiply-accumulate.
    pub tera_ops_per_second: f64,
    /// More time with all checkpoints hashed.
    pub trace_overhead_percent: f64,
    /// From the inputs blob to the outputs blob and all traces, copies included.
    pub batch_p50_ms: f64,
    /// The same, of the slowest twentieth; `null` of fewer than 20.
    pub batch_p95_ms: Option<f64>,
    /// The same, of the slowest hundredth; `null` of fewer than 100.
    pub batch_p99_ms: Option<f64>,
}

/// Compares the GPU's bits with the CPU's, and times at least `runs` passes of as many units as it takes at once, and `batches` batches of
/// as many passes as are under way; `None` without a GPU.
pub fn gpu(engine: &Engine, runs: u32, batches: u32) -> Result<Option<GpuReport>, Error> {
    let Some(resident) = engine.residents().pop() else {
        return Ok(None);
    };
    let units = engine.full_batch();
    let blob = batch(engine.package(), units)?;
    let checked = check(engine, &blob)?;
    // Whole batches come first, of a pass in each lane: passes compute whatever lies there, and zeros take less power, so less time.
    let batch = Times::of(batches, || on_gpu(engine, units, || engine.run_batch(&blob, || true)).map(drop))?;
    // Plain and traced take turns, so that what else the machine does hits both alike.
    let [mut plain, mut traced] = [(); 2].map(|()| Passes::default());
    for turn in 0..=TURNS {
        for (traced, passes) in [(false, &mut plain), (true, &mut traced)] {
            let Some(times) = engine.time_passes(traced, runs.div_ceil(TURNS), TURN)? else {
                continue;
            };
            // The first turn warms up.
            if turn > 0 {
                passes.add(times);
            }
        }
    }
    let units_per_second = plain.units_per_second();
    let trace_overhead_percent = (units_per_second / traced.units_per_second() - 1.0) * 100.0;
    let pass = Times::new(plain.seconds);
    Ok(Some(GpuReport {
        name: resident.device,
        checked,
        units: resident.units,
        passes: resident.passes,
        memory_mib: resident.bytes as f64 / 1_048_576.0,
        pass_p50_ms: pass.percentile(50) * 1e3,
        pass_p95_ms: pass.tail(95).map(|seconds| seconds * 1e3),
        pass_p99_ms: pass.tail(99).map(|seconds| seconds * 1e3),
        units_per_second,
        tera_ops_per_second: 2.0 * engine.package().facts.macs as f64 * units_per_second / 1e12,
        trace_overhead_percent,
        batch_p50_ms: batch.percentile(50) * 1e3,
        batch_p95_ms: batch.tail(95).map(|seconds| seconds * 1e3),
        batch_p99_ms: batch.tail(99).map(|seconds| seconds * 1e3),
    }))
}

/// What a run of so many units gave, if GPUs computed it all, where there are any: else the CPU would be timed, or held against itself.
pub fn on_gpu<T>(engine: &Engine, units: u32, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let gpus = || engine.residents().into_iter().map(|gpu| gpu.computed);
    let before: u64 = gpus().sum();
    let outcome = run()?;
    let attached = gpus().len() > 0;
    match engine.losses().pop() {
        Some(loss) => Err(loss.error.into()),
        // Nothing else has a GPU that stays give units back.
        None if attached && gpus().sum::<u64>() - before < units.into() => Err(DeviceError::NoMemoryForDriver.into()),
        None => Ok(outcome),
    }
}

/// Compares the first and the last unit of a batch, outputs and TENSORs, with the CPU's; how many that are.
fn check(engine: &Engine, blob: &[u8]) -> Result<u32, Error> {
    let (header, units) = BatchHeader::parse(blob)?;
    let mut chosen = vec![0, header.units().saturating_sub(1)];
    chosen.dedup();
    let count = chosen.len() as u32;
    let mut few = BatchHeader::inputs(count, header.shapes())?.encode().to_vec();
    few.extend(chosen.iter().filter_map(|unit| units.get(*unit)).flatten());
    let computed = on_gpu(engine, header.units(), || engine.run_batch(blob, || true))?;
    let expected = engine.run_batch_seen(&few, || true, |_, _, _| ())?;
    let ((_, outputs), (_, expected_outputs)) = (BatchHeader::parse(&computed.outputs)?, BatchHeader::parse(&expected.outputs)?);
    let same = |(at, unit): (u32, &u32)| {
        (outputs.get(*unit), computed.unit(*unit), computed.traces.get(*unit as usize))
            == (expected_outputs.get(at), expected.unit(at), expected.traces.get(at as usize))
    };
    if (0..).zip(&chosen).all(same) {
        return Ok(count);
    }
    let name = engine.residents().pop().map_or_else(String::new, |gpu| gpu.device);
    Err(DeviceError::Wrong { name }.into())
}

/// Turns of passes of one kind.
#[derive(Default)]
struct Passes {
    units: f64,
    elapsed: f64,
    seconds: Vec<f64>,
}

impl Passes {
    fn add(&mut self, times: PassTimes) {
        self.units += f64::from(times.units) * times.seconds.len() as f64;
        self.elapsed += times.elapsed;
        self.seconds.extend(times.seconds);
    }

    fn units_per_second(&self) -> f64 {
        self.units / self.elapsed
    }
}
