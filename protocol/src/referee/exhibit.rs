//! Writes evidence, for software that has all the bytes.

use super::Claim;
use super::element::{Openings, element};
use super::evidence::{Kind, Level, Tree};
use crate::batch::unit_leaves;
use crate::hash::{Hash, SPEC_VERSION};
use crate::merkle::{path, range_proof};
use crate::ops::{OpDescriptor, Operand};
use crate::tensor::{CHUNK_BYTES, Shape};
use crate::trace::op_leaves;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Whole tensors in their committed form. Where worker and challenger agree on a value, it does not matter whose it is.
pub trait Tensors {
    /// The unit's value `id`: graph inputs first, then op outputs.
    fn value(&self, id: u32) -> Option<&[u8]>;
    /// A constant of op `op`.
    fn constant(&self, op: u32, operand: Operand) -> Option<&[u8]>;
}

/// An op's output as the worker committed to it: the leaf of every chunk, and the bytes of the chunk in question.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a> {
    /// CHUNK of every chunk, in order.
    pub leaves: &'a [Hash],
    /// Number of the chunk in question.
    pub chunk: u32,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// One unit of a job as its worker claims to have computed it, from which evidence is written. Nothing is checked here: inconsistent parts
/// make evidence that [`judge`](super::judge) refuses.
#[derive(Clone, Debug)]
pub struct Exhibit<'a> {
    /// The claim that is judged.
    pub claim: &'a Claim,
    /// The model's ops.
    pub ops: &'a [OpDescriptor],
    /// INPUTS of every unit.
    pub inputs: &'a [Hash],
    /// Siblings from the unit's leaf in the worker's traces to their root.
    pub trace_path: Vec<Hash>,
    /// TENSOR of the unit's output, as delivered.
    pub output: Hash,
    /// Siblings from the unit's leaf in the delivered outputs to their root.
    pub output_path: Vec<Hash>,
    /// The unit in question.
    pub unit: u32,
    /// The worker's TENSOR of every op of that unit.
    pub tensors: &'a [Hash],
    /// TENSOR of the unit's graph inputs.
    pub input_tensors: &'a [Hash],
}

/// A preimage in the worker's trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preimage {
    /// BATCH of the traces.
    Traces,
    /// BATCH of the outputs.
    Outputs,
    /// UNIT in the traces.
    TraceUnit,
    /// UNIT in the outputs.
    OutputUnit,
    /// TRACE of the unit.
    Trace,
    /// OP of an op.
    Op(u32),
    /// TENSOR of an op's output.
    Tensor(u32),
    /// CHUNK of an op's output.
    Chunk(u32, u32),
}

/// One of the worker's trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// Over the units' traces.
    Traces,
    /// Over the units' outputs.
    Outputs,
    /// Over the unit's op outputs.
    Ops,
    /// Over the chunks of an op's output.
    Chunks(u32),
}

