//! Work of a call on the CPU and on the emulated GPU against the definition, bit for bit, and what is done about GPUs that fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod emulation;

use emulation::Emulator;
use engine::Error;
use engine::cuda::{Device, DeviceError};
use engine::work::{Worked, run};
use protocol::hash::Hash;
use protocol::work::{Draw, Size, answer, evidence, is_right, seed, tensor_root, tensors};

const BEACON: Hash = [3; 32];
const DEVICE: Hash = [4; 32];
const PLENTY: u64 = 1 << 30;

fn size(width: u8, bytes: u8, layers: u8) -> Size {
    Size::new(width, bytes, layers).unwrap()
}

fn work(device: Option<&Emulator>, size: Size, draw: Option<&Draw>) -> Result<Worked, Error> {
    let device = device.map(|device| device as &dyn Device);
    run(device, size, &seed(&BEACON, &DEVICE, 0), draw, &mut || true)
}

/// Whether a draw finds the work right.
fn passes(size: Size, draw: &Draw, worked: Worked) -> bool {
    let gpus = [worked.layers];
    let shown = evidence(&gpus, draw, &worked.openings);
    is_right(size, 1, [&BEACON, &DEVICE], &answer(&gpus), draw, &shown)
}

/// Roots of the tensors as they are defined.
fn definition(size: Size) -> Vec<Hash> {
    let tensors = tensors(size, &seed(&BEACON, &DEVICE, 0));
    tensors.iter().map(|tensor| tensor_root(tensor)).collect()
}

/// Compares with the definition, and shows an element of each layer.
fn equals_definition(device: Option<&Emulator>, size: Size) {
    let expected = definition(size);
    let name = device.map_or("CPU", |device| &device.traits().name);
    let mut rng = fastrand::Rng::with_seed(size.bytes());
    for layer in 0..size.layers() {
        let draw = Draw {
            gpu: 0,
            layer,
            place: rng.u64(..size.bytes()),
        };
        let worked = work(device, size, Some(&draw)).unwrap_or_else(|error| panic!("{name}, {size:?}: {error}"));
        assert_eq!(worked.layers, expected, "{name}, {size:?}");
        assert!(passes(size, &draw, worked), "{name}, {size:?}, {draw:?}");
    }
}

/// One line, fewer than a tile's, several tiles, several blocks of chunks, and two windows to check; each width.
fn on_a_gpu(arch: u32) {
    for (width, bytes, layers) in [
        (8, 8, 2),
        (8, 9, 0),
        (8, 11, 1),
        (8, 12, 3),
        (8, 17, 1),
        (8, 19, 1),
        (10, 10, 1),
        (10, 15, 1),
    ] {
        equals_definition(Some(&Emulator::new(arch, 16, PLENTY)), size(width, bytes, layers));
    }
}

#[test]
fn without_tensor_cores() {
    on_a_gpu(61);
}

#[test]
fn on_turing() {
    on_a_gpu(75);
}

#[test]
fn on_ampere() {
    on_a_gpu(80);
}

#[test]
fn on_hopper() {
    on_a_gpu(90);
}

/// The longest sums.
#[test]
fn the_widest_lines() {
    let size = size(12, 13, 1);
    let draw = Draw {
        gpu: 0,
        layer: 1,
        place: 5_000,
    };
    let expected = definition(size);
    for arch in [61, 80] {
        let worked = work(Some(&Emulator::new(arch, 16, PLENTY)), size, Some(&draw)).unwrap();
        assert_eq!(worked.layers, expected, "sm_{arch}");
        assert!(passes(size, &draw, worked), "sm_{arch}");
    }
}

/// Trees of three parts: a tensor of more blocks than one root is made of.
#[test]
fn trees_of_many_blocks() {
    let size = size(8, 25, 0);
    let draw = Draw {
        gpu: 0,
        layer: 0,
        place: 20_000_001,
    };
    let worked = work(Some(&Emulator::new(80, 16, PLENTY)), size, Some(&draw)).unwrap();
    assert_eq!(worked, work(None, size, Some(&draw)).unwrap());
    assert!(passes(size, &draw, worked));
}

