//! NVIDIA's driver, through cudarc: a context, a stream, and a graph per recording.
#![allow(unsafe_code, reason = "the driver is a C library, and kernels are what they are")]

use super::compiler::{GROUPS, Image, kernels_of};
use super::device::{Cores, Device, DeviceError, Launch, Memory, Recording, Staging, Traits};
use super::params::Gemm;
use super::tiles::HIGH;
use cudarc::driver::result::{ctx, graph, stream};
use cudarc::driver::sys::{
    self, CUdevice_attribute, CUfunction_attribute, CUgraphExec, CUgraphInstantiate_flags, CUresult, CUstreamCaptureMode,
};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr, DriverError, LaunchConfig, PinnedHostSlice, PushKernelArg,
};
use cudarc::nvrtc::Ptx;
use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::{Arc, Mutex, PoisonError};

/// The oldest GPUs with dot products of four bytes.
const OLDEST: u32 = 61;

/// Bytes of the largest kernel argument, rounded up. The driver copies as many as the kernel takes.
const PARAMS: usize = 512;

/// What the names of kernels begin with that run beside each other.
const SHARING: [&str; 4] = ["gemm_", "product_", "work_", "hash_"];

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
    /// Version of the NVRTC that compiled them.
    compiler: (i32, i32),
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
        Err(error) => return Err(failed(&error)),
    }
    let found = CudaContext::device_count().map_err(|error| failed(&error))?;
    Ok(found.unsigned_abs() as usize)
}

impl Cuda {
    /// GPU number `ordinal`, with the kernels loaded: the first time they are compiled, which takes some ten seconds.
    pub fn new(ordinal: usize) -> Result<Self, DeviceError> {
        let found = count()?;
        if ordinal >= found {
            return Err(DeviceError::NoDevice { ordinal, found });
        }
        let failed = |error| failed(&error);
        let context = CudaContext::new(ordinal).map_err(failed)?;
        // SAFETY: memory is used on the stream it was allocated on. Others only read constants: after the copy to them, which `Piece`
        // waits for, and they are given back after the recordings that read them, whose end `Graph` waits for. And a capture must not
        // meet events.
        unsafe { context.disable_event_tracking() };
        let (major, minor) = context.compute_capability().map_err(failed)?;
        let processors = context
            .attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
            .map_err(failed)?;
        let (name, arch) = (context.name().map_err(failed)?, (10 * major + minor).unsigned_abs());
        if arch < OLDEST {
            return Err(DeviceError::TooOld { name, arch });
        }
        let image = Image::find(arch, newest_cuda().map_err(failed)?)?;
        let traits = Traits {
            ordinal,
            name,
            memory: context.total_mem().map_err(failed)? as u64,
            arch,
            cores: image.cores,
            processors: processors.unsigned_abs(),
        };
        let module = context.load_module(Ptx::from_binary(image.code));
        let module = module.map_err(|error| match failed(error) {
            // What the compiler made for this GPU is whole, so it is the driver that does not know it.
            DeviceError::Lost(reason) => DeviceError::OldDriver {
                name: traits.name.clone(),
                version: image.compiler,
                reason,
            },
            error => error,
        })?;
        let kernels = kernels_of(traits.cores).into_iter().map(|name| {
            let kernel = module.load_function(name)?;
            if GROUPS.contains(&name) {
                kernel.set_attribute(
                    CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                    HIGH.shared as i32,
                )?;
            }
            // A multiprocessor divides its memory anew only when it is empty: kernels that want it divided alike can share it. It is no
            // more than a hint, which nothing depends on.
            if SHARING.iter().any(|start| name.starts_with(start)) {
                _ = kernel.set_attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100);
            }
            Ok((name, kernel))
        });
        let kernels = kernels.collect::<Result<_, DriverError>>();
        // A graph's nodes have the priority of the stream they were recorded on. Launches aside take what the others leave. Beside Hopper's
        // products that is room of their own, and `lower` has them ask for no more; who goes second gets it only when the last block of a
        // product has begun.
        bind(&context).map_err(failed)?;
        let (least, greatest) = stream::get_priority_range().map_err(failed)?;
        let priorities = match traits.cores {
            Cores::Group => [least, greatest],
            Cores::None | Cores::Warp => [greatest, least],
        };
        let [main, side] = priorities.map(|priority| context.new_stream_with_priority(priority));
        let gpu = Gpu {
            recorders: Mutex::new([main.map_err(failed)?, side.map_err(failed)?]),
            kernels: kernels.map_err(failed)?,
            compiler: image.compiler,
            traits,
            context,
        };
        Self::on(Arc::new(gpu))
    }

    /// Major and minor version of the NVRTC that compiled its kernels.
    pub fn compiler(&self) -> (i32, i32) {
        self.gpu.compiler
    }

    /// A stream on a GPU.
    fn on(gpu: Arc<Gpu>) -> Result<Self, DeviceError> {
        let stream = gpu.context.new_stream().map_err(|error| failed(&error))?;
        Ok(Self { gpu, stream })
    }
}

