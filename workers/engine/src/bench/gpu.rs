//! Benchmarks a package on a GPU, after comparing its results with the CPU's.

use super::{Times, batch};
use crate::cuda::{DeviceError, PassTimes};
use crate::engine::{Batch, Engine};
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
    /// Units of a batch. Every TENSOR of all of them was the CPU's, bit for bit: before the timed turns, in every timed batch, and
    /// afterwards.
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

/// Times at least `runs` passes of the largest size, and `batches` batches of as many passes as can be in flight. Compares the batches with
/// the CPU, bit for bit, before and after. `None` without a GPU.
pub fn gpu(engine: &Engine, runs: u32, batches: u32) -> Result<Option<GpuReport>, Error> {
    let Some(resident) = engine.residents().pop() else {
        return Ok(None);
    };
    let units = engine.full_batch();
    let check = Check::new(engine, units)?;
    // Time batches first. They leave real inputs in every lane, which the passes below compute again: zeros would take less power, and so
    // less time.
    let batch = Times::of(batches, || check.again().map(drop))?;
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
    // What goes wrong only under full load, or only when hot, may show here.
    check.all()?;
    let units_per_second = plain.units_per_second();
    let trace_overhead_percent = (units_per_second / traced.units_per_second() - 1.0) * 100.0;
    let pass = Times::new(plain.seconds);
    Ok(Some(GpuReport {
        name: resident.device,
        checked: units,
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

/// A full batch and its results, of which every bit was compared with the CPU's.
struct Check<'a> {
    engine: &'a Engine,
    blob: Vec<u8>,
    right: Batch,
}

impl<'a> Check<'a> {
    /// Computes a batch of `units` units, and compares every output and TENSOR with the CPU's. Of its units only two differ, which the CPU
    /// computes. They are in an order without a period, so that results of the wrong unit are noticed.
    fn new(engine: &'a Engine, units: u32) -> Result<Self, Error> {
        let two = batch(engine.package(), 2)?;
        let (header, inputs) = BatchHeader::parse(&two)?;
        // The Thue-Morse sequence.
        let order = (0..units).map(|unit| unit.count_ones() % 2);
        let mut blob = BatchHeader::inputs(units, header.shapes())?.encode().to_vec();
        blob.extend(order.clone().filter_map(|which| inputs.get(which)).flatten());
        let computed = on_gpu(engine, units, || engine.run_batch(&blob, || true))?;
        let expected = engine.run_batch_seen(&two, || true, |_, _, _| ())?;
        let ((_, outputs), (_, expected_outputs)) = (BatchHeader::parse(&computed.outputs)?, BatchHeader::parse(&expected.outputs)?);
        let same = |(unit, which)| (outputs.get(unit), computed.unit(unit)) == (expected_outputs.get(which), expected.unit(which));
        if !(0..).zip(order).all(same) {
            return Err(wrong(engine));
        }
        Ok(Self {
            engine,
            blob,
            right: computed,
        })
    }

    /// Computes the batch again, and compares the root over all traces, which takes no time.
    fn again(&self) -> Result<Batch, Error> {
        let Self { engine, blob, right } = self;
        let computed = on_gpu(engine, right.traces.len() as u32, || engine.run_batch(blob, || true))?;
        if computed.traces_root == right.traces_root {
            Ok(computed)
        } else {
            Err(wrong(engine))
        }
    }

    /// Computes the batch again, and compares everything.
    fn all(&self) -> Result<(), Error> {
        if self.again()? == self.right {
            Ok(())
        } else {
            Err(wrong(self.engine))
        }
    }
}

/// The error of a GPU whose bits are not the CPU's.
fn wrong(engine: &Engine) -> Error {
    let name = engine.residents().pop().map_or_else(String::new, |gpu| gpu.device);
    DeviceError::Wrong { name }.into()
}
