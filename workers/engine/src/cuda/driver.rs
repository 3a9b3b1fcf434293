//! [`Device`] for NVIDIA's driver, through cudarc: a context, a stream, and a graph per recording.
#![allow(unsafe_code, reason = "the driver is a C library, and kernels cannot be checked")]

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
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;

/// Compute capability of the oldest GPUs with dot products of four bytes.
const OLDEST: u32 = 61;

/// Size of the largest kernel argument, rounded up. The driver copies only as many bytes as the kernel takes.
const PARAMS: usize = 512;

#[repr(C, align(16))]
struct Params([u8; PARAMS]);

const _: () = assert!(size_of::<Gemm>() <= PARAMS);

// SAFETY: plain bytes. The caller of `Device::record` guarantees that they are the kernel's struct.
unsafe impl DeviceRepr for Params {}

/// An NVIDIA GPU, and a stream on it.
pub struct Cuda {
    gpu: Arc<Gpu>,
    stream: Arc<CudaStream>,
}

/// What all streams of a GPU share.
struct Gpu {
    traits: Traits,
    context: Arc<CudaContext>,
    /// Streams for making recordings; the second takes side launches. They are used for nothing else, because a capture would record that
    /// too.
    recorders: Mutex<[Arc<CudaStream>; 2]>,
    kernels: HashMap<&'static str, CudaFunction>,
    /// Version of the NVRTC that compiled the kernels.
    compiler: (i32, i32),
}

/// Number of GPUs that the driver finds.
pub fn count() -> Result<usize, DeviceError> {
    // SAFETY: this only looks for the library.
    if !unsafe { sys::is_culib_present() } {
        return Err(DeviceError::NoDriver);
    }
    match cudarc::driver::result::init() {
        Ok(()) => {}
        // Without a GPU, initialisation fails.
        Err(error) if error.0 == CUresult::CUDA_ERROR_NO_DEVICE => return Ok(0),
        Err(error) => return Err(error.into()),
    }
    Ok(CudaContext::device_count()?.unsigned_abs() as usize)
}

impl Cuda {
    /// Opens GPU `ordinal` and loads the kernels. The first time this compiles them, which takes about ten seconds.
    pub fn new(ordinal: usize) -> Result<Self, DeviceError> {
        let found = count()?;
        if ordinal >= found {
            return Err(DeviceError::NoDevice { ordinal, found });
        }
        let context = CudaContext::new(ordinal)?;
        // A capture must not contain events.
        // SAFETY: memory is used only on the stream that allocated it, except for constants, which other streams read. They read them after
        // the copy, for which `Allocation` waits, and constants are freed after the recordings that read them, for which `Graph` waits.
        unsafe { context.disable_event_tracking() };
        let (major, minor) = context.compute_capability()?;
        let processors = context.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let (name, arch) = (context.name()?, (10 * major + minor).unsigned_abs());
        if arch < OLDEST {
            return Err(DeviceError::TooOld { name, arch });
        }
        let image = Image::find(arch, newest_cuda()?)?;
        let traits = Traits {
            ordinal,
            name,
            memory: context.total_mem()? as u64,
            arch,
            cores: image.cores,
            processors: processors.unsigned_abs(),
        };
        let gpu = Gpu {
            compiler: image.compiler,
            kernels: load(&context, image, &traits)?,
            recorders: Mutex::new(recorders(&context, traits.cores)?),
            traits,
            context,
        };
        Self::on(Arc::new(gpu))
    }

    /// Major and minor version of the NVRTC that compiled the kernels.
    pub fn compiler(&self) -> (i32, i32) {
        self.gpu.compiler
    }

    /// A new stream on a GPU.
    fn on(gpu: Arc<Gpu>) -> Result<Self, DeviceError> {
        let stream = gpu.context.new_stream()?;
        Ok(Self { gpu, stream })
    }
}