/// Makes a context this thread's. cudarc's own way first reports what failed when something of any user of the GPU was dropped, and then
/// leaves undone what it was called for: here nothing may be left undone, and a GPU that is lost says so again.
fn bind(context: &CudaContext) -> Result<(), DriverError> {
    // SAFETY: the context exists.
    unsafe { ctx::set_current(context.cu_ctx()) }
}

/// What the driver says, as far as anything can be done about it. Any call may need memory: what a module or a graph needs is taken there
/// when it is first used.
fn failed(error: &DriverError) -> DeviceError {
    match error.0 {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => DeviceError::NoMemoryForDriver,
        code => {
            let text = error.error_string().map_or("unknown".into(), CStr::to_string_lossy);
            DeviceError::Lost(format!("{text} (CUDA error {})", code as u32))
        }
    }
}

/// The newest major version of CUDA that the driver is for.
fn newest_cuda() -> Result<i32, DriverError> {
    let mut version = 0;
    // SAFETY: the pointer is good for a write.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    Ok(version / 1000)
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
        context.mem_get_info().map(|(free, _)| free as u64).map_err(|error| failed(&error))
    }

    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>, DeviceError> {
        // SAFETY: whatever lies there is bytes, and kernels compute with any; what they take addresses from is written first.
        let slice = unsafe { self.stream.alloc::<u8>(bytes) }.map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => DeviceError::OutOfMemory {
                needed: bytes as u64,
                free: self.free_memory().unwrap_or(0),
            },
            _ => failed(&error),
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
        let context = &self.gpu.context;
        let recorders = self.gpu.recorders.lock().unwrap_or_else(PoisonError::into_inner);
        let [main, side] = &*recorders;
        bind(context).map_err(|error| failed(&error))?;
        // The driver loads a kernel when it is first used, which stricter modes may not allow.
        // SAFETY: both streams exist as long as the GPU, and nobody else records.
        unsafe { stream::begin_capture(main.cu_stream(), CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED) }
            .map_err(|error| failed(&error))?;
        let captured = self.capture(launches, main, side);
        // The capture ends whatever happened in it.
        // SAFETY: it has begun above, in this thread.
        let ended = unsafe { stream::end_capture(main.cu_stream()) }.map_err(|error| failed(&error));
        let exec = ended.and_then(|graph| Executable::new(context, graph));
        captured?;
        let graph = Graph {
            queue: Queue(self.stream.clone()),
            exec: Mutex::new(exec?),
        };
        graph.upload(main).map_err(|error| failed(&error))?;
        Ok(Box::new(graph))
    }
}

