//! Compares every backend of this CPU with the protocol's reference, op by op and bit for bit, on random graphs and extreme values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::extremes::{Extreme, extremes};
use common::{Draft, codes, random_graph, random_inputs, reference};
use engine::{Backend, Engine};
use protocol::hash::Hash;
use std::sync::Arc;

/// Seed of the first case. Can be overridden to repeat a failure.
fn first_seed() -> u64 {
    std::env::var("ENGINE_FUZZ_SEED").map_or(1, |seed| seed.parse().expect("ENGINE_FUZZ_SEED is a number"))
}

fn random(seed: u64, ops: usize, most_macs: u64, threads: usize, kinds: &mut std::collections::BTreeMap<String, u32>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let draft = random_graph(&mut rng, ops, most_macs).of_checkpoints(&mut rng);
    let inputs = random_inputs(&mut rng, &draft.inputs);
    for op in &draft.ops {
        *kinds.entry(op["op"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    compare(&draft, &inputs, threads, &format!("seed {seed}"));
}

fn compare(draft: &Draft, inputs: &[Vec<i8>], threads: usize, what: &str) {
    let package = Arc::new(draft.package().unwrap_or_else(|error| panic!("{what}: {error}")));
    let (values, hashes) = reference(&package, inputs);
    let given: Vec<Vec<u8>> = inputs.iter().map(|input| codes(input)).collect();
    let given: Vec<&[u8]> = given.iter().map(Vec::as_slice).collect();
    for backend in Backend::available() {
        let engine = Engine::with_backend(package.clone(), threads, backend).unwrap();
        let (output, trace) = engine
            .run_traced(&given)
            .unwrap_or_else(|error| panic!("{what} on {backend}: {error}"));
        let checkpoints = package.checkpoints();
        let expected: Vec<Hash> = checkpoints.of(&hashes).copied().collect();
        assert_eq!(trace.tensors.len(), expected.len(), "{what} on {backend}");
        for (place, (ours, theirs)) in (0..).zip(trace.tensors.iter().zip(&expected)) {
            assert_eq!(
                ours,
                theirs,
                "{what} on {backend}, inputs {:?}: op {}",
                package.input_shapes(),
                draft.ops[checkpoints.op(place) as usize]
            );
        }
        assert_eq!(trace.hash, checkpoints.trace(&expected), "{what} on {backend}");
        assert_eq!(output, codes(values.last().unwrap()), "{what} on {backend}");
        // Reused buffers must not leak their old values.
        assert_eq!(engine.run(&given).unwrap(), output, "{what} on {backend}, second run");
    }
}

#[test]
fn small_graphs() {
    let first = first_seed();
    let mut kinds = std::collections::BTreeMap::new();
    for seed in first..first + 6000 {
        random(seed, 5, 60_000, 1, &mut kinds);
    }
    println!("seeds {first} to {} on {:?}: {kinds:?}", first + 5999, Backend::available());
    assert_eq!(kinds.len(), 11, "every kind of op occurs: {kinds:?}");
    assert!(kinds.values().all(|count| *count > 100), "{kinds:?}");
}

#[test]
fn graphs_large_enough_for_threads() {
    let first = first_seed() + 1_000_000;
    let mut kinds = std::collections::BTreeMap::new();
    for seed in first..first + 60 {
        random(seed, 4, 4_000_000, 3, &mut kinds);
    }
    println!("seeds {first} to {}: {kinds:?}", first + 59);
}

#[test]
fn extremes_of_the_specification() {
    for Extreme { draft, inputs, what } in extremes() {
        compare(&draft, &inputs, 1, &what);
    }
}
