//! Passes over batches of units: constants stay on the device, and each size of batch is recorded once.
#![allow(unsafe_code, reason = "recordings are unsafe to make; see `Runner::record`")]

use super::arena::aligned;
use super::device::{Device, DeviceError, Memory, Recording, Staging};
use super::lower::{self, Bases, Constants, stride};
use super::params::Hashed;
use crate::package::Package;
use protocol::hash::Hash;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Most units of a pass: enough to fill the largest GPU with the smallest models.
const MOST_UNITS: u32 = 64;

/// Share of the free memory that a unit may take, in percent, and that several may: other models want some, and the driver too.
const SHARE_OF_ONE: u64 = 80;
const SHARE_OF_MANY: u64 = 25;

/// A package on a device.
pub(crate) struct Runner {
    // Recordings refer to the memory below, so they are dropped first.
    passes: Mutex<HashMap<(u32, bool), Arc<Prepared>>>,
    /// What is copied in, and out: of the largest pass, the largest value.
    staging: Mutex<Box<dyn Staging>>,
    arena: Box<dyn Memory>,
    constants: Box<dyn Memory>,
    packed: Constants,
    package: Arc<Package>,
    device: Arc<dyn Device>,
    capacity: u32,
    computed: AtomicU64,
}

/// A recorded pass.
struct Prepared {
    recording: Box<dyn Recording>,
    /// What the hashing kernels look up.
    _table: Option<Box<dyn Memory>>,
    inputs: Vec<u64>,
    output: u64,
    tensors: u64,
}

/// Codes of each graph input of a unit.
pub(crate) type Unit<'a> = Vec<&'a [u8]>;

/// What units gave.
#[derive(Default)]
pub(crate) struct Computed {
    /// Codes of the output, unit after unit.
    pub outputs: Vec<u8>,
    /// TENSOR of each op's output, unit after unit; empty unless traced.
    pub tensors: Vec<Hash>,
}

impl Computed {
    /// What more units gave, after this.
    pub(crate) fn followed_by(mut self, next: Self) -> Self {
        self.outputs.extend(next.outputs);
        self.tensors.extend(next.tensors);
        self
    }
}

/// A package on a device.
#[derive(Clone, Debug)]
pub struct Resident {
    /// Which of the machine's GPUs it is.
    pub ordinal: usize,
    /// Name of the device.
    pub device: String,
    /// Bytes of its memory in use.
    pub bytes: u64,
    /// Units it computes at once.
    pub units: u32,
    /// Units it has computed of this package.
    pub computed: u64,
}

/// How long passes took.
#[derive(Clone, Debug)]
pub struct PassTimes {
    /// Units of a pass.
    pub units: u32,
    /// Seconds of each pass, as they came.
    pub seconds: Vec<f64>,
}

impl Runner {
    /// Puts the package's constants on the device and takes memory for as many units as there is room for.
    pub(crate) fn new(package: Arc<Package>, device: Arc<dyn Device>) -> Result<Self, DeviceError> {
        let packed = Constants::new(&package);
        let needed = |units| -> Result<u64, DeviceError> {
            let pass = |traced| lower::pass(&package, &packed, device.traits(), Bases::default(), units, traced);
            Ok(pass(true)?.bytes.max(pass(false)?.bytes))
        };
        let constant_bytes = aligned(packed.bytes.len() as u64).max(1);
        let free = device.free_memory()?;
        let room = |share: u64| (free / 100 * share).saturating_sub(constant_bytes);
        let one = needed(1)?;
        if one > room(SHARE_OF_ONE) {
            return Err(DeviceError::OutOfMemory {
                needed: one + constant_bytes,
                free,
            });
        }
        let mut capacity = 1;
        while capacity < MOST_UNITS && needed(2 * capacity)? <= room(SHARE_OF_MANY) {
            capacity *= 2;
        }
        let constants = device.allocate(constant_bytes as usize)?;
        constants.write(0, &packed.bytes)?;
        let arena = device.allocate(needed(capacity)? as usize)?;
        let values = package.input_shapes().into_iter().chain([package.output_shape()]).map(stride);
        let hashes = (size_of::<Hash>() * package.ops.len()) as u64;
        let widest = values.chain([hashes]).max().unwrap_or(0);
        let staging = device.stage((widest * u64::from(capacity)) as usize);
        Ok(Self {
            staging: Mutex::new(staging),
            passes: Mutex::default(),
            arena,
            constants,
            packed,
            package,
            device,
            capacity,
            computed: AtomicU64::new(0),
        })
    }

