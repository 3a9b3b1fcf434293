//! What a GPU has to offer.

use std::path::PathBuf;
use std::sync::Arc;

/// How a GPU multiplies matrices of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// By dot products of four bytes.
    None,
    /// By tensor cores that a warp feeds from its registers.
    Warp,
    /// By tensor cores that four warps have read shared memory: Hopper's.
    Group,
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Which of the machine's GPUs it is, as the driver counts them from 0.
    pub ordinal: usize,
    /// Its name, as the driver gives it.
    pub name: String,
    /// Bytes of its memory, in use or not.
    pub memory: u64,
    /// Compute capability, ten times the major number and the minor: 89 for sm_89.
    pub arch: u32,
    /// What of it the kernels use.
    pub cores: Cores,
    /// Multiprocessors: how many blocks it takes at least to keep it busy.
    pub processors: u32,
}

impl Traits {
    /// Whether the kernels would use more of it if the compiler were newer.
    pub fn wants_newer_compiler(&self) -> bool {
        self.arch == 90 && self.cores != Cores::Group
    }
}

impl std::fmt::Display for Traits {
    /// Number and name, which tell it from its neighbours.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GPU {} ({})", self.ordinal, self.name)
    }
}

/// Why a device cannot be used, or no longer.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum DeviceError {
    #[error("there is no NVIDIA driver on this machine; install one of version 525 or later to use its GPU")]
    NoDriver,
    #[error("the NVIDIA driver finds {found} GPUs, so there is none with number {ordinal}; choose another or none")]
    NoDevice { ordinal: usize, found: usize },
    #[error("{name} has compute capability {}.{}, but the kernels need 6.1 or later; compute on the CPU", arch / 10, arch % 10)]
    TooOld { name: String, arch: u32 },
    #[error(
        "the driver of {name} does not load the kernels of NVRTC {}.{} ({reason}); update it{}, or compute on the CPU",
        version.0, version.1, match version.0 { ..13 => ", to version 525 or later", 13 => ", to version 580 or later", _ => "" }
    )]
    OldDriver { name: String, version: (i32, i32), reason: String },
    #[error(
        "NVRTC, which compiles the kernels, is not on this machine; install CUDA 12's, or `pip install nvidia-cuda-nvrtc-cu12` and set IONET_NVRTC to its libnvrtc.so.12"
    )]
    NoCompiler,
    #[error("{path} is not an NVRTC library: {reason}; point IONET_NVRTC at a libnvrtc.so.12")]
    BadCompiler { path: PathBuf, reason: String },
    #[error(
        "NVRTC {}.{} does not compile for sm_{arch}; install {} NVRTC and point IONET_NVRTC at its libnvrtc.so, or compute on the CPU",
        version.0, version.1, if *arch < 75 { "CUDA 12's" } else { "a newer" }
    )]
    CompilerForOthers { arch: u32, version: (i32, i32) },
    #[error("the kernels do not compile for sm_{arch}: {log}")]
    Compile { arch: u32, log: String },
    #[error("{needed} bytes of GPU memory are needed, but {free} are free; close other programs or compute on the CPU")]
    OutOfMemory { needed: u64, free: u64 },
    #[error("the driver finds no GPU memory for what it has to keep there; close other programs or compute on the CPU")]
    NoMemoryForDriver,
    #[error(
        "{name} computes wrong results; stop using it, undo overclocking, look at its cooling and power, and let `ionet-worker selftest` pass before it serves again"
    )]
    Wrong { name: String },
    #[error("the GPU does not answer any more: {0}; compute on the CPU and look at the system's log")]
    Lost(String),
}

impl DeviceError {
    /// Whether there is nothing wrong but that memory is in use, which may be given back.
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
    /// Bytes of shared memory that a block gets besides what its kernel declares.
    pub shared: u32,
    /// Its argument, a struct as C lays it out.
    pub params: Vec<u8>,
    /// Whether the launches after it need not wait for it, until the next run of such launches begins, or the recording ends.
    pub aside: bool,
}

/// A piece of a device's memory.
pub trait Memory: Send + Sync {
    /// Where it begins, as kernels see it; a multiple of 256.
    fn address(&self) -> u64;
    /// Bytes of it.
    fn bytes(&self) -> usize;
    /// Copies to it from byte `at` on, after what was launched before.
    fn write(&self, at: usize, bytes: &[u8]) -> Result<(), DeviceError>;
    /// Copies from it, after what was launched before.
    fn read(&self, at: usize, bytes: &mut [u8]) -> Result<(), DeviceError>;
}

/// Memory of the host that copies to and from a device are fast with.
pub trait Staging: Send {
    /// All of it.
    fn bytes(&mut self) -> &mut [u8];
}

impl Staging for Vec<u8> {
    fn bytes(&mut self) -> &mut [u8] {
        self
    }
}

/// Launches that can be run again and again.
pub trait Recording: Send + Sync {
    /// Runs them in order, those aside beside the others, after what was launched before. Errors may only show at the next read.
    fn run(&self) -> Result<(), DeviceError>;
}

/// A GPU, or what passes for one.
pub trait Device: Send + Sync {
    /// What it is.
    fn traits(&self) -> &Traits;
    /// The same device with a queue of its own: what is launched there does not wait for what is launched here, nor the other way round.
    fn beside(&self) -> Result<Arc<dyn Device>, DeviceError>;
    /// Free bytes of its memory.
    fn free_memory(&self) -> Result<u64, DeviceError>;
    /// Takes so many bytes, of any content.
    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>, DeviceError>;
    /// Takes so many bytes of the host, of any content, for copies.
    fn stage(&self, bytes: usize) -> Box<dyn Staging> {
        Box::new(vec![0; bytes])
    }
    /// Prepares launches to be run.
    ///
    /// # Safety
    /// Each argument is the kernel's struct, and all addresses in it lie, with all that the kernel reads and writes there, in memory of
    /// this device that outlives the recording.
    #[allow(unsafe_code, reason = "what a kernel does cannot be checked here")]
    unsafe fn record(&self, launches: &[Launch]) -> Result<Box<dyn Recording>, DeviceError>;
}
