//! Runs the graph of a package, one unit or a whole batch at a time.

use crate::backend::Backend;
use crate::cuda::{Computed, Device, Fleet, Loss, PassTimes, Resident, Unit};
use crate::error::Error;
use crate::hashing;
use crate::kernels::Kernels;
use crate::layers::{Cpu, Layer};
use crate::package::Package;
use crate::threads::Threads;
use crate::window::SLACK;
use parking_lot::Mutex;
use protocol::batch::{self, BatchHeader, BlobKind};
use protocol::hash::Hash;
use protocol::trace::Checkpoints;
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// The hashed checkpoints of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// TENSOR of each checkpoint, in op order.
    pub tensors: Vec<Hash>,
    /// TRACE over all TENSORs.
    pub hash: Hash,
}

/// The result of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The outputs blob.
    pub outputs: Vec<u8>,
    /// Batch root of the outputs: the address of the outputs blob.
    pub outputs_root: Hash,
    /// TRACE of each unit.
    pub traces: Vec<Hash>,
    /// Batch root of the traces.
    pub traces_root: Hash,
    /// TENSOR of each checkpoint, unit after unit: the content of a trace blob.
    pub tensors: Vec<Hash>,
}

impl Batch {
    /// TENSOR of each checkpoint of one unit.
    pub fn unit(&self, unit: u32) -> &[Hash] {
        let count = self.tensors.len().checked_div(self.traces.len()).unwrap_or(0).max(1);
        self.tensors.chunks_exact(count).nth(unit as usize).unwrap_or_default()
    }

    /// Makes a batch from its outputs blob and the TENSORs of the checkpoints of all units.
    fn new(outputs: Vec<u8>, tensors: Vec<Hash>, checkpoints: Checkpoints) -> Self {
        let units = tensors.chunks_exact(checkpoints.count().max(1) as usize);
        let traces: Vec<Hash> = units.clone().map(|unit| checkpoints.trace(unit)).collect();
        // The last checkpoint is the graph's output.
        let last: Vec<Hash> = units.filter_map(|hashes| hashes.last().copied()).collect();
        Self {
            outputs,
            outputs_root: batch::batch_root(&last),
            traces_root: batch::batch_root(&traces),
            traces,
            tensors,
        }
    }
}

/// A package that is ready to run on a number of threads.
///
/// Inputs and outputs are codes, the form that commitments use: one byte `x + 128` per element. For an image that is the pixel itself.
pub struct Engine {
    package: Arc<Package>,
    backend: Backend,
    kernels: &'static Kernels,
    threads: Threads,
    layers: Arc<[Layer]>,
    plan: Arc<Plan>,
    /// Buffers of finished units, to be reused.
    spare: Mutex<Vec<Buffers>>,
    /// GPUs that hold the package. They run all units except those whose op outputs are observed.
    gpus: Fleet,
}

impl Engine {
    /// Prepares `package` for the CPU's best backend. 0 `threads` means one per core.
    pub fn new(package: Arc<Package>, threads: usize) -> Result<Self, Error> {
        Self::with_backend(package, threads, Backend::best())
    }

    /// [`Engine::new`] with a given backend.
    pub fn with_backend(package: Arc<Package>, threads: usize, backend: Backend) -> Result<Self, Error> {
        let kernels = backend.kernels().ok_or(Error::Backend(backend))?;
        let threads = Threads::new(threads)?;
        let layers = package.ops.iter().map(|op| Layer::new(op, kernels)).collect();
        let plan = Arc::new(Plan::new(&package));
        Ok(Self {
            package,
            backend,
            kernels,
            threads,
            layers,
            plan,
            spare: Mutex::default(),
            gpus: Fleet::default(),
        })
    }

