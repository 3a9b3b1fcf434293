//! Compares the GPU code, on an emulated GPU, with the CPU, bit for bit: random graphs op by op, batches, and both shipped models.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod emulation;

use common::comparison::{Comparison, Watched};
use common::{Draft, cases, hashed_in_batches, random_batch, random_graph, shipped};
use emulation::{Emulator, Meeting};
use engine::cuda::DeviceError;
use engine::{Batch, Engine, Error, Package, bench};
use protocol::batch::BatchHeader;
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Architectures without tensor cores, and with Turing's, Ampere's and Hopper's.
const ARCHS: [u32; 4] = [61, 75, 80, 90];

/// Enough memory for any graph here.
const PLENTY: u64 = 1 << 30;

/// Asserts that everything was computed on the GPUs. (The CPU would take over the units of a GPU that fails, and its bits would be right.)
fn none_failed(engine: &Engine, what: &str) {
    let errors: Vec<String> = engine.losses().iter().map(|loss| loss.error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}");
}

/// Random graphs; CUDA_CASES sets their number.
fn random_graphs(arch: u32) {
    let mut comparison = Comparison::new(Arc::new(Emulator::new(arch, 1000, PLENTY)));
    let total = cases(400);
    // A few are large enough for several tiles and steps.
    let large = (1_000_000..1_000_000 + total / 20).map(|seed| (seed, 4, 4_000_000));
    for (seed, ops, most_macs) in (0..total).map(|seed| (seed, 5, 60_000)).chain(large) {
        // A GPU that one block keeps busy gets large tiles; one that needs a thousand gets small ones.
        comparison.graph(seed, ops, most_macs, seed % 2 == 0);
    }
    let kinds = &comparison.kinds;
    println!("sm_{arch}: {} graphs, ops of all units by kind: {kinds:?}", total + total / 20);
    assert_eq!(kinds.len(), 11, "every kind of op occurs: {kinds:?}");
    comparison.end();
}

#[test]
fn random_graphs_without_tensor_cores() {
    random_graphs(61);
}

#[test]
fn random_graphs_on_turing() {
    random_graphs(75);
}

#[test]
fn random_graphs_on_ampere() {
    random_graphs(80);
}

#[test]
fn random_graphs_on_hopper() {
    random_graphs(90);
}

fn whole(model: &str, units: u32) {
    let package = shipped(model);
    let blob = random_batch(&mut fastrand::Rng::with_seed(7), &package, units);
    let engine = Engine::new(package, 2).unwrap();
    let expected = engine.run_batch(&blob, || true).unwrap();
    for arch in ARCHS {
        engine.detach();
        engine.attach(Arc::new(Emulator::new(arch, 16, PLENTY))).unwrap();
        assert!(engine.run_batch(&blob, || true).unwrap() == expected, "{model} on sm_{arch}");
        none_failed(&engine, &format!("{model} on sm_{arch}"));
    }
}

#[test]
fn the_upscaler() {
    whole("upscale", 2);
}

#[test]
fn the_image_generator() {
    whole("imagine", 3);
}

/// Values of many megabytes are hashed in several batches, as late as the ops that follow allow.
#[test]
fn batches_of_hashes_run_beside_the_ops() {
    let (package, blob) = hashed_in_batches();
    let engine = Engine::new(package, 2).unwrap();
    let expected = engine.run_batch(&blob, || true).unwrap();
    engine.attach(Arc::new(Emulator::new(90, 16, PLENTY))).unwrap();
    assert!(engine.run_batch(&blob, || true).unwrap() == expected);
    none_failed(&engine, "hashes beside ops");
}

#[test]
fn a_model_that_does_not_fit_is_refused() {
    let engine = Engine::new(shipped("upscale"), 1).unwrap();
    let error = engine.attach(Arc::new(Emulator::new(80, 16, 10_000))).unwrap_err();
    assert!(matches!(error, Error::Device(DeviceError::OutOfMemory { .. })), "{error}");
    assert!(engine.residents().is_empty());
}

/// Tables of products, extreme sums, and every kernel.
fn every_kernel(arch: u32) {
    let mut comparison = Comparison::new(Arc::new(Emulator::new(arch, 16, PLENTY)));
    comparison.every_kernel(1 << 22);
    let missing = comparison.missing(false);
    comparison.end();
    assert!(missing.is_empty(), "nothing is compared of {missing:?}");
}

