//! An emulated GPU: a `Device` that runs the kernels on the CPU, with their sources compiled as C++ on top of `emulation/cuda.h`.
#![allow(unsafe_code, dead_code)]

use engine::cuda::{Cores, Device, DeviceError, Launch, Memory, Recording, SOURCES, Staging, Traits};
use libloading::Library;
use parking_lot::{Condvar, Mutex};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

type Kernel = unsafe extern "C" fn(*const u8);
type Emulate = unsafe extern "C" fn(Kernel, *const u8, u32, u32, u32, u32) -> *const std::ffi::c_char;

/// Fills host memory that has not been written yet.
const UNTOUCHED: u8 = 0xA5;

/// A fault to inject after a launch.
type Fault = Arc<dyn Fn(&Launch) + Send + Sync>;

/// An emulated GPU of one architecture.
#[derive(Clone)]
pub struct Emulator {
    traits: Traits,
    library: Arc<Library>,
    free: u64,
    /// Runs left before the GPU is lost.
    life: Arc<AtomicU32>,
    meeting: Option<Arc<Meeting>>,
    runs: Arc<AtomicU32>,
    fault: Fault,
}

/// A barrier for several devices, at the start of each of their first runs.
pub struct Meeting {
    devices: u32,
    runs: u32,
    arrived: Mutex<u32>,
    all: Condvar,
}

impl Meeting {
    /// A barrier for `devices` devices, in their first `runs` runs.
    pub fn new(devices: u32, runs: u32) -> Arc<Self> {
        Arc::new(Self {
            devices,
            runs,
            arrived: Mutex::new(0),
            all: Condvar::new(),
        })
    }

    fn attend(&self, run: u32) {
        if run >= self.runs {
            return;
        }
        let mut arrived = self.arrived.lock();
        *arrived += 1;
        self.all.notify_all();
        let wanted = (run + 1) * self.devices;
        let waited = self
            .all
            .wait_while_for(&mut arrived, |arrived| *arrived < wanted, Duration::from_secs(60));
        assert!(!waited.timed_out(), "{} devices never compute at the same time", self.devices);
    }
}

impl Emulator {
    /// `arch` selects the instructions, `processors` is the number of multiprocessors, and `free` the bytes of memory.
    pub fn new(arch: u32, processors: u32, free: u64) -> Self {
        Self {
            traits: Traits {
                ordinal: 0,
                name: format!("emulated sm_{arch}"),
                memory: free,
                arch,
                cores: match arch {
                    ..75 => Cores::None,
                    90 => Cores::Group,
                    _ => Cores::Warp,
                },
                processors,
            },
            library: library(arch),
            free,
            life: Arc::new(AtomicU32::new(u32::MAX)),
            meeting: None,
            runs: Arc::default(),
            fault: Arc::new(|_| ()),
        }
    }

    /// Gives the GPU another number.
    pub fn numbered(mut self, ordinal: usize) -> Self {
        self.traits.ordinal = ordinal;
        self
    }

    /// Makes the GPU wait for others at a barrier.
    pub fn meeting(mut self, meeting: &Arc<Meeting>) -> Self {
        self.meeting = Some(meeting.clone());
        self
    }

    /// The GPU is lost after `runs` runs.
    pub fn with_life(self, runs: u32) -> Self {
        self.life.store(runs, Ordering::Relaxed);
        self
    }

    /// Flips a bit after each launch of `kernel`: the lowest bit of byte `at` of the output whose address is word `param` of the kernel's
    /// argument.
    pub fn flipping(self, kernel: &'static str, param: usize, at: usize) -> Self {
        let fault = move |launch: &Launch| {
            if launch.kernel == kernel {
                let address = u64::from_ne_bytes(launch.params[param * 8..][..8].try_into().unwrap());
                unsafe { *(address as *mut u8).add(at) ^= 1 };
            }
        };
        Self {
            fault: Arc::new(fault),
            ..self
        }
    }

