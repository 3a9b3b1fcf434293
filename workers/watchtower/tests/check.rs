//! Random graphs with one altered element in any layer: the check finds that element, and the referee's own code convicts with the
//! evidence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../engine/tests/common/mod.rs"]
mod graphs;

use anchor_lang::bytemuck::Zeroable;
use async_trait::async_trait;
use blobs::BlobStore;
use bytes::Bytes;
use engine::Batch;
use graphs::{codes, random_graph, random_inputs};
use jobs::{Job, Status};
use protocol::batch::{BatchHeader, batch_root, root_of_blob};
use protocol::blob::{TensorBlob, TraceBlob};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::referee::{Fault, Shown, judge};
use protocol::tensor::Shape;
use protocol::trace::{Checkpoints, op_leaves};
use solana_address::Address;
use std::collections::BTreeMap;
use std::sync::Arc;
use watchtower::check::{check, claim, lamports_of_evidence};
use watchtower::locate::{Difference, Leaves, Missing, Page, Spot, WorkerTrace};
use watchtower::{Finding, Served};
use worker::Model;

const UNITS: u32 = 3;

/// A job on a random graph, revealed with what its worker computed.
struct Case {
    seed: u64,
    model: Arc<Model>,
    job: Job,
    input: Bytes,
    /// What the worker computed.
    batch: Batch,
    /// Every op's output, unit after unit, as the worker computed it.
    values: Vec<Vec<u8>>,
    store: BlobStore,
    kinds: Vec<String>,
}

impl Case {
    /// The worker's run goes through `lie`, which may alter any op's output.
    fn new(seed: u64, lie: impl Fn(&Model, u32, usize, &mut [u8]) + Sync) -> Self {
        Self::every(1, seed, lie)
    }

    /// The same with a checkpoint every `interval` ops, if the model has that many.
    fn every(interval: u32, seed: u64, lie: impl Fn(&Model, u32, usize, &mut [u8]) + Sync) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut draft = random_graph(&mut rng, 5, 60_000);
        draft.interval = interval.min(draft.ops.len() as u32 - 1).max(1);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.json"), serde_json::to_vec(&draft.manifest()).unwrap()).unwrap();
        std::fs::write(folder.path().join("tensors.safetensors"), draft.safetensors()).unwrap();
        let model = Arc::new(Model::load(folder.path(), 1).unwrap());
        let shapes = model.engine().package().input_shapes();
        let mut input = BatchHeader::inputs(UNITS, &shapes).unwrap().encode().to_vec();
        for _ in 0..UNITS {
            random_inputs(&mut rng, &shapes).iter().for_each(|value| input.extend(codes(value)));
        }
        let values = std::sync::Mutex::new(BTreeMap::new());
        let see = |unit: u32, op: usize, codes: &mut [u8]| {
            lie(&model, unit, op, codes);
            values.lock().unwrap().insert((unit, op), codes.to_vec());
        };
        let batch = model.engine().run_batch_seen(&input, || true, see).unwrap();
        let mut job = Job::zeroed();
        job.status = Status::Revealed as u8;
        job.units = UNITS.into();
        job.inputs = root_of_blob(&input).unwrap();
        (job.traces, job.outputs) = (batch.traces_root, batch.outputs_root);
        let values = values.into_inner().unwrap().into_values().collect();
        Self {
            seed,
            model,
            job,
            input: input.into(),
            batch,
            values,
            store: BlobStore::open("memory:///").unwrap(),
            kinds: draft.ops.iter().map(|op| op["op"].as_str().unwrap().to_owned()).collect(),
        }
    }

    fn n_ops(&self) -> usize {
        self.kinds.len()
    }

    fn checkpoints(&self) -> Checkpoints {
        self.model.engine().package().checkpoints()
    }

    fn shape(&self, op: usize) -> Shape {
        self.model.engine().package().ops[op].descriptor.output
    }

    fn id(&self, op: usize) -> u32 {
        (self.model.engine().package().inputs.len() + op) as u32
    }

    async fn show_trace(&self) {
        let trace = TraceBlob::new(self.checkpoints(), &self.batch.tensors).unwrap().encode();
        assert_eq!(self.store.put(trace.into()).await.unwrap(), self.job.traces);
    }

    async fn show_outputs(&self) {
        self.store.put(self.batch.outputs.clone().into()).await.unwrap();
    }

    async fn show_values(&self) {
        for (index, value) in self.values.iter().enumerate() {
            let blob = self.model.tensor_blob(index % self.n_ops(), value).unwrap();
            assert_eq!(self.store.put(blob.into()).await.unwrap(), self.batch.tensors[index]);
        }
    }

    /// Commits to these op roots instead of those of the run, and shows them.
    async fn recommit(&mut self, tensors: Vec<Hash>) {
        let checkpoints = self.checkpoints();
        let traces: Vec<Hash> = tensors.chunks(self.n_ops()).map(|unit| checkpoints.trace(unit)).collect();
        (self.batch.tensors, self.job.traces) = (tensors, batch_root(&traces));
        self.show_trace().await;
        self.show_outputs().await;
    }

    fn served(&self) -> Served<'_> {
        Served::new(std::slice::from_ref(&self.store), &self.job, self.checkpoints())
    }

    /// The finding after the worker has answered on the chain what it computed in a unit.
    async fn finding_by_answer(&self, unit: u32) -> Finding {
        let values = self.values.chunks(self.n_ops()).nth(unit as usize).unwrap();
        let said = self.model.engine().tensors(values);
        let root = merkle::root(&op_leaves(&said));
        let served = self.served();
        let shown = Answered { served, said };
        let found = check(&self.model, &Address::new_unique(), &self.job, self.input.clone(), &shown).await;
        let finding = found.unwrap().finding;
        if let Finding::Wrong(case) = &finding {
            let claim = claim(self.model.engine().package(), &self.job, Some(Shown { unit, root }));
            assert_eq!(judge(&claim, &case.evidence), Ok(case.verdict));
        }
        finding
    }

    /// The case against the worker.
    async fn conviction(&self) -> Box<watchtower::Case> {
        match self.finding().await {
            Finding::Wrong(found) => found,
            other => panic!("seed {}: {other:?}", self.seed),
        }
    }

    async fn finding(&self) -> Finding {
        let served = self.served();
        let found = check(&self.model, &Address::new_unique(), &self.job, self.input.clone(), &served).await;
        let finding = found.unwrap().finding;
        if let Finding::Wrong(case) = &finding {
            let package = self.model.engine().package();
            let verdict = judge(&claim(package, &self.job, None), &case.evidence).unwrap();
            let rent = chain::rent(case.evidence.len());
            assert!(rent < lamports_of_evidence(package), "{rent} lamports");
            assert_eq!(verdict, case.verdict);
            assert!(verdict.convicted);
        }
        finding
    }
}