impl Cuda {
    /// Launches on both streams. The side one follows at each run of launches aside; what comes after that run goes on at once, but the
    /// next run, and the end, wait for it.
    fn capture(&self, launches: &[Launch], main: &Arc<CudaStream>, side: &Arc<CudaStream>) -> Result<(), DeviceError> {
        let failed = |error| failed(&error);
        let (mut aside, mut ever) = (false, false);
        for launch in launches {
            if launch.aside && !aside {
                if ever {
                    main.join(side).map_err(failed)?;
                }
                side.join(main).map_err(failed)?;
                ever = true;
            }
            aside = launch.aside;
            self.launch(launch, if aside { side } else { main })?;
        }
        if ever {
            main.join(side).map_err(failed)?;
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
        unsafe { stream.launch_builder(kernel).arg(&params).launch(config) }.map_err(|error| failed(&error))?;
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

impl Queue {
    /// Waits until all is done.
    fn wait(&self) -> Result<(), DriverError> {
        bind(self.0.context())?;
        // SAFETY: the stream exists as long as this does.
        unsafe { stream::synchronize(self.0.cu_stream()) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Whatever fails now, the next use of the GPU says.
        _ = self.wait();
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // cudarc gives memory back in whatever context the thread has.
        _ = bind(self.queue.0.context());
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
        let copied = self.queue.0.memcpy_htod(bytes, &mut to);
        // From pinned memory the driver copies later, when the caller may have changed it.
        copied.and(self.queue.wait()).map_err(|error| failed(&error))
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let slice = self.slice.lock().unwrap_or_else(PoisonError::into_inner);
        let from = slice.try_slice(at..at.saturating_add(bytes.len())).ok_or_else(Self::beyond)?;
        let copied = self.queue.0.memcpy_dtoh(&from, bytes);
        drop(slice);
        copied.and(self.queue.wait()).map_err(|error| failed(&error))
    }
}

/// A graph that is ready to run.
struct Executable {
    context: Arc<CudaContext>,
    graph: CUgraphExec,
}

// SAFETY: the driver's graphs are of a context, not of a thread, and every use binds the context.
unsafe impl Send for Executable {}

impl Executable {
    /// Of what a capture ended with, which is done away with.
    fn new(context: &Arc<CudaContext>, captured: sys::CUgraph) -> Result<Self, DeviceError> {
        if captured.is_null() {
            return Err(DeviceError::Lost("it recorded nothing".to_owned()));
        }
        // SAFETY: the graph exists, and nothing else knows of it.
        let graph = unsafe {
            let graph = graph::instantiate(captured, CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY);
            graph::destroy(captured).and(graph)
        };
        Ok(Self {
            context: context.clone(),
            graph: graph.map_err(|error| failed(&error))?,
        })
    }
}

impl Drop for Executable {
    fn drop(&mut self) {
        // Whatever fails now, the next use of the GPU says.
        // SAFETY: it is not used again.
        _ = bind(&self.context).and_then(|()| unsafe { graph::exec_destroy(self.graph) });
    }
}

struct Graph {
    /// Where it runs; it ends before the graph does.
    queue: Queue,
    /// Used by one thread at a time.
    exec: Mutex<Executable>,
}

impl Graph {
    /// Takes to the GPU what the first run would take there, and waits for it.
    fn upload(&self, through: &Arc<CudaStream>) -> Result<(), DriverError> {
        let exec = self.exec.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: graph and stream exist, of the context that is bound, and the lock keeps others off the graph.
        unsafe {
            graph::upload(exec.graph, through.cu_stream())?;
            stream::synchronize(through.cu_stream())
        }
    }
}

impl Recording for Graph {
    fn run(&self) -> Result<(), DeviceError> {
        let exec = self.exec.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || {
            bind(&exec.context)?;
            // SAFETY: graph and stream exist as long as this does, of one context, and the lock keeps others off the graph.
            unsafe { graph::launch(exec.graph, self.queue.0.cu_stream()) }
        };
        run().map_err(|error| failed(&error))
    }
}
