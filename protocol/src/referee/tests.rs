//! Random small graphs of every op kind: the cheap evaluation equals the definition, one altered element convicts from any layer, and an
//! honest trace withstands every forgery tried.

use super::*;
use crate::batch::{batch_root, inputs_hash};
use crate::graph::{check_op, output_shape};
use crate::merkle;
use crate::ops::{Inputs, OpDescriptor, OpKind, Operand, Operands, evaluate_all};
use crate::requantise::{Channel, Requantise};
use crate::tensor::{CHANNELS_UID, Layout, TABLE_UID, WEIGHTS_UID, from_code, to_code};
use crate::trace;
use core::cell::RefCell;
use std::vec;
use std::vec::Vec;

/// Seeded: assertions that use it print the seed.
struct Rng(RefCell<fastrand::Rng>);

impl Rng {
    fn new(seed: u64) -> Self {
        Self(RefCell::new(fastrand::Rng::with_seed(seed)))
    }

    fn next(&self) -> u64 {
        self.0.borrow_mut().u64(..)
    }

    /// A number within `low ..= high`.
    fn within(&self, low: u64, high: u64) -> u64 {
        self.0.borrow_mut().u64(low..=high)
    }

    fn one_in(&self, n: u64) -> bool {
        self.within(1, n) == 1
    }
}

/// Constants of an op, in their committed form.
#[derive(Clone, Default)]
struct Constants {
    weights: Vec<u8>,
    channels: Vec<u8>,
    table: Vec<u8>,
}

/// A graph with constants.
#[derive(Clone, Default)]
struct Graph {
    inputs: Vec<Shape>,
    ops: Vec<OpDescriptor>,
    constants: Vec<Constants>,
}

const KINDS: u64 = 11;

impl Graph {
    fn shapes(&self) -> Vec<Shape> {
        self.inputs.iter().copied().chain(self.ops.iter().map(|op| op.output)).collect()
    }

    fn bytes(rng: &Rng, count: usize) -> Vec<u8> {
        match rng.within(0, 9) {
            0 => vec![255; count],
            1 => vec![0; count],
            _ => (0..count).map(|_| rng.next() as u8).collect(),
        }
    }