/// Loads the kernels of an image.
fn load(context: &Arc<CudaContext>, image: Image, traits: &Traits) -> Result<HashMap<&'static str, CudaFunction>, DeviceError> {
    let module = context.load_module(Ptx::from_binary(image.code));
    let module = module.map_err(|error| match error.0 {
        // The compiler made the image for this GPU, and it is intact, so a driver that does not understand it must be too old.
        CUresult::CUDA_ERROR_INVALID_IMAGE
        | CUresult::CUDA_ERROR_INVALID_SOURCE
        | CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU
        | CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => DeviceError::OldDriver {
            name: traits.name.clone(),
            version: image.compiler,
            reason: described(&error),
        },
        _ => error.into(),
    })?;
    let kernels = kernels_of(traits.cores).into_iter().map(|name| {
        let kernel = module.load_function(name)?;
        if GROUPS.contains(&name) {
            kernel.set_attribute(
                CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                HIGH.shared as i32,
            )?;
        }
        // A multiprocessor must be idle to change its split between L1 cache and shared memory, so all kernels prefer the same one. This is
        // only a hint; errors do not matter.
        _ = kernel.set_attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100);
        Ok((name, kernel))
    });
    Ok(kernels.collect::<Result<_, DriverError>>()?)
}

/// The streams for main and side launches. A graph's nodes inherit the priority of the stream that they were recorded on.
///
/// Usually side launches get the lower priority and run on what the main launches leave free. On Hopper it is the other way round: products
/// leave room for side launches by design, and `lower` launches no more side blocks than fit there. With the lower priority they would
/// start only after the last block of a product has.
fn recorders(context: &Arc<CudaContext>, cores: Cores) -> Result<[Arc<CudaStream>; 2], DriverError> {
    bind(context)?;
    let (least, greatest) = stream::get_priority_range()?;
    let [main, side] = match cores {
        Cores::Group => [least, greatest],
        Cores::None | Cores::Warp => [greatest, least],
    };
    Ok([context.new_stream_with_priority(main)?, context.new_stream_with_priority(side)?])
}

/// Makes a context current for this thread. cudarc's own function returns early with errors that were recorded when other values were
/// dropped. Here every call must be made; a GPU that is lost will report so again.
fn bind(context: &CudaContext) -> Result<(), DriverError> {
    // SAFETY: the context exists.
    unsafe { ctx::set_current(context.cu_ctx()) }
}

impl From<DriverError> for DeviceError {
    /// Any call may run out of memory, because the driver allocates memory for modules and graphs when they are first used.
    fn from(error: DriverError) -> Self {
        match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Self::NoMemoryForDriver,
            // The call itself is wrong. (Faults inside a kernel may also come from broken hardware.)
            CUresult::CUDA_ERROR_INVALID_VALUE
            | CUresult::CUDA_ERROR_INVALID_CONTEXT
            | CUresult::CUDA_ERROR_INVALID_HANDLE
            | CUresult::CUDA_ERROR_ILLEGAL_STATE
            | CUresult::CUDA_ERROR_NOT_FOUND
            | CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES
            | CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
            | CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
            | CUresult::CUDA_ERROR_STREAM_CAPTURE_MERGE
            | CUresult::CUDA_ERROR_STREAM_CAPTURE_UNMATCHED
            | CUresult::CUDA_ERROR_STREAM_CAPTURE_UNJOINED
            | CUresult::CUDA_ERROR_STREAM_CAPTURE_ISOLATION
            | CUresult::CUDA_ERROR_STREAM_CAPTURE_IMPLICIT
            | CUresult::CUDA_ERROR_CAPTURED_EVENT
            | CUresult::CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD => Self::Bug(described(&error)),
            _ => Self::Lost(described(&error)),
        }
    }
}

/// The driver's words for an error, and its code.
fn described(error: &DriverError) -> String {
    let text = error.error_string().map_or("unknown".into(), CStr::to_string_lossy);
    format!("{text} (CUDA error {})", error.0 as u32)
}

