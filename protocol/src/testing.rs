//! Random small graphs of every op kind, evaluated and committed to as by a worker, honest or not: for the tests and fuzzers of the
//! referee, of audits and of demands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::audit::{CHECKS, CustodyUnit, Opening, place};
use crate::batch::{batch_root, inputs_hash, unit_leaves};
use crate::graph::{MAX_GRAPH_INPUTS, check_op, output_shape};
use crate::hash::Hash;
use crate::merkle;
use crate::ops::{Inputs, OpDescriptor, OpKind, Operand, Operands, evaluate_all};
use crate::referee::{Claim, Claimed, Exhibit, Shown, Tensors};
use crate::requantise::{Channel, Requantise};
use crate::tensor::{CHANNELS_UID, CHUNK_BYTES, Layout, Shape, TABLE_UID, WEIGHTS_UID, from_code, to_code};
use crate::trace::{self, Checkpoints};
use crate::work::{self, CHUNK, Draw, Size};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

/// A seeded generator of random numbers. A failing test has to print its seed.
pub struct Rng(RefCell<fastrand::Rng>);

impl Rng {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(RefCell::new(fastrand::Rng::with_seed(seed)))
    }

    /// Any number.
    pub fn next(&self) -> u64 {
        self.0.borrow_mut().u64(..)
    }

    /// A number within `low ..= high`.
    pub fn within(&self, low: u64, high: u64) -> u64 {
        self.0.borrow_mut().u64(low..=high)
    }

    /// True with a chance of one in `n`.
    pub fn one_in(&self, n: u64) -> bool {
        self.within(1, n) == 1
    }
}

/// Constants of an op, in their committed form.
#[derive(Clone, Default)]
pub struct Constants {
    /// Weights.
    pub weights: Vec<u8>,
    /// (Bias, multiplier) records.
    pub channels: Vec<u8>,
    /// Table.
    pub table: Vec<u8>,
}

/// A graph with constants.
#[derive(Clone, Default)]
pub struct Graph {
    /// Shapes of its inputs.
    pub inputs: Vec<Shape>,
    /// Its ops.
    pub ops: Vec<OpDescriptor>,
    /// Constants of each op.
    pub constants: Vec<Constants>,
    /// Ops from one checkpoint of its traces to the next; 0 and 1 are the same.
    pub interval: u32,
}

/// Number of op kinds.
pub const KINDS: u64 = 11;

