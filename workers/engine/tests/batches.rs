//! Batches and traces: a worker commits to what the protocol defines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{codes, random_batch, random_graph, random_inputs, reference};
use engine::{Engine, Error};
use protocol::batch::{self, BatchError, BatchHeader};
use protocol::blob::TraceBlob;
use protocol::hash::Hash;
use protocol::ops::OpKind;
use protocol::tensor::{CHANNELS_UID, Layout, Shape, TABLE_UID, WEIGHTS_UID};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock, mpsc};
use std::time::Duration;

#[test]
fn a_batch_is_its_units_one_by_one() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let package = Arc::new(random_graph(&mut rng, 4, 60_000).of_checkpoints(&mut rng).package().unwrap());
        let shapes = package.input_shapes();
        let units: Vec<Vec<Vec<i8>>> = (0..rng.usize(1..9)).map(|_| random_inputs(&mut rng, &shapes)).collect();
        let mut blob = BatchHeader::inputs(units.len() as u32, &shapes).unwrap().encode().to_vec();
        units.iter().flatten().for_each(|input| blob.extend(codes(input)));

        let mut outputs = BatchHeader::outputs(units.len() as u32, package.output_id(), package.output_shape())
            .unwrap()
            .encode()
            .to_vec();
        let (mut traces, mut tensors) = (Vec::new(), Vec::new());
        for unit in &units {
            let (values, hashes) = reference(&package, unit);
            outputs.extend(codes(values.last().unwrap()));
            let committed: Vec<Hash> = package.checkpoints().of(&hashes).copied().collect();
            traces.push(package.checkpoints().trace(&committed));
            tensors.extend(committed);
        }

        let engine = Engine::new(package.clone(), 3).unwrap();
        let done = AtomicU32::new(0);
        let counted = || {
            done.fetch_add(1, Ordering::Relaxed);
            true
        };
        let batch = engine.run_batch(&blob, counted).unwrap();
        assert_eq!(batch.outputs, outputs, "seed {seed}");
        assert_eq!(batch.traces, traces, "seed {seed}");
        assert_eq!(batch.tensors, tensors, "seed {seed}");
        assert_eq!(batch.traces_root, batch::batch_root(&traces));
        assert_eq!(Ok(batch.outputs_root), batch::root_of_blob(&outputs));
        assert_eq!(done.into_inner(), units.len() as u32);
        let shown = TraceBlob::new(package.checkpoints(), &batch.tensors).unwrap();
        assert_eq!(
            shown.root(),
            batch.traces_root,
            "seed {seed}: the trace blob is addressed by what is revealed"
        );
    }
}

#[test]
fn values_are_what_the_trace_hashes() {
    for seed in 100..160 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let package = Arc::new(random_graph(&mut rng, 5, 60_000).of_checkpoints(&mut rng).package().unwrap());
        let inputs: Vec<Vec<u8>> = random_inputs(&mut rng, &package.input_shapes())
            .iter()
            .map(|input| codes(input))
            .collect();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let engine = Engine::new(package.clone(), 2).unwrap();
        let (output, trace) = engine.run_traced(&inputs).unwrap();
        let values = engine.values(&inputs).unwrap();
        assert_eq!(values.last(), Some(&output), "seed {seed}");
        let tensors = engine.tensors(&values);
        for (id, (op, codes)) in (package.inputs.len() as u32..).zip(package.ops.iter().zip(&values)) {
            let hash = op.descriptor.output.layout().hash(id, codes);
            assert_eq!(hash, tensors[id as usize - package.inputs.len()], "seed {seed}, op {}", op.name);
        }
        let committed: Vec<Hash> = package.checkpoints().of(&tensors).copied().collect();
        assert_eq!(committed, trace.tensors, "seed {seed}");
    }
}