#[test]
fn every_kernel_without_tensor_cores() {
    every_kernel(61);
}

#[test]
fn every_kernel_on_turing() {
    every_kernel(75);
}

#[test]
fn every_kernel_on_ampere() {
    every_kernel(80);
}

#[test]
fn every_kernel_on_hopper() {
    every_kernel(90);
}

/// For a faulty GPU, each difference is reported, with its place and the kernels involved. For a lost GPU, only the loss is.
#[test]
fn differences_are_collected() {
    let told = |device: Emulator| {
        let mut comparison = Comparison::new(Arc::new(device));
        (0..40).for_each(|seed| comparison.large_product(seed, 1 << 20));
        let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| comparison.end()));
        *end.unwrap_err().downcast::<String>().unwrap()
    };
    const OUT: usize = 2;
    let faulty = told(Emulator::new(90, 16, PLENTY).flipping("gemm_128x256_16", OUT, 0));
    assert!(
        faulty.starts_with("GPU 0 (emulated sm_90) differs from the CPU:\nlarge product "),
        "{faulty}"
    );
    assert!(faulty.lines().count() > 2, "{faulty}");
    for line in faulty.lines().skip(1) {
        assert!(line.contains("launched: ") && line.contains("gemm_128x256_16"), "{line}");
        assert!(line.contains(r#""op":"conv2d""#) || line.contains(r#""op":"matmul""#), "{line}");
    }
    let lost = told(Emulator::new(90, 16, PLENTY).with_life(3));
    assert!(lost.lines().count() == 2 && lost.contains("unplugged"), "{lost}");
}

/// Passes that fill the memory allocated for them, with a convolution's input near its end and half a tile of rows. A read past the last
/// row would end the process.
#[test]
fn nothing_is_read_beyond_the_last_row() {
    for (arch, side) in ARCHS.into_iter().flat_map(|arch| [(arch, 1), (arch, 3)]) {
        let mut rng = fastrand::Rng::with_seed(side);
        let mut draft = Draft::new(&[Shape::new(1, 1, 128)]);
        let conv = OpKind::Conv2d {
            weights: [0; 32],
            channels: [0; 32],
            kernel: [side as u8; 2],
            stride: [1, 1],
            padding: [side as u8 / 2; 4],
            dilation: [1, 1],
            groups: 1,
            pad_value: 5,
            requantise: Requantise {
                shift: 1,
                zero_point: 3,
                lo: -128,
                hi: 127,
            },
        };
        assert!(draft.push(OpKind::Table8 { table: [0; 32] }, &[0], 0, &mut rng, 1 << 30));
        assert!(draft.push(conv, &[1], 300, &mut rng, 1 << 30));
        let package = Arc::new(draft.package().unwrap());
        let blob = random_batch(&mut rng, &package, 128);
        let engine = Engine::new(package, 1).unwrap();
        let expected = engine.run_batch(&blob, || true).unwrap();
        engine.attach(Arc::new(Emulator::new(arch, 0, PLENTY))).unwrap();
        let what = format!("sm_{arch}, {side} x {side}");
        assert!(engine.run_batch(&blob, || true).unwrap() == expected, "{what}");
        none_failed(&engine, &what);
    }
}

/// Element-wise ops after convolutions with and without groups, after products with weights and products of activations: tables, sums and
/// products with values of the same shape and with repeated ones, as first and as second operand. Values that are read again later are
/// stored.
#[test]
fn ops_that_follow_a_product_share_its_launch() {
    let any = Requantise {
        shift: 1,
        zero_point: -7,
        lo: -120,
        hi: 127,
    };
    let conv = |groups| OpKind::Conv2d {
        weights: [0; 32],
        channels: [0; 32],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1; 4],
        dilation: [1, 1],
        groups,
        pad_value: 5,
        requantise: any,
    };
    // Shifts below and above 32, where rounding changes to a different method.
    let add = |more: u8| OpKind::Add {
        a_zero_point: 3,
        b_zero_point: -5,
        a_multiplier: 1 << 29,
        b_multiplier: -(1 << 28),
        requantise: Requantise { shift: 29 + more, ..any },
    };
    let mul = |more: u8| OpKind::Mul {
        a_zero_point: -9,
        b_zero_point: 2,
        multiplier: 3 << (20 + more),
        requantise: Requantise { shift: 27 + more, ..any },
    };
    let table = OpKind::Table8 { table: [0; 32] };
    let product = OpKind::MatmulAct {
        a_zero_point: 1,
        b_zero_point: -2,
        multiplier: 1 << 20,
        requantise: Requantise { shift: 30, ..any },
    };
    let matmul = OpKind::Matmul {
        weights: [0; 32],
        channels: [0; 32],
        requantise: any,
    };
    // Input 0 has one row, and input 1 is repeated. Then, for each op: its inputs by number, and the channels of products with weights.
    let ops = |add: OpKind, mul: OpKind| -> [(OpKind, &[usize], u16); 20] {
        [
            (conv(1), &[0], 48),    // 2
            (table, &[2], 0),       // 3
            (add, &[3, 0], 0),      // 4
            (conv(4), &[4], 48),    // 5
            (add, &[4, 5], 0),      // 6: with the product as second operand
            (mul, &[6, 1], 0),      // 7: with a repeated value
            (matmul, &[7], 48),     // 8
            (mul, &[7, 8], 0),      // 9
            (table, &[9], 0),       // 10
            (table, &[10], 0),      // 11: one too many
            (product, &[11, 7], 0), // 12
            (table, &[12], 0),      // 13
            (product, &[7, 11], 0), // 14
            (mul, &[14, 13], 0),    // 15
            (add, &[15, 15], 0),    // 16: reads it twice, so it does not follow
            (conv(1), &[0], 40),    // 17: has two readers that could follow
            (table, &[17], 0),      // 18
            (matmul, &[1], 48),     // 19: is repeated by its reader, which cannot follow
            (mul, &[0, 19], 0),     // 20
            (add, &[17, 18], 0),    // 21
        ]
    };
    for (width, sides, more) in [(40, [1, 40], 0), (40, [1, 40], 5), (3, [1, 3], 5)] {
        let mut rng = fastrand::Rng::with_seed(width);
        let shapes = [Shape::new(sides[0], sides[1], 48), Shape::new(1, 1, 48)];
        let mut draft = Draft::new(&shapes);
        for (kind, ids, channels) in ops(add(more), mul(more)) {
            assert!(draft.push(kind, ids, channels, &mut rng, 1 << 30), "{kind:?}");
        }
        let package = Arc::new(draft.package().unwrap());
        let blob = random_batch(&mut rng, &package, 2);
        let cpu = Engine::new(package.clone(), 1).unwrap();
        let expected = cpu.run_batch(&blob, || true).unwrap();
        let (_, units) = BatchHeader::parse(&blob).unwrap();
        let header = BatchHeader::inputs(2, &shapes).unwrap();
        for arch in ARCHS {
            let engine = Engine::new(package.clone(), 1).unwrap();
            let device = Watched::new(Arc::new(Emulator::new(arch, 1, PLENTY)));
            let launched = device.launched();
            engine.attach(Arc::new(device)).unwrap();
            assert!(engine.run_batch(&blob, || true).unwrap() == expected, "sm_{arch}, traced");
            let alone = |kernel: &str| launched.lock().get(kernel).copied().unwrap_or(0);
            assert_eq!(["table8", "add", "mul"].map(alone), [2, 2, 1], "sm_{arch}");
            for unit in 0..2 {
                let unit: Vec<&[u8]> = header.tensors(units.get(unit).unwrap()).map(|(_, tensor)| tensor).collect();
                assert_eq!(engine.run(&unit).unwrap(), cpu.run(&unit).unwrap(), "sm_{arch}");
            }
            none_failed(&engine, &format!("sm_{arch}"));
        }
    }
}