/// What a worker serves, and what it answered on the chain about all ops of a unit.
struct Answered<'a> {
    served: Served<'a>,
    said: Vec<Hash>,
}

#[async_trait(?Send)]
impl WorkerTrace for Answered<'_> {
    async fn traces(&self, page: u32) -> Option<Page> {
        self.served.traces(page).await
    }

    async fn ops(&self, unit: u32) -> Option<Vec<Hash>> {
        assert_eq!(self.served.ops(unit).await, None, "what is served does not bind the worker");
        Some(self.said.clone())
    }

    async fn leaves(&self, spot: &Spot) -> Option<Leaves> {
        self.served.leaves(spot).await
    }

    async fn chunk(&self, spot: &Spot, index: u32) -> Option<Vec<u8>> {
        self.served.chunk(spot, index).await
    }

    async fn delivered(&self, page: u32) -> Option<Page> {
        self.served.delivered(page).await
    }
}

fn honest(_: &Model, _: u32, _: usize, _: &mut [u8]) {}

/// Where a seed's lie is: unit, op, element, bit.
fn place(seed: u64, ops: usize, elements: impl Fn(usize) -> usize) -> (u32, usize, usize, u8) {
    let mut rng = fastrand::Rng::with_seed(!seed);
    let (unit, op) = (rng.u32(0..UNITS), rng.usize(0..ops));
    (unit, op, rng.usize(0..elements(op)), rng.u8(0..8))
}

fn place_in(model: &Model, seed: u64) -> (u32, usize, usize, u8) {
    let ops = &model.engine().package().ops;
    place(seed, ops.len(), |op| ops[op].descriptor.output.elements().unwrap() as usize)
}

fn liar(seed: u64) -> impl Fn(&Model, u32, usize, &mut [u8]) + Sync {
    move |model, unit, op, codes| {
        let (u, o, element, bit) = place_in(model, seed);
        if (u, o) == (unit, op) {
            codes[element] ^= 1 << bit;
        }
    }
}

