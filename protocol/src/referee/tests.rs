//! On random small graphs of every op kind, the cheap evaluation equals the definition, one altered element in any layer convicts, and an
//! honest trace withstands every forgery tried.

use super::*;
use crate::batch::{batch_from_root, batch_root, unit_leaves};
use crate::merkle;
use crate::ops::Operand;
use crate::tensor::{Layout, chunk_head, to_code};
use crate::testing::{KINDS, Rng, Run, honest, random_graph};
use crate::trace::{self, Checkpoints};
use std::vec;
use std::vec::Vec;

#[test]
fn one_altered_element_convicts_from_any_layer_and_nothing_else_does() {
    for seed in 0..440 {
        let rng = &Rng::new(seed);
        let graph = random_graph(rng, 5, seed % KINDS);
        let units = rng.within(1, 3) as u32;
        let (unit, op) = (
            rng.within(0, u64::from(units) - 1) as u32,
            rng.within(0, graph.ops.len() as u64 - 1) as usize,
        );
        let element = rng.within(0, u64::from(graph.ops[op].output.elements().unwrap()) - 1) as u32;
        let bit = 1 << rng.within(0, 7);
        let lie = |u, o, value: &mut Vec<u8>| {
            if (u, o) == (unit, op) {
                value[element as usize] ^= bit;
            }
        };
        let mut run = Run::new(&graph, rng, units, &lie).every(rng.within(1, 6) as u32);
        run.show(unit);
        let verdict = judge(&run.claim, &run.element(unit, op, element)).unwrap();
        assert!(
            verdict.convicted && verdict.expected ^ verdict.claimed == bit,
            "seed {seed}: {verdict:?}"
        );
        assert_eq!((verdict.unit, verdict.op, verdict.index), (unit, op as u32, element));
        assert_eq!(unit_of(&run.element(unit, op, element)), Some(unit));
        assert_eq!(Verdict::from_bytes(&verdict.to_bytes()), Some(verdict));
        // Every other element is consistent with the worker's commitments.
        for _ in 0..12 {
            let (unit, op) = (
                rng.within(0, u64::from(units) - 1) as u32,
                rng.within(0, graph.ops.len() as u64 - 1) as usize,
            );
            let other = rng.within(0, u64::from(graph.ops[op].output.elements().unwrap()) - 1) as u32;
            if other != element {
                run.show(unit);
                let verdict = judge(&run.claim, &run.element(unit, op, other)).unwrap();
                assert!(
                    !verdict.convicted && verdict.expected == verdict.claimed,
                    "seed {seed}: {verdict:?}"
                );
            }
        }
    }
}

/// Compares every element of each graph, so that windows meet every edge.
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