    /// Another engine for the same package with its own threads, as many as this one has, and no GPUs. The two never wait for each other:
    /// the operating system divides the cores between them.
    pub fn beside(&self) -> Result<Self, Error> {
        Ok(Self {
            package: self.package.clone(),
            backend: self.backend,
            kernels: self.kernels,
            threads: Threads::new(self.threads.count())?,
            layers: self.layers.clone(),
            plan: self.plan.clone(),
            spare: Mutex::default(),
            gpus: Fleet::default(),
        })
    }

    /// Loads the package onto one more GPU. From now on the GPUs run units and batches, with the same bits as the CPU, except when op
    /// outputs are observed. A GPU that fails is not used again; the other GPUs, or else the CPU, take over its units.
    pub fn attach(&self, device: Arc<dyn Device>) -> Result<(), Error> {
        self.gpus.attach(self.package.clone(), device, None)
    }

    /// [`Engine::attach`] for passes of exactly `units` units, a power of two, with no more memory than those need. For benchmarks.
    pub fn attach_sized(&self, device: Arc<dyn Device>, units: u32) -> Result<(), Error> {
        self.gpus.attach(self.package.clone(), device, Some(units))
    }

    /// Unloads the package from all GPUs and clears the list of failed ones.
    pub fn detach(&self) {
        self.gpus.detach();
    }

    /// The GPUs that hold the package, without those that failed.
    pub fn residents(&self) -> Vec<Resident> {
        self.gpus.runners().iter().map(|runner| runner.resident()).collect()
    }

    /// The GPUs that failed, in the order of their failures.
    pub fn losses(&self) -> Vec<Loss> {
        self.gpus.losses()
    }

    /// Times passes on the first GPU: at least `times` of them, for at least `least`. Passes are as large as they can be, as many are in
    /// flight as the GPU has room for, and they compute the last units of a whole batch again, without copies. For benchmarks; `None`
    /// without a GPU.
    pub fn time_passes(&self, traced: bool, times: u32, least: Duration) -> Result<Option<PassTimes>, Error> {
        let runners = self.gpus.runners();
        let Some(first) = runners.first() else { return Ok(None) };
        Ok(Some(first.time(traced, times, least)?))
    }

    /// The package.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// The CPU backend in use.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Number of CPU threads.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }

    /// Number of units that keep the engine busy: as many as its GPUs run at once, or else one per thread.
    pub fn full_batch(&self) -> u32 {
        let on_gpus: u32 = self.residents().iter().map(|gpu| gpu.units * gpu.passes).sum();
        if on_gpus > 0 { on_gpus } else { self.threads.count() as u32 }
    }

    /// Bytes of memory that one unit in flight needs for its activations.
    pub fn unit_memory(&self) -> usize {
        self.plan.slots.iter().map(|capacity| capacity + SLACK).sum()
    }

    /// Runs one unit. Takes the codes of each graph input and returns the codes of the output.
    pub fn run(&self, inputs: &[&[u8]]) -> Result<Vec<u8>, Error> {
        self.check(inputs)?;
        Ok(self.compute(&[inputs.to_vec()], false, || true)?.outputs)
    }

    /// Runs one unit and hashes its checkpoints.
    pub fn run_traced(&self, inputs: &[&[u8]]) -> Result<(Vec<u8>, Trace), Error> {
        self.check(inputs)?;
        let Computed { outputs, tensors } = self.compute(&[inputs.to_vec()], true, || true)?;
        let hash = self.package.checkpoints().trace(&tensors);
        Ok((outputs, Trace { tensors, hash }))
    }

    /// [`Engine::run_traced`] on the CPU with an observer: `see` gets each op's index and output, before the output is hashed. Values are
    /// not kept, so this takes no more memory than running the unit.
    ///
    /// `see` may change the output. The changed value is what is hashed and what later ops read. A checker uses this to continue from the
    /// worker's value instead of its own: if every later op then agrees with the worker, that value is the only wrong one.
    pub fn run_seen(&self, inputs: &[&[u8]], see: impl FnMut(usize, &mut [u8]) + Send) -> Result<(Vec<u8>, Trace), Error> {
        self.check(inputs)?;
        let mut output = vec![0; elements(self.package.output_shape())];
        let mut tensors = Vec::with_capacity(self.layers.len());
        self.threads.run(|| {
            let threads = self.threads.count();
            self.unit(inputs, &mut output, Some(&mut tensors), threads, see)
        })?;
        let hash = self.package.checkpoints().trace(&tensors);
        Ok((output, Trace { tensors, hash }))
    }