impl Graph {
    /// What its traces commit to.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.ops.len() as u32, self.interval)
    }

    /// Shapes of all values.
    pub fn shapes(&self) -> Vec<Shape> {
        self.inputs.iter().copied().chain(self.ops.iter().map(|op| op.output)).collect()
    }

    /// Random codes; now and then all of them lie at one end of the range.
    pub fn bytes(rng: &Rng, count: usize) -> Vec<u8> {
        match rng.within(0, 9) {
            0 => vec![255; count],
            1 => vec![0; count],
            _ => (0..count).map(|_| rng.next() as u8).collect(),
        }
    }

    /// Appends a random op of this kind, unless it turns out invalid; returns whether it did.
    pub fn grow(&mut self, kind: u64, rng: &Rng) -> bool {
        let shapes = self.shapes();
        let first = rng.within(0, shapes.len() as u64 - 1) as u16;
        let a = shapes[usize::from(first)];
        let pair = |rng: &Rng, most: u64| [rng.within(1, most) as u8, rng.within(1, most) as u8];
        let quad = |rng: &Rng, most: u64| {
            if rng.one_in(2) {
                [0; 4]
            } else {
                [(); 4].map(|()| rng.within(0, most) as u8)
            }
        };
        let requantise = |rng: &Rng| {
            let (x, y) = (rng.next() as i8, rng.next() as i8);
            let (lo, hi) = if rng.one_in(4) { (x.min(y), x.max(y)) } else { (-128, 127) };
            let shift = if rng.one_in(8) { rng.within(1, 62) } else { rng.within(8, 16) };
            Requantise {
                shift: shift as u8,
                zero_point: rng.next() as i8,
                lo,
                hi,
            }
        };
        let partner = |rng: &Rng, fits: &dyn Fn(&Shape) -> bool| {
            let fitting: Vec<u16> = (0..).zip(&shapes).filter(|(_, shape)| fits(shape)).map(|(id, _)| id).collect();
            fitting[rng.within(0, fitting.len() as u64 - 1) as usize]
        };
        let zero = |rng: &Rng| rng.next() as i8;
        let multiplier = |rng: &Rng| rng.within(0, if rng.one_in(6) { i32::MAX as u64 } else { 400 }) as i32;
        let mut ids = vec![first];
        let mut co = rng.within(1, if rng.one_in(12) { 300 } else { 12 }) as u16;
        let kind = match kind {
            0 => {
                let groups = if rng.one_in(3) { a.c } else { 1 };
                co = co.next_multiple_of(groups);
                OpKind::Conv2d {
                    weights: [0; 32],
                    channels: [0; 32],
                    kernel: pair(rng, 4),
                    stride: pair(rng, 2),
                    padding: quad(rng, 5),
                    dilation: pair(rng, 3),
                    groups,
                    pad_value: zero(rng),
                    requantise: requantise(rng),
                }
            }
            1 => OpKind::Matmul {
                weights: [0; 32],
                channels: [0; 32],
                requantise: requantise(rng),
            },
            2 => {
                if a.h != 1 {
                    return false;
                }
                ids.push(partner(rng, &|b| b.h == 1 && b.c == a.c));
                OpKind::MatmulAct {
                    a_zero_point: zero(rng),
                    b_zero_point: zero(rng),
                    multiplier: multiplier(rng),
                    requantise: requantise(rng),
                }
            }
            3 => {
                ids.push(partner(rng, &|b| *b == a || *b == Shape::new(1, 1, a.c)));
                OpKind::Add {
                    a_zero_point: zero(rng),
                    b_zero_point: zero(rng),
                    a_multiplier: rng.within(0, 4_000) as i32 - 2_000,
                    b_multiplier: rng.next() as i32 >> rng.within(0, 30),
                    requantise: requantise(rng),
                }
            }
            4 => {
                ids.push(partner(rng, &|b| *b == a || *b == Shape::new(1, 1, a.c)));
                OpKind::Mul {
                    a_zero_point: zero(rng),
                    b_zero_point: zero(rng),
                    multiplier: multiplier(rng),
                    requantise: requantise(rng),
                }
            }
            5 => OpKind::Table8 { table: [0; 32] },
            6 => {
                for _ in 0..rng.within(1, 3) {
                    ids.push(partner(rng, &|b| (b.h, b.w) == (a.h, a.w)));
                }
                OpKind::Concat
            }
            7 => OpKind::Upsample {
                factor: rng.within(2, 3) as u8,
            },
            8 => OpKind::DepthToSpace { block: 2 },
            9 => OpKind::MaxPool {
                kernel: pair(rng, 5),
                stride: pair(rng, 2),
                padding: quad(rng, 4),
            },
            _ => OpKind::AvgPool {
                kernel: pair(rng, 5),
                stride: pair(rng, 2),
                padding: quad(rng, 5),
                input_zero_point: zero(rng),
                multiplier: multiplier(rng),
                requantise: requantise(rng),
            },
        };
        self.push(kind, &ids, co, 60_000, rng)
    }

    /// Appends an op with random constants; `channels` is the number of output channels of a product. Returns false when the op is invalid
    /// or its output has more than `most` elements.
    pub fn push(&mut self, kind: OpKind, ids: &[u16], channels: u16, most: u32, rng: &Rng) -> bool {
        let shapes = self.shapes();
        let read: Vec<Shape> = ids.iter().map(|id| shapes[usize::from(*id)]).collect();
        let mut op = OpDescriptor {
            inputs: Inputs::new(ids).unwrap(),
            kind,
            output: Shape::new(0, 0, channels),
        };
        let Ok(output) = output_shape(&op, &read) else { return false };
        op.output = output;
        if check_op(&op, &read).is_err() || output.elements().unwrap() > most {
            return false;
        }
        let mut constants = Constants::default();
        for constant in op.constants(&read).collect::<Vec<_>>() {
            let count = constant.layout.bytes().unwrap() as usize;
            match constant.operand {
                Operand::Weights => {
                    constants.weights = Self::bytes(rng, count);
                    let hash = constant.layout.hash(WEIGHTS_UID, &constants.weights);
                    if let OpKind::Conv2d { weights, .. } | OpKind::Matmul { weights, .. } = &mut op.kind {
                        *weights = hash;
                    }
                }
                Operand::Channels => {
                    let channel = |rng: &Rng| Channel {
                        bias: rng.next() as i32 >> rng.within(2, 20),
                        multiplier: rng.within(0, 50) as i32,
                    };
                    constants.channels = (0..output.c).flat_map(|_| channel(rng).to_bytes()).collect();
                    let hash = constant.layout.hash(CHANNELS_UID, &constants.channels);
                    if let OpKind::Conv2d { channels, .. } | OpKind::Matmul { channels, .. } = &mut op.kind {
                        *channels = hash;
                    }
                }
                _ => {
                    constants.table = Self::bytes(rng, count);
                    op.kind = OpKind::Table8 {
                        table: constant.layout.hash(TABLE_UID, &constants.table),
                    };
                }
            }
        }
        self.ops.push(op);
        self.constants.push(constants);
        true
    }

    /// Output of op `index` by the reference semantics, from the values before it.
    pub fn evaluate(&self, index: usize, values: &[Vec<u8>]) -> Vec<u8> {
        let (op, constants) = (&self.ops[index], &self.constants[index]);
        let signed = |bytes: &[u8]| bytes.iter().map(|code| from_code(*code)).collect::<Vec<i8>>();
        let ids = op.inputs.as_slice();
        let read: Vec<Vec<i8>> = ids.iter().map(|id| signed(&values[usize::from(*id)])).collect();
        let shapes: Vec<Shape> = ids.iter().map(|id| self.shapes()[usize::from(*id)]).collect();
        let (records, _) = constants.channels.as_chunks();
        let operands = Operands {
            inputs: &read.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            weights: &signed(&constants.weights),
            channels: &records.iter().map(|record| Channel::from_bytes(*record)).collect::<Vec<_>>(),
            table: &signed(&constants.table),
        };
        let out = evaluate_all(op, &shapes, &operands).unwrap();
        out.into_iter().map(to_code).collect()
    }
}

