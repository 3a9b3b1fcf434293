//! Runs passes over units on one GPU. Constants stay on the device, and the launches for each size of pass are recorded once.
#![allow(unsafe_code, reason = "recordings are unsafe to make; see `Runner::record`")]

use super::arena::aligned;
use super::constants::Constants;
use super::device::{Device, DeviceError, Memory, Recording, Staging};
use super::lower::{self, Bases, stride};
use super::params::Hashed;
use crate::package::Package;
use parking_lot::{Mutex, MutexGuard};
use protocol::hash::Hash;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Most units in a pass: enough to fill the largest GPU with the smallest models.
const MOST_UNITS: u32 = 64;

/// Percentage of the free memory that a package may take with passes of one unit, and with passes of several. Other models need memory too,
/// and so does the driver.
const SHARE_OF_ONE: u64 = 80;
const SHARE_OF_MANY: u64 = 25;

/// Passes in flight, if memory allows: while one copies or hashes, another computes.
pub(crate) const LANES: u64 = 2;

/// A package on a device.
pub(crate) struct Runner {
    // Lanes refer to the constants, so they must be dropped first.
    lanes: Vec<Mutex<Lane>>,
    /// The lane to wait for next if none is free.
    turn: AtomicUsize,
    constants: Box<dyn Memory>,
    packed: Constants,
    package: Arc<Package>,
    device: Arc<dyn Device>,
    capacity: u32,
    bytes: u64,
    computed: AtomicU64,
}

/// The resources of one pass in flight.
struct Lane {
    // Recordings refer to the place, so they must be dropped first.
    passes: HashMap<(u32, bool), Prepared>,
    place: Place,
    /// Host memory for copies in and out, as large as the largest value of the largest pass.
    staging: Box<dyn Staging>,
}

/// Where a lane's passes run.
struct Place {
    arena: Box<dyn Memory>,
    /// The device, with the lane's own queue.
    device: Arc<dyn Device>,
}

/// A recorded pass.
struct Prepared {
    recording: Box<dyn Recording>,
    /// The table of values that the hashing kernels read.
    _table: Option<Box<dyn Memory>>,
    inputs: Vec<u64>,
    output: u64,
    tensors: u64,
}

/// The codes of each graph input of a unit.
pub(crate) type Unit<'a> = Vec<&'a [u8]>;

/// The results of some units.
#[derive(Default)]
pub(crate) struct Computed {
    /// Output codes, unit after unit.
    pub outputs: Vec<u8>,
    /// TENSOR of each checkpoint, unit after unit; empty unless traced.
    pub tensors: Vec<Hash>,
}

impl Computed {
    /// Appends the results of the units that follow.
    pub(crate) fn followed_by(mut self, next: Self) -> Self {
        self.outputs.extend(next.outputs);
        self.tensors.extend(next.tensors);
        self
    }
}

/// A package on a device.
#[derive(Clone, Debug)]
pub struct Resident {
    /// The driver's number for the GPU.
    pub ordinal: usize,
    /// Name of the device.
    pub device: String,
    /// Bytes of device memory that the package uses.
    pub bytes: u64,
    /// Most units in a pass.
    pub units: u32,
    /// Most passes in flight.
    pub passes: u32,
    /// Number of units of this package computed so far.
    pub computed: u64,
}

/// The durations of passes, of which several were in flight at a time.
#[derive(Clone, Debug, Default)]
pub struct PassTimes {
    /// Units per pass.
    pub units: u32,
    /// Duration of each pass in seconds, in any order.
    pub seconds: Vec<f64>,
    /// Seconds from the start of the first pass to the end of the last, of all turns together.
    pub elapsed: f64,
}

impl PassTimes {
    /// Adds another turn of passes of the same size.
    pub(crate) fn add(&mut self, turn: Self) {
        self.units = turn.units;
        self.elapsed += turn.elapsed;
        self.seconds.extend(turn.seconds);
    }

    /// Throughput.
    pub(crate) fn units_per_second(&self) -> f64 {
        f64::from(self.units) * self.seconds.len() as f64 / self.elapsed
    }
}