    /// TENSOR of every op's output of one unit, given its [`Engine::values`]. A trace may have fewer: it covers only checkpoints.
    pub fn tensors(&self, values: &[Vec<u8>]) -> Vec<Hash> {
        let (threads, first) = (self.threads.count(), self.package.inputs.len() as u32);
        let numbered = (first..).zip(self.package.ops.iter().zip(values));
        self.threads.run(|| {
            numbered
                .map(|(id, (op, codes))| hashing::activation(op.descriptor.output, id, codes, threads))
                .collect()
        })
    }

    /// Runs one unit and returns every op's output, in op order.
    pub fn values(&self, inputs: &[&[u8]]) -> Result<Vec<Vec<u8>>, Error> {
        let mut values = Vec::with_capacity(self.layers.len());
        self.run_seen(inputs, |_, codes| values.push(codes.to_vec()))?;
        Ok(values)
    }

    /// Runs every unit of an inputs blob. `go_on` is called after each unit, from any thread. When it returns false, the batch ends with
    /// [`Error::Stopped`] once the units in flight are done.
    pub fn run_batch(&self, inputs: &[u8], go_on: impl Fn() -> bool + Sync) -> Result<Batch, Error> {
        self.batch(inputs, |units| self.compute(units, true, go_on))
    }

    /// [`Engine::run_batch`] on the CPU with an observer, as in [`Engine::run_seen`]: `see` gets the unit, the op and its output, from any
    /// thread.
    pub fn run_batch_seen(
        &self,
        inputs: &[u8],
        go_on: impl Fn() -> bool + Sync,
        see: impl Fn(u32, usize, &mut [u8]) + Sync,
    ) -> Result<Batch, Error> {
        self.batch(inputs, |units| self.on_cpu(units, true, go_on, see))
    }

    fn batch(&self, inputs: &[u8], compute: impl FnOnce(&[Unit]) -> Result<Computed, Error>) -> Result<Batch, Error> {
        let (header, units) = self.parse(inputs)?;
        let computed = compute(&units)?;
        let header = BatchHeader::outputs(header.units(), self.package.output_id(), self.package.output_shape())?;
        let mut outputs = header.encode().to_vec();
        outputs.extend(computed.outputs);
        Ok(Batch::new(outputs, computed.tensors, self.package.checkpoints()))
    }

    /// Runs units on the GPUs, and on the CPU those that the GPUs left.
    fn compute(&self, units: &[Unit], traced: bool, go_on: impl Fn() -> bool + Sync) -> Result<Computed, Error> {
        let work = self.gpus.run(units, traced, &go_on)?;
        let mut parts = work.parts;
        for range in work.left {
            let part = units.get(range.clone()).unwrap_or(&[]);
            parts.push((range.start, self.on_cpu(part, traced, &go_on, |_, _, _| ())?));
        }
        parts.sort_by_key(|(first, _)| *first);
        let parts = parts.into_iter().map(|(_, part)| part);
        Ok(parts.reduce(Computed::followed_by).unwrap_or_default())
    }

