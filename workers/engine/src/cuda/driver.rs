//! NVIDIA's driver, through cudarc: a context, a stream, and a graph per recording.
#![allow(unsafe_code, reason = "the driver is a C library, and kernels are what they are")]

use super::compiler::{Compiler, GROUPS, kernels_of};
use super::device::{Device, DeviceError, Launch, Memory, Recording, Staging, Traits};
use super::params::Gemm;
use cudarc::driver::result::graph;
use cudarc::driver::sys::{self, CUdevice_attribute, CUfunction_attribute, CUgraphInstantiate_flags, CUresult, CUstreamCaptureMode};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaGraph, CudaSlice, CudaStream, DevicePtr, DeviceRepr, DriverError, LaunchConfig, PinnedHostSlice,
    PushKernelArg,
};
use cudarc::nvrtc::Ptx;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The oldest GPUs with dot products of four bytes.
const OLDEST: u32 = 61;

/// Bytes of the largest kernel argument, rounded up. The driver copies as many as the kernel takes.
const PARAMS: usize = 512;

#[repr(C, align(16))]
struct Params([u8; PARAMS]);

const _: () = assert!(size_of::<Gemm>() <= PARAMS);

// SAFETY: plain bytes; which they have to be is the promise of `Device::record`.
unsafe impl DeviceRepr for Params {}

/// A GPU of NVIDIA's, and a stream on it.
pub struct Cuda {
    gpu: Arc<Gpu>,
    stream: Arc<CudaStream>,
}

/// What all streams of a GPU have in common.
struct Gpu {
    traits: Traits,
    context: Arc<CudaContext>,
    /// Where recordings are made, with launches aside on the second: what others do meanwhile must not become part of them.
    recorders: Mutex<[Arc<CudaStream>; 2]>,
    kernels: HashMap<&'static str, CudaFunction>,
}

/// How many GPUs the driver finds.
pub fn count() -> Result<usize, DeviceError> {
    // SAFETY: it only looks for the library.
    if !unsafe { sys::is_culib_present() } {
        return Err(DeviceError::NoDriver);
    }
    match cudarc::driver::result::init() {
        Ok(()) => {}
        // A driver that finds none says so at once.
        Err(error) if error.0 == CUresult::CUDA_ERROR_NO_DEVICE => return Ok(0),
        Err(error) => return Err(lost(&error)),
    }
    let found = CudaContext::device_count().map_err(|error| lost(&error))?;
    Ok(found.unsigned_abs() as usize)
}

impl Cuda {
    /// GPU number `ordinal`, with the kernels loaded: the first time they are compiled, which takes some ten seconds.
    pub fn new(ordinal: usize) -> Result<Self, DeviceError> {
        let found = count()?;
        if ordinal >= found {
            return Err(DeviceError::NoDevice { ordinal, found });
        }
        let lost = |error| lost(&error);
        let context = CudaContext::new(ordinal).map_err(lost)?;
        // SAFETY: memory is used on the stream it was allocated on, or read after a copy to it has ended; and a capture must not meet events.
        unsafe { context.disable_event_tracking() };
        let (major, minor) = context.compute_capability().map_err(lost)?;
        let processors = context
            .attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
            .map_err(lost)?;
        let most_shared = context
            .attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
            .map_err(lost)?;
        let (name, arch) = (context.name().map_err(lost)?, (10 * major + minor).unsigned_abs());
        if arch < OLDEST {
            return Err(DeviceError::TooOld { name, arch });
        }
        let compiler = Compiler::find()?;
        let traits = Traits {
            ordinal,
            name,
            memory: context.total_mem().map_err(lost)? as u64,
            arch,
            cores: compiler.cores(arch),
            processors: processors.unsigned_abs(),
        };
        let image = compiler.kernels(arch)?;
        // What the compiler made for this GPU is whole, so it is the driver that does not know it.
        let module = context
            .load_module(Ptx::from_binary(image))
            .map_err(|error| DeviceError::OldDriver {
                name: traits.name.clone(),
                reason: error.to_string(),
            })?;
        let kernels = kernels_of(traits.cores).into_iter().map(|name| {
            let kernel = module.load_function(name)?;
            if GROUPS.contains(&name) {
                kernel.set_attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, most_shared)?;
            }
            Ok((name, kernel))
        });
        let kernels = kernels.collect::<Result<_, DriverError>>();
        let gpu = Gpu {
            recorders: Mutex::new([context.new_stream().map_err(lost)?, context.new_stream().map_err(lost)?]),
            kernels: kernels.map_err(lost)?,
            traits,
            context,
        };
        Self::on(Arc::new(gpu))
    }

    /// A stream on a GPU.
    fn on(gpu: Arc<Gpu>) -> Result<Self, DeviceError> {
        let stream = gpu.context.new_stream().map_err(|error| lost(&error))?;
        Ok(Self { gpu, stream })
    }
}