/// No alteration of evidence about an honest trace convicts.
#[test]
fn an_honest_trace_withstands_forgeries() {
    let mut judged = 0;
    for seed in 0..150 {
        let rng = &Rng::new(5_000 + seed);
        let graph = random_graph(rng, 5, seed % KINDS);
        let units = rng.within(1, 5) as u32;
        let interval = rng.within(1, 6) as u32;
        let mut run = Run::new(&graph, rng, units, &honest).every(interval);
        let mut other = Run::new(&graph, rng, units, &honest).every(interval);
        let unit = rng.within(0, u64::from(units) - 1) as u32;
        let op = rng.within(0, graph.ops.len() as u64 - 1) as usize;
        let element = rng.within(0, u64::from(graph.ops[op].output.elements().unwrap()) - 1) as u32;
        [&mut run, &mut other].into_iter().for_each(|run| run.show(unit));
        let good = run.element(unit, op, element);
        assert_eq!(judge(&run.claim, &good).map(|verdict| verdict.convicted), Ok(false), "seed {seed}");
        let mut forgeries: Vec<Vec<u8>> = Vec::new();
        // Any bit, any cut, anything appended.
        for _ in 0..60 {
            let mut forged = good.clone();
            let at = if rng.one_in(3) {
                rng.within(0, 40) as usize % forged.len()
            } else {
                rng.within(0, forged.len() as u64 - 1) as usize
            };
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
        let checkpoints = run.claim.checkpoints();
        let committed: Vec<Hash> = checkpoints.of(&run.tensors[unit as usize]).copied().collect();
        let trace_root = merkle::root(&checkpoints.leaves(&committed));
        let unit_root = |hashes: &[Hash]| merkle::root(&unit_leaves(0, hashes));
        let le = |n: u32| n.to_le_bytes().to_vec();
        let preimages: Vec<(Preimage, Vec<u8>)> = vec![
            (Preimage::Traces, [le(units), unit_root(&run.traces).to_vec()].concat()),
            (Preimage::Outputs, [le(units), unit_root(&run.outputs).to_vec()].concat()),
            (Preimage::TraceUnit, [le(unit), run.traces[unit as usize].to_vec()].concat()),
            (Preimage::OutputUnit, [le(unit), run.outputs[unit as usize].to_vec()].concat()),
            (Preimage::Trace, [&checkpoints.trace_head()[..], &trace_root].concat()),
            (Preimage::Op(op as u32), [&trace::op_head(op as u32)[..], &tensor].concat()),
            (
                Preimage::Tensor(op as u32),
                [&layout.head(leaves.len() as u32)[..], &merkle::root(&leaves)].concat(),
            ),
            (Preimage::Chunk(op as u32, 0), layout.preimage(id, 0, value).unwrap()),
        ];
        for (which, preimage) in &preimages {
            let evidence = exhibit.malformed(*which, preimage, &leaves).unwrap();
            assert_eq!(
                judge(&run.claim, &evidence).map(|verdict| verdict.convicted),
                Ok(false),
                "seed {seed}: {which:?}"
            );
            for _ in 0..4 {
                let mut forged = evidence.clone();
                let at = rng.within(0, forged.len() as u64 - 1) as usize;
                forged[at] ^= 1 << rng.within(0, 7);
                forgeries.push(forged);
            }
        }
        // Correctly padded trees.
        for (node, count, hashes) in [
            (Node::Traces, units, unit_leaves(0, &run.traces)),
            (Node::Outputs, units, unit_leaves(0, &run.outputs)),
            (Node::Chunks(op as u32), leaves.len() as u32, leaves.clone()),
        ] {
            let padded = count.next_power_of_two();
            for index in count..padded {
                let mut all = hashes.clone();
                all.resize(padded as usize, merkle::pad());
                let evidence = exhibit.padding(node, 0, index, &merkle::pad(), &merkle::path(&all, index)).unwrap();
                assert_eq!(
                    judge(&run.claim, &evidence).map(|verdict| verdict.convicted),
                    Ok(false),
                    "seed {seed}: {node:?}"
                );
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

/// A worker whose traces commit to checkpoints is judged by the op outputs that it showed for the unit, and by nothing else.
#[test]
fn checkpoints_are_judged_by_what_was_shown() {
    for seed in 0..60 {
        let rng = &Rng::new(9_000 + seed);
        let graph = random_graph(rng, 5, seed % KINDS);
        if graph.ops.len() == 1 {
            continue;
        }
        let op = rng.within(0, graph.ops.len() as u64 - 1) as usize;
        let lie = |_: u32, o: usize, value: &mut Vec<u8>| {
            if o == op {
                value[0] ^= 1;
            }
        };
        let mut run = Run::new(&graph, rng, 2, &lie).every(graph.ops.len() as u32);
        run.show(1);
        let evidence = run.element(1, op, 0);
        assert!(judge(&run.claim, &evidence).unwrap().convicted, "seed {seed}");
        // Not before they are shown, not by another unit's outputs, and not by other outputs.
        let with = |shown| Claim {
            shown,
            ..run.claim.clone()
        };
        let shown = run.claim.shown.unwrap();
        assert_eq!(judge(&with(None), &evidence), Err(Invalid::Unshown));
        assert_eq!(judge(&with(Some(Shown { unit: 0, ..shown })), &evidence), Err(Invalid::Unshown));
        let mut other = shown;
        other.root[0] ^= 1;
        assert_eq!(judge(&with(Some(other)), &evidence), Err(Invalid::Trace));
        // Evidence that leads to the trace is refused.
        let claim = with(None);
        let exhibit = Exhibit {
            claim: &claim,
            ..run.exhibit(1)
        };
        assert_eq!(judge(&claim, &exhibit.output().unwrap()), Err(Invalid::Unshown));
        assert_eq!(
            judge(&run.claim, &run.exhibit(1).output().unwrap()).map(|verdict| verdict.convicted),
            Ok(false)
        );
    }
}

/// Whatever values a worker claims between two checkpoints: if they lead from the right inputs to a wrong output, one of their elements
/// convicts.
#[test]
fn no_values_between_checkpoints_hide_a_wrong_output() {
    for seed in 0..60 {
        let rng = &Rng::new(12_000 + seed);
        let graph = random_graph(rng, 6, seed % KINDS);
        let (n_inputs, n_ops) = (graph.inputs.len(), graph.ops.len());
        let right = Run::new(&graph, rng, 1, &honest);
        // The worker committed to an output that is off by one bit.
        let mut values = right.units.clone();
        values[0].last_mut().unwrap()[0] ^= 1;
        // It claims arbitrary values for the ops before it.
        let wrong = values[0].last().unwrap().clone();
        for value in &mut values[0][n_inputs..] {
            if rng.one_in(2) {
                let at = rng.within(0, value.len() as u64 - 1) as usize;
                value[at] ^= 1 << rng.within(0, 7);
            }
        }
        *values[0].last_mut().unwrap() = wrong;
        let mut run = Run::of_values(&graph, values).every(n_ops as u32);
        run.show(0);
        let elements = |op: usize| run.units[0][n_inputs + op].len() as u32;
        let convicts = |op| (0..elements(op)).any(|index| judge(&run.claim, &run.element(0, op, index)).unwrap().convicted);
        assert!((0..n_ops).any(convicts), "seed {seed}");
    }
}

/// A trace of every op instead of checkpoints, the other way round, or with another number of checkpoints.
#[test]
fn a_trace_of_other_checkpoints_convicts() {
    let rng = &Rng::new(31);
    let graph = (0..).map(|_| random_graph(rng, 5, 2)).find(|graph| graph.ops.len() > 2).unwrap();
    let n_ops = graph.ops.len() as u32;
    for (asked, given) in [(1, 2), (2, 1), (2, n_ops - 1)] {
        let (right, given) = (Run::new(&graph, rng, 2, &honest).every(asked), Checkpoints::new(n_ops, given));
        if given.count() == right.claim.checkpoints().count() {
            continue;
        }
        let committed: Vec<Hash> = given.of(&right.tensors[1]).copied().collect();
        let preimage = [&given.trace_head()[..], &merkle::root(&given.leaves(&committed))].concat();
        let mut traces = right.traces.clone();
        traces[1] = given.trace(&committed);
        let claim = Claim {
            traces: batch_root(&traces),
            ..right.claim.clone()
        };
        let exhibit = Exhibit {
            claim: &claim,
            trace_path: merkle::path(&unit_leaves(0, &traces), 1),
            ..right.exhibit(1)
        };
        let verdict = judge(&claim, &exhibit.malformed(Preimage::Trace, &preimage, &[]).unwrap()).unwrap();
        assert_eq!((verdict.convicted, verdict.fault), (true, Fault::Malformed), "{asked} {given:?}");
    }
}

fn assert_convicts(claim: &Claim, evidence: Option<Vec<u8>>, fault: Fault) {
    let verdict = judge(claim, &evidence.unwrap()).unwrap();
    assert_eq!((verdict.convicted, verdict.fault), (true, fault));
}

/// An honest run, and a unit and op of it. The tests below build commitments to them in a wrong way, each under otherwise valid hashes.
struct Sample {
    run: Run,
    unit: u32,
    op: u32,
}

impl Sample {
    fn new() -> Self {
        let rng = &Rng::new(77);
        let run = Run::new(&random_graph(rng, 3, 0), rng, 3, &honest);
        let op = 1.min(run.claim.n_ops - 1);
        Self { run, unit: 1, op }
    }

    fn exhibit<'a>(&'a self, claim: &'a Claim) -> Exhibit<'a> {
        Exhibit {
            claim,
            ..self.run.exhibit(self.unit)
        }
    }

    /// TENSORs of the unit's op outputs.
    fn tensors(&self) -> &[Hash] {
        &self.run.tensors[self.unit as usize]
    }

    /// Value id, layout and bytes of the op's output.
    fn output(&self) -> (u32, Layout, &[u8]) {
        let id = self.run.graph.inputs.len() as u32 + self.op;
        let value = &self.run.units[self.unit as usize][id as usize];
        (id, self.run.layout(self.op as usize), value)
    }

    /// Asserts that a preimage convicts a worker that committed to this TRACE of the unit and these TENSORs.
    fn assert_malformed(&self, trace: Hash, tensors: &[Hash], which: Preimage, preimage: &[u8], leaves: &[Hash]) {
        let mut traces = self.run.traces.clone();
        traces[self.unit as usize] = trace;
        let claim = Claim {
            traces: batch_root(&traces),
            ..self.run.claim.clone()
        };
        let exhibit = Exhibit {
            trace_path: merkle::path(&unit_leaves(0, &traces), self.unit),
            tensors,
            ..self.exhibit(&claim)
        };
        assert_convicts(&claim, exhibit.malformed(which, preimage, leaves), Fault::Malformed);
    }

    /// [`Sample::assert_malformed`] where the op's TENSOR is this one.
    fn assert_malformed_tensor(&self, tensor: Hash, which: Preimage, preimage: &[u8], leaves: &[Hash]) {
        let mut tensors = self.tensors().to_vec();
        tensors[self.op as usize] = tensor;
        let trace = self.run.claim.checkpoints().trace(&tensors);
        self.assert_malformed(trace, &tensors, which, preimage, leaves);
    }
}

#[test]
fn a_batch_of_another_number_of_units_convicts() {
    let sample = Sample::new();
    let root = merkle::root(&unit_leaves(0, &sample.run.traces));
    let preimage = [&4u32.to_le_bytes()[..], &root].concat();
    let claim = Claim {
        traces: tagged(Tag::Batch, [&preimage]),
        ..sample.run.claim.clone()
    };
    let evidence = sample.exhibit(&claim).malformed(Preimage::Traces, &preimage, &[]);
    assert_convicts(&claim, evidence, Fault::Malformed);
}

#[test]
fn a_unit_with_another_index_convicts() {
    let sample = Sample::new();
    let preimage = [&2u32.to_le_bytes()[..], &sample.run.outputs[1]].concat();
    let mut units = unit_leaves(0, &sample.run.outputs);
    units[1] = tagged(Tag::Unit, [&preimage]);
    let claim = Claim {
        outputs: batch_from_root(3, &merkle::root(&units)),
        ..sample.run.claim.clone()
    };
    let evidence = sample.exhibit(&claim).malformed(Preimage::OutputUnit, &preimage, &[]);
    assert_convicts(&claim, evidence, Fault::Malformed);
}

#[test]
fn a_trace_of_another_version_convicts() {
    let sample = Sample::new();
    let mut preimage = [&sample.run.claim.checkpoints().trace_head()[..], &[9; 32]].concat();
    preimage[0] = 2;
    let trace = tagged(Tag::Trace, [&preimage]);
    sample.assert_malformed(trace, sample.tensors(), Preimage::Trace, &preimage, &[]);
}

#[test]
fn an_op_with_another_index_convicts() {
    let sample = Sample::new();
    let op = sample.op as usize;
    let preimage = [&trace::op_head(sample.op + 1)[..], &sample.tensors()[op]].concat();
    let mut ops = trace::op_leaves(sample.tensors());
    ops[op] = tagged(Tag::Op, [&preimage]);
    let trace = sample.run.claim.checkpoints().trace_from_root(&merkle::root(&ops));
    sample.assert_malformed(trace, sample.tensors(), Preimage::Op(sample.op), &preimage, &[]);
}

#[test]
fn a_tensor_of_another_shape_convicts() {
    let sample = Sample::new();
    let (id, layout, value) = sample.output();
    let leaves = layout.leaves(id, value);
    let mut head = layout.head(leaves.len() as u32);
    head[2] ^= 1;
    let preimage = [&head[..], &merkle::root(&leaves)].concat();
    let tensor = tagged(Tag::Tensor, [&preimage]);
    sample.assert_malformed_tensor(tensor, Preimage::Tensor(sample.op), &preimage, &[]);
}

#[test]
fn a_chunk_of_another_length_convicts() {
    let sample = Sample::new();
    let (id, layout, value) = sample.output();
    let cut = &value[..value.len().min(1024) - 1];
    let preimage = [&chunk_head(layout.dtype, id, 0, cut.len() as u16)[..], cut].concat();
    let mut leaves = layout.leaves(id, value);
    leaves[0] = tagged(Tag::Chunk, [&preimage]);
    let tensor = layout.seal(leaves.len() as u32, &merkle::root(&leaves));
    sample.assert_malformed_tensor(tensor, Preimage::Chunk(sample.op, 0), &preimage, &leaves);
}

#[test]
fn a_leaf_beyond_the_last_unit_convicts() {
    let sample = Sample::new();
    let mut four = unit_leaves(0, &sample.run.traces);
    four.push([7; 32]);
    let claim = Claim {
        traces: batch_from_root(3, &merkle::root(&four)),
        ..sample.run.claim.clone()
    };
    let evidence = sample
        .exhibit(&claim)
        .padding(Node::Traces, 0, 3, &[7; 32], &merkle::path(&four, 3));
    assert_convicts(&claim, evidence, Fault::Padding);
}

#[test]
fn a_delivered_output_that_is_not_the_traced_one_convicts() {
    let sample = Sample::new();
    let mut outputs = sample.run.outputs.clone();
    outputs[sample.unit as usize] = [5; 32];
    let claim = Claim {
        outputs: batch_root(&outputs),
        ..sample.run.claim.clone()
    };
    let exhibit = Exhibit {
        output: [5; 32],
        output_path: merkle::path(&unit_leaves(0, &outputs), sample.unit),
        ..sample.exhibit(&claim)
    };
    assert_convicts(&claim, exhibit.output(), Fault::Output);
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

/// Evidence with any bit flipped convicts nobody, and the refusals name their reasons.
#[test]
fn altered_evidence_convicts_nobody_and_is_refused_by_name() {
    let mut refused = Vec::new();
    for kind in 0..KINDS {
        let rng = &Rng::new(40 + kind);
        let run = Run::new(&random_graph(rng, 2, kind), rng, 2, &honest);
        for op in 0..run.graph.ops.len() {
            let good = run.element(1, op, 0);
            for at in 0..good.len() {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << (at % 8);
                match judge(&run.claim, &bytes) {
                    Ok(verdict) => assert!(!verdict.convicted, "kind {kind}, op {op}, byte {at}"),
                    Err(invalid) if refused.contains(&invalid) => {}
                    Err(invalid) => refused.push(invalid),
                }
            }
        }
    }
    use Invalid::*;
    for expected in [Length, Version, Kind, Index, Descriptor, Trace, Input, Constant, Closed] {
        assert!(refused.contains(&expected), "{expected:?} of {refused:?}");
    }
}

/// An op that declares another shape than it makes, in a graph that the chain would not have registered.
#[test]
fn an_op_that_does_not_fit_its_inputs_is_refused() {
    let mut refused = 0;
    for kind in 0..KINDS {
        let rng = &Rng::new(70 + kind);
        let mut graph = random_graph(rng, 1, kind);
        let run = Run::new(&graph, rng, 1, &honest);
        let Some(op) = graph.ops.last_mut() else { continue };
        let Shape { h, w, c } = op.output;
        if h == w {
            continue;
        }
        op.output = Shape::new(w, h, c);
        let run = Run::of_values(&graph, run.units);
        let last = graph.ops.len() - 1;
        assert_eq!(judge(&run.claim, &run.element(0, last, 0)), Err(Invalid::Op), "kind {kind}");
        refused += 1;
    }
    assert!(refused > 2);
}
