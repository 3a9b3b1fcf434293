//! Compares every GPU of this machine with the CPU, bit for bit: every kernel, random graphs, whole models and the work of calls. Also
//! tests a GPU whose memory is full.
//!
//! These tests can run without a checkout: IONET_MODELS names the folder of the models. CUDA_CASES sets the number of op cases; each model
//! gets a tenth as many whole runs. Tests run one at a time, because one of them takes all of a GPU's memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::comparison::Comparison;
use common::work::{MANY_BLOCKS, SMALL, WIDEST, size};
use common::{cases, random_batch, shipped};
use engine::bench::on_gpu;
use engine::cuda::{Cuda, Device, DeviceError, count};
use engine::{Engine, Error};
use parking_lot::{Mutex, MutexGuard};
use std::io::Write;
use std::sync::Arc;

static TURN: Mutex<()> = Mutex::new(());

/// Number of kinds of ops.
const KINDS: usize = 11;

/// Work that keeps all multiprocessors of the largest GPUs busy.
const LARGE: (u8, u8, u8) = (12, 22, 2);

/// Number of op cases, unless CUDA_CASES sets another.
const CASES: u64 = 10_000;

/// Whether fewer cases than usual were requested, as under compute-sanitizer, which slows everything down. Then every kernel runs, but on
/// nothing large.
fn few() -> bool {
    cases(CASES) < CASES
}