impl Exhibit<'_> {
    /// Evidence that element `index` of op `op` is not what the op makes of its inputs. The values that the op reads come from `tensors`
    /// and must be those that the worker committed to. `None` when `tensors` lacks one of them.
    pub fn element(&self, tensors: &impl Tensors, op: u32, index: u32, claimed: Claimed<'_>) -> Option<Vec<u8>> {
        let descriptor = self.ops.get(op as usize)?;
        let ids = descriptor.inputs.as_slice();
        let shapes: Vec<_> = ids.iter().map(|id| self.shape_of(u32::from(*id))).collect::<Option<_>>()?;
        let reads = Reads {
            tensors,
            op,
            ids,
            log: RefCell::new(Vec::new()),
        };
        element(descriptor, &shapes, &reads, index)?;
        let reads = reads.log.into_inner();

        let mut out = self.start(Kind::Element, op, index);
        self.descriptor(&mut out, op)?;
        out.push(1);
        let count = u16::try_from(claimed.bytes.len().div_ceil(CHUNK_BYTES)).ok()?;
        chunks(&mut out, claimed.leaves, claimed.chunk, count, claimed.bytes);
        self.op_path(&mut out, op);
        self.ops_path(&mut out);
        for (slot, id) in (0..).zip(ids) {
            let id = u32::from(*id);
            let shape = self.shape_of(id)?;
            let leaves = shape.layout().leaves(id, tensors.value(id)?);
            match id.checked_sub(self.claim.n_inputs.into()) {
                None => {
                    open(&mut out, Operand::Input(slot), &reads, CHUNK_BYTES, &leaves, tensors.value(id)?);
                    let others = (0..).zip(self.input_tensors).filter(|(other, _)| *other != id);
                    others.for_each(|(_, tensor)| out.extend(tensor));
                    hashes(&mut out, &path(&unit_leaves(0, self.inputs), self.unit));
                }
                Some(producer) => {
                    out.extend(shape.to_bytes());
                    open(&mut out, Operand::Input(slot), &reads, CHUNK_BYTES, &leaves, tensors.value(id)?);
                    self.op_path(&mut out, producer);
                }
            }
        }
        for constant in descriptor.constants(&shapes) {
            let bytes = tensors.constant(op, constant.operand)?;
            let leaves = constant.layout.leaves(constant.uid, bytes);
            let size = constant.layout.chunk_bytes();
            open(&mut out, constant.operand, &reads, size, &leaves, bytes);
        }
        Some(out)
    }

    /// Evidence that the unit's delivered output is not the traced one.
    pub fn output(&self) -> Option<Vec<u8>> {
        let last = self.claim.n_ops.checked_sub(1)?;
        let mut out = self.start(Kind::Output, last, 0);
        out.extend(self.output);
        hashes(&mut out, &self.output_path);
        out.extend(self.tensors.get(last as usize)?);
        self.op_path(&mut out, last);
        self.ops_path(&mut out);
        Some(out)
    }

    /// Evidence that a preimage (without its tag byte) in the worker's trees is not built as specified. `leaves` are those of the chunk
    /// tree when the preimage is a chunk.
    pub fn malformed(&self, which: Preimage, preimage: &[u8], leaves: &[Hash]) -> Option<Vec<u8>> {
        let (level, tree, op, index) = match which {
            Preimage::Traces => (Level::Batch, Tree::Traces, 0, 0),
            Preimage::Outputs => (Level::Batch, Tree::Outputs, 0, 0),
            Preimage::TraceUnit => (Level::Unit, Tree::Traces, 0, 0),
            Preimage::OutputUnit => (Level::Unit, Tree::Outputs, 0, 0),
            Preimage::Trace => (Level::Trace, Tree::Traces, 0, 0),
            Preimage::Op(op) => (Level::Op, Tree::Traces, op, 0),
            Preimage::Tensor(op) => (Level::Tensor, Tree::Traces, op, 0),
            Preimage::Chunk(op, chunk) => (Level::Chunk, Tree::Traces, op, chunk),
        };
        let mut out = self.start(Kind::Malformed, op, index);
        out.extend([level as u8, tree as u8]);
        if matches!(level, Level::Tensor | Level::Chunk) {
            self.descriptor(&mut out, op)?;
        }
        counted(&mut out, preimage)?;
        if level == Level::Chunk {
            hashes(&mut out, &path(leaves, index));
        }
        if matches!(level, Level::Op | Level::Tensor | Level::Chunk) {
            self.op_path(&mut out, op);
        }
        match (level, tree) {
            (Level::Batch, _) => {}
            (_, Tree::Outputs) => hashes(&mut out, &self.output_path),
            (Level::Unit | Level::Trace, _) => hashes(&mut out, &self.trace_path),
            _ => self.ops_path(&mut out),
        }
        Some(out)
    }

    /// Evidence that node `index` at `level` of a tree lies beyond the last leaf and is not that of an empty subtree. `siblings` lead to
    /// the root.
    pub fn padding(&self, node: Node, level: u8, index: u32, hash: &Hash, siblings: &[Hash]) -> Option<Vec<u8>> {
        let (tree, op) = match node {
            Node::Traces => (Tree::Traces, 0),
            Node::Outputs => (Tree::Outputs, 0),
            Node::Ops => (Tree::Ops, 0),
            Node::Chunks(op) => (Tree::Chunks, op),
        };
        let mut out = self.start(Kind::Padding, op, index);
        out.extend([tree as u8, level]);
        if tree == Tree::Chunks {
            self.descriptor(&mut out, op)?;
        }
        out.extend(hash);
        hashes(&mut out, siblings);
        if tree == Tree::Chunks {
            self.op_path(&mut out, op);
        }
        if matches!(tree, Tree::Ops | Tree::Chunks) {
            self.ops_path(&mut out);
        }
        Some(out)
    }

    fn start(&self, kind: Kind, op: u32, index: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 << 10);
        out.extend(SPEC_VERSION.to_le_bytes());
        out.push(kind as u8);
        [self.unit, op, index].iter().for_each(|number| out.extend(number.to_le_bytes()));
        out
    }

    fn descriptor(&self, out: &mut Vec<u8>, op: u32) -> Option<()> {
        counted(out, &self.ops.get(op as usize)?.to_bytes())?;
        let leaves: Vec<Hash> = (0..).zip(self.ops).map(|(index, op)| op.leaf(index)).collect();
        hashes(out, &path(&leaves, op));
        Some(())
    }

    fn op_path(&self, out: &mut Vec<u8>, op: u32) {
        hashes(out, &path(&op_leaves(self.tensors), op));
    }

    /// Writes the path above the root over the unit's op outputs: nothing if the worker has shown them.
    fn ops_path(&self, out: &mut Vec<u8>) {
        if self.claim.shown.is_none() {
            hashes(out, &self.trace_path);
        }
    }

    fn shape_of(&self, id: u32) -> Option<Shape> {
        match id.checked_sub(self.claim.n_inputs.into()) {
            None => self.claim.input_shapes.get(id as usize).copied(),
            Some(op) => self.ops.get(op as usize).map(|op| op.output),
        }
    }
}

