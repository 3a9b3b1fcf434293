//! `cuda::driver` on an emulated driver: a libcuda.so whose streams do as little as late as possible, whose graphs run in any order that
//! their edges allow, and whose kernels are the emulated ones. NVRTC is the real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unsafe_code)]

mod common;
mod emulation;

use common::comparison::Comparison;
use common::{hashed_in_batches, random_batch, shipped};
use engine::bench::{self, on_gpu};
use engine::cuda::{Compiler, Cuda, Device, DeviceError, count};
use engine::work::run;
use engine::{Batch, Engine, Error};
use libloading::Library;
use parking_lot::{Mutex, MutexGuard};
use protocol::work::{Size, tensor_root, tensors};
use std::ffi::{CStr, c_char, c_void};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const PLENTY: usize = 1 << 30;

/// Ampere and Hopper.
const ARCHS: [u32; 2] = [80, 90];

/// The architecture whose kernels `find` returns.
static ARCH: AtomicU32 = AtomicU32::new(0);

extern "C" fn find(name: *const c_char) -> *const c_void {
    emulation::symbol(ARCH.load(Ordering::Relaxed), unsafe { CStr::from_ptr(name) })
}

/// The emulated driver, locked until the test ends.
struct Driver {
    library: &'static Library,
    _turn: MutexGuard<'static, ()>,
}

impl Driver {
    /// Waits for the lock. `None` without NVRTC; the test is then reported as skipped, bypassing the capture of its output.
    #[allow(clippy::explicit_write, reason = "eprintln! is captured")]
    fn take() -> Option<Self> {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        static TURN: Mutex<()> = Mutex::new(());
        if let Err(error) = Compiler::find() {
            writeln!(std::io::stderr(), "skipped: the driver's side is not tested; {error}").unwrap();
            return None;
        }
        let turn = TURN.lock();
        let library = LIBRARY.get_or_init(|| {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulation/driver.cpp");
            // cudarc looks for the driver under this name. Once a library of this name is loaded, the loader searches no further.
            emulation::compiled(&source, &[], &["-Wl,-soname,libcuda.so"])
        });
        Some(Self { library, _turn: turn })
    }

    /// Makes the driver find one GPU, or none if `arch` is 0.
    fn is(&self, arch: u32, memory: usize) {
        type Is = unsafe extern "C" fn(i32, usize, extern "C" fn(*const c_char) -> *const c_void);
        ARCH.store(arch, Ordering::Relaxed);
        unsafe { self.library.get::<Is>(b"driver_is\0").unwrap()(arch as i32, memory, find) };
    }

    /// Makes the GPU fall off the bus, which the driver reports with this code.
    fn loses(&self, code: i32) {
        unsafe { self.library.get::<unsafe extern "C" fn(i32)>(b"driver_loses\0").unwrap()(code) };
    }

    /// Makes the driver refuse modules with this code.
    fn refuses(&self, code: i32) {
        unsafe { self.library.get::<unsafe extern "C" fn(i32)>(b"driver_refuses\0").unwrap()(code) };
    }

    /// Calls a function without arguments and result.
    fn call(&self, name: &CStr) {
        unsafe { self.library.get::<unsafe extern "C" fn()>(name.to_bytes_with_nul()).unwrap()() };
    }

    /// Everything that has not been freed.
    fn holds(&self) -> usize {
        unsafe { self.library.get::<unsafe extern "C" fn() -> usize>(b"driver_holds\0").unwrap()() }
    }
}

#[test]
fn random_graphs_have_the_cpus_bits() {
    let Some(driver) = Driver::take() else { return };
    for arch in ARCHS {
        driver.is(arch, PLENTY);
        let gpu = Arc::new(Cuda::new(0).unwrap());
        assert_eq!(gpu.traits().arch, arch);
        let mut comparison = Comparison::new(gpu);
        for seed in 0..60 {
            comparison.graph(seed, 5, 60_000, seed % 2 == 0);
        }
        comparison.end();
    }
    assert_eq!(driver.holds(), 0);
}

