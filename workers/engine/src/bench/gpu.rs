//! Benchmarks a package on a GPU, after comparing its results with the CPU's.

use super::{Times, batch};
use crate::cuda::{DeviceError, PassTimes};
use crate::engine::Engine;
use crate::error::Error;
use protocol::batch::BatchHeader;
use serde::Serialize;
use std::time::Duration;

/// Turns of passes with hashing and without, which alternate.
const TURNS: u32 = 2;

/// Shortest duration of a turn, and of the passes before it, which are not counted. For some milliseconds a GPU may draw more power than it
/// can sustain, and passes with hashing draw less than those without.
const TURN: Duration = Duration::from_millis(500);
const BEFORE: Duration = Duration::from_millis(200);

/// Figures of passes and batches on a GPU, with as many passes in flight as it has room for.
#[derive(Clone, Debug, Serialize)]
pub struct GpuReport {
    /// Name of the GPU.
    pub name: String,
    /// Number of units that were compared with the CPU's, bit for bit: the first and the last of a batch as large as those timed.
    pub checked: u32,
    /// Passes in flight.
    pub passes: u32,
    /// Units per pass.
    pub units: u32,
    /// GPU memory in use.
    pub memory_mib: f64,
    /// Median duration of a pass, without copies and hashing.
    pub pass_p50_ms: f64,
    /// 95th percentile; `null` if there were fewer than 20 passes.
    pub pass_p95_ms: Option<f64>,
    /// 99th percentile; `null` if there were fewer than 100 passes.
    pub pass_p99_ms: Option<f64>,
    /// Throughput of passes without hashing.
    pub units_per_second: f64,
    /// Throughput of passes without hashing, with two operations per multiply-accumulate.
    pub tera_ops_per_second: f64,
    /// Additional time for hashing all checkpoints.
    pub trace_overhead_percent: f64,
    /// Median duration of a batch, from the inputs blob to the outputs blob and all traces, including copies.
    pub batch_p50_ms: f64,
    /// 95th percentile; `null` if there were fewer than 20 batches.
    pub batch_p95_ms: Option<f64>,
    /// 99th percentile; `null` if there were fewer than 100 batches.
    pub batch_p99_ms: Option<f64>,
}

/// Compares the GPU's bits with the CPU's, then times at least `runs` passes of the largest size, and `batches` batches of as many passes
/// as can be in flight. `None` without a GPU.
pub fn gpu(engine: &Engine, runs: u32, batches: u32) -> Result<Option<GpuReport>, Error> {
    let Some(resident) = engine.residents().pop() else {
        return Ok(None);
    };
    let units = engine.full_batch();
    let blob = batch(engine.package(), units)?;
    let checked = check(engine, &blob)?;
    // Time batches first. They leave real inputs in every lane, which the passes below compute again: zeros would take less power, and so
    // less time.
    let batch = Times::of(batches, || on_gpu(engine, units, || engine.run_batch(&blob, || true)).map(drop))?;
    // Alternate between passes with and without hashing, so that other load on the machine affects both alike.
    let [mut plain, mut traced] = [(); 2].map(|()| PassTimes::default());
    for _ in 0..TURNS {
        for (traced, all) in [(false, &mut plain), (true, &mut traced)] {
            engine.time_passes(traced, 1, BEFORE)?;
            if let Some(times) = engine.time_passes(traced, runs.div_ceil(TURNS), TURN)? {
                all.add(times);
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

/// The result of `run`, which must compute `units` units. If there are GPUs, fails unless they computed all of them: otherwise the CPU
/// would be timed, or compared with itself.
pub fn on_gpu<T>(engine: &Engine, units: u32, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let gpus = || engine.residents().into_iter().map(|gpu| gpu.computed);
    let before: u64 = gpus().sum();
    let outcome = run()?;
    let attached = gpus().len() > 0;
    match engine.losses().pop() {
        Some(loss) => Err(loss.error.into()),
        // A GPU that has not failed returns units only when memory runs out.
        None if attached && gpus().sum::<u64>() - before < units.into() => Err(DeviceError::NoMemoryForDriver.into()),
        None => Ok(outcome),
    }
}

/// Compares the outputs and TENSORs of the first and the last unit of a batch with the CPU's. Returns the number of units compared.
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