/// An observer replaces one value. Everything before it stays, the new value is hashed, and everything after it matches the reference
/// evaluated from the new value. In a batch, only that unit changes.
#[test]
fn a_replaced_value_is_hashed_and_used_by_later_ops() {
    for seed in 200..260 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let package = Arc::new(random_graph(&mut rng, 5, 60_000).of_checkpoints(&mut rng).package().unwrap());
        let shapes = package.input_shapes();
        let units: Vec<Vec<Vec<i8>>> = (0..3).map(|_| random_inputs(&mut rng, &shapes)).collect();
        let mut blob = BatchHeader::inputs(3, &shapes).unwrap().encode().to_vec();
        units.iter().flatten().for_each(|input| blob.extend(codes(input)));
        let engine = Engine::new(package.clone(), 2).unwrap();
        let honest = engine.run_batch(&blob, || true).unwrap();

        let (unit, op) = (rng.u32(0..3), rng.usize(0..package.ops.len()));
        let at = rng.usize(0..package.ops[op].descriptor.output.elements().unwrap() as usize);
        let alter = |u: u32, o: usize, codes: &mut [u8]| {
            if (u, o) == (unit, op) {
                codes[at] ^= 1;
            }
        };
        let altered = engine.run_batch_seen(&blob, || true, alter).unwrap();
        let (values, hashes) = common::reference_from(&package, &units[unit as usize], |o, value| {
            if o == op {
                // The lowest bit of the code is the lowest bit of the value.
                value[at] ^= 1;
            }
        });
        let checkpoints = package.checkpoints();
        let hashes: Vec<Hash> = checkpoints.of(&hashes).copied().collect();
        let n = hashes.len();
        for (index, (was, is)) in honest.tensors.iter().zip(&altered.tensors).enumerate() {
            if index / n == unit as usize {
                assert_eq!(*is, hashes[index % n], "seed {seed}, op {}", index % n);
                assert!(checkpoints.op((index % n) as u32) as usize != op || was != is);
            } else {
                assert_eq!(was, is, "seed {seed}: another unit");
            }
        }
        assert_eq!(batch::root_of_blob(&altered.outputs).unwrap(), altered.outputs_root, "seed {seed}");
        let (_, outputs) = BatchHeader::parse(&altered.outputs).unwrap();
        assert_eq!(outputs.get(unit), Some(codes(values.last().unwrap()).as_slice()), "seed {seed}");
    }
}

#[test]
fn constants_in_committed_form_hash_to_what_the_descriptor_says() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 300..360 {
        let mut rng = fastrand::Rng::with_seed(seed);
        for op in random_graph(&mut rng, 5, 60_000).of_checkpoints(&mut rng).package().unwrap().ops {
            let (input, output) = (op.inputs[0], op.descriptor.output);
            let constants = &op.constants;
            let found = match op.descriptor.kind {
                OpKind::Conv2d {
                    weights,
                    channels,
                    kernel: [kh, kw],
                    groups,
                    ..
                } => {
                    let dims = [output.c.into(), kh.into(), kw.into(), u32::from(input.c / groups)];
                    let layout = Layout::conv_weights(dims);
                    assert_eq!(layout.hash(WEIGHTS_UID, &constants.weight_codes()), weights);
                    assert_eq!(
                        Layout::channels(output.c.into()).hash(CHANNELS_UID, &constants.channel_records()),
                        channels
                    );
                    "conv2d"
                }
                OpKind::Matmul { weights, channels, .. } => {
                    let layout = Layout::matmul_weights(output.c.into(), input.c.into());
                    assert_eq!(layout.hash(WEIGHTS_UID, &constants.weight_codes()), weights);
                    assert_eq!(
                        Layout::channels(output.c.into()).hash(CHANNELS_UID, &constants.channel_records()),
                        channels
                    );
                    "matmul"
                }
                OpKind::Table8 { table } => {
                    assert_eq!(Layout::table8().hash(TABLE_UID, &constants.table_codes()), table);
                    "table8"
                }
                _ => continue,
            };
            kinds.insert(found);
        }
    }
    assert_eq!(kinds.len(), 3, "every kind of op with constants occurs: {kinds:?}");
}

