//! The referee, the protocol's definition and the engine agree on random elements. `cargo xtask fuzz referee` compares a million.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::elements::{Counts, compare};

#[test]
fn referee_definition_and_engine_agree() {
    let mut counts = Counts::new();
    for seed in 0.. {
        compare(seed, &mut counts).unwrap_or_else(|difference| panic!("{difference}"));
        if counts.values().sum::<u64>() >= 20_000 {
            break;
        }
    }
    println!("{counts:?}");
    assert_eq!(counts.len(), 11, "every kind of op occurs: {counts:?}");
}
