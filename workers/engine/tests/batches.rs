//! Batches and traces: what a worker commits to is what the protocol defines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{codes, random_graph, random_inputs, reference};
use engine::{Engine, Error};
use protocol::batch::{self, BatchError, BatchHeader};
use protocol::tensor::Shape;
use protocol::trace;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn a_batch_is_its_units_one_by_one() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let package = Arc::new(random_graph(&mut rng, 4, 60_000).package().unwrap());
        let shapes = package.input_shapes();
        let units: Vec<Vec<Vec<i8>>> = (0..rng.usize(1..9)).map(|_| random_inputs(&mut rng, &shapes)).collect();
        let mut blob = BatchHeader::inputs(units.len() as u32, &shapes).unwrap().encode().to_vec();
        units.iter().flatten().for_each(|input| blob.extend(codes(input)));

        let mut outputs = BatchHeader::outputs(units.len() as u32, package.output_id(), package.output_shape())
            .unwrap()
            .encode()
            .to_vec();
        let mut traces = Vec::new();
        for unit in &units {
            let (values, hashes) = reference(&package, unit);
            outputs.extend(codes(values.last().unwrap()));
            traces.push(trace::trace(&hashes));
        }

        let engine = Engine::new(package, 3).unwrap();
        let done = AtomicU32::new(0);
        let batch = engine.run_batch(&blob, || _ = done.fetch_add(1, Ordering::Relaxed)).unwrap();
        assert_eq!(batch.outputs, outputs, "seed {seed}");
        assert_eq!(batch.traces, traces, "seed {seed}");
        assert_eq!(batch.traces_root, batch::batch_root(&traces));
        assert_eq!(Ok(batch.outputs_root), batch::root_of_blob(&outputs));
        assert_eq!(engine.root_of_blob(&blob).unwrap(), batch::root_of_blob(&blob).unwrap());
        assert_eq!(done.into_inner(), units.len() as u32);
    }
}

#[test]
fn inputs_that_do_not_fit_the_model_are_refused() {
    let mut rng = fastrand::Rng::with_seed(1);
    let package = Arc::new(random_graph(&mut rng, 3, 60_000).package().unwrap());
    let engine = Engine::new(package.clone(), 1).unwrap();
    let message = |result: Result<engine::Batch, Error>| result.unwrap_err().to_string();

    let shape = Shape::new(1, 2, 3);
    let mut other = BatchHeader::inputs(1, &[shape]).unwrap().encode().to_vec();
    assert!(matches!(engine.run_batch(&other, || ()), Err(Error::Batch(BatchError::Length))));
    other.extend([0; 6]);
    let text = message(engine.run_batch(&other, || ()));
    assert!(
        text.contains("[1, 2, 3]") && text.contains(&package.input_shapes()[0].to_string()),
        "{text}"
    );
    other[4] = 1;
    let text = message(engine.run_batch(&other, || ()));
    assert!(text.contains("carries outputs"), "{text}");

    assert!(matches!(engine.run(&[]), Err(Error::UnitInputs { .. })));
    let short: Vec<&[u8]> = package.inputs.iter().map(|_| &[][..]).collect();
    let text = engine.run(&short).unwrap_err().to_string();
    assert!(text.starts_with("input `in0` takes"), "{text}");
}