#[test]
fn inputs_that_do_not_fit_the_model_are_refused() {
    let mut rng = fastrand::Rng::with_seed(1);
    let package = Arc::new(random_graph(&mut rng, 3, 60_000).package().unwrap());
    let engine = Engine::new(package.clone(), 1).unwrap();
    let message = |result: Result<engine::Batch, Error>| result.unwrap_err().to_string();

    let shape = Shape::new(1, 2, 3);
    let mut other = BatchHeader::inputs(1, &[shape]).unwrap().encode().to_vec();
    assert!(matches!(engine.run_batch(&other, || true), Err(Error::Batch(BatchError::Length))));
    other.extend([0; 6]);
    let text = message(engine.run_batch(&other, || true));
    assert!(
        text.contains("[1, 2, 3]") && text.contains(&package.input_shapes()[0].to_string()),
        "{text}"
    );
    other[4] = 1;
    let text = message(engine.run_batch(&other, || true));
    assert!(text.contains("holds outputs"), "{text}");

    assert!(matches!(engine.run(&[]), Err(Error::UnitInputs { .. })));
    let short: Vec<&[u8]> = package.inputs.iter().map(|_| &[][..]).collect();
    let text = engine.run(&short).unwrap_err().to_string();
    assert!(text.starts_with("input `in0` takes"), "{text}");
}

#[test]
fn a_stopped_batch_ends_early() {
    const UNITS: u32 = 8;
    let mut rng = fastrand::Rng::with_seed(300);
    let package = Arc::new(random_graph(&mut rng, 3, 60_000).package().unwrap());
    let blob = random_batch(&mut rng, &package, UNITS);
    // With more threads than units, the threads share each unit.
    for (threads, at_once) in [(1, 1), (3, 3), (16, 1)] {
        let engine = Engine::new(package.clone(), threads).unwrap();
        let asked = AtomicU32::new(0);
        let stopped = engine.run_batch(&blob, || asked.fetch_add(1, Ordering::Relaxed) < 2);
        assert!(matches!(stopped, Err(Error::Stopped)));
        assert!((3..3 + at_once).contains(&asked.into_inner()), "on {threads} threads");
        assert_eq!(engine.run_batch(&blob, || true).unwrap().traces.len() as u32, UNITS);
    }
}

/// A batch may occupy its threads for longer than an answer can wait.
#[test]
fn an_engine_beside_a_batch_does_not_wait_for_it() {
    const THREADS: usize = 2;
    let mut rng = fastrand::Rng::with_seed(400);
    let package = Arc::new(random_graph(&mut rng, 3, 60_000).package().unwrap());
    let shapes = package.input_shapes();
    let unit: Vec<Vec<u8>> = random_inputs(&mut rng, &shapes).iter().map(|input| codes(input)).collect();
    let mut blob = BatchHeader::inputs(64, &shapes).unwrap().encode().to_vec();
    (0..64).flat_map(|_| &unit).for_each(|input| blob.extend(input));
    let engine = Engine::new(package, THREADS).unwrap();
    let beside = engine.beside().unwrap();

    let gate = RwLock::new(());
    let (reached, arrivals) = mpsc::channel();
    let (answered, answer) = mpsc::channel();
    std::thread::scope(|scope| {
        let closed = gate.write().unwrap();
        let batch = scope.spawn(|| {
            let see = |_: u32, _: usize, _: &mut [u8]| {
                reached.send(()).unwrap();
                drop(gate.read().unwrap());
            };
            engine.run_batch_seen(&blob, || true, see).unwrap()
        });
        (0..THREADS).for_each(|_| arrivals.recv().unwrap());
        scope.spawn(|| {
            let inputs: Vec<&[u8]> = unit.iter().map(Vec::as_slice).collect();
            let values = beside.values(&inputs).unwrap();
            answered.send(beside.tensors(&values)).unwrap();
        });
        let tensors = answer
            .recv_timeout(Duration::from_secs(60))
            .expect("an answer while the batch is held");
        assert!(!batch.is_finished());
        drop(closed);
        assert_eq!(batch.join().unwrap().unit(63), tensors);
    });
}