    /// Runs units on the CPU, with the closures of [`Engine::run_batch_seen`].
    fn on_cpu(
        &self,
        units: &[Unit],
        traced: bool,
        go_on: impl Fn() -> bool + Sync,
        see: impl Fn(u32, usize, &mut [u8]) + Sync,
    ) -> Result<Computed, Error> {
        let count = elements(self.package.output_shape());
        let mut outputs = vec![0; count * units.len()];
        // If there are enough units, each thread runs whole units; otherwise all threads share each unit. Never both: a thread that waits
        // for others within a unit would steal another whole unit meanwhile, and yet another while waiting in that one.
        let threads = self.threads.count();
        let whole_units = units.len() >= threads;
        let run = |((index, unit), output): ((usize, &Unit), &mut [u8])| {
            let mut hashes = Vec::with_capacity(self.layers.len());
            // A batch has at most 2^20 units.
            let see = |op: usize, codes: &mut [u8]| see(index as u32, op, codes);
            let threads = if whole_units { 1 } else { threads };
            self.unit(unit, output, traced.then_some(&mut hashes), threads, see)?;
            if go_on() { Ok(hashes) } else { Err(Error::Stopped) }
        };
        let tensors: Result<Vec<Vec<Hash>>, Error> = self.threads.run(|| {
            if whole_units {
                units.par_iter().enumerate().zip(outputs.par_chunks_mut(count)).map(run).collect()
            } else {
                units.iter().enumerate().zip(outputs.chunks_mut(count)).map(run).collect()
            }
        });
        Ok(Computed {
            outputs,
            tensors: tensors?.concat(),
        })
    }

    /// Parses an inputs blob and checks that it fits the package.
    fn parse<'a>(&self, inputs: &'a [u8]) -> Result<(BatchHeader, Vec<Unit<'a>>), Error> {
        let (header, units) = BatchHeader::parse(inputs)?;
        let expected = self.package.input_shapes();
        if header.kind() != BlobKind::Inputs || header.shapes() != expected {
            let list = |shapes: &[_]| shapes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            let found = match header.kind() {
                BlobKind::Inputs => list(header.shapes()),
                BlobKind::Outputs => "outputs".to_owned(),
            };
            return Err(Error::BatchShapes {
                expected: list(&expected),
                found,
            });
        }
        let units = units
            .iter()
            .map(|unit| header.tensors(unit).map(|(_, tensor)| tensor).collect())
            .collect();
        Ok((header, units))
    }

    /// Checks that these are the codes of one unit's graph inputs.
    fn check(&self, inputs: &[&[u8]]) -> Result<(), Error> {
        let expected = &self.package.inputs;
        if inputs.len() != expected.len() {
            return Err(Error::UnitInputs {
                expected: expected.len(),
                found: inputs.len(),
            });
        }
        for (input, data) in expected.iter().zip(inputs) {
            let count = elements(input.shape);
            if data.len() != count {
                return Err(Error::UnitBytes {
                    name: input.name.clone(),
                    expected: count,
                    found: data.len(),
                });
            }
        }
        Ok(())
    }

    /// Runs one unit, whose inputs have been checked, on `threads` threads of the pool.
    fn unit(
        &self,
        inputs: &[&[u8]],
        output: &mut [u8],
        mut hashes: Option<&mut Vec<Hash>>,
        threads: usize,
        mut see: impl FnMut(usize, &mut [u8]),
    ) -> Result<(), Error> {
        let spare = self.spare.lock().pop();
        let mut buffers = spare.unwrap_or_else(|| self.plan.buffers());
        for (data, slot) in inputs.iter().zip(&self.plan.values) {
            let buffer = buffers.get_mut(*slot).and_then(|buffer| buffer.get_mut(..data.len()));
            buffer.ok_or(Error::Internal("an input buffer"))?.copy_from_slice(data);
        }
        let (mut last, checkpoints) = (0, self.package.checkpoints());
        for (index, (op, layer)) in self.package.ops.iter().zip(self.layers.iter()).enumerate() {
            let id = inputs.len().saturating_add(index);
            let slot = self.plan.slot(id)?;
            // Take the output buffer out of the list while the inputs are borrowed. The plan never puts an output into the slot of an input
            // that is still needed.
            let mut out = std::mem::take(buffers.get_mut(slot).ok_or(Error::Internal("an output buffer"))?);
            let ids = op.descriptor.inputs.as_slice().iter();
            let read = ids.map(|id| {
                Ok(buffers
                    .get(self.plan.slot((*id).into())?)
                    .ok_or(Error::Internal("an input buffer"))?
                    .as_slice())
            });
            layer.run(
                &read.collect::<Result<Vec<&[u8]>, Error>>()?,
                &mut out,
                Cpu {
                    kernels: self.kernels,
                    threads,
                },
            )?;
            let shape = op.descriptor.output;
            let codes = out.get_mut(..elements(shape)).ok_or(Error::Internal("an output buffer"))?;
            see(index, codes);
            // A graph has at most 1,024 ops.
            if let Some(hashes) = hashes.as_mut().filter(|_| checkpoints.contains(index as u32)) {
                hashes.push(hashing::activation(shape, id as u32, codes, threads));
            }
            if let Some(buffer) = buffers.get_mut(slot) {
                *buffer = out;
            }
            last = slot;
        }
        let count = output.len();
        output.copy_from_slice(
            buffers
                .get(last)
                .and_then(|buffer| buffer.get(..count))
                .ok_or(Error::Internal("the output buffer"))?,
        );
        self.spare.lock().push(buffers);
        Ok(())
    }
}

