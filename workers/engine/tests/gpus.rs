//! Every GPU of this machine against the CPU, bit for bit: every kernel, random graphs, whole models, the work of calls, and a GPU without
//! memory to give.
//!
//! It also runs where no checkout is: IONET_MODELS names the folder of the models. CUDA_CASES is the number of op cases, of which a tenth
//! is the number of whole runs of each model. Tests take turns, as one of them takes all of a GPU's memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::comparison::Comparison;
use common::work::{MANY_BLOCKS, SMALL, WIDEST, size};
use common::{cases, random_batch, shipped};
use engine::bench::on_gpu;
use engine::cuda::{Cuda, Device, DeviceError, count};
use engine::{Engine, Error};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

static TURN: Mutex<()> = Mutex::new(());

/// Kinds of ops there are.
const KINDS: usize = 11;

/// Work that keeps all multiprocessors of the largest GPUs busy.
const LARGE: (u8, u8, u8) = (12, 22, 2);

/// Op cases, unless CUDA_CASES says another number.
const CASES: u64 = 10_000;

/// Whether fewer are asked for, as under a tool with which all takes many times as long: then every kernel runs, but on nothing large.
fn few() -> bool {
    cases(CASES) < CASES
}

/// Every GPU, which are this test's until it ends. Of one that cannot be used, and of a machine without any, the test says that it is
/// skipped, past the capture of its output.
#[allow(clippy::explicit_write, reason = "eprintln! is captured")]
fn gpus() -> (MutexGuard<'static, ()>, Vec<Arc<Cuda>>) {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Those of ops: with tables of products that reach the largest tiles, which random graphs are too small for.
#[test]
fn every_kernel_of_ops() {
    let (_turn, gpus) = gpus();
    for gpu in gpus {
        let mut comparison = Comparison::new(gpu);
        comparison.every_kernel(if few() { 1 << 22 } else { 1 << 26 });
        whole(comparison, false);
    }
}

#[test]
fn every_kernel_of_work() {
    let (_turn, gpus) = gpus();
    for gpu in gpus {
        let mut comparison = Comparison::new(gpu);
        for sizes in SMALL.into_iter().chain([WIDEST, MANY_BLOCKS]).chain((!few()).then_some(LARGE)) {
            comparison.work(size(sizes));
        }
        whole(comparison, true);
    }
}

/// Ends a comparison that no kernel may be missing from.
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
        let mut comparison = Comparison::new(gpu);
        let mut graphs = 0;
        while comparison.goes_on() && (comparison.ops() < wanted || comparison.kinds.len() < KINDS) {
            // Every other one as if one block kept the GPU busy, which large tiles come up with.
            let alone = graphs % 2 == 0;
            // Few are large enough for several tiles and steps.
            match graphs % 21 {
                20 => comparison.graph(graphs, 4, 4_000_000, alone),
                7 | 14 => comparison.large_product(graphs, if few() { 1 << 22 } else { 1 << 26 }),
                _ => comparison.graph(graphs, 5, 60_000, alone),
            }
            graphs += 1;
            // At the end, and now and then for whoever loses patience.
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

/// Batches of any size, until there were so many units.
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
fn a_gpu_without_memory_refuses_a_model_and_takes_it_when_there_is_some() {
    let (_turn, gpus) = gpus();
    for gpu in gpus {
        let mut taken = Vec::new();
        let mut piece = gpu.free_memory().unwrap();
        // Down to what no model fits in.
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
        // Whoever needs it first: the model itself, or the driver for something of its own.
        let Error::Device(DeviceError::OutOfMemory { .. } | DeviceError::NoMemoryForDriver) = refused else {
            panic!("{refused}")
        };
        assert!(engine.residents().is_empty());
        drop(taken);
        engine.attach(gpu.clone()).unwrap();
        assert!(on_gpu(&engine, 3, || engine.run_batch(&blob, || true)).unwrap() == expected);
    }
}