/// Serves an element's reads from whole tensors, and records them.
struct Reads<'a, T> {
    tensors: &'a T,
    op: u32,
    ids: &'a [u16],
    log: RefCell<Vec<(Operand, u32, u32)>>,
}

impl<T: Tensors> Openings for Reads<'_, T> {
    fn bytes(&self, operand: Operand, first: u32, len: u32) -> Option<&[u8]> {
        self.log.borrow_mut().push((operand, first, len));
        let whole = match operand {
            Operand::Input(slot) => self.tensors.value(u32::from(*self.ids.get(usize::from(slot))?)),
            constant => self.tensors.constant(self.op, constant),
        }?;
        whole.get(first as usize..)?.get(..len as usize)
    }
}

fn hashes(out: &mut Vec<u8>, hashes: &[Hash]) {
    hashes.iter().for_each(|hash| out.extend(hash));
}

fn counted(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend(u16::try_from(bytes.len()).ok()?.to_le_bytes());
    out.extend(bytes);
    Some(())
}

/// Opens every chunk of `operand` that was read, or its first chunk when none was: the evidence has to lead to the tensor in any case.
fn open(out: &mut Vec<u8>, operand: Operand, reads: &[(Operand, u32, u32)], size: usize, leaves: &[Hash], bytes: &[u8]) {
    let chunk = |byte: u32| byte / size as u32;
    let mut read: Vec<(u32, u32)> = reads
        .iter()
        .filter(|(of, _, len)| *of == operand && *len > 0)
        .map(|(_, first, len)| (chunk(*first), chunk(first.saturating_add(*len).saturating_sub(1))))
        .collect();
    read.sort_unstable();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for (first, last) in read {
        match ranges.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => ranges.push((first, last)),
        }
    }
    if ranges.is_empty() {
        ranges.push((0, 0));
    }
    out.push(ranges.len() as u8);
    for (first, last) in ranges {
        let end = (last as usize + 1) * size;
        let data = bytes.get(first as usize * size..end.min(bytes.len())).unwrap_or(&[]);
        chunks(out, leaves, first, (last - first + 1) as u16, data);
    }
}

fn chunks(out: &mut Vec<u8>, leaves: &[Hash], first: u32, count: u16, data: &[u8]) {
    out.extend(first.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(data);
    hashes(out, &range_proof(leaves, first, count.into()));
}