/// A graph of up to `ops` ops, at least one of them of this kind.
pub fn random_graph(rng: &Rng, ops: u64, kind: u64) -> Graph {
    loop {
        let side = |rng: &Rng| rng.within(1, if rng.one_in(8) { 40 } else { 9 }) as u16;
        let shape = |rng: &Rng| {
            let channels = if rng.one_in(10) {
                rng.within(1_000, 2_100)
            } else {
                rng.within(1, 20)
            } as u16;
            Shape::new(if rng.one_in(3) { 1 } else { side(rng) }, side(rng), channels)
        };
        let mut graph = Graph {
            inputs: (0..rng.within(1, 2)).map(|_| shape(rng)).collect(),
            ..Default::default()
        };
        if rng.one_in(2) {
            graph.inputs.push(Shape::new(1, 1, graph.inputs[0].c));
        }
        let before = rng.within(0, ops - 1);
        for _ in 0..before {
            let any = rng.within(0, KINDS - 1);
            graph.grow(any, rng);
        }
        if !(0..20).any(|_| graph.grow(kind, rng)) {
            continue;
        }
        for _ in before + 1..ops {
            let any = rng.within(0, KINDS - 1);
            graph.grow(any, rng);
        }
        return graph;
    }
}

/// A worker's whole trace of a job, and its commitments.
pub struct Run {
    /// The model.
    pub graph: Graph,
    /// Values of every unit.
    pub units: Vec<Vec<Vec<u8>>>,
    /// What the worker claims.
    pub claim: Claim,
    /// INPUTS of every unit.
    pub inputs: Vec<Hash>,
    /// TENSORs of every unit's inputs.
    pub input_tensors: Vec<Vec<Hash>>,
    /// TENSORs of every unit's op outputs.
    pub tensors: Vec<Vec<Hash>>,
    /// TRACE of every unit.
    pub traces: Vec<Hash>,
    /// TENSOR of every unit's output.
    pub outputs: Vec<Hash>,
}

impl Run {
    /// Computes every unit. `lie` may change a value right after it is computed; later ops read the changed value.
    pub fn new(graph: &Graph, rng: &Rng, units: u32, lie: &dyn Fn(u32, usize, &mut Vec<u8>)) -> Self {
        let mut all = Vec::new();
        for unit in 0..units {
            let fill = |shape: &Shape| Graph::bytes(rng, shape.elements().unwrap() as usize);
            let mut values: Vec<Vec<u8>> = graph.inputs.iter().map(fill).collect();
            for op in 0..graph.ops.len() {
                let mut value = graph.evaluate(op, &values);
                lie(unit, op, &mut value);
                values.push(value);
            }
            all.push(values);
        }
        Self::of_values(graph, all)
    }

