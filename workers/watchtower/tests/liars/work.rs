//! Jobs, and their right results.

use crate::graphs::{Draft, codes, random_graph, random_inputs};
use bytes::Bytes;
use engine::Batch;
use proptest::prelude::*;
use protocol::batch::BatchHeader;
use protocol::demand::PAGE;
use protocol::hash::Hash;
use protocol::ops::OpKind;
use protocol::tensor::{CHUNK_BYTES, Shape};
use protocol::trace::Checkpoints;
use std::sync::{Arc, LazyLock};
use worker::Model;

/// A job to lie about.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// A few units of a small random graph, with a checkpoint anywhere.
    Any(u64),
    /// Values of three pages, with a single chunk on the last. If true, every op is a checkpoint.
    LongValues(bool),
    /// Five pages of units, with a single unit on the last.
    ManyUnits,
}

/// Any job, most of them small.
pub fn which() -> impl Strategy<Value = Which> {
    prop_oneof![18 => any::<u64>().prop_map(Which::Any), 1 => any::<bool>().prop_map(Which::LongValues), 1 => Just(Which::ManyUnits)]
}

static LONG_VALUES: LazyLock<[Arc<Work>; 2]> = LazyLock::new(|| {
    let shape = Shape::new(1, 2 * PAGE as u16 + 1, CHUNK_BYTES as u16);
    [2, 1].map(|interval| Work::of_tables(shape, 3, interval, 1))
});

static MANY_UNITS: LazyLock<Arc<Work>> = LazyLock::new(|| Work::of_tables(Shape::new(1, 1, 3), 2, 1, 4 * PAGE + 1));

impl Which {
    pub fn work(self) -> Arc<Work> {
        match self {
            Self::Any(seed) => Work::any(seed),
            Self::LongValues(all) => LONG_VALUES[usize::from(all)].clone(),
            Self::ManyUnits => MANY_UNITS.clone(),
        }
    }
}

pub struct Work {
    pub model: Arc<Model>,
    pub input: Bytes,
    /// Every op's output, in every unit.
    pub units: Vec<Vec<Vec<u8>>>,
    /// The right result, without its outputs blob.
    pub computed: Batch,
}

impl Work {
    fn new(draft: &Draft, rng: &mut fastrand::Rng, units: u32) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.json"), serde_json::to_vec(&draft.manifest()).unwrap()).unwrap();
        std::fs::write(folder.path().join("tensors.safetensors"), draft.safetensors()).unwrap();
        let model = Arc::new(Model::load(folder.path(), 1).unwrap());
        let shapes = model.engine().package().input_shapes();
        let mut input = BatchHeader::inputs(units, &shapes).unwrap().encode().to_vec();
        for _ in 0..units {
            random_inputs(rng, &shapes).iter().for_each(|value| input.extend(codes(value)));
        }
        let computed = Batch {
            outputs: Vec::new(),
            ..model.engine().run_batch(&input, || true).unwrap()
        };
        let mut work = Self {
            model,
            input: input.into(),
            units: Vec::new(),
            computed,
        };
        work.units = (0..units).map(|unit| work.compute(unit, |_, _| ())).collect();
        Arc::new(work)
    }

    fn any(seed: u64) -> Arc<Self> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let draft = random_graph(&mut rng, 5, 60_000).of_checkpoints(&mut rng);
        let units = rng.u32(1..=5);
        Self::new(&draft, &mut rng, units)
    }

    /// A model of `ops` table lookups in sequence.
    fn of_tables(shape: Shape, ops: usize, interval: u32, units: u32) -> Arc<Self> {
        let mut rng = fastrand::Rng::with_seed(0);
        let mut draft = Draft::new(&[shape]);
        for op in 0..ops {
            assert!(draft.push(OpKind::Table8 { table: [0; 32] }, &[op], 0, &mut rng, 60_000_000));
        }
        draft.interval = interval;
        Self::new(&draft, &mut rng, units)
    }

    /// Every op's output in a unit; `see` may alter each before the next is computed.
    pub fn compute(&self, unit: u32, mut see: impl FnMut(usize, &mut [u8]) + Send) -> Vec<Vec<u8>> {
        let (header, units) = BatchHeader::parse(&self.input).unwrap();
        let inputs: Vec<&[u8]> = header.tensors(units.get(unit).unwrap()).map(|(_, codes)| codes).collect();
        let mut values = Vec::new();
        let see = |op: usize, codes: &mut [u8]| {
            see(op, codes);
            values.push(codes.to_vec());
        };
        self.model.engine().run_seen(&inputs, see).unwrap();
        values
    }

    /// TENSOR of every op's output in a unit.
    pub fn all_tensors(&self, unit: u32) -> Vec<Hash> {
        self.model.engine().tensors(&self.units[unit as usize])
    }

    /// Roots of the traces and the outputs.
    pub fn roots(&self) -> (Hash, Hash) {
        (self.computed.traces_root, self.computed.outputs_root)
    }

    pub fn checkpoints(&self) -> Checkpoints {
        self.model.engine().package().checkpoints()
    }

    pub fn n_units(&self) -> u32 {
        self.units.len() as u32
    }
}