impl Runner {
    /// Copies the package's constants to the device and allocates memory for as many units as there is room for, up to `most`.
    pub(crate) fn new(package: Arc<Package>, device: Arc<dyn Device>, most: Option<u32>) -> Result<Self, DeviceError> {
        let mut packed = Constants::new(&package);
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
        let lanes = if LANES * one > room(SHARE_OF_ONE) { 1 } else { LANES };
        let most = most.map_or(MOST_UNITS, |most| most.min(MOST_UNITS));
        // A smaller pass may need more memory: it hashes in fewer batches, so values are kept longer.
        let (mut capacity, mut arena) = (1, one);
        while 2 * capacity <= most {
            let larger = arena.max(needed(2 * capacity)?);
            if lanes * larger > room(SHARE_OF_MANY) {
                break;
            }
            (capacity, arena) = (2 * capacity, larger);
        }
        let constants = device.allocate(constant_bytes as usize)?;
        constants.write(0, &packed.bytes)?;
        // From now on only the offsets are needed.
        packed.bytes = Vec::new();
        let values = package.input_shapes().into_iter().chain([package.output_shape()]).map(stride);
        let hashes = size_of::<Hash>() as u64 * u64::from(package.checkpoints().count());
        let widest = values.chain([hashes]).max().unwrap_or(0);
        let lane = || -> Result<Mutex<Lane>, DeviceError> {
            let device = device.beside()?;
            Ok(Mutex::new(Lane {
                passes: HashMap::new(),
                staging: device.stage((widest * u64::from(capacity)) as usize),
                place: Place {
                    arena: device.allocate(arena as usize)?,
                    device,
                },
            }))
        };
        let mut made = vec![lane()?];
        while (made.len() as u64) < lanes {
            match lane() {
                Ok(lane) => made.push(lane),
                // If others have taken the memory meanwhile, one lane will do.
                Err(error) if error.is_want_of_memory() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            bytes: made.len() as u64 * arena + constant_bytes,
            lanes: made,
            turn: AtomicUsize::new(0),
            constants,
            packed,
            package,
            device,
            capacity,
            computed: AtomicU64::new(0),
        })
    }

    /// Describes the package on the device.
    pub(crate) fn resident(&self) -> Resident {
        let traits = self.device.traits();
        Resident {
            ordinal: traits.ordinal,
            device: traits.name.clone(),
            bytes: self.bytes,
            units: self.capacity,
            passes: self.lanes.len() as u32,
            computed: self.computed.load(Ordering::Relaxed),
        }
    }

