//! The interface to a GPU.

use bytemuck::{Pod, bytes_of};
use std::path::PathBuf;
use std::sync::Arc;

/// Most blocks of a grid along x and y.
const MOST_BLOCKS: [u64; 2] = [(1 << 31) - 1, (1 << 16) - 1];

/// How the kernels multiply matrices of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// With dot products of four bytes: no tensor cores.
    None,
    /// With tensor cores that a warp feeds from its registers.
    Warp,
    /// With Hopper's tensor cores, which four warps use together and which read shared memory.
    Group,
}

/// Properties of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// The driver's number for the GPU, from 0.
    pub ordinal: usize,
    /// The driver's name for the GPU.
    pub name: String,
    /// Total bytes of memory.
    pub memory: u64,
    /// Compute capability, such as 89 for sm_89.
    pub arch: u32,
    /// The cores that the kernels use.
    pub cores: Cores,
    /// Number of multiprocessors. It takes at least one block for each to keep the GPU busy.
    pub processors: u32,
}

impl Traits {
    /// Whether a newer compiler would let the kernels use more of the GPU.
    pub fn wants_newer_compiler(&self) -> bool {
        self.arch == 90 && self.cores != Cores::Group
    }
}

impl std::fmt::Display for Traits {
    /// Number and name, which distinguish it from the machine's other GPUs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GPU {} ({})", self.ordinal, self.name)
    }
}

/// Why a device cannot be used, or has stopped working.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum DeviceError {
    #[error("there is no NVIDIA driver on this machine; install one of version 525 or later to use its GPU")]
    NoDriver,
    #[error("the NVIDIA driver finds {found} GPUs, so there is no GPU {ordinal}; choose another one or none")]
    NoDevice { ordinal: usize, found: usize },
    #[error("{name} has compute capability {}.{}, but the kernels need 6.1 or later; compute on the CPU", arch / 10, arch % 10)]
    TooOld { name: String, arch: u32 },
    #[error(
        "the driver of {name} cannot load the kernels that NVRTC {}.{} compiled ({reason}); update the driver{}, or compute on the CPU",
        version.0, version.1, match version.0 { ..13 => ", to version 525 or later", 13 => ", to version 580 or later", _ => "" }
    )]
    OldDriver { name: String, version: (i32, i32), reason: String },
    #[error(
        "NVRTC, which compiles the kernels, is not installed; install CUDA 12, or `pip install nvidia-cuda-nvrtc-cu12` and set \
         IONET_NVRTC to its libnvrtc.so.12"
    )]
    NoCompiler,
    #[error("{path} is not an NVRTC library: {reason}; point IONET_NVRTC at a libnvrtc.so.12")]
    BadCompiler { path: PathBuf, reason: String },
    #[error(
        "NVRTC {}.{} cannot compile for sm_{arch}; install {} NVRTC and point IONET_NVRTC at its libnvrtc.so, or compute on the CPU",
        version.0, version.1, if *arch < 75 { "CUDA 12's" } else { "a newer" }
    )]
    CompilerForOthers { arch: u32, version: (i32, i32) },
    #[error("the kernels do not compile for sm_{arch}: {log}")]
    Compile { arch: u32, log: String },
    #[error("{needed} bytes of GPU memory are needed, but {free} are free; close other programs or compute on the CPU")]
    OutOfMemory { needed: u64, free: u64 },
    #[error("the driver is out of GPU memory for its own data; close other programs or compute on the CPU")]
    NoMemoryForDriver,
    #[error(
        "{name} computes wrong results; stop using it, undo any overclocking, check its cooling and power, and use it again only when \
         `ionet-worker selftest` passes"
    )]
    Wrong { name: String },
    #[error("the GPU failed: {0}; compute on the CPU and check the system log")]
    Lost(String),
    #[error("internal error of the engine on the GPU ({0}); compute on the CPU, and please report it with the model and the GPU")]
    Bug(String),
}

impl DeviceError {
    /// Whether the device merely lacks free memory, which others may free later.
    pub(crate) fn is_want_of_memory(&self) -> bool {
        matches!(self, Self::OutOfMemory { .. } | Self::NoMemoryForDriver)
    }
}

/// One launch of a kernel.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Blocks along x and y.
    pub grid: [u32; 2],
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of dynamic shared memory per block, in addition to what the kernel declares.
    pub shared: u32,
    /// The kernel's argument: a struct in C layout.
    pub params: Vec<u8>,
    /// Whether the launch runs on the side: later launches do not wait for it, but the next group of side launches and the end of the
    /// recording do.
    pub aside: bool,
}

impl Launch {
    /// A launch with this many blocks along x and y, without dynamic shared memory, and not on the side.
    pub(crate) fn new<P: Pod>(kernel: &'static str, grid: [u64; 2], threads: u32, params: &P) -> Result<Self, DeviceError> {
        if grid.iter().zip(MOST_BLOCKS).any(|(blocks, most)| !(1..=most).contains(blocks)) {
            return Err(DeviceError::Bug(format!("{kernel} needs a grid of {grid:?} blocks")));
        }
        Ok(Self {
            kernel,
            grid: grid.map(|blocks| blocks as u32),
            threads,
            shared: 0,
            params: bytes_of(params).to_vec(),
            aside: false,
        })
    }
}

/// A piece of device memory.
pub trait Memory: Send + Sync {
    /// Device address, a multiple of 256.
    fn address(&self) -> u64;
    /// Size in bytes.
    fn bytes(&self) -> usize;
    /// Copies to the memory, starting at byte `at`, after all earlier launches.
    fn write(&self, at: usize, bytes: &[u8]) -> Result<(), DeviceError>;
    /// Copies from the memory, starting at byte `at`, after all earlier launches.
    fn read(&self, at: usize, bytes: &mut [u8]) -> Result<(), DeviceError>;
}

/// Host memory for fast copies to and from a device.
pub trait Staging: Send {
    /// The memory.
    fn bytes(&mut self) -> &mut [u8];
}

impl Staging for Vec<u8> {
    fn bytes(&mut self) -> &mut [u8] {
        self
    }
}

/// A sequence of launches that can be run repeatedly.
pub trait Recording: Send + Sync {
    /// Runs the launches in order after all earlier ones, with side launches in parallel. Errors may surface only at the next read.
    fn run(&self) -> Result<(), DeviceError>;
}

/// A GPU, or an emulation of one.
pub trait Device: Send + Sync {
    /// Properties of the device.
    fn traits(&self) -> &Traits;
    /// The same device with its own queue: launches on the two never wait for each other.
    fn beside(&self) -> Result<Arc<dyn Device>, DeviceError>;
    /// Free device memory in bytes.
    fn free_memory(&self) -> Result<u64, DeviceError>;
    /// Allocates device memory. Its content is arbitrary.
    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>, DeviceError>;
    /// Allocates host memory for copies. Its content is arbitrary.
    fn stage(&self, bytes: usize) -> Box<dyn Staging> {
        Box::new(vec![0; bytes])
    }
    /// Records launches, to be run later.
    ///
    /// # Safety
    /// Each argument must be the struct of its kernel. Everything that the kernel reads or writes through the addresses in it must be in
    /// memory of this device that outlives the recording.
    #[allow(unsafe_code, reason = "what a kernel does cannot be checked here")]
    unsafe fn record(&self, launches: &[Launch]) -> Result<Box<dyn Recording>, DeviceError>;
}