/// What the driver says, as far as anything can be done about it.
fn lost(error: &DriverError) -> DeviceError {
    DeviceError::Lost(error.to_string())
}

impl Device for Cuda {
    fn traits(&self) -> &Traits {
        &self.gpu.traits
    }

    fn beside(&self) -> Result<Arc<dyn Device>, DeviceError> {
        Ok(Arc::new(Self::on(self.gpu.clone())?))
    }

    fn free_memory(&self) -> Result<u64, DeviceError> {
        let context = &self.gpu.context;
        context.mem_get_info().map(|(free, _)| free as u64).map_err(|error| lost(&error))
    }

    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>, DeviceError> {
        // SAFETY: what is there is bytes, and read only after it was written: `lower` sees to it.
        let slice = unsafe { self.stream.alloc::<u8>(bytes) }.map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => DeviceError::OutOfMemory {
                needed: bytes as u64,
                free: self.free_memory().unwrap_or(0),
            },
            _ => lost(&error),
        })?;
        let address = slice.device_ptr(&self.stream).0;
        Ok(Box::new(Piece {
            address,
            bytes,
            slice: Mutex::new(slice),
            queue: Queue(self.stream.clone()),
        }))
    }

    fn stage(&self, bytes: usize) -> Box<dyn Staging> {
        match self.pin(bytes) {
            Ok(pinned) => Box::new(pinned),
            // A system may pin less than it gives: copies through other memory are slower, no more.
            Err(_) => Box::new(vec![0; bytes]),
        }
    }

    unsafe fn record(&self, launches: &[Launch]) -> Result<Box<dyn Recording>, DeviceError> {
        let lost = |error| lost(&error);
        let recorders = self.gpu.recorders.lock().unwrap_or_else(PoisonError::into_inner);
        let [main, side] = &*recorders;
        main.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
            .map_err(lost)?;
        let captured = self.capture(launches, main, side);
        // The capture ends whatever happened in it. What failed elsewhere on this GPU may be reported first, and in its place.
        let end = || main.end_capture(CUgraphInstantiate_flags(0));
        let graph = end().or_else(|_| end()).map_err(lost);
        captured?;
        let graph = graph?.ok_or_else(|| DeviceError::Lost("it recorded nothing".to_owned()))?;
        graph.upload().map_err(lost)?;
        // The stream does not wait for the recorder.
        main.synchronize().map_err(lost)?;
        Ok(Box::new(Graph {
            graph: Mutex::new(Owned(graph)),
            stream: self.stream.clone(),
        }))
    }
}

impl Cuda {
    /// Launches on both streams. The side one follows at each run of launches aside; what comes after that run goes on at once, but the
    /// next run, and the end, wait for it.
    fn capture(&self, launches: &[Launch], main: &Arc<CudaStream>, side: &Arc<CudaStream>) -> Result<(), DeviceError> {
        let lost = |error| lost(&error);
        let (mut aside, mut ever) = (false, false);
        for launch in launches {
            if launch.aside && !aside {
                if ever {
                    main.join(side).map_err(lost)?;
                }
                side.join(main).map_err(lost)?;
                ever = true;
            }
            aside = launch.aside;
            self.launch(launch, if aside { side } else { main })?;
        }
        if ever {
            main.join(side).map_err(lost)?;
        }
        Ok(())
    }