/// A benchmark refuses a faulty GPU, whichever unit the wrong bit is in, and whether it is there before, during or after what is timed.
#[test]
fn a_faulty_gpu_is_not_timed() {
    const OUT: usize = 2;
    const GEMM: &str = "gemm_128x256_64";
    let mut draft = Draft::new(&[Shape::new(1, 256, 128)]);
    let matmul = OpKind::Matmul {
        weights: [0; 32],
        channels: [0; 32],
        requantise: Requantise {
            shift: 1,
            zero_point: 0,
            lo: -128,
            hi: 127,
        },
    };
    assert!(draft.push(matmul, &[0], 512, &mut fastrand::Rng::with_seed(1), 1 << 30));
    let engine = Engine::new(Arc::new(draft.package().unwrap()), 2).unwrap();
    assert!(bench::gpu(&engine, 1, 1).unwrap().is_none());
    let timed = |device: Emulator, units: u32| {
        engine.detach();
        let device = Watched::new(Arc::new(device));
        let launched = device.launched();
        engine.attach_sized(Arc::new(device), units).unwrap();
        let report = bench::gpu(&engine, 1, 1)?.unwrap();
        let launched = launched.lock();
        Ok((report.checked, report.units, report.passes, launched[GEMM]))
    };
    let device = || Emulator::new(90, 1, PLENTY);
    // Batches also consist of passes of two units, with and without hashing, on each of two lanes.
    assert_eq!(timed(device(), 2).unwrap(), (2 * 2, 2, 2, 2 * 2));
    let memory = engine.residents()[0].bytes;
    for at in [0, 2 * 256 * 512 - 1] {
        let error = timed(device().flipping(GEMM, OUT, at), 2).unwrap_err();
        assert!(matches!(error, Error::Device(DeviceError::Wrong { .. })), "{at}: {error}");
    }
    // In as much memory as two passes of a unit take, there is one, so that launches have an order. The first three are of the comparison, of
    // a batch to warm up and of a timed one. Passes without hashing are timed later.
    assert_eq!(timed(device(), 1).unwrap(), (2, 1, 2, 2 * 2));
    let two = engine.residents()[0].bytes;
    let alone = || Emulator::new(90, 1, two);
    assert_eq!(timed(alone(), 1).unwrap(), (1, 1, 1, 2));
    let nth = |wanted: usize| move |launched: &[&str]| launched.iter().filter(|kernel| **kernel == GEMM).count() == wanted;
    let unhashed = |launched: &[&str]| launched.windows(2).any(|pair| pair == [GEMM; 2]);
    let faulty = || alone().flipping(GEMM, OUT, 0);
    for (when, faulty) in [
        ("before", faulty().when(nth(1))),
        ("meanwhile", faulty().when(nth(3))),
        ("after", faulty().when(unhashed)),
    ] {
        let error = timed(faulty, 1).unwrap_err();
        assert!(matches!(error, Error::Device(DeviceError::Wrong { .. })), "{when}: {error}");
    }
    // Only a unit between others.
    let error = timed(device().flipping(GEMM, OUT, 256 * 512).when(nth(1)), 4).unwrap_err();
    assert!(matches!(error, Error::Device(DeviceError::Wrong { .. })), "{error}");
    let error = timed(device().with_life(1), 2).unwrap_err();
    assert!(matches!(error, Error::Device(DeviceError::Lost(_))), "{error}");
    for (asked, largest) in [(0, 1), (3, 2), (128, 64)] {
        let error = engine.attach_sized(Arc::new(device()), asked).unwrap_err();
        assert!(
            matches!(error, Error::PassUnits { units, most } if (units, most) == (asked, largest)),
            "{error}"
        );
        assert!(engine.residents().is_empty());
    }
    engine.attach(Arc::new(device())).unwrap();
    let whole = &engine.residents()[0];
    assert!(whole.units == 64 && whole.bytes > 8 * memory, "{whole:?}, {memory}");
}