/// Number of elements of a shape that the package has checked.
fn elements(shape: protocol::tensor::Shape) -> usize {
    shape.elements().unwrap_or(0) as usize
}

type Buffers = Vec<Vec<u8>>;

/// Assigns values to buffers. A buffer is reused as soon as the last op that reads its value has run.
struct Plan {
    /// Buffer of each value.
    values: Vec<usize>,
    /// Bytes of each buffer.
    slots: Vec<usize>,
}

impl Plan {
    fn new(package: &Package) -> Self {
        let inputs = package.inputs.len();
        let mut last_use = vec![0; inputs + package.ops.len()];
        for (op, index) in package.ops.iter().zip(0..) {
            for id in op.descriptor.inputs.as_slice() {
                if let Some(last) = last_use.get_mut(usize::from(*id)) {
                    *last = index;
                }
            }
        }
        let mut plan = Self {
            values: Vec::new(),
            slots: Vec::new(),
        };
        let mut free: Vec<usize> = Vec::new();
        for input in &package.inputs {
            plan.place(elements(input.shape), &mut free);
        }
        for (index, op) in package.ops.iter().enumerate() {
            plan.place(elements(op.descriptor.output), &mut free);
            for (value, slot) in plan.values.iter().enumerate() {
                let read_here = op.descriptor.inputs.as_slice().iter().any(|id| usize::from(*id) == value);
                let dead = last_use.get(value).is_some_and(|last| *last == index);
                if read_here && dead {
                    free.push(*slot);
                }
            }
        }
        plan
    }

    /// Puts the next value into the free buffer that has to grow least, or into a new one.
    fn place(&mut self, bytes: usize, free: &mut Vec<usize>) {
        let growth = |slot: &usize| self.slots.get(*slot).map_or(usize::MAX, |have| bytes.saturating_sub(*have));
        let best = (0..free.len()).min_by_key(|index| free.get(*index).map_or(usize::MAX, growth));
        let slot = match best {
            Some(index) => free.swap_remove(index),
            None => {
                self.slots.push(0);
                self.slots.len() - 1
            }
        };
        if let Some(have) = self.slots.get_mut(slot) {
            *have = bytes.max(*have);
        }
        self.values.push(slot);
    }

    fn slot(&self, value: usize) -> Result<usize, Error> {
        self.values.get(value).copied().ok_or(Error::Internal("a value without a buffer"))
    }

    fn buffers(&self) -> Buffers {
        self.slots.iter().map(|bytes| vec![0; bytes + SLACK]).collect()
    }
}