    fn pin(&self, bytes: usize) -> Result<Pinned, DriverError> {
        // Flag 0: the host reads it too, which memory for writing only makes slow.
        // SAFETY: it is filled below.
        let mut pinned = unsafe { self.gpu.context.alloc_pinned_with_flags::<u8>(bytes, 0)? };
        let address = pinned.as_mut_ptr()?;
        // SAFETY: so many bytes lie there.
        unsafe { address.write_bytes(0, bytes) };
        Ok(Pinned { address, pinned })
    }

    fn launch(&self, launch: &Launch, stream: &CudaStream) -> Result<(), DeviceError> {
        let kernel = self.gpu.kernels.get(launch.kernel);
        let kernel = kernel.ok_or_else(|| DeviceError::Lost(format!("it has no kernel {}", launch.kernel)))?;
        let mut params = Params([0; PARAMS]);
        params.0.iter_mut().zip(&launch.params).for_each(|(to, from)| *to = *from);
        let [x, y] = launch.grid;
        let config = LaunchConfig {
            grid_dim: (x, y, 1),
            block_dim: (launch.threads, 1, 1),
            shared_mem_bytes: launch.shared,
        };
        // SAFETY: the caller of `record` vouches for the arguments.
        unsafe { stream.launch_builder(kernel).arg(&params).launch(config) }.map_err(|error| lost(&error))?;
        Ok(())
    }
}

/// Memory of the host that the GPU reads and writes itself.
struct Pinned {
    address: *mut u8,
    pinned: PinnedHostSlice<u8>,
}

// SAFETY: the memory is this value's alone, whichever thread holds it.
unsafe impl Send for Pinned {}

impl Staging for Pinned {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: it is as long as this value says and lives as long as it does; copies have ended when `Piece` returns from them.
        unsafe { std::slice::from_raw_parts_mut(self.address, self.pinned.len()) }
    }
}

struct Piece {
    address: u64,
    bytes: usize,
    // Given back before the queue is waited for.
    slice: Mutex<CudaSlice<u8>>,
    queue: Queue,
}

/// A stream that is waited for when its user is gone: what was given back on it counts as free only when it has got so far.
struct Queue(Arc<CudaStream>);

impl Drop for Queue {
    fn drop(&mut self) {
        // Whatever fails now, the next use of the GPU says.
        _ = self.0.synchronize();
    }
}

impl Piece {
    fn beyond() -> DeviceError {
        DeviceError::Lost("a copy would end outside of its memory".to_owned())
    }
}

impl Memory for Piece {
    fn address(&self) -> u64 {
        self.address
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn write(&self, at: usize, bytes: &[u8]) -> Result<(), DeviceError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut slice = self.slice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut to = slice.try_slice_mut(at..at.saturating_add(bytes.len())).ok_or_else(Self::beyond)?;
        self.queue.0.memcpy_htod(bytes, &mut to).map_err(|error| lost(&error))?;
        // From pinned memory the driver copies later, when the caller may have changed it.
        self.queue.0.synchronize().map_err(|error| lost(&error))
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let slice = self.slice.lock().unwrap_or_else(PoisonError::into_inner);
        let from = slice.try_slice(at..at.saturating_add(bytes.len())).ok_or_else(Self::beyond)?;
        self.queue.0.memcpy_dtoh(&from, bytes).map_err(|error| lost(&error))?;
        drop(slice);
        self.queue.0.synchronize().map_err(|error| lost(&error))
    }
}

/// A graph, which may go from thread to thread but be used by one at a time.
struct Owned(CudaGraph);

// SAFETY: the driver's graphs are bound to a context, not to a thread; cudarc binds the context before every call.
unsafe impl Send for Owned {}

struct Graph {
    graph: Mutex<Owned>,
    /// Where it runs.
    stream: Arc<CudaStream>,
}

impl Recording for Graph {
    fn run(&self) -> Result<(), DeviceError> {
        let graph = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        self.stream.context().bind_to_thread().map_err(|error| lost(&error))?;
        // SAFETY: graph and stream exist as long as this does, of one context, and the lock keeps others off the graph.
        unsafe { graph::launch(graph.0.cu_graph_exec(), self.stream.cu_stream()) }.map_err(|error| lost(&error))
    }
}