    /// Commits to the given values of every unit, right or wrong.
    pub fn of_values(graph: &Graph, units: Vec<Vec<Vec<u8>>>) -> Self {
        let mut run = Self {
            graph: graph.clone(),
            units,
            claim: Claim {
                graph_root: merkle::root(&(0..).zip(&graph.ops).map(|(i, op)| op.leaf(i)).collect::<Vec<_>>()),
                n_ops: graph.ops.len() as u32,
                interval: graph.checkpoints().interval(),
                shown: None,
                input_shapes: [Shape::default(); MAX_GRAPH_INPUTS],
                n_inputs: graph.inputs.len() as u8,
                units: 0,
                inputs: [0; 32],
                traces: [0; 32],
                outputs: [0; 32],
            },
            inputs: Vec::new(),
            input_tensors: Vec::new(),
            tensors: Vec::new(),
            traces: Vec::new(),
            outputs: Vec::new(),
        };
        for (slot, shape) in run.claim.input_shapes.iter_mut().zip(&graph.inputs) {
            *slot = *shape;
        }
        run.claim.units = run.units.len() as u32;
        run.commit();
        run
    }

    /// Commits to checkpoints this far apart, or only to the last op when the graph is shorter than that.
    pub fn every(mut self, interval: u32) -> Self {
        self.graph.interval = interval.clamp(1, self.claim.n_ops);
        self.claim.interval = self.graph.checkpoints().interval();
        self.commit();
        self
    }

    /// Has the worker show all op outputs of a unit. Changes nothing when its traces commit to every op.
    pub fn show(&mut self, unit: u32) {
        let root = merkle::root(&trace::op_leaves(&self.tensors[unit as usize]));
        self.claim.shown = Some(Shown { unit, root }).filter(|_| !self.claim.checkpoints().are_all());
    }

    /// Recomputes all hashes from `units`.
    pub fn commit(&mut self) {
        let n_inputs = self.graph.inputs.len();
        let shapes = self.graph.shapes();
        let hash = |id: usize, value: &Vec<u8>| shapes[id].layout().hash(id as u32, value);
        let all: Vec<Vec<Hash>> = self
            .units
            .iter()
            .map(|values| values.iter().enumerate().map(|(id, value)| hash(id, value)).collect())
            .collect();
        self.input_tensors = all.iter().map(|tensors| tensors[..n_inputs].to_vec()).collect();
        self.tensors = all.iter().map(|tensors| tensors[n_inputs..].to_vec()).collect();
        self.inputs = self.input_tensors.iter().map(|tensors| inputs_hash(tensors)).collect();
        let checkpoints = self.claim.checkpoints();
        let committed = |tensors: &Vec<Hash>| checkpoints.of(tensors).copied().collect::<Vec<_>>();
        self.traces = self.tensors.iter().map(|tensors| checkpoints.trace(&committed(tensors))).collect();
        self.outputs = self.tensors.iter().map(|tensors| *tensors.last().unwrap()).collect();
        self.claim.inputs = batch_root(&self.inputs);
        self.claim.traces = batch_root(&self.traces);
        self.claim.outputs = batch_root(&self.outputs);
    }

    /// The exhibit of a unit.
    pub fn exhibit(&self, unit: u32) -> Exhibit<'_> {
        Exhibit {
            claim: &self.claim,
            ops: &self.graph.ops,
            inputs: &self.inputs,
            trace_path: merkle::path(&unit_leaves(0, &self.traces), unit),
            output: self.outputs[unit as usize],
            output_path: merkle::path(&unit_leaves(0, &self.outputs), unit),
            unit,
            tensors: &self.tensors[unit as usize],
            input_tensors: &self.input_tensors[unit as usize],
        }
    }

    /// Layout of an op's output.
    pub fn layout(&self, op: usize) -> Layout {
        self.graph.ops[op].output.layout()
    }

    /// Evidence about one element, from the worker's own bytes.
    pub fn element(&self, unit: u32, op: usize, index: u32) -> Vec<u8> {
        let id = self.graph.inputs.len() + op;
        let value = &self.units[unit as usize][id];
        let leaves = self.layout(op).leaves(id as u32, value);
        let chunk = index / CHUNK_BYTES as u32;
        let bytes = value.chunks(CHUNK_BYTES).nth(chunk as usize).unwrap();
        let claimed = Claimed {
            leaves: &leaves,
            chunk,
            bytes,
        };
        self.exhibit(unit)
            .element(&Held { run: self, unit }, op as u32, index, claimed)
            .unwrap()
    }
}