    /// Appends an op of this kind if one drawn at random is valid.
    fn grow(&mut self, kind: u64, rng: &Rng) -> bool {
        let shapes = self.shapes();
        let first = rng.within(0, shapes.len() as u64 - 1) as u16;
        let a = shapes[usize::from(first)];
        let pair = |rng: &Rng, most: u64| [rng.within(1, most) as u8, rng.within(1, most) as u8];
        let quad = |rng: &Rng, most: u64| if rng.one_in(2) { [0; 4] } else { [(); 4].map(|()| rng.within(0, most) as u8) };
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
        let read: Vec<Shape> = ids.iter().map(|id| shapes[usize::from(*id)]).collect();
        let mut op = OpDescriptor {
            inputs: Inputs::new(&ids).unwrap(),
            kind,
            output: Shape::new(0, 0, co),
        };
        let Ok(output) = output_shape(&op, &read) else { return false };
        op.output = output;
        if check_op(&op, &read).is_err() || output.elements().unwrap() > 60_000 {
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

    /// The definition's value of op `index`, from the values before it.
    fn evaluate(&self, index: usize, values: &[Vec<u8>]) -> Vec<u8> {
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

/// A graph of up to `ops` ops that holds one of this kind.
fn random_graph(rng: &Rng, ops: u64, kind: u64) -> Graph {
    loop {
        let side = |rng: &Rng| rng.within(1, if rng.one_in(8) { 40 } else { 9 }) as u16;
        let shape = |rng: &Rng| {
            let channels = if rng.one_in(10) { rng.within(1_000, 2_100) } else { rng.within(1, 20) } as u16;
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

/// A worker's whole trace of a job, and what it commits to.
struct Run {
    graph: Graph,
    /// Values of every unit.
    units: Vec<Vec<Vec<u8>>>,
    claim: Claim,
    inputs: Vec<Hash>,
    input_tensors: Vec<Vec<Hash>>,
    tensors: Vec<Vec<Hash>>,
    traces: Vec<Hash>,
    outputs: Vec<Hash>,
}

impl Run {
    /// Computes every unit; `lie` changes a value right after it is computed, and what follows is computed from that.
    fn new(graph: &Graph, rng: &Rng, units: u32, lie: &dyn Fn(u32, usize, &mut Vec<u8>)) -> Self {
        let n_inputs = graph.inputs.len();
        let mut run = Self {
            graph: graph.clone(),
            units: Vec::new(),
            claim: Claim {
                graph_root: merkle::root(&(0..).zip(&graph.ops).map(|(i, op)| op.leaf(i)).collect::<Vec<_>>()),
                n_ops: graph.ops.len() as u32,
                input_shapes: [Shape::default(); MAX_GRAPH_INPUTS],
                n_inputs: n_inputs as u8,
                units,
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
        for unit in 0..units {
            let fill = |shape: &Shape, rng: &Rng| Graph::bytes(rng, shape.elements().unwrap() as usize);
            let mut values: Vec<Vec<u8>> = graph.inputs.iter().map(|shape| fill(shape, rng)).collect();
            for op in 0..graph.ops.len() {
                let mut value = graph.evaluate(op, &values);
                lie(unit, op, &mut value);
                values.push(value);
            }
            run.units.push(values);
        }
        run.commit();
        run
    }

    /// Hashes what `units` hold.
    fn commit(&mut self) {
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
        self.traces = self.tensors.iter().map(|tensors| trace::trace(tensors)).collect();
        self.outputs = self.tensors.iter().map(|tensors| *tensors.last().unwrap()).collect();
        self.claim.inputs = batch_root(&self.inputs);
        self.claim.traces = batch_root(&self.traces);
        self.claim.outputs = batch_root(&self.outputs);
    }

    fn exhibit(&self, unit: u32) -> Exhibit<'_> {
        Exhibit {
            claim: &self.claim,
            ops: &self.graph.ops,
            inputs: &self.inputs,
            traces: &self.traces,
            outputs: &self.outputs,
            unit,
            tensors: &self.tensors[unit as usize],
            input_tensors: &self.input_tensors[unit as usize],
        }
    }

    fn layout(&self, op: usize) -> Layout {
        self.graph.ops[op].output.layout()
    }

    /// Evidence about one element, from the worker's own bytes.
    fn element(&self, unit: u32, op: usize, index: u32) -> Vec<u8> {
        let id = self.graph.inputs.len() + op;
        let value = &self.units[unit as usize][id];
        let leaves = self.layout(op).leaves(id as u32, value);
        let chunk = index / 1024;
        let bytes = value.chunks(1024).nth(chunk as usize).unwrap();
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

struct Held<'a> {
    run: &'a Run,
    unit: u32,
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

fn honest(_: u32, _: usize, _: &mut Vec<u8>) {}

#[test]
fn one_altered_element_convicts_from_any_layer_and_nothing_else_does() {
    for seed in 0..440 {
        let rng = &Rng::new(seed);
        let graph = random_graph(rng, 5, seed % KINDS);
        let units = rng.within(1, 3) as u32;
        let (unit, op) = (rng.within(0, u64::from(units) - 1) as u32, rng.within(0, graph.ops.len() as u64 - 1) as usize);
        let element = rng.within(0, u64::from(graph.ops[op].output.elements().unwrap()) - 1) as u32;
        let bit = 1 << rng.within(0, 7);
        let run = Run::new(&graph, rng, units, &|u, o, value| {
            if (u, o) == (unit, op) {
                value[element as usize] ^= bit;
            }
        });
        let verdict = judge(&run.claim, &run.element(unit, op, element)).unwrap();
        assert!(verdict.convicted && verdict.expected ^ verdict.claimed == bit, "seed {seed}: {verdict:?}");
        assert_eq!((verdict.unit, verdict.op, verdict.index), (unit, op as u32, element));
        assert_eq!(Verdict::from_bytes(&verdict.to_bytes()), Some(verdict));
        // Every other element follows from what the worker committed to.
        for _ in 0..12 {
            let (unit, op) = (rng.within(0, u64::from(units) - 1) as u32, rng.within(0, graph.ops.len() as u64 - 1) as usize);
            let other = rng.within(0, u64::from(graph.ops[op].output.elements().unwrap()) - 1) as u32;
            if other != element {
                let verdict = judge(&run.claim, &run.element(unit, op, other)).unwrap();
                assert!(!verdict.convicted && verdict.expected == verdict.claimed, "seed {seed}: {verdict:?}");
            }
        }
    }
}

/// One graph with every element compared, so that windows meet every edge.
#[test]
fn the_cheap_evaluation_is_the_definition() {
    for seed in 0..60 {
        let rng = &Rng::new(1_000 + seed);
        let graph = random_graph(rng, 4, seed % KINDS);
        let run = Run::new(&graph, rng, 1, &honest);
        for (op, id) in (0..graph.ops.len()).zip(graph.inputs.len()..) {
            let ids = graph.ops[op].inputs.as_slice();
            let shapes: Vec<Shape> = ids.iter().map(|id| graph.shapes()[usize::from(*id)]).collect();
            let open = Whole { run: &run, op };
            for (index, code) in (0..).zip(&run.units[0][id]) {
                let found = element(&graph.ops[op], &shapes, &open, index);
                assert_eq!(found.map(to_code), Some(*code), "seed {seed}, op {op}, element {index}");
            }
            assert_eq!(element(&graph.ops[op], &shapes, &open, run.units[0][id].len() as u32), None);
        }
    }
}

struct Whole<'a> {
    run: &'a Run,
    op: usize,
}

impl Openings for Whole<'_> {
    fn bytes(&self, operand: Operand, first: u32, len: u32) -> Option<&[u8]> {
        let constants = &self.run.graph.constants[self.op];
        let whole = match operand {
            Operand::Input(slot) => {
                let id = self.run.graph.ops[self.op].inputs.as_slice()[usize::from(slot)];
                &self.run.units[0][usize::from(id)]
            }
            Operand::Weights => &constants.weights,
            Operand::Channels => &constants.channels,
            Operand::Table => &constants.table,
        };
        whole.get(first as usize..)?.get(..len as usize)
    }
}

/// Evidence about an honest trace, altered in every way that comes to mind: nothing convicts.
#[test]
fn an_honest_trace_withstands_forgeries() {
    let mut judged = 0;
    for seed in 0..150 {
        let rng = &Rng::new(5_000 + seed);
        let graph = random_graph(rng, 5, seed % KINDS);
        let units = rng.within(1, 5) as u32;
        let run = Run::new(&graph, rng, units, &honest);
        let other = Run::new(&graph, rng, units, &honest);
        let unit = rng.within(0, u64::from(units) - 1) as u32;
        let op = rng.within(0, graph.ops.len() as u64 - 1) as usize;
        let element = rng.within(0, u64::from(graph.ops[op].output.elements().unwrap()) - 1) as u32;
        let good = run.element(unit, op, element);
        assert_eq!(judge(&run.claim, &good).map(|verdict| verdict.convicted), Ok(false), "seed {seed}");
        let mut forgeries: Vec<Vec<u8>> = Vec::new();
        // Any bit, any cut, anything appended.
        for _ in 0..60 {
            let mut forged = good.clone();
            let at = if rng.one_in(3) { rng.within(0, 40) as usize % forged.len() } else { rng.within(0, forged.len() as u64 - 1) as usize };
            forged[at] ^= 1 << rng.within(0, 7);
            forgeries.push(forged);
        }
        forgeries.push(good[..rng.within(0, good.len() as u64 - 1) as usize].to_vec());
        forgeries.push([&good[..], &[0]].concat());
        // Another unit, op or element in the head.
        for (at, most) in [(3, u64::from(units)), (7, graph.ops.len() as u64), (11, 5_000)] {
            let mut forged = good.clone();
            forged[at..at + 4].copy_from_slice(&(rng.within(0, most) as u32).to_le_bytes());
            forgeries.push(forged);
        }
        // Another job's tensors and proofs, another op's, another unit's.
        forgeries.push(other.element(unit, op, element));
        forgeries.push(run.element(rng.within(0, u64::from(units) - 1) as u32, op, element));
        // The outputs as they are, and well-formed preimages called malformed.
        let exhibit = run.exhibit(unit);
        forgeries.extend(exhibit.output());
        let tensor = run.tensors[unit as usize][op];
        let id = (graph.inputs.len() + op) as u32;
        let layout = run.layout(op);
        let value = &run.units[unit as usize][id as usize];
        let leaves = layout.leaves(id, value);
        let ops_root = merkle::root(&(0..).zip(&run.tensors[unit as usize]).map(|(i, t)| trace::op_leaf(i, t)).collect::<Vec<_>>());
        let unit_root = |hashes: &[Hash]| merkle::root(&(0..).zip(hashes).map(|(i, h)| crate::batch::unit_leaf(i, h)).collect::<Vec<_>>());
        let le = |n: u32| n.to_le_bytes().to_vec();
        let preimages: Vec<(Preimage, Vec<u8>)> = vec![
            (Preimage::Traces, [le(units), unit_root(&run.traces).to_vec()].concat()),
            (Preimage::Outputs, [le(units), unit_root(&run.outputs).to_vec()].concat()),
            (Preimage::TraceUnit, [le(unit), run.traces[unit as usize].to_vec()].concat()),
            (Preimage::OutputUnit, [le(unit), run.outputs[unit as usize].to_vec()].concat()),
            (Preimage::Trace, [&trace::trace_head(run.claim.n_ops)[..], &ops_root].concat()),
            (Preimage::Op(op as u32), [&trace::op_head(op as u32)[..], &tensor].concat()),
            (
                Preimage::Tensor(op as u32),
                [&layout.head(leaves.len() as u32)[..], &merkle::root(&leaves)].concat(),
            ),
            (
                Preimage::Chunk(op as u32, 0),
                [
                    &crate::tensor::chunk_head(layout.dtype, id, 0, value.len().min(1024) as u16)[..],
                    &value[..value.len().min(1024)],
                ]
                .concat(),
            ),
        ];
        for (which, preimage) in &preimages {
            let evidence = exhibit.malformed(*which, preimage, &leaves).unwrap();
            assert_eq!(judge(&run.claim, &evidence).map(|verdict| verdict.convicted), Ok(false), "seed {seed}: {which:?}");
            for _ in 0..4 {
                let mut forged = evidence.clone();
                let at = rng.within(0, forged.len() as u64 - 1) as usize;
                forged[at] ^= 1 << rng.within(0, 7);
                forgeries.push(forged);
            }
        }
        // Trees that are padded as they must be.
        for (node, count, hashes) in [
            (Node::Traces, units, leaves_of(&run.traces)),
            (Node::Outputs, units, leaves_of(&run.outputs)),
            (Node::Chunks(op as u32), leaves.len() as u32, leaves.clone()),
        ] {
            let padded = count.next_power_of_two();
            for index in count..padded {
                let mut all = hashes.clone();
                all.resize(padded as usize, merkle::pad());
                let evidence = exhibit
                    .padding(node, 0, index, &merkle::pad(), &merkle::path(&all, index))
                    .unwrap();
                assert_eq!(judge(&run.claim, &evidence).map(|verdict| verdict.convicted), Ok(false), "seed {seed}: {node:?}");
            }
            // A real leaf, or a real inner node, is not beyond the last one.
            let evidence = exhibit
                .padding(node, 0, count - 1, &hashes[count as usize - 1], &merkle::path(&hashes, count - 1))
                .unwrap();
            forgeries.push(evidence);
        }
        for (number, forged) in forgeries.iter().enumerate() {
            let verdict = judge(&run.claim, forged);
            assert!(!verdict.is_ok_and(|verdict| verdict.convicted), "seed {seed}, forgery {number}");
            judged += 1;
        }
    }
    assert!(judged > 10_000, "{judged} forgeries were tried");
}

fn leaves_of(hashes: &[Hash]) -> Vec<Hash> {
    (0..).zip(hashes).map(|(unit, hash)| crate::batch::unit_leaf(unit, hash)).collect()
}

/// A worker whose commitments are not built as specified is convicted by that alone.
#[test]
fn malformed_commitments_convict() {
    let rng = &Rng::new(77);
    let graph = random_graph(rng, 3, 0);
    let run = Run::new(&graph, rng, 3, &honest);
    let (unit, op, n_ops) = (1u32, 1u32.min(run.claim.n_ops - 1), run.claim.n_ops);
    let id = graph.inputs.len() as u32 + op;
    let layout = run.layout(op as usize);
    let value = &run.units[unit as usize][id as usize];
    let leaves = layout.leaves(id, value);
    let le = |n: u32| n.to_le_bytes().to_vec();

    // Rebuilds the roots above a changed hash.
    let with_trace = |trace: Hash| {
        let mut claim = run.claim.clone();
        let mut traces = run.traces.clone();
        traces[unit as usize] = trace;
        claim.traces = batch_root(&traces);
        (claim, traces)
    };
    let convict = |claim: &Claim, evidence: Vec<u8>, fault| {
        let verdict = judge(claim, &evidence).unwrap();
        assert!(verdict.convicted, "{fault:?}");
        assert_eq!(verdict.fault, fault);
    };

    // BATCH with another number of units.
    let root = merkle::root(&leaves_of(&run.traces));
    let preimage = [le(4), root.to_vec()].concat();
    let claim = Claim {
        traces: tagged(Tag::Batch, [&preimage]),
        ..run.claim.clone()
    };
    let exhibit = Exhibit { claim: &claim, ..run.exhibit(unit) };
    convict(&claim, exhibit.malformed(Preimage::Traces, &preimage, &[]).unwrap(), Fault::Malformed);

    // UNIT that calls itself another.
    let preimage = [le(2), run.outputs[1].to_vec()].concat();
    let mut units = leaves_of(&run.outputs);
    units[1] = tagged(Tag::Unit, [&preimage]);
    let claim = Claim {
        outputs: crate::batch::batch_from_root(3, &merkle::root(&units)),
        ..run.claim.clone()
    };
    let exhibit = Exhibit { claim: &claim, ..run.exhibit(unit) };
    convict(&claim, exhibit.malformed(Preimage::OutputUnit, &preimage, &[]).unwrap(), Fault::Malformed);

    // TRACE of another version.
    let mut preimage = [&trace::trace_head(n_ops)[..], &[9; 32]].concat();
    preimage[0] = 2;
    let (claim, traces) = with_trace(tagged(Tag::Trace, [&preimage]));
    let exhibit = Exhibit { claim: &claim, traces: &traces, ..run.exhibit(unit) };
    convict(&claim, exhibit.malformed(Preimage::Trace, &preimage, &[]).unwrap(), Fault::Malformed);

    // TENSOR of another shape, and CHUNK of another length, each under otherwise sound hashes.
    let ops_with = |tensor: Hash| {
        let mut tensors = run.tensors[unit as usize].clone();
        tensors[op as usize] = tensor;
        tensors
    };
    let mut head = layout.head(leaves.len() as u32);
    head[2] ^= 1;
    let preimage = [&head[..], &merkle::root(&leaves)].concat();
    let tensors = ops_with(tagged(Tag::Tensor, [&preimage]));
    let (claim, traces) = with_trace(trace::trace(&tensors));
    let exhibit = Exhibit { claim: &claim, traces: &traces, tensors: &tensors, ..run.exhibit(unit) };
    convict(&claim, exhibit.malformed(Preimage::Tensor(op), &preimage, &[]).unwrap(), Fault::Malformed);

    let cut = &value[..value.len().min(1024) - 1];
    let preimage = [&crate::tensor::chunk_head(layout.dtype, id, 0, cut.len() as u16)[..], cut].concat();
    let mut odd = leaves.clone();
    odd[0] = tagged(Tag::Chunk, [&preimage]);
    let tensors = ops_with(layout.seal(odd.len() as u32, &merkle::root(&odd)));
    let (claim, traces) = with_trace(trace::trace(&tensors));
    let exhibit = Exhibit { claim: &claim, traces: &traces, tensors: &tensors, ..run.exhibit(unit) };
    convict(&claim, exhibit.malformed(Preimage::Chunk(op, 0), &preimage, &odd).unwrap(), Fault::Malformed);

    // OP leaf that calls itself another.
    let preimage = [&trace::op_head(op + 1)[..], &run.tensors[1][op as usize]].concat();
    let mut ops: Vec<Hash> = (0..).zip(&run.tensors[1]).map(|(i, t)| trace::op_leaf(i, t)).collect();
    ops[op as usize] = tagged(Tag::Op, [&preimage]);
    let (claim, traces) = with_trace(trace::trace_from_root(n_ops, &merkle::root(&ops)));
    let exhibit = Exhibit { claim: &claim, traces: &traces, ..run.exhibit(unit) };
    convict(&claim, exhibit.malformed(Preimage::Op(op), &preimage, &[]).unwrap(), Fault::Malformed);

    // A fourth leaf where three units are.
    let mut four = leaves_of(&run.traces);
    four.push([7; 32]);
    let claim = Claim {
        traces: crate::batch::batch_from_root(3, &merkle::root(&four)),
        ..run.claim.clone()
    };
    let exhibit = Exhibit { claim: &claim, ..run.exhibit(unit) };
    let evidence = exhibit.padding(Node::Traces, 0, 3, &[7; 32], &merkle::path(&four, 3)).unwrap();
    convict(&claim, evidence, Fault::Padding);

    // Another output delivered than traced.
    let mut outputs = run.outputs.clone();
    outputs[unit as usize] = [5; 32];
    let claim = Claim {
        outputs: batch_root(&outputs),
        ..run.claim.clone()
    };
    let exhibit = Exhibit { claim: &claim, outputs: &outputs, ..run.exhibit(unit) };
    convict(&claim, exhibit.output().unwrap(), Fault::Output);
}

#[test]
fn evidence_of_another_version_or_kind_is_refused() {
    let rng = &Rng::new(3);
    let graph = random_graph(rng, 2, 1);
    let run = Run::new(&graph, rng, 1, &honest);
    let good = run.element(0, 0, 0);
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        judge(&run.claim, &bytes).unwrap_err()
    };
    assert_eq!(changed(0, 2), Invalid::Version);
    assert_eq!(changed(2, 4), Invalid::Kind);
    assert_eq!(changed(3, 1), Invalid::Index, "unit");
    assert_eq!(changed(7, graph.ops.len() as u8), Invalid::Index, "op");
    assert_eq!(judge(&run.claim, &good[..good.len() - 1]), Err(Invalid::Length));
    assert_eq!(judge(&run.claim, &[&good[..], &[0]].concat()), Err(Invalid::Length));
    assert_eq!(judge(&run.claim, &[]), Err(Invalid::Length));
    assert_eq!(Verdict::from_bytes(&[2; 16]), None);
    assert_eq!(Verdict::from_bytes(&[0; 15]), None);
}
