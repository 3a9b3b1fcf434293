//! Runs the graph of a package, unit by unit or a whole batch at a time.

use crate::backend::Backend;
use crate::cuda::{Computed, Device, Fleet, Loss, PassTimes, Resident, Unit};
use crate::error::Error;
use crate::hashing;
use crate::kernels::Kernels;
use crate::layers::{Cpu, Layer};
use crate::package::Package;
use crate::threads::Threads;
use crate::window::SLACK;
use protocol::batch::{self, BatchHeader, BlobKind};
use protocol::hash::Hash;
use protocol::trace::Checkpoints;
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The checkpoints of one unit, hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// TENSOR of each, in op order.
    pub tensors: Vec<Hash>,
    /// TRACE over them.
    pub hash: Hash,
}

/// What a worker delivers for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The outputs blob.
    pub outputs: Vec<u8>,
    /// Batch root of the outputs, which is the blob's address.
    pub outputs_root: Hash,
    /// TRACE of each unit.
    pub traces: Vec<Hash>,
    /// Batch root of the traces.
    pub traces_root: Hash,
    /// TENSOR of each checkpoint, unit after unit: what a trace blob carries.
    pub tensors: Vec<Hash>,
}

impl Batch {
    /// TENSOR of each checkpoint of one unit.
    pub fn unit(&self, unit: u32) -> &[Hash] {
        let count = self.tensors.len().checked_div(self.traces.len()).unwrap_or(0).max(1);
        self.tensors.chunks_exact(count).nth(unit as usize).unwrap_or_default()
    }

    /// A batch of an outputs blob and the TENSORs of the checkpoints of all units.
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

/// A package ready to run on a number of threads.
///
/// Tensors come and go as codes, the committed form: one byte `x + 128` per element. For an image that is the pixel itself.
pub struct Engine {
    package: Arc<Package>,
    backend: Backend,
    kernels: &'static Kernels,
    threads: Threads,
    layers: Arc<[Layer]>,
    plan: Arc<Plan>,
    /// Buffers of units that have ended, for the next ones.
    spare: Mutex<Vec<Buffers>>,
    /// The package on GPUs, which then compute whatever nobody wants to look into.
    gpus: Fleet,
}

impl Engine {
    /// Makes `package` ready on the CPU's best backend. `threads` 0 means one per core.
    pub fn new(package: Arc<Package>, threads: usize) -> Result<Self, Error> {
        Self::with_backend(package, threads, Backend::best())
    }

    /// The same on a backend of choice.
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

    /// The same package on as many threads of its own, without GPUs. What runs there does not wait for what runs here: the system shares
    /// out the cores.
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

    /// Puts the package on a GPU too, beside those it is on. From now on they run units and batches, with the same bits, unless each op's
    /// output is to be seen. A GPU that fails is left for good; the others, and the CPU when there are none, go on with its units.
    pub fn attach(&self, device: Arc<dyn Device>) -> Result<(), Error> {
        self.gpus.attach(self.package.clone(), device, None)
    }

    /// The same for passes of so many units, a power of two, and with no more memory than those take. For benchmarks.
    pub fn attach_sized(&self, device: Arc<dyn Device>, units: u32) -> Result<(), Error> {
        self.gpus.attach(self.package.clone(), device, Some(units))
    }

    /// Leaves all GPUs and forgets those that failed.
    pub fn detach(&self) {
        self.gpus.detach();
    }

    /// What each GPU is and holds, but for those that failed.
    pub fn residents(&self) -> Vec<Resident> {
        self.gpus.runners().iter().map(|runner| runner.resident()).collect()
    }

    /// The GPUs that failed, in the order in which they did.
    pub fn losses(&self) -> Vec<Loss> {
        self.gpus.losses()
    }

    /// Times at least `times` passes, for at least so long, of the first GPU over as many units as it takes at once: as many under way as
    /// it has room for, without copies, of whatever was computed last. For benchmarks; `None` without a GPU.
    pub fn time_passes(&self, traced: bool, times: u32, least: Duration) -> Result<Option<PassTimes>, Error> {
        let runners = self.gpus.runners();
        let Some(first) = runners.first() else { return Ok(None) };
        Ok(Some(first.time(traced, times, least)?))
    }

    /// The package.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// The backend in use.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Threads that it computes on.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }

    /// Units that keep it busy: as many as its GPUs take at once, or one a thread.
    pub fn full_batch(&self) -> u32 {
        let on_gpus: u32 = self.residents().iter().map(|gpu| gpu.units * gpu.passes).sum();
        if on_gpus > 0 { on_gpus } else { self.threads.count() as u32 }
    }

    /// Bytes of activations that one unit in flight needs.
    pub fn unit_memory(&self) -> usize {
        self.plan.slots.iter().map(|capacity| capacity + SLACK).sum()
    }