impl Run {
    /// The salted trees of an auditor that computed this run.
    pub fn custody(&self, party: &Hash, job: &Hash) -> Vec<CustodyUnit> {
        let (n_inputs, checkpoints) = (self.graph.inputs.len(), self.claim.checkpoints());
        let of_unit = |(unit, values): (u32, &Vec<Vec<u8>>)| {
            let mut custody = CustodyUnit::new(checkpoints);
            for (op, value) in (0..).zip(&values[n_inputs..]) {
                custody.salt(checkpoints, party, job, unit, op, value);
            }
            custody
        };
        (0..).zip(&self.units).map(of_unit).collect()
    }

    /// The proof of an auditor with these trees for the draw of `seed`.
    pub fn custody_proof(&self, custody: &[CustodyUnit], party: &Hash, seed: &Hash) -> Vec<u8> {
        let n_inputs = self.graph.inputs.len();
        let units = unit_leaves(0, &self.traces);
        let custody_units: Vec<Hash> = custody.iter().map(CustodyUnit::root).collect();
        let mut proof = Vec::new();
        for check in 0..CHECKS {
            let n_chunks = |_: u32, op: u32| self.layout(op as usize).chunks().unwrap();
            let checkpoints = self.claim.checkpoints();
            let place = place(seed, party, check, self.claim.units, checkpoints, n_chunks);
            let (unit, op) = (place.unit as usize, place.op as usize);
            let (id, value) = (n_inputs + op, &self.units[unit][n_inputs + op]);
            let chunks = self.layout(op).leaves(id as u32, value);
            let opening = Opening {
                place,
                head: &self.layout(op).head(chunks.len() as u32),
                preimage: &self.layout(op).preimage(id as u32, place.chunk, value).unwrap(),
                chunks: &chunks,
                checkpoints,
                ops: &checkpoints.leaves(&checkpoints.of(&self.tensors[unit]).copied().collect::<Vec<_>>()),
                units: &units,
                custody: &custody[unit],
                custody_units: &custody_units,
            };
            opening.write(&mut proof).unwrap();
        }
        proof
    }
}

/// The values of one unit of a run.
pub struct Held<'a> {
    /// The run.
    pub run: &'a Run,
    /// The unit.
    pub unit: u32,
}

impl Tensors for Held<'_> {
    fn value(&self, id: u32) -> Option<&[u8]> {
        self.run.units[self.unit as usize].get(id as usize).map(Vec::as_slice)
    }

    fn constant(&self, op: u32, operand: Operand) -> Option<&[u8]> {
        let constants = self.run.graph.constants.get(op as usize)?;
        Some(match operand {
            Operand::Weights => &constants.weights,
            Operand::Channels => &constants.channels,
            _ => &constants.table,
        })
    }
}

/// A `lie` that changes nothing.
pub fn honest(_: u32, _: usize, _: &mut Vec<u8>) {}

/// The work of a call as a device keeps it: the codes of every layer's tensor of each GPU, and their roots.
pub struct Work {
    size: Size,
    /// Tensors, by GPU and layer.
    pub tensors: Vec<Vec<Vec<u8>>>,
    /// Roots of the tensors, as [`work::answer`] takes them.
    pub roots: Vec<Vec<Hash>>,
}

impl Work {
    /// Correct work, computed from each GPU's seed.
    pub fn new(size: Size, seeds: impl IntoIterator<Item = Hash>) -> Self {
        Self::of(size, seeds.into_iter().map(|seed| work::tensors(size, &seed)).collect())
    }

    /// Work with these tensors, correct or not.
    pub fn of(size: Size, tensors: Vec<Vec<Vec<u8>>>) -> Self {
        let of_gpu = |layers: &Vec<Vec<u8>>| layers.iter().map(|tensor| work::tensor_root(tensor)).collect();
        Self {
            roots: tensors.iter().map(of_gpu).collect(),
            size,
            tensors,
        }
    }

    /// Evidence for a drawn element.
    pub fn show(&self, draw: &Draw) -> Vec<u8> {
        let layers = &self.tensors[usize::from(draw.gpu)];
        let chunk = work::Opening::of(&layers[usize::from(draw.layer)], CHUNK, draw.chunk());
        let before = draw.layer.checked_sub(1).map(|before| &layers[usize::from(before)]);
        let line = before.and_then(|before| work::Opening::of(before, self.size.width(), draw.line(self.size)));
        let openings: Vec<work::Opening> = chunk.into_iter().chain(line).collect();
        work::evidence(&self.roots, draw, &openings)
    }
}