/// Passes that are timed compute a batch's units again, with hashing, which keeps more of the larger values, and without.
#[test]
fn timed_passes_have_the_inputs_of_the_last_batch() {
    const INPUT: usize = 0;
    let mut rng = fastrand::Rng::with_seed(4);
    let mut draft = Draft::new(&[Shape::new(1, 8, 64)]);
    assert!(draft.push(OpKind::Table8 { table: [0; 32] }, &[0], 0, &mut rng, 1 << 30));
    let mul = OpKind::Mul {
        a_zero_point: 0,
        b_zero_point: 0,
        multiplier: 1,
        requantise: Requantise {
            shift: 8,
            zero_point: 0,
            lo: -128,
            hi: 127,
        },
    };
    assert!(draft.push(OpKind::Concat, &[1, 1], 0, &mut rng, 1 << 30));
    for value in 2..5 {
        assert!(draft.push(mul, &[value, value], 0, &mut rng, 1 << 30));
    }
    let package = Arc::new(draft.package().unwrap());
    let blob = random_batch(&mut rng, &package, 1);
    let (_, units) = BatchHeader::parse(&blob).unwrap();
    let engine = Engine::new(package, 1).unwrap();
    engine.attach_sized(Arc::new(Emulator::new(80, 1, PLENTY)), 1).unwrap();
    // In as much memory as two lanes take, there is one: others must be able to have some.
    let two = engine.residents()[0].bytes;
    engine.detach();
    let (device, read) = Emulator::new(80, 1, two).watching("table8", INPUT, 8 * 64);
    engine.attach_sized(Arc::new(device), 1).unwrap();
    assert_eq!(engine.residents()[0].passes, 1);
    engine.run_batch(&blob, || true).unwrap();
    for traced in [true, false, true] {
        engine.time_passes(traced, 2, Duration::ZERO).unwrap();
    }
    none_failed(&engine, "timed");
    assert_eq!(*read.lock(), vec![units.get(0).unwrap(); 1 + 3 * 2]);
}