    /// Runs one unit: the codes of each graph input, to the codes of the output.
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

    /// [`Engine::run_traced`], on the CPU, that shows `see` each op's index and output before it is hashed, if it is. Nothing is kept, so a
    /// unit takes no more memory than when it is merely run.
    ///
    /// What `see` leaves there is what is hashed and what the following ops read. That is how a checker goes on from a value it was
    /// given instead of its own: if every later op then agrees with the worker, that one value is all that is wrong.
    pub fn run_seen(&self, inputs: &[&[u8]], see: impl FnMut(usize, &mut [u8]) + Send) -> Result<(Vec<u8>, Trace), Error> {
        let mut output = vec![0; elements(self.package.output_shape())];
        let mut tensors = Vec::with_capacity(self.layers.len());
        self.threads.run(|| {
            let threads = self.threads.count();
            self.unit(inputs, &mut output, Some(&mut tensors), threads, see)
        })?;
        let hash = self.package.checkpoints().trace(&tensors);
        Ok((output, Trace { tensors, hash }))
    }

    /// TENSOR of every op's output of one unit, from [`Engine::values`]: more than its trace says, where that is of checkpoints.
    pub fn tensors(&self, values: &[Vec<u8>]) -> Vec<Hash> {
        let (threads, first) = (self.threads.count(), self.package.inputs.len() as u32);
        let numbered = (first..).zip(self.package.ops.iter().zip(values));
        self.threads.run(|| {
            numbered
                .map(|(id, (op, codes))| hashing::activation(op.descriptor.output, id, codes, threads))
                .collect()
        })
    }

    /// Every op's output of one unit, in op order.
    pub fn values(&self, inputs: &[&[u8]]) -> Result<Vec<Vec<u8>>, Error> {
        let mut values = Vec::with_capacity(self.layers.len());
        self.run_seen(inputs, |_, codes| values.push(codes.to_vec()))?;
        Ok(values)
    }

    /// Runs every unit of an inputs blob. After each, `go_on` is asked, from any thread; its no ends the batch with [`Error::Stopped`] once
    /// the units under way are done.
    pub fn run_batch(&self, inputs: &[u8], go_on: impl Fn() -> bool + Sync) -> Result<Batch, Error> {
        self.batch(inputs, |units| self.compute(units, true, go_on))
    }

    /// [`Engine::run_batch`], on the CPU, that shows `see` unit, op and output of every op before it is hashed, from any thread; as
    /// [`Engine::run_seen`].
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

    /// Runs units on the GPUs, and on the CPU those that no GPU is there for.
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

    /// Runs units on the CPU, as [`Engine::run_batch_seen`].
    fn on_cpu(
        &self,
        units: &[Unit],
        traced: bool,
        go_on: impl Fn() -> bool + Sync,
        see: impl Fn(u32, usize, &mut [u8]) + Sync,
    ) -> Result<Computed, Error> {
        let count = elements(self.package.output_shape());
        let mut outputs = vec![0; count * units.len()];
        // Threads go to whole units where there are enough, else they share each unit. Never both: a thread that waits for the others
        // would start one more unit meanwhile, and one more inside that.
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

    /// The header and the units of an inputs blob that fits the package.
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

    /// Whether these are the codes of one unit's graph inputs.
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

    /// Runs one unit on so many threads of the pool.
    fn unit(
        &self,
        inputs: &[&[u8]],
        output: &mut [u8],
        mut hashes: Option<&mut Vec<Hash>>,
        threads: usize,
        mut see: impl FnMut(usize, &mut [u8]),
    ) -> Result<(), Error> {
        self.check(inputs)?;
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffers = spare.unwrap_or_else(|| self.plan.buffers());
        for (data, slot) in inputs.iter().zip(&self.plan.values) {
            let buffer = buffers.get_mut(*slot).and_then(|buffer| buffer.get_mut(..data.len()));
            buffer.ok_or(Error::Internal("an input buffer"))?.copy_from_slice(data);
        }
        let (mut last, checkpoints) = (0, self.package.checkpoints());
        for (index, (op, layer)) in self.package.ops.iter().zip(self.layers.iter()).enumerate() {
            let id = inputs.len().saturating_add(index);
            let slot = self.plan.slot(id)?;
            // The output leaves the list while the inputs are borrowed; the plan never gives it a slot that an input still needs.
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
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
        Ok(())
    }
}

/// Elements of a shape that passed the package's checks.
fn elements(shape: protocol::tensor::Shape) -> usize {
    shape.elements().unwrap_or(0) as usize
}

type Buffers = Vec<Vec<u8>>;

/// Which buffer each value lives in. Buffers are used again as soon as the last op that reads their value has run.
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

    /// Gives the next value the free buffer that needs to grow least, or a new one.
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
