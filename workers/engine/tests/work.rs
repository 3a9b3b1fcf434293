//! Compares the work of a call, on the CPU and on the emulated GPU, with its definition, bit for bit. Also tests GPUs that fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod emulation;

use common::comparison::Comparison;
use common::work::{MANY_BLOCKS, SMALL, WIDEST, draws, expected, passes, size, work};
use emulation::Emulator;
use engine::Error;
use engine::cuda::{Device, DeviceError};
use engine::work::run;
use protocol::work::Draw;
use std::sync::Arc;

const PLENTY: u64 = 1 << 30;

/// Compares work of these sizes on an emulated GPU. Returns the kernels that they do not use.
fn on_a_gpu(arch: u32, sizes: &[(u8, u8, u8)]) -> Vec<&'static str> {
    let mut comparison = Comparison::new(Arc::new(Emulator::new(arch, 16, PLENTY)));
    sizes.iter().for_each(|of| comparison.work(size(*of)));
    let missing = comparison.missing(true);
    comparison.end();
    missing
}

#[test]
fn without_tensor_cores() {
    assert_eq!(on_a_gpu(61, &SMALL), ["work_tops"]);
}

#[test]
fn on_turing() {
    assert_eq!(on_a_gpu(75, &SMALL), ["work_tops"]);
}

#[test]
fn on_ampere() {
    assert_eq!(on_a_gpu(80, &SMALL), ["work_tops"]);
}

#[test]
fn on_hopper() {
    assert_eq!(on_a_gpu(90, &SMALL), ["work_tops"]);
}

#[test]
fn the_widest_lines() {
    for arch in [61, 80, 90] {
        on_a_gpu(arch, &[WIDEST]);
    }
}

/// Hopper's products are emulated fastest.
#[test]
fn trees_of_many_blocks() {
    assert!(!on_a_gpu(90, &[MANY_BLOCKS]).contains(&"work_tops"));
}

#[test]
fn on_the_cpu() {
    for size in [(8, 8, 2), (8, 12, 3), (8, 18, 1), (10, 16, 1), (12, 14, 1)].map(size) {
        let expected = expected(size);
        for draw in draws(size) {
            let worked = work(None, size, Some(&draw)).unwrap();
            assert_eq!(worked.layers, expected, "{size:?}");
            assert!(passes(size, &draw, worked), "{size:?}, {draw:?}");
        }
    }
    for place in 0..64 {
        let size = size((8, 12, 2));
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
    let size = size((8, 12, 2));
    let device = Emulator::new(80, 16, PLENTY);
    for device in [None, Some(&device as &dyn Device)] {
        let worked = work(device, size, None).unwrap();
        assert_eq!((worked.layers.len(), worked.openings.len()), (4, 0));
    }
}

/// Work can be paused between layers, also on a GPU.
#[test]
fn pauses_are_between_layers() {
    let device = Emulator::new(80, 16, PLENTY);
    for device in [None, Some(&device as &dyn Device)] {
        let mut pauses = 0;
        let mut pause = || {
            pauses += 1;
            true
        };
        run(device, size((8, 9, 3)), &[7; 32], None, &mut pause).unwrap();
        assert_eq!(pauses, 7);
        // Returning false stops the work.
        let mut left = 3;
        let mut stop = || {
            left -= 1;
            left > 0
        };
        let error = run(device, size((8, 9, 3)), &[7; 32], None, &mut stop).unwrap_err();
        assert!(matches!(error, Error::Stopped), "{error}");
        assert_eq!(left, 0);
    }
}

/// One wrong bit in a layer's output, wherever it is, or in the checked sums.
#[test]
fn a_gpu_that_computes_wrong_results_is_found() {
    const OUT: usize = 2;
    let size = size((8, 13, 1));
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
        // A bit flipped elsewhere has no effect.
        work(Some(&Emulator::new(arch, 16, PLENTY).flipping("add", OUT, 0)), size, None).unwrap();
    }
}

/// Four layers and a check. The GPU is lost before any of them, or after.
#[test]
fn a_gpu_lost_in_the_middle_is_an_error() {
    for life in 0..=5 {
        let worked = work(Some(&Emulator::new(80, 16, PLENTY).with_life(life)), size((8, 9, 2)), None);
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
    let error = work(Some(&Emulator::new(80, 16, 100_000)), size((8, 16, 1)), None).unwrap_err();
    assert!(
        matches!(error, Error::WorkMemory { needed, free: 100_000 } if needed > 2 << 16),
        "{error}"
    );
}