/// The newest major version of CUDA that the driver supports.
fn newest_cuda() -> Result<i32, DriverError> {
    let mut version = 0;
    // SAFETY: the pointer is valid for writes.
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
        let (free, _) = self.gpu.context.mem_get_info()?;
        Ok(free as u64)
    }

    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>, DeviceError> {
        // SAFETY: the content is bytes, and kernels may compute with any bytes; the table that holds addresses is written before it is
        // read.
        let slice = unsafe { self.stream.alloc::<u8>(bytes) }.map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => DeviceError::OutOfMemory {
                needed: bytes as u64,
                free: self.free_memory().unwrap_or(0),
            },
            _ => error.into(),
        })?;
        let address = slice.device_ptr(&self.stream).0;
        Ok(Box::new(Allocation {
            address,
            bytes,
            slice: Mutex::new(slice),
            queue: Queue(self.stream.clone()),
        }))
    }

    fn stage(&self, bytes: usize) -> Box<dyn Staging> {
        match self.pin(bytes) {
            Ok(pinned) => Box::new(pinned),
            // The system may limit pinned memory. Copies through other memory are only slower.
            Err(_) => Box::new(vec![0; bytes]),
        }
    }

    unsafe fn record(&self, launches: &[Launch]) -> Result<Box<dyn Recording>, DeviceError> {
        let context = &self.gpu.context;
        let recorders = self.gpu.recorders.lock();
        let [main, side] = &*recorders;
        bind(context)?;
        // The driver loads a kernel when it is first used, which the stricter modes may forbid.
        // SAFETY: both streams exist as long as the GPU, and the lock keeps others from recording.
        unsafe { stream::begin_capture(main.cu_stream(), CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED) }?;
        let captured = self.capture(launches, main, side);
        // End the capture even if recording failed.
        // SAFETY: this thread began the capture above.
        let ended = unsafe { stream::end_capture(main.cu_stream()) };
        let exec = ended.map_err(DeviceError::from).and_then(|graph| Executable::new(context, graph));
        captured?;
        let graph = Graph {
            queue: Queue(self.stream.clone()),
            exec: Mutex::new(exec?),
        };
        graph.upload(main)?;
        Ok(Box::new(graph))
    }
}

impl Cuda {
    /// Launches on both streams. Each group of side launches waits for the main launches before it. Main launches after the group do not
    /// wait for it, but the next group and the end of the recording do.
    fn capture(&self, launches: &[Launch], main: &Arc<CudaStream>, side: &Arc<CudaStream>) -> Result<(), DeviceError> {
        let (mut aside, mut ever) = (false, false);
        for launch in launches {
            if launch.aside && !aside {
                if ever {
                    main.join(side)?;
                }
                side.join(main)?;
                ever = true;
            }
            aside = launch.aside;
            self.launch(launch, if aside { side } else { main })?;
        }
        if ever {
            main.join(side)?;
        }
        Ok(())
    }

    fn pin(&self, bytes: usize) -> Result<Pinned, DriverError> {
        // Flag 0: the host reads this memory too, and write-combined memory would be slow to read.
        // SAFETY: the memory is initialised below.
        let mut pinned = unsafe { self.gpu.context.alloc_pinned_with_flags::<u8>(bytes, 0)? };
        let address = pinned.as_mut_ptr()?;
        // SAFETY: `bytes` bytes were allocated at this address.
        unsafe { address.write_bytes(0, bytes) };
        Ok(Pinned { address, pinned })
    }

    fn launch(&self, launch: &Launch, stream: &CudaStream) -> Result<(), DeviceError> {
        let kernel = self.gpu.kernels.get(launch.kernel);
        let kernel = kernel.ok_or_else(|| DeviceError::Bug(format!("there is no kernel {}", launch.kernel)))?;
        let mut params = Params([0; PARAMS]);
        params.0.iter_mut().zip(&launch.params).for_each(|(to, from)| *to = *from);
        let [x, y] = launch.grid;
        let config = LaunchConfig {
            grid_dim: (x, y, 1),
            block_dim: (launch.threads, 1, 1),
            shared_mem_bytes: launch.shared,
        };
        // SAFETY: the caller of `record` guarantees that the arguments are valid.
        unsafe { stream.launch_builder(kernel).arg(&params).launch(config) }?;
        Ok(())
    }
}

/// Pinned host memory, which the GPU reads and writes directly.
struct Pinned {
    address: *mut u8,
    pinned: PinnedHostSlice<u8>,
}

// SAFETY: this value owns the memory, which is not tied to a thread.
unsafe impl Send for Pinned {}