#[tokio::test]
async fn one_altered_element_is_found_and_convicts() {
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..1000 {
        let case = Case::new(seed, liar(seed));
        let (unit, op, element, bit) = place_in(&case.model, seed);
        case.show_trace().await;
        case.show_outputs().await;
        case.show_values().await;
        let found = case.conviction().await;
        let verdict = found.verdict;
        assert_eq!(
            (verdict.fault, verdict.unit, verdict.op, verdict.index),
            (Fault::Element, unit, op as u32, element as u32),
            "seed {seed}"
        );
        assert_eq!(verdict.expected ^ verdict.claimed, 1 << bit, "seed {seed}");
        *kinds.entry(case.kinds[op].clone()).or_default() += 1;
    }
    println!("{kinds:?}");
    assert_eq!(kinds.len(), 11, "every kind of op lies: {kinds:?}");
}

/// If traces consist of checkpoints, blobs do not bind the worker, but its answer about the unit convicts: for any op, checkpoint or not,
/// and for an output that is not the traced one.
#[tokio::test]
async fn between_checkpoints_the_answer_convicts() {
    let mut between = 0;
    for seed in 0..200 {
        let mut case = Case::every(3, seed, liar(seed));
        if case.checkpoints().are_all() {
            continue;
        }
        let (unit, op, element, bit) = place_in(&case.model, seed);
        let unseen = case.batch.traces_root == Case::every(3, seed, honest).batch.traces_root;
        case.show_trace().await;
        case.show_outputs().await;
        for (index, value) in case.values.iter().enumerate() {
            let blob = case.model.tensor_blob(index % case.n_ops(), value).unwrap();
            case.store.put(blob.into()).await.unwrap();
        }
        if unseen {
            // The lie did not change any checkpoint.
            assert!(matches!(case.finding_by_answer(unit).await, Finding::Right), "seed {seed}");
            continue;
        }
        assert!(
            matches!(case.finding().await, Finding::Hidden(Missing::Ops { unit: u }) if u == unit),
            "seed {seed}"
        );
        let Finding::Wrong(found) = case.finding_by_answer(unit).await else {
            panic!("seed {seed}: not found")
        };
        let verdict = found.verdict;
        assert_eq!(
            (verdict.unit, verdict.op, verdict.index),
            (unit, op as u32, element as u32),
            "seed {seed}"
        );
        assert_eq!(verdict.expected ^ verdict.claimed, 1 << bit, "seed {seed}");
        between += u32::from(!case.checkpoints().contains(op as u32));

        // An honest trace with another output.
        case = Case::every(3, seed, honest);
        let size = (case.batch.outputs.len() - BatchHeader::BYTES) / UNITS as usize;
        case.batch.outputs[BatchHeader::BYTES + unit as usize * size] ^= 4;
        case.job.outputs = root_of_blob(&case.batch.outputs).unwrap();
        case.show_outputs().await;
        let Finding::Wrong(found) = case.finding_by_answer(unit).await else {
            panic!("seed {seed}: the output is not found")
        };
        assert_eq!((found.verdict.fault, found.verdict.unit), (Fault::Output, unit), "seed {seed}");
    }
    assert!(between > 20, "{between} lies were between checkpoints");
}

/// A trace blob with other checkpoints than the model's is not used for evidence.
#[tokio::test]
async fn a_blob_of_other_checkpoints_is_not_used() {
    for seed in 0..40 {
        for interval in [1, 3] {
            let mut case = Case::every(interval, seed, honest);
            let n = case.n_ops() as u32;
            let other = if case.checkpoints().are_all() {
                Checkpoints::new(n, 2)
            } else {
                Checkpoints::all(n)
            };
            if n < 3 {
                continue;
            }
            let tensors: Vec<Hash> = case
                .values
                .chunks(n as usize)
                .flat_map(|unit| other.of(&case.model.engine().tensors(unit)).copied().collect::<Vec<_>>())
                .collect();
            let blob = TraceBlob::new(other, &tensors).unwrap();
            case.job.traces = blob.root();
            case.store.put(blob.encode().into()).await.unwrap();
            assert!(
                matches!(case.finding().await, Finding::Hidden(Missing::Ops { unit: 0 })),
                "seed {seed}, every {interval}"
            );
        }
    }
}

#[tokio::test]
async fn an_honest_result_is_right_whatever_is_shown() {
    for seed in 0..60 {
        let case = Case::new(seed, honest);
        if seed % 2 == 0 {
            case.show_trace().await;
            case.show_values().await;
        }
        assert!(matches!(case.finding().await, Finding::Right), "seed {seed}");
    }
}