/// Several batches at a time, of several passes each, with and without traces.
#[test]
fn lanes_do_not_get_in_each_others_way() {
    let Some(driver) = Driver::take() else { return };
    driver.is(90, PLENTY);
    let mut rng = fastrand::Rng::with_seed(5);
    let package = Arc::new(common::random_graph(&mut rng, 6, 20_000).package().unwrap());
    let engine = Engine::new(package.clone(), 1).unwrap();
    let blobs: Vec<Vec<u8>> = [150, 70, 1, 33].map(|units| random_batch(&mut rng, &package, units)).into();
    let expected: Vec<_> = blobs.iter().map(|blob| engine.run_batch(blob, || true).unwrap()).collect();
    let gpu = Arc::new(Cuda::new(0).unwrap());
    engine.attach(gpu.clone()).unwrap();
    std::thread::scope(|scope| {
        for (blob, expected) in blobs.iter().zip(&expected) {
            scope.spawn(|| (0..3).for_each(|_| assert!(engine.run_batch(blob, || true).unwrap() == *expected)));
        }
    });
    // On new threads, which have never used the GPU.
    let times = engine.time_passes(true, 5, Duration::ZERO).unwrap().unwrap();
    assert_eq!((times.units, times.seconds.len()), (64, 6), "as many on each lane");
    assert!(engine.losses().is_empty(), "{:?}", engine.losses());
    assert_eq!(engine.residents()[0].computed, 3 * (150 + 70 + 1 + 33));
    // Its passes are few and short, but each timed turn has a minimum duration.
    engine.detach();
    engine.attach_sized(gpu, 1).unwrap();
    let start = Instant::now();
    assert!(bench::gpu(&engine, 1, 1).unwrap().is_some());
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    drop(engine);
    assert_eq!(driver.holds(), 0);
}

#[test]
fn values_are_hashed_before_they_are_overwritten() {
    let Some(driver) = Driver::take() else { return };
    driver.is(80, PLENTY);
    let (package, blob) = hashed_in_batches();
    let engine = Engine::new(package, 2).unwrap();
    let expected = engine.run_batch(&blob, || true).unwrap();
    engine.attach(Arc::new(Cuda::new(0).unwrap())).unwrap();
    // Each run has a different order.
    for _ in 0..3 {
        assert!(engine.run_batch(&blob, || true).unwrap() == expected);
    }
    assert!(engine.losses().is_empty(), "{:?}", engine.losses());
}

#[test]
fn freed_memory_is_available_at_once() {
    let Some(driver) = Driver::take() else { return };
    driver.is(80, PLENTY);
    let gpu = Arc::new(Cuda::new(0).unwrap());
    let engine = Engine::new(shipped("upscale"), 1).unwrap();
    let before = gpu.free_memory().unwrap();
    // Freed on threads that have never used the GPU: device memory, pinned host memory, and a whole package.
    let (memory, staging) = (gpu.allocate(1_000).unwrap(), gpu.stage(1_000));
    assert_eq!(gpu.free_memory().unwrap(), before - 1_000);
    std::thread::scope(|scope| scope.spawn(|| drop(memory)).join()).unwrap();
    std::thread::scope(|scope| scope.spawn(|| drop(staging)).join()).unwrap();
    assert_eq!(gpu.free_memory().unwrap(), before);
    engine.attach(gpu.clone()).unwrap();
    assert_eq!(gpu.free_memory().unwrap(), before - engine.residents()[0].bytes);
    std::thread::scope(|scope| scope.spawn(|| engine.detach()).join()).unwrap();
    assert_eq!(gpu.free_memory().unwrap(), before);
    drop(gpu);
    driver.is(80, 100_000);
    let error = engine.attach(Arc::new(Cuda::new(0).unwrap())).unwrap_err();
    assert!(matches!(error, engine::Error::Device(DeviceError::OutOfMemory { .. })), "{error}");
    assert_eq!(driver.holds(), 0);
}

#[test]
fn work_is_the_definition() {
    let Some(driver) = Driver::take() else { return };
    for arch in ARCHS {
        driver.is(arch, PLENTY);
        let (gpu, size, seed) = (Cuda::new(0).unwrap(), Size::new(8, 17, 2).unwrap(), [7; 32]);
        let worked = run(Some(&gpu), size, &seed, None, &mut || true).unwrap();
        let expected: Vec<_> = tensors(size, &seed).iter().map(|tensor| tensor_root(tensor)).collect();
        assert_eq!(worked.layers, expected, "sm_{arch}");
    }
    assert_eq!(driver.holds(), 0);
}

/// A model on a GPU, a batch of three units, and the CPU's result for it.
fn on_ampere(driver: &Driver) -> (Engine, Vec<u8>, Batch) {
    driver.is(80, PLENTY);
    let engine = Engine::new(shipped("imagine"), 2).unwrap();
    let blob = random_batch(&mut fastrand::Rng::with_seed(9), engine.package(), 3);
    let expected = engine.run_batch(&blob, || true).unwrap();
    engine.attach(Arc::new(Cuda::new(0).unwrap())).unwrap();
    (engine, blob, expected)
}