impl Staging for Pinned {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the memory has this length and lives as long as this value. No copy is in flight: `Allocation` waits for its copies.
        unsafe { std::slice::from_raw_parts_mut(self.address, self.pinned.len()) }
    }
}

struct Allocation {
    address: u64,
    bytes: usize,
    // Dropped before `queue`, which waits until the memory has been freed.
    slice: Mutex<CudaSlice<u8>>,
    queue: Queue,
}

/// A stream that is synchronised on drop: memory freed on a stream becomes available only when the stream gets there.
struct Queue(Arc<CudaStream>);

impl Queue {
    /// Waits until everything on the stream is done.
    fn wait(&self) -> Result<(), DriverError> {
        bind(self.0.context())?;
        // SAFETY: the stream lives as long as `self`.
        unsafe { stream::synchronize(self.0.cu_stream()) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // If this fails, the next use of the GPU will fail too and report it.
        _ = self.wait();
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // cudarc frees memory in the thread's current context, whichever that is.
        _ = bind(self.queue.0.context());
    }
}

impl Allocation {
    fn out_of_bounds() -> DeviceError {
        DeviceError::Bug("a copy is out of bounds".to_owned())
    }
}

impl Memory for Allocation {
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
        let mut slice = self.slice.lock();
        let mut to = slice
            .try_slice_mut(at..at.saturating_add(bytes.len()))
            .ok_or_else(Self::out_of_bounds)?;
        let copied = self.queue.0.memcpy_htod(bytes, &mut to);
        // Copies from pinned memory are asynchronous: wait, so that the caller may change the memory.
        Ok(copied.and(self.queue.wait())?)
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let slice = self.slice.lock();
        let from = slice
            .try_slice(at..at.saturating_add(bytes.len()))
            .ok_or_else(Self::out_of_bounds)?;
        let copied = self.queue.0.memcpy_dtoh(&from, bytes);
        drop(slice);
        Ok(copied.and(self.queue.wait())?)
    }
}

/// An instantiated graph.
struct Executable {
    context: Arc<CudaContext>,
    graph: CUgraphExec,
}

// SAFETY: a graph belongs to a context, not to a thread, and every use binds the context first.
unsafe impl Send for Executable {}

impl Executable {
    /// Instantiates the result of a capture, and destroys it.
    fn new(context: &Arc<CudaContext>, captured: sys::CUgraph) -> Result<Self, DeviceError> {
        if captured.is_null() {
            return Err(DeviceError::Bug("the driver recorded nothing".to_owned()));
        }
        // SAFETY: the graph exists, and nobody else has it.
        let graph = unsafe {
            let graph = graph::instantiate(captured, CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY);
            graph::destroy(captured).and(graph)
        };
        Ok(Self {
            context: context.clone(),
            graph: graph?,
        })
    }
}

impl Drop for Executable {
    fn drop(&mut self) {
        // If this fails, the next use of the GPU will fail too and report it.
        // SAFETY: the graph is not used afterwards.
        _ = bind(&self.context).and_then(|()| unsafe { graph::exec_destroy(self.graph) });
    }
}

struct Graph {
    /// The stream on which the graph runs. Dropped first, which waits for the last run.
    queue: Queue,
    exec: Mutex<Executable>,
}

impl Graph {
    /// Uploads the graph to the GPU now instead of during the first run, and waits for that.
    fn upload(&self, through: &Arc<CudaStream>) -> Result<(), DriverError> {
        let exec = self.exec.lock();
        // SAFETY: graph and stream exist and belong to the bound context, and the lock gives exclusive access to the graph.
        unsafe {
            graph::upload(exec.graph, through.cu_stream())?;
            stream::synchronize(through.cu_stream())
        }
    }
}

impl Recording for Graph {
    fn run(&self) -> Result<(), DeviceError> {
        let exec = self.exec.lock();
        bind(&exec.context)?;
        // SAFETY: graph and stream live as long as `self` and belong to the same context, and the lock gives exclusive access to the graph.
        Ok(unsafe { graph::launch(exec.graph, self.queue.0.cu_stream()) }?)
    }
}