    /// What is where.
    pub(crate) fn resident(&self) -> Resident {
        let traits = self.device.traits();
        Resident {
            ordinal: traits.ordinal,
            device: traits.name.clone(),
            bytes: (self.arena.bytes() + self.constants.bytes()) as u64,
            units: self.capacity,
            computed: self.computed.load(Ordering::Relaxed),
        }
    }

    /// Times passes over whatever lies in memory; `units` of them, or all there is room for.
    pub(crate) fn time(&self, units: Option<u32>, traced: bool, times: u32) -> Result<PassTimes, DeviceError> {
        let units = units.unwrap_or(self.capacity).clamp(1, self.capacity).next_power_of_two();
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = self.prepared(&mut passes, units, traced)?;
        let mut seconds = Vec::new();
        for _ in 0..times {
            let start = Instant::now();
            prepared.recording.run()?;
            // A read waits for the pass.
            self.arena.read(prepared.output as usize, &mut [0])?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(PassTimes { units, seconds })
    }

    /// Most units of a pass.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Runs so many units at once, each of inputs of the lengths that the package says.
    pub(crate) fn pass(&self, units: &[Unit], traced: bool) -> Result<Computed, DeviceError> {
        // There are few sizes, so that few recordings are made; units beyond those given compute whatever lies there.
        let size = (units.len() as u32).next_power_of_two();
        // One pass at a time: they share the arena.
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = self.prepared(&mut passes, size, traced)?;
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        let shapes = self.package.input_shapes();
        for (slot, (shape, at)) in shapes.iter().zip(&prepared.inputs).enumerate() {
            let step = stride(*shape) as usize;
            let staged = front(staging.bytes(), step * units.len())?;
            for (to, unit) in staged.chunks_exact_mut(step).zip(units) {
                let from = unit.get(slot).copied().unwrap_or(&[]);
                front(to, from.len())?.copy_from_slice(from);
            }
            self.arena.write(*at as usize, staged)?;
        }
        prepared.recording.run()?;
        let output = self.package.output_shape();
        let (elements, step) = (output.elements().unwrap_or(0) as usize, stride(output) as usize);
        let codes = front(staging.bytes(), step * units.len())?;
        self.arena.read(prepared.output as usize, codes)?;
        let mut computed = Computed::default();
        for unit in codes.chunks_exact(step) {
            computed.outputs.extend_from_slice(unit.get(..elements).unwrap_or(&[]));
        }
        if traced {
            let hashes = front(staging.bytes(), size_of::<Hash>() * self.package.ops.len() * units.len())?;
            self.arena.read(prepared.tensors as usize, hashes)?;
            computed.tensors.extend_from_slice(hashes.as_chunks().0);
        }
        self.computed.fetch_add(units.len() as u64, Ordering::Relaxed);
        Ok(computed)
    }

    /// The recording for so many units, made the first time.
    fn prepared(&self, passes: &mut HashMap<(u32, bool), Arc<Prepared>>, units: u32, traced: bool) -> Result<Arc<Prepared>, DeviceError> {
        if let Some(prepared) = passes.get(&(units, traced)) {
            return Ok(prepared.clone());
        }
        let prepared = Arc::new(self.record(units, traced)?);
        passes.insert((units, traced), prepared.clone());
        Ok(prepared)
    }

    fn record(&self, units: u32, traced: bool) -> Result<Prepared, DeviceError> {
        let entries = if traced { self.package.ops.len() * size_of::<Hashed>() } else { 0 };
        let table = if traced { Some(self.device.allocate(entries)?) } else { None };
        let bases = Bases {
            constants: self.constants.address(),
            arena: self.arena.address(),
            table: table.as_ref().map_or(0, |table| table.address()),
        };
        let pass = lower::pass(&self.package, &self.packed, self.device.traits(), bases, units, traced)?;
        if let Some(table) = &table {
            table.write(0, bytemuck::cast_slice(&pass.table))?;
        }
        // SAFETY: `lower` makes launches of kernels with their own structs, whose addresses lie in the constants, the arena and the
        // table: the arena is as large as the largest pass needs, and all three live as long as the recording does in `Prepared` or
        // outlive it in `Runner`.
        let recording = unsafe { self.device.record(&pass.launches)? };
        Ok(Prepared {
            recording,
            _table: table,
            inputs: pass.inputs,
            output: pass.output,
            tensors: pass.tensors,
        })
    }
}

/// The first so many bytes.
fn front(of: &mut [u8], bytes: usize) -> Result<&mut [u8], DeviceError> {
    let beyond = || DeviceError::Lost("a value is larger than the memory it is copied through".to_owned());
    of.get_mut(..bytes).ok_or_else(beyond)
}