#[tokio::test]
async fn the_hidden_part_is_named_and_a_wrong_output_needs_only_the_outputs() {
    let mut last = 0;
    for seed in 0..80 {
        let case = Case::new(seed, liar(seed));
        let (unit, op, element, _) = place_in(&case.model, seed);
        assert!(
            matches!(case.finding().await, Finding::Hidden(Missing::Traces)),
            "seed {seed}: nothing is shown"
        );
        case.show_trace().await;
        case.show_outputs().await;
        match case.finding().await {
            Finding::Hidden(Missing::Tensor { unit: u, op: o }) => assert_eq!((u, o as usize), (unit, op), "seed {seed}"),
            Finding::Wrong(found) if op + 1 == case.n_ops() => {
                assert_eq!(found.verdict.index as usize, element, "seed {seed}");
                last += 1;
            }
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(last > 5, "{last} lies were in the last op");
}

#[tokio::test]
async fn an_output_that_is_not_the_traced_one_convicts() {
    for seed in 0..40 {
        let mut case = Case::new(seed, honest);
        let unit = seed as usize % UNITS as usize;
        let size = (case.batch.outputs.len() - BatchHeader::BYTES) / UNITS as usize;
        case.batch.outputs[BatchHeader::BYTES + unit * size + seed as usize % size] ^= 4;
        case.job.outputs = root_of_blob(&case.batch.outputs).unwrap();
        assert!(matches!(case.finding().await, Finding::Hidden(Missing::Outputs)), "seed {seed}");
        case.show_outputs().await;
        let found = case.conviction().await;
        assert_eq!(
            (found.verdict.fault, found.verdict.unit as usize),
            (Fault::Output, unit),
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn a_trace_of_other_size_convicts() {
    let mut case = Case::new(1, honest);
    let right = case.batch.tensors.clone();
    let n = case.n_ops();

    // One op too many in every unit.
    let more: Vec<Hash> = right.chunks(n).flat_map(|unit| unit.iter().copied().chain([[7; 32]])).collect();
    let blob = TraceBlob::new(Checkpoints::all(n as u32 + 1), &more).unwrap().encode();
    case.job.traces = case.store.put(blob.into()).await.unwrap();
    let found = case.conviction().await;
    assert_eq!(found.verdict.fault, Fault::Malformed);

    // One unit too few.
    let blob = TraceBlob::new(Checkpoints::all(n as u32), &right[n..]).unwrap().encode();
    case.job.traces = case.store.put(blob.into()).await.unwrap();
    let found = case.conviction().await;
    assert_eq!(found.verdict.fault, Fault::Malformed);

    // One output too few, and the trace is right.
    let mut case = Case::new(1, honest);
    let (shape, id) = (case.shape(n - 1), case.id(n - 1));
    let head = BatchHeader::outputs(UNITS - 1, id, shape).unwrap();
    let end = case.batch.outputs.len() - shape.elements().unwrap() as usize;
    let blob = [&head.encode()[..], &case.batch.outputs[BatchHeader::BYTES..end]].concat();
    case.job.outputs = case.store.put(blob.into()).await.unwrap();
    let found = case.conviction().await;
    assert_eq!(found.verdict.fault, Fault::Malformed);
}

#[tokio::test]
async fn a_value_committed_to_under_another_shape_or_number_convicts() {
    for seed in 0..30 {
        for wrong_shape in [true, false] {
            let mut case = Case::new(seed, honest);
            let op = seed as usize % case.n_ops();
            let (shape, id) = (case.shape(op), case.id(op));
            // Another shape of the same size.
            let flat = Shape::new(shape.w, shape.h, shape.c);
            if wrong_shape && flat == shape {
                continue;
            }
            let (value_id, shape) = if wrong_shape { (id, flat) } else { (id + 1, shape) };
            let blob = TensorBlob::new(value_id, shape, &case.values[op]).unwrap().encode();
            let mut tensors = case.batch.tensors.clone();
            tensors[op] = case.store.put(blob.into()).await.unwrap();
            case.recommit(tensors).await;
            let found = case.conviction().await;
            assert_eq!(
                (found.verdict.fault, found.verdict.op as usize),
                (Fault::Malformed, op),
                "seed {seed}"
            );
            let expected = if wrong_shape { Difference::Shape } else { Difference::Chunk };
            assert_eq!(found.difference, Some(expected));
        }
    }
}