#[test]
fn on_the_cpu() {
    for (width, bytes, layers) in [(8, 8, 2), (8, 12, 3), (8, 18, 1), (10, 16, 1), (12, 14, 1)] {
        equals_definition(None, size(width, bytes, layers));
    }
    for place in 0..64 {
        let size = size(8, 12, 2);
        let draw = Draw {
            gpu: 0,
            layer: place as u8 % 4,
            place: place * 61,
        };
        assert!(passes(size, &draw, work(None, size, Some(&draw)).unwrap()), "{draw:?}");
    }
}

#[test]
fn without_a_draw_nothing_is_opened() {
    let size = size(8, 12, 2);
    for device in [None, Some(Emulator::new(80, 16, PLENTY))] {
        let worked = work(device.as_ref(), size, None).unwrap();
        assert_eq!((worked.layers.len(), worked.openings.len()), (4, 0));
    }
}

/// Work waits for others between layers, on a GPU too.
#[test]
fn pauses_are_between_layers() {
    let device = Emulator::new(80, 16, PLENTY);
    for device in [None, Some(&device as &dyn Device)] {
        let mut pauses = 0;
        let mut pause = || {
            pauses += 1;
            true
        };
        run(device, size(8, 9, 3), &[7; 32], None, &mut pause).unwrap();
        assert_eq!(pauses, 7);
        // Whoever says no has it stopped there.
        let mut left = 3;
        let mut stop = || {
            left -= 1;
            left > 0
        };
        let error = run(device, size(8, 9, 3), &[7; 32], None, &mut stop).unwrap_err();
        assert!(matches!(error, Error::Stopped), "{error}");
        assert_eq!(left, 0);
    }
}

/// One wrong bit in what a layer stored, wherever it is; or in the sums that are checked.
#[test]
fn a_gpu_that_computes_wrong_results_is_found() {
    const OUT: usize = 2;
    let size = size(8, 13, 1);
    for (arch, product, sums) in [(61, "work_dp4a", "work_sums_dp4a"), (80, "work_128x128", "work_sums_128x128")] {
        for (kernel, ats) in [(product, [0, 4_111, 8_191]), (sums, [0, 4_111, 4 * 8_192 - 1])] {
            for at in ats {
                let error = work(Some(&Emulator::new(arch, 16, PLENTY).flipping(kernel, OUT, at)), size, None).unwrap_err();
                assert!(
                    matches!(&error, Error::Device(DeviceError::Wrong { name }) if name.contains("emulated")),
                    "{kernel} at {at}: {error}"
                );
            }
        }
        // What it flips elsewhere concerns nobody.
        work(Some(&Emulator::new(arch, 16, PLENTY).flipping("add", OUT, 0)), size, None).unwrap();
    }
}

/// Four layers and a check: lost before any of them, or after.
#[test]
fn a_gpu_lost_in_the_middle_is_an_error() {
    for life in 0..=5 {
        let worked = work(Some(&Emulator::new(80, 16, PLENTY).with_life(life)), size(8, 9, 2), None);
        match worked {
            Ok(_) => assert_eq!(life, 5),
            Err(error) => assert!(
                life < 5 && matches!(&error, Error::Device(DeviceError::Lost(reason)) if reason == "unplugged"),
                "{life}: {error}"
            ),
        }
    }
}

#[test]
fn work_that_does_not_fit_is_refused() {
    let error = work(Some(&Emulator::new(80, 16, 100_000)), size(8, 16, 1), None).unwrap_err();
    assert!(
        matches!(error, Error::WorkMemory { needed, free: 100_000 } if needed > 2 << 16),
        "{error}"
    );
}