/// How a GPU is lost that reports this code; the CPU computes its units.
fn loss(driver: &Driver, code: i32) -> DeviceError {
    let (engine, blob, expected) = on_ampere(driver);
    driver.loses(code);
    assert!(engine.run_batch(&blob, || true).unwrap() == expected);
    let mut losses = engine.losses();
    assert_eq!(losses.len(), 1, "{losses:?}");
    losses.remove(0).error
}

#[test]
fn a_gpu_that_falls_off_the_bus_leaves_its_units_to_the_cpu() {
    let Some(driver) = Driver::take() else { return };
    // CUDA 12.0 does not know the second code.
    for (code, text) in [(719, "unspecified launch failure"), (226, "contained error")] {
        let said = loss(&driver, code).to_string();
        assert!(said.contains(&format!("{text} (CUDA error {code})")), "{said}");
    }
}

/// Calls that no GPU accepts: a wrong argument, a handle of something else, too many registers, a copy during a capture.
#[test]
fn a_call_that_is_wrong_is_reported_as_a_bug() {
    let Some(driver) = Driver::take() else { return };
    for code in [1, 400, 701, 900] {
        let error = loss(&driver, code);
        let said = error.to_string();
        assert!(matches!(error, DeviceError::Bug(_)) && said.contains("please report it"), "{said}");
    }
}

/// If others have taken the memory that a graph needs, the GPU is only left out of this batch.
#[test]
fn a_gpu_without_memory_for_a_graph_computes_the_next_batch() {
    let Some(driver) = Driver::take() else { return };
    let (engine, blob, expected) = on_ampere(&driver);
    let computed = || engine.residents().iter().map(|gpu| gpu.computed).sum::<u64>();
    driver.call(c"driver_is_full");
    let refused = on_gpu(&engine, 3, || engine.run_batch(&blob, || true)).unwrap_err();
    assert!(matches!(refused, Error::Device(DeviceError::NoMemoryForDriver)), "{refused}");
    let before = computed();
    assert!(before < 3, "{before}");
    driver.call(c"driver_is_full");
    assert!(engine.run_batch(&blob, || true).unwrap() == expected);
    assert!(engine.losses().is_empty(), "{:?}", engine.losses());
    let before = computed();
    assert!(engine.run_batch(&blob, || true).unwrap() == expected);
    assert_eq!(computed() - before, 3);
}

/// Otherwise the CPU would be compared with itself.
#[test]
fn units_that_the_gpu_had_no_memory_for_are_not_compared() {
    let Some(driver) = Driver::take() else { return };
    driver.is(80, PLENTY);
    let mut comparison = Comparison::new(Arc::new(Cuda::new(0).unwrap()));
    driver.call(c"driver_is_full");
    comparison.graph(0, 5, 60_000, false);
    assert!(!comparison.goes_on());
}

#[test]
fn a_missing_gpu_an_old_gpu_and_an_old_driver_have_their_own_errors() {
    let Some(driver) = Driver::take() else { return };
    driver.is(0, 0);
    assert_eq!(count().unwrap(), 0);
    assert!(matches!(Cuda::new(0), Err(DeviceError::NoDevice { ordinal: 0, found: 0 })));
    driver.is(53, PLENTY);
    assert!(matches!(Cuda::new(0), Err(DeviceError::TooOld { arch: 53, .. })));
    assert!(matches!(Cuda::new(1), Err(DeviceError::NoDevice { ordinal: 1, found: 1 })));
    driver.is(80, PLENTY);
    let refused = |code| {
        driver.refuses(code);
        Cuda::new(0).err().unwrap()
    };
    for code in [200, 209, 222, 300] {
        let error = refused(code);
        assert!(
            matches!(&error, DeviceError::OldDriver { .. }) && error.to_string().contains("update the driver"),
            "{error}"
        );
    }
    // Whatever else goes wrong while the kernels are loaded has nothing to do with the driver's age.
    assert!(matches!(refused(2), DeviceError::NoMemoryForDriver));
    assert!(matches!(refused(719), DeviceError::Lost(_)));
    assert!(matches!(refused(1), DeviceError::Bug(_)));
    for (major, driver) in [(12, 525), (13, 580)] {
        let (name, version, reason) = (String::new(), (major, 0), String::new());
        let error = DeviceError::OldDriver { name, version, reason };
        assert!(
            error
                .to_string()
                .contains(&format!("update the driver, to version {driver} or later")),
            "{error}"
        );
    }
}