/// A small network, and an inputs blob of random units.
fn small(units: u32) -> (Arc<Package>, Vec<u8>) {
    let mut rng = fastrand::Rng::with_seed(3);
    let package = Arc::new(random_graph(&mut rng, 3, 20_000).package().unwrap());
    let blob = random_batch(&mut rng, &package, units);
    (package, blob)
}

/// Runs a batch, and asserts that each unit is reported once.
fn counted(engine: &Engine, blob: &[u8]) -> Batch {
    let done = AtomicU32::new(0);
    let counted = || {
        done.fetch_add(1, Ordering::Relaxed);
        true
    };
    let batch = engine.run_batch(blob, counted).unwrap();
    assert_eq!(done.into_inner() as usize, batch.traces.len(), "units reported");
    batch
}

fn computed(engine: &Engine) -> Vec<u64> {
    engine.residents().iter().map(|gpu| gpu.computed).collect()
}

#[test]
fn any_number_of_gpus_gives_the_same_bits() {
    for units in [1, 2, 3, 5, 64, 65, 131, 300] {
        let (package, blob) = small(units);
        let expected = Engine::new(package.clone(), 1).unwrap().run_batch(&blob, || true).unwrap();
        let engine = Engine::new(package, 1).unwrap();
        for (count, arch) in (1..).zip([80, 61, 75, 80]) {
            engine
                .attach(Arc::new(Emulator::new(arch, 16, PLENTY).numbered(count - 1)))
                .unwrap();
            let before: u64 = computed(&engine).iter().sum();
            assert_eq!(counted(&engine, &blob), expected, "{units} units on {count} GPUs");
            assert_eq!(
                computed(&engine).iter().sum::<u64>() - before,
                u64::from(units),
                "no unit is computed twice"
            );
        }
        assert_eq!(engine.residents().iter().map(|gpu| gpu.ordinal).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(engine.losses().is_empty());
    }
}

#[test]
fn gpus_compute_at_the_same_time() {
    let (package, blob) = small(6);
    let engine = Engine::new(package, 1).unwrap();
    let expected = engine.run_batch(&blob, || true).unwrap();
    let meeting = Meeting::new(3, 1);
    for ordinal in 0..3 {
        engine
            .attach(Arc::new(Emulator::new(80, 16, PLENTY).numbered(ordinal).meeting(&meeting)))
            .unwrap();
    }
    assert_eq!(counted(&engine, &blob), expected);
    assert!(computed(&engine).iter().all(|units| *units > 0), "{:?}", computed(&engine));
}

#[test]
fn single_units_go_to_all_gpus_in_turn() {
    let (package, blob) = small(1);
    let engine = Engine::new(package, 1).unwrap();
    for ordinal in 0..3 {
        engine.attach(Arc::new(Emulator::new(80, 16, PLENTY).numbered(ordinal))).unwrap();
    }
    for _ in 0..6 {
        counted(&engine, &blob);
    }
    assert_eq!(computed(&engine), [2, 2, 2]);
}

/// Either GPU fails in its second pass, and the other one computes its units. All first passes are full.
#[test]
fn a_gpu_that_dies_leaves_its_units_to_the_others() {
    let (package, blob) = small(320);
    let expected = Engine::new(package.clone(), 1).unwrap().run_batch(&blob, || true).unwrap();
    for dying in 0..2 {
        let engine = Engine::new(package.clone(), 1).unwrap();
        let meeting = Meeting::new(2, 2);
        for ordinal in 0..2 {
            let life = if ordinal == dying { 1 } else { u32::MAX };
            let device = Emulator::new(80, 16, PLENTY).numbered(ordinal).with_life(life).meeting(&meeting);
            engine.attach(Arc::new(device)).unwrap();
        }
        assert!(engine.residents().iter().all(|gpu| gpu.units == 64), "several passes each");
        assert_eq!(counted(&engine, &blob), expected);
        let losses = engine.losses();
        let [loss] = losses.as_slice() else { panic!("{losses:?}") };
        assert_eq!((loss.gpu.ordinal, loss.gpu.computed), (dying, 64));
        assert!(loss.error.to_string().contains("unplugged"), "{}", loss.error);
        assert_eq!(computed(&engine), [320 - 64]);
        assert_eq!(counted(&engine, &blob), expected, "without the lost GPU");
        assert_eq!(engine.losses().len(), 1, "the lost GPU is not tried again");
    }
}

#[test]
fn the_cpu_computes_units_for_which_no_gpu_is_left() {
    let (package, blob) = small(300);
    let engine = Engine::new(package, 2).unwrap();
    let expected = engine.run_batch(&blob, || true).unwrap();
    for lives in [vec![0], vec![1], vec![3], vec![0, 0], vec![1, 0], vec![1, 1], vec![0, 1, 0]] {
        engine.detach();
        for (ordinal, life) in lives.iter().enumerate() {
            let device = Emulator::new(80, 16, PLENTY).numbered(ordinal).with_life(*life);
            engine.attach(Arc::new(device)).unwrap();
        }
        assert_eq!(counted(&engine, &blob), expected, "{lives:?}");
        assert_eq!((engine.losses().len(), engine.residents().len()), (lives.len(), 0), "{lives:?}");
        let done: u64 = engine.losses().iter().map(|loss| loss.gpu.computed).sum();
        assert!(done > 0 || lives.iter().all(|life| *life == 0), "{lives:?}");
    }
    engine.detach();
    assert!(engine.losses().is_empty());
}

/// A stopped batch computes no further units, neither on a GPU nor on the CPU in place of a lost GPU.
#[test]
fn a_stopped_batch_ends_after_the_current_pass() {
    let (package, blob) = small(320);
    for life in [u32::MAX, 1] {
        let engine = Engine::new(package.clone(), 1).unwrap();
        engine.attach(Arc::new(Emulator::new(80, 16, PLENTY).with_life(life))).unwrap();
        let gpu = engine.residents().remove(0);
        let asked = AtomicU32::new(0);
        let go_on = || {
            asked.fetch_add(1, Ordering::Relaxed);
            false
        };
        assert!(matches!(engine.run_batch(&blob, go_on), Err(Error::Stopped)));
        // Once for each pass in flight.
        assert!((1..=gpu.passes).contains(&asked.into_inner()));
        assert_eq!(counted(&engine, &blob).traces.len(), 320);
    }
}

/// Two concurrent batches meet the same failure; the second one runs completely between two passes of the first.
#[test]
fn a_loss_is_recorded_once() {
    let (package, blob) = small(100);
    let engine = Engine::new(package.clone(), 1).unwrap();
    let expected = engine.run_batch(&blob, || true).unwrap();
    engine.attach(Arc::new(Emulator::new(80, 16, PLENTY).with_life(1))).unwrap();
    let calls = AtomicU32::new(0);
    let first = engine.run_batch(&blob, || {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            assert_eq!(counted(&engine, &blob), expected);
        }
        true
    });
    assert_eq!((first.unwrap(), calls.into_inner()), (expected, 100));
    assert_eq!(engine.losses().len(), 1);

    let engine = Engine::new(package, 1).unwrap();
    let (_, units) = BatchHeader::parse(&blob).unwrap();
    let header = BatchHeader::inputs(1, &engine.package().input_shapes()).unwrap();
    let unit: Vec<&[u8]> = header.tensors(units.get(0).unwrap()).map(|(_, tensor)| tensor).collect();
    let expected = (engine.run(&unit).unwrap(), engine.run_traced(&unit).unwrap());
    engine.attach(Arc::new(Emulator::new(80, 16, PLENTY).with_life(0))).unwrap();
    assert_eq!(
        (engine.run(&unit).unwrap(), engine.run_traced(&unit).unwrap()),
        expected,
        "single units too"
    );
    assert_eq!(engine.losses().len(), 1);
}