    /// Injects the fault only where `holds` is true of the kernels launched so far.
    pub fn when(self, holds: impl Fn(&[&'static str]) -> bool + Send + Sync + 'static) -> Self {
        let (fault, launched) = (self.fault, Mutex::new(Vec::new()));
        let sometimes = move |launch: &Launch| {
            let mut launched = launched.lock();
            launched.push(launch.kernel);
            if holds(&launched) {
                fault(launch);
            }
        };
        Self {
            fault: Arc::new(sometimes),
            ..self
        }
    }

    /// Also collects the first `bytes` bytes of a value after each launch of `kernel`: the value whose address is word `param` of the
    /// kernel's argument.
    pub fn watching(self, kernel: &'static str, param: usize, bytes: usize) -> (Self, Arc<Mutex<Vec<Vec<u8>>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let see = seen.clone();
        let fault = move |launch: &Launch| {
            if launch.kernel == kernel {
                let address = u64::from_ne_bytes(launch.params[param * 8..][..8].try_into().unwrap());
                see.lock()
                    .push(unsafe { std::slice::from_raw_parts(address as *const u8, bytes) }.to_vec());
            }
        };
        let fault: Fault = Arc::new(fault);
        (Self { fault, ..self }, seen)
    }

    fn symbol<T: Copy>(&self, name: &str) -> T {
        *unsafe { self.library.get::<T>(name.as_bytes()) }.unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

/// The address of a kernel, or of another symbol, for an architecture; null if there is none.
pub fn symbol(arch: u32, name: &std::ffi::CStr) -> *const std::ffi::c_void {
    let library = library(arch);
    unsafe { library.get(name.to_bytes_with_nul()) }.map_or(std::ptr::null(), |symbol| *symbol)
}

/// The kernels compiled for an architecture. Tests that need other architectures do not wait for the compilation.
fn library(arch: u32) -> Arc<Library> {
    static BUILT: Mutex<BTreeMap<u32, Arc<OnceLock<Arc<Library>>>>> = Mutex::new(BTreeMap::new());
    let place = BUILT.lock().entry(arch).or_default().clone();
    place.get_or_init(|| Arc::new(kernels(arch))).clone()
}

fn kernels(arch: u32) -> Library {
    let folder = tempfile::tempdir().unwrap();
    let [(instructions, _), sources @ ..] = SOURCES;
    assert_eq!(instructions, "instructions.cu", "the emulation takes the place of the first source");
    let text: String = sources.iter().map(|(name, text)| format!("#line 1 \"{name}\"\n{text}")).collect();
    let source = folder.path().join("kernels.cpp");
    std::fs::write(&source, text).unwrap();
    let header = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/emulation/cuda.h");
    let mut read: Vec<OsString> = vec!["-U_FORTIFY_SOURCE".into(), format!("-D__CUDA_ARCH__={arch}0").into()];
    read.extend(["-include".into(), header.into()]);
    read.extend((arch == 90).then(|| "-D__CUDA_ARCH_FEAT_SM90_ALL".into()));
    // Undefined behaviour ends the test at once (SIGILL).
    let made = [
        "-fno-strict-aliasing",
        "-Wno-unknown-pragmas",
        "-fsanitize=undefined",
        "-fsanitize-undefined-trap-on-error",
    ];
    compiled(&source, &read, &made)
}

/// Compiles C++ to a library and loads it. `read` are the options for the front end, `made` those for the output.
///
/// Compiling takes seconds, and several tests need the same library, so libraries are cached by their source text.
pub fn compiled(source: &Path, read: &[OsString], made: &[&str]) -> Library {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let run = |arguments: &mut Command| {
        let said = arguments
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}; a C++ compiler is needed", compiler.to_string_lossy()));
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        said.stdout
    };
    let made = [&["-std=c++17", "-O2", "-fPIC", "-shared"], made].concat();
    let version = run(Command::new(&compiler).arg("--version"));
    let text = run(Command::new(&compiler).args(["-E", "-P"]).args(&made).args(read).arg(source));
    let mut key = Sha256::new();
    for part in [&version, made.join(" ").as_bytes(), &text] {
        key.update((part.len() as u64).to_le_bytes());
        key.update(part);
    }
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{:x}.so", key.finalize()));
    if !output.exists() {
        // Another test may be compiling the same library, so rename the file only when it is complete.
        let unfinished = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        run(Command::new(&compiler)
            .args(&made)
            .args(read)
            .arg(source)
            .arg("-o")
            .arg(unfinished.path()));
        unfinished.persist(&output).unwrap();
    }
    unsafe { Library::new(&output) }.unwrap()
}

impl Device for Emulator {
    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn beside(&self) -> Result<Arc<dyn Device>, DeviceError> {
        Ok(Arc::new(self.clone()))
    }

    fn free_memory(&self) -> Result<u64, DeviceError> {
        Ok(self.free)
    }

    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>, DeviceError> {
        if bytes as u64 > self.free {
            return Err(DeviceError::OutOfMemory {
                needed: bytes as u64,
                free: self.free,
            });
        }
        let fenced: unsafe extern "C" fn(usize) -> *mut u8 = self.symbol("fenced");
        Ok(Box::new(Piece {
            base: unsafe { fenced(bytes) },
            bytes,
            unfenced: self.symbol("unfenced"),
            _library: self.library.clone(),
        }))
    }

    fn stage(&self, bytes: usize) -> Box<dyn Staging> {
        Box::new(vec![UNTOUCHED; bytes])
    }

    unsafe fn record(&self, launches: &[Launch]) -> Result<Box<dyn Recording>, DeviceError> {
        let recorded = launches.iter().map(|launch| {
            let bytes: unsafe extern "C" fn() -> u32 = self.symbol(&format!("{}_bytes", launch.kernel));
            let threads: unsafe extern "C" fn() -> u32 = self.symbol(&format!("{}_threads", launch.kernel));
            assert_eq!(
                unsafe { bytes() } as usize,
                launch.params.len(),
                "{}: bytes of its argument",
                launch.kernel
            );
            assert_eq!(unsafe { threads() }, launch.threads, "{}: threads of a block", launch.kernel);
            let launched = unsafe {
                self.library
                    .get::<unsafe extern "C" fn() -> u32>(format!("{}_launched", launch.kernel).as_bytes())
            };
            let launched = launched.map_or(0, |bytes| unsafe { bytes() });
            assert_eq!(launched, launch.shared, "{}: shared memory it is launched with", launch.kernel);
            (self.symbol::<Kernel>(launch.kernel), launch.clone())
        });
        Ok(Box::new(Recorded {
            launches: recorded.collect(),
            emulate: self.symbol("emulate"),
            life: self.life.clone(),
            meeting: self.meeting.clone(),
            runs: self.runs.clone(),
            fault: self.fault.clone(),
            _library: self.library.clone(),
        }))
    }
}

struct Piece {
    base: *mut u8,
    bytes: usize,
    unfenced: unsafe extern "C" fn(*mut u8, usize) -> bool,
    _library: Arc<Library>,
}

// SAFETY: the engine's passes take turns, and nothing else touches the memory.
unsafe impl Send for Piece {}
unsafe impl Sync for Piece {}

impl Memory for Piece {
    fn address(&self) -> u64 {
        self.base as u64
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn write(&self, at: usize, bytes: &[u8]) -> Result<(), DeviceError> {
        assert!(at + bytes.len() <= self.bytes, "a write beyond the end");
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(at), bytes.len()) };
        Ok(())
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        assert!(at + bytes.len() <= self.bytes, "a read beyond the end");
        unsafe { std::ptr::copy_nonoverlapping(self.base.add(at), bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let whole = unsafe { (self.unfenced)(self.base, self.bytes) };
        assert!(std::thread::panicking() || whole, "a kernel wrote outside of its memory");
    }
}

struct Recorded {
    launches: Vec<(Kernel, Launch)>,
    emulate: Emulate,
    life: Arc<AtomicU32>,
    meeting: Option<Arc<Meeting>>,
    runs: Arc<AtomicU32>,
    fault: Fault,
    _library: Arc<Library>,
}

impl Recording for Recorded {
    fn run(&self) -> Result<(), DeviceError> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        if let Some(meeting) = &self.meeting {
            meeting.attend(run);
        }
        let left = self
            .life
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| DeviceError::Lost("unplugged".to_owned()))?;
        // Running side launches as late as allowed shows whether their inputs are overwritten too early.
        let mut order = Vec::new();
        let mut late = Vec::new();
        let mut aside = false;
        for entry in &self.launches {
            if entry.1.aside && !aside {
                order.append(&mut late);
            }
            aside = entry.1.aside;
            if aside { &mut late } else { &mut order }.push(entry);
        }
        order.append(&mut late);
        for (kernel, launch) in order {
            let [x, y] = launch.grid;
            // Kernels read the words of their argument in place.
            let mut params = vec![0u128; launch.params.len().div_ceil(16)];
            let to = params.as_mut_ptr().cast::<u8>();
            let said = unsafe {
                std::ptr::copy_nonoverlapping(launch.params.as_ptr(), to, launch.params.len());
                (self.emulate)(*kernel, to, x, y, launch.threads, launch.shared)
            };
            if !said.is_null() {
                let said = unsafe { std::ffi::CStr::from_ptr(said) }.to_string_lossy();
                return Err(DeviceError::Lost(format!("{}: {said}", launch.kernel)));
            }
            (self.fault)(launch);
        }
        Ok(())
    }
}