/// All GPUs, locked until the test ends. If a GPU cannot be used, or there is none, the test is reported as skipped, bypassing the capture
/// of its output.
#[allow(clippy::explicit_write, reason = "eprintln! is captured")]
fn gpus() -> (MutexGuard<'static, ()>, Vec<Arc<Cuda>>) {
    let turn = TURN.lock();
    let skip = |why: &str| writeln!(std::io::stderr(), "skipped: no bits of a GPU are compared; {why}").unwrap();
    let found = match count() {
        Ok(found) => found,
        Err(error @ DeviceError::NoDriver) => {
            skip(&error.to_string());
            return (turn, Vec::new());
        }
        Err(error) => panic!("{error}"),
    };
    if found == 0 {
        skip("the NVIDIA driver finds none");
    }
    let usable = (0..found).filter_map(|ordinal| match Cuda::new(ordinal) {
        Ok(gpu) => {
            let (traits, (major, minor)) = (gpu.traits(), gpu.compiler());
            println!(
                "found: {traits}, sm_{}, cores {:?}, NVRTC {major}.{minor}",
                traits.arch, traits.cores
            );
            Some(Arc::new(gpu))
        }
        Err(error @ (DeviceError::NoCompiler | DeviceError::TooOld { .. } | DeviceError::OldDriver { .. })) => {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    });
    let usable = usable.collect();
    (turn, usable)
}

/// A comparison that tells how far it has come, if it is slow.
fn comparison(gpu: Arc<Cuda>) -> Comparison {
    let mut made = Comparison::new(gpu);
    made.slow = few();
    made
}

/// Every kernel of ops. The tables include products that reach the largest tiles, for which random graphs are too small.
#[test]
fn every_kernel_of_ops() {
    let (_turn, gpus) = gpus();
    for gpu in gpus {
        let mut comparison = comparison(gpu);
        comparison.every_kernel(if few() { 1 << 22 } else { 1 << 26 });
        whole(comparison, false);
    }
}

#[test]
fn every_kernel_of_work() {
    let (_turn, gpus) = gpus();
    for gpu in gpus {
        let mut comparison = comparison(gpu);
        for sizes in SMALL.into_iter().chain([WIDEST, MANY_BLOCKS]).chain((!few()).then_some(LARGE)) {
            comparison.work(size(sizes));
        }
        whole(comparison, true);
    }
}

/// Ends a comparison, and asserts that it covered every kernel.
fn whole(comparison: Comparison, work: bool) {
    let (missing, gpu) = (comparison.missing(work), comparison.traits().to_string());
    comparison.end();
    assert!(missing.is_empty(), "nothing is compared of {missing:?} on {gpu}");
}

#[test]
fn random_graphs() {
    let (_turn, gpus) = gpus();
    let wanted = cases(CASES);
    for gpu in gpus {
        let mut comparison = comparison(gpu);
        let mut graphs = 0;
        while comparison.goes_on() && (comparison.ops() < wanted || comparison.kinds.len() < KINDS) {
            // Every other graph runs as if one block kept the GPU busy, which selects large tiles.
            let alone = graphs % 2 == 0;
            // A few are large enough for several tiles and steps.
            match graphs % 21 {
                20 => comparison.graph(graphs, 4, 4_000_000, alone),
                7 | 14 => comparison.large_product(graphs, if few() { 1 << 22 } else { 1 << 26 }),
                _ => comparison.graph(graphs, 5, 60_000, alone),
            }
            graphs += 1;
            // Print progress now and then, and at the end.
            if graphs % 100 == 0 || comparison.ops() >= wanted || !comparison.goes_on() {
                println!(
                    "compared: {} op cases on {}, of {graphs} graphs",
                    comparison.ops(),
                    comparison.traits()
                );
            }
        }
        println!("{:?}", comparison.kinds);
        comparison.end();
    }
}

/// Batches of random sizes, until enough units have run.
fn whole_runs(model: &str) {
    let (_turn, gpus) = gpus();
    let wanted = cases(CASES) / 10;
    for device in gpus {
        let [cpu, gpu] = [(); 2].map(|()| Engine::new(shipped(model), 0).unwrap());
        gpu.attach(device.clone()).unwrap();
        let mut rng = fastrand::Rng::with_seed(7);
        let mut runs = 0;
        while runs < wanted {
            let units = rng.u32(1..=150).min((wanted - runs) as u32);
            let blob = random_batch(&mut rng, cpu.package(), units);
            let computed = on_gpu(&gpu, units, || gpu.run_batch(&blob, || true)).unwrap();
            let same = computed == cpu.run_batch(&blob, || true).unwrap();
            assert!(same, "{model}, {units} units after {runs} on {}", device.traits());
            runs += u64::from(units);
        }
        println!("compared: {runs} runs of {model} on {}", device.traits());
    }
}

#[test]
fn the_upscaler() {
    whole_runs("upscale");
}

#[test]
fn the_image_generator() {
    whole_runs("imagine");
}

#[test]
fn a_gpu_without_memory_refuses_a_model_until_some_is_freed() {
    let (_turn, gpus) = gpus();
    for gpu in gpus {
        let mut taken = Vec::new();
        let mut piece = gpu.free_memory().unwrap();
        // Fill the memory until no model fits.
        while piece >= 64 << 10 {
            match gpu.allocate(piece as usize) {
                Ok(memory) => taken.push(memory),
                Err(DeviceError::OutOfMemory { needed, .. }) => {
                    assert_eq!(needed, piece);
                    piece /= 2;
                }
                Err(error) => panic!("{error}"),
            }
        }
        let engine = Engine::new(shipped("upscale"), 0).unwrap();
        let blob = random_batch(&mut fastrand::Rng::with_seed(5), engine.package(), 3);
        let expected = engine.run_batch(&blob, || true).unwrap();
        let refused = engine.attach(gpu.clone()).unwrap_err();
        // Memory runs out either for the model itself or for the driver's own data.
        let Error::Device(DeviceError::OutOfMemory { .. } | DeviceError::NoMemoryForDriver) = refused else {
            panic!("{refused}")
        };
        assert!(engine.residents().is_empty());
        drop(taken);
        engine.attach(gpu.clone()).unwrap();
        assert!(on_gpu(&engine, 3, || engine.run_batch(&blob, || true)).unwrap() == expected);
    }
}