    /// Times passes of the largest size on all lanes at once: at least `times` passes, for at least `least`. They repeat what the last such
    /// pass of each lane computed; its inputs are still in memory.
    pub(crate) fn time(&self, traced: bool, times: u32, least: Duration) -> Result<PassTimes, DeviceError> {
        let units = self.capacity;
        let mut lanes: Vec<_> = self.lanes.iter().map(|lane| lane.lock()).collect();
        let ready = lanes.iter_mut().map(|lane| {
            let Lane { passes, place, .. } = &mut **lane;
            Ok((self.prepare(passes, place, units, traced)?, place.arena.as_ref()))
        });
        let ready: Vec<(&Prepared, &dyn Memory)> = ready.collect::<Result<_, DeviceError>>()?;
        let each = times.div_ceil(ready.len().max(1) as u32) as usize;
        let start = Instant::now();
        let timed = |(prepared, arena): (&Prepared, &dyn Memory)| -> Result<Vec<f64>, DeviceError> {
            let mut seconds = Vec::new();
            while seconds.len() < each || start.elapsed() < least {
                let begun = Instant::now();
                prepared.recording.run()?;
                // The read waits for the pass.
                arena.read(prepared.output as usize, &mut [0])?;
                seconds.push(begun.elapsed().as_secs_f64());
            }
            Ok(seconds)
        };
        let seconds: Result<Vec<Vec<f64>>, DeviceError> = std::thread::scope(|scope| {
            let threads: Vec<_> = ready.into_iter().map(|lane| scope.spawn(move || timed(lane))).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .map(|timed| timed.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        Ok(PassTimes {
            units,
            elapsed: start.elapsed().as_secs_f64(),
            seconds: seconds?.concat(),
        })
    }

    /// Most units in a pass.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Number of lanes: the most passes in flight.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Runs the units in one pass. Their inputs must have the sizes that the package defines.
    pub(crate) fn pass(&self, units: &[Unit], traced: bool) -> Result<Computed, DeviceError> {
        // Round the size up, so that there are few recordings. The extra units compute whatever is in memory.
        let size = (units.len() as u32).next_power_of_two();
        let mut lane = self.lane()?;
        let Lane { passes, place, staging } = &mut *lane;
        let prepared = self.prepare(passes, place, size, traced)?;
        for (slot, (shape, at)) in self.package.input_shapes().iter().zip(&prepared.inputs).enumerate() {
            let step = stride(*shape) as usize;
            let staged = front(staging.bytes(), step * units.len())?;
            for (to, unit) in staged.chunks_exact_mut(step).zip(units) {
                let from = unit.get(slot).copied().unwrap_or(&[]);
                front(to, from.len())?.copy_from_slice(from);
            }
            place.arena.write(*at as usize, staged)?;
        }
        prepared.recording.run()?;
        let output = self.package.output_shape();
        let (elements, step) = (output.elements().unwrap_or(0) as usize, stride(output) as usize);
        let codes = front(staging.bytes(), step * units.len())?;
        place.arena.read(prepared.output as usize, codes)?;
        let mut computed = Computed::default();
        for unit in codes.chunks_exact(step) {
            computed.outputs.extend_from_slice(unit.get(..elements).unwrap_or(&[]));
        }
        if traced {
            let hashes = front(
                staging.bytes(),
                size_of::<Hash>() * self.package.checkpoints().count() as usize * units.len(),
            )?;
            place.arena.read(prepared.tensors as usize, hashes)?;
            computed.tensors.extend_from_slice(hashes.as_chunks().0);
        }
        self.computed.fetch_add(units.len() as u64, Ordering::Relaxed);
        Ok(computed)
    }

    /// Locks a free lane or, if there is none, waits for the one whose turn it is.
    fn lane(&self) -> Result<MutexGuard<'_, Lane>, DeviceError> {
        if let Some(free) = self.lanes.iter().find_map(Mutex::try_lock) {
            return Ok(free);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(self.lanes.len());
        let lane = turn.and_then(|turn| self.lanes.get(turn));
        Ok(lane.ok_or_else(|| DeviceError::Bug("a package without lanes".to_owned()))?.lock())
    }

    /// A lane's recording for this number of units, made on first use.
    fn prepare<'a>(
        &self,
        passes: &'a mut HashMap<(u32, bool), Prepared>,
        place: &Place,
        units: u32,
        traced: bool,
    ) -> Result<&'a Prepared, DeviceError> {
        Ok(match passes.entry((units, traced)) {
            Entry::Occupied(prepared) => prepared.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.record(place, units, traced)?),
        })
    }

    fn record(&self, Place { arena, device }: &Place, units: u32, traced: bool) -> Result<Prepared, DeviceError> {
        let entries = self.package.checkpoints().count() as usize * size_of::<Hashed>();
        let table = traced.then(|| device.allocate(entries)).transpose()?;
        let bases = Bases {
            constants: self.constants.address(),
            arena: arena.address(),
            table: table.as_ref().map_or(0, |table| table.address()),
        };
        let pass = lower::pass(&self.package, &self.packed, self.device.traits(), bases, units, traced)?;
        if pass.bytes > arena.bytes() as u64 {
            return Err(DeviceError::Bug("a pass is larger than the memory allocated for it".to_owned()));
        }
        if let Some(table) = &table {
            table.write(0, bytemuck::cast_slice(&pass.table))?;
        }
        // SAFETY: `lower` gives each kernel its own struct. All addresses are in the constants, in the first `pass.bytes` of the arena,
        // which has that many (checked above), and in the table, which holds all its entries (written above). The table lives as long as
        // the recording in `Prepared`; the arena in `Place` and the constants in `Runner` outlive it.
        let recording = unsafe { device.record(&pass.launches)? };
        Ok(Prepared {
            recording,
            _table: table,
            inputs: pass.inputs,
            output: pass.output,
            tensors: pass.tensors,
        })
    }
}

/// The first `bytes` bytes of a staging buffer.
fn front(buffer: &mut [u8], bytes: usize) -> Result<&mut [u8], DeviceError> {
    let too_short = || DeviceError::Bug("a value is larger than its staging buffer".to_owned());
    buffer.get_mut(..bytes).ok_or_else(too_short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::device::{Cores, Launch, Traits};
    use serde_json::{Value, json};

    /// A GPU that has memory and computes nothing.
    struct Idle(Traits);

    struct Bytes(usize);

    struct Nothing;

    impl Device for Idle {
        fn traits(&self) -> &Traits {
            &self.0
        }

        fn beside(&self) -> Result<Arc<dyn Device>, DeviceError> {
            Ok(Arc::new(Self(self.0.clone())))
        }

        fn free_memory(&self) -> Result<u64, DeviceError> {
            Ok(self.0.memory)
        }

        fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>, DeviceError> {
            Ok(Box::new(Bytes(bytes)))
        }

        unsafe fn record(&self, _: &[Launch]) -> Result<Box<dyn Recording>, DeviceError> {
            Ok(Box::new(Nothing))
        }
    }

    impl Memory for Bytes {
        fn address(&self) -> u64 {
            0
        }

        fn bytes(&self) -> usize {
            self.0
        }

        fn write(&self, _: usize, _: &[u8]) -> Result<(), DeviceError> {
            Ok(())
        }

        fn read(&self, _: usize, _: &mut [u8]) -> Result<(), DeviceError> {
            Ok(())
        }
    }

    impl Recording for Nothing {
        fn run(&self) -> Result<(), DeviceError> {
            Ok(())
        }
    }

    /// A package with an input of 64 KiB, whose other values alternate between 16 MiB and 1 MiB.
    fn in_and_out() -> Result<Package, Box<dyn std::error::Error>> {
        let op = |step: usize| -> Value {
            let [name, input] = [step + 1, step].map(|value| format!("value{value}"));
            if step.is_multiple_of(2) {
                json!({"name": name, "op": "upsample", "inputs": [input], "factor": if step == 0 { 16 } else { 4 }})
            } else {
                json!({"name": name, "op": "max_pool", "inputs": [input], "kernel": [4, 4], "stride": [4, 4], "padding": [0, 0, 0, 0]})
            }
        };
        let manifest = json!({
            "format": 1, "name": "in and out", "version": "1.0.0", "license": "Apache-2.0", "description": "made up",
            "task": {"kind": "test"}, "inputs": [{"name": "value0", "dims": [256, 256, 1]}], "ops": (0..11).map(op).collect::<Vec<_>>(),
        });
        let none: [(&str, safetensors::tensor::TensorView<'_>); 0] = [];
        Ok(Package::from_bytes(
            &serde_json::to_vec(&manifest)?,
            &safetensors::serialize(none, None)?,
        )?)
    }

    /// Here a pass of one unit needs more memory than a pass of two, because more of its values wait to be hashed.
    #[test]
    fn every_pass_that_is_run_has_the_memory_it_takes() -> Result<(), Box<dyn std::error::Error>> {
        let traits = Traits {
            ordinal: 0,
            name: String::new(),
            // A quarter of this holds two units in each lane.
            memory: 620_000_000,
            arch: 80,
            cores: Cores::Warp,
            processors: 1,
        };
        let runner = Runner::new(Arc::new(in_and_out()?), Arc::new(Idle(traits)), None)?;
        assert_eq!((runner.capacity(), runner.lanes()), (2, 2));
        assert!(runner.packed.bytes.is_empty(), "the host keeps no copy of the constants");
        let lane = runner.lane()?;
        let recorded = |units| {
            [false, true].map(|traced| {
                runner
                    .record(&lane.place, units, traced)
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            })
        };
        let bytes = |units| {
            lower::pass(
                &runner.package,
                &runner.packed,
                runner.device.traits(),
                Bases::default(),
                units,
                true,
            )
        };
        assert!(bytes(1)?.bytes > bytes(2)?.bytes);
        assert_eq!([1, 2].map(recorded), [[Ok(()), Ok(())], [Ok(()), Ok(())]]);
        let [_, too_large] = recorded(4);
        assert!(too_large.is_err());
        Ok(())
    }
}
