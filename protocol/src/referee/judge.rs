//! From evidence to verdict.

use super::evidence::{Kind, Level, Opened, Reader, Tree};
use super::{Claim, Fault, Invalid, Openings, Verdict, element};
use crate::batch::{batch_from_root, inputs_hash, unit_leaf};
use crate::graph::{self, MAX_GRAPH_INPUTS};
use crate::hash::{Hash, SPEC_VERSION, Tag, tagged};
use crate::merkle;
use crate::ops::{MAX_INPUTS, OpDescriptor, Operand, descriptor_leaf};
use crate::tensor::{Shape, chunk_head, from_code, to_code};
use crate::trace::{op_head, op_leaf};

/// Judges `evidence` about `claim`. `Ok` says whether it shows a fault; `Err` says why it is not evidence about the claim.
pub fn judge(claim: &Claim, evidence: &[u8]) -> Result<Verdict, Invalid> {
    let mut reader = Reader::new(evidence);
    if reader.u16()? != SPEC_VERSION {
        return Err(Invalid::Version);
    }
    let kind = reader.kind()?;
    let (unit, op, index) = (reader.u32()?, reader.u32()?, reader.u32()?);
    if unit >= claim.units || op >= claim.n_ops {
        return Err(Invalid::Index);
    }
    let mut trial = Trial { claim, unit, op, reader };
    let sound = Verdict {
        convicted: false,
        fault: Fault::Element,
        unit,
        op,
        index,
        expected: 0,
        claimed: 0,
    };
    let verdict = match kind {
        Kind::Element => {
            let (expected, claimed) = trial.element(index)?;
            Verdict {
                convicted: expected != claimed,
                expected: to_code(expected),
                claimed: to_code(claimed),
                ..sound
            }
        }
        Kind::Output => Verdict {
            convicted: trial.output()?,
            fault: Fault::Output,
            ..sound
        },
        Kind::Malformed => Verdict {
            convicted: trial.malformed(index)?,
            fault: Fault::Malformed,
            ..sound
        },
        Kind::Padding => Verdict {
            convicted: trial.padding(index)?,
            fault: Fault::Padding,
            ..sound
        },
    };
    trial.reader.end()?;
    Ok(verdict)
}

/// A reader of the evidence, and the place of the alleged fault.
struct Trial<'a> {
    claim: &'a Claim,
    unit: u32,
    op: u32,
    reader: Reader<'a>,
}

/// The operand under which the op's own output is opened: the slot after those of the inputs.
const OUTPUT: Operand = Operand::Input(MAX_INPUTS as u8);

impl<'a> Trial<'a> {
    /// The right value of element `index`, and the one that the worker committed to.
    fn element(&mut self, index: u32) -> Result<(i8, i8), Invalid> {
        let op = self.descriptor()?;
        let mut opened = Opened::default();
        let id = self.value_id();
        let tensor = opened.read(&mut self.reader, OUTPUT, &op.output.layout(), id)?;
        let ops_root = self.reader.climb(op_leaf(self.op, &tensor), self.op, self.claim.n_ops)?;
        self.check_trace(&ops_root)?;

        let mut shapes = [Shape::default(); MAX_INPUTS];
        let ids = op.inputs.as_slice();
        for ((slot, id), shape) in (0..).zip(ids).zip(&mut shapes) {
            *shape = self.input(&mut opened, Operand::Input(slot), u32::from(*id), &ops_root)?;
        }
        let shapes = shapes.get(..ids.len()).ok_or(Invalid::Op)?;
        graph::check_op(&op, shapes).map_err(|_| Invalid::Op)?;
        for constant in op.constants(shapes) {
            let found = opened.read(&mut self.reader, constant.operand, &constant.layout, constant.uid)?;
            if found != constant.tensor {
                return Err(Invalid::Constant);
            }
        }

        let claimed = opened
            .bytes(OUTPUT, index, 1)
            .and_then(|bytes| bytes.first())
            .ok_or(Invalid::Closed)?;
        let expected = element(&op, shapes, &opened, index).ok_or(Invalid::Closed)?;
        Ok((expected, from_code(*claimed)))
    }

    /// Reads the opening of value `id` and checks it against the job's inputs or the worker's trace; returns the value's shape.
    fn input(&mut self, opened: &mut Opened<'a>, operand: Operand, id: u32, ops_root: &Hash) -> Result<Shape, Invalid> {
        let n_inputs = u32::from(self.claim.n_inputs);
        let Some(op) = id.checked_sub(n_inputs) else {
            let shape = *self.claim.input_shapes.get(id as usize).ok_or(Invalid::Index)?;
            let found = opened.read(&mut self.reader, operand, &shape.layout(), id)?;
            let mut tensors = [[0; 32]; MAX_GRAPH_INPUTS];
            for (other, tensor) in (0..n_inputs).zip(&mut tensors) {
                *tensor = if other == id { found } else { self.reader.hash()? };
            }
            let inputs = inputs_hash(tensors.get(..n_inputs as usize).ok_or(Invalid::Index)?);
            let root = self.reader.climb(unit_leaf(self.unit, &inputs), self.unit, self.claim.units)?;
            return if batch_from_root(self.claim.units, &root) == self.claim.inputs {
                Ok(shape)
            } else {
                Err(Invalid::Input)
            };
        };
        let shape = self.reader.shape()?;
        let found = opened.read(&mut self.reader, operand, &shape.layout(), id)?;
        if self.reader.climb(op_leaf(op, &found), op, self.claim.n_ops)? == *ops_root {
            Ok(shape)
        } else {
            Err(Invalid::Trace)
        }
    }

    /// Whether the delivered output of the unit differs from the traced one.
    fn output(&mut self) -> Result<bool, Invalid> {
        let delivered = self.reader.hash()?;
        let root = self.reader.climb(unit_leaf(self.unit, &delivered), self.unit, self.claim.units)?;
        if batch_from_root(self.claim.units, &root) != self.claim.outputs {
            return Err(Invalid::Output);
        }
        if self.op.checked_add(1) != Some(self.claim.n_ops) {
            return Err(Invalid::Index);
        }
        let traced = self.reader.hash()?;
        let ops_root = self.reader.climb(op_leaf(self.op, &traced), self.op, self.claim.n_ops)?;
        self.check_trace(&ops_root)?;
        Ok(delivered != traced)
    }

    /// Whether a preimage in the worker's trees differs from the specified form. `index` is that of the chunk.
    fn malformed(&mut self, index: u32) -> Result<bool, Invalid> {
        let (level, tree) = (self.reader.level()?, self.reader.tree()?);
        let root = self.root_of(tree)?;
        if tree == Tree::Outputs && level as u8 > Level::Unit as u8 {
            return Err(Invalid::Kind);
        }
        let (units, n_ops) = (self.claim.units.to_le_bytes(), self.claim.n_ops);
        match level {
            Level::Batch => {
                let found = self.reader.counted()?;
                check(tagged(Tag::Batch, [found]) == *root, Invalid::Trace)?;
                Ok(differs(found, &units, 32))
            }
            Level::Unit => {
                let found = self.reader.counted()?;
                let units_root = self.reader.climb(tagged(Tag::Unit, [found]), self.unit, self.claim.units)?;
                check(batch_from_root(self.claim.units, &units_root) == *root, Invalid::Trace)?;
                Ok(differs(found, &self.unit.to_le_bytes(), 32))
            }
            Level::Trace => {
                let found = self.reader.counted()?;
                self.check_unit(&tagged(Tag::Trace, [found]))?;
                Ok(differs(found, &self.claim.checkpoints().trace_head(), 32))
            }
            Level::Op => {
                let found = self.reader.counted()?;
                let ops_root = self.reader.climb(tagged(Tag::Op, [found]), self.op, n_ops)?;
                self.check_trace(&ops_root)?;
                Ok(differs(found, &op_head(self.op), 32))
            }
            Level::Tensor => {
                let layout = self.descriptor()?.output.layout();
                let found = self.reader.counted()?;
                let ops_root = self.reader.climb(op_leaf(self.op, &tagged(Tag::Tensor, [found])), self.op, n_ops)?;
                self.check_trace(&ops_root)?;
                let chunks = layout.chunks().ok_or(Invalid::Op)?;
                Ok(differs(found, &layout.head(chunks), 32))
            }
            Level::Chunk => {
                let layout = self.descriptor()?.output.layout();
                let (bytes, chunks) = layout.bytes().zip(layout.chunks()).ok_or(Invalid::Op)?;
                check(index < chunks, Invalid::Index)?;
                let found = self.reader.counted()?;
                let root = self.reader.climb(tagged(Tag::Chunk, [found]), index, chunks)?;
                let ops_root = self.reader.climb(op_leaf(self.op, &layout.seal(chunks, &root)), self.op, n_ops)?;
                self.check_trace(&ops_root)?;
                // Below 2^24 · 2^10, and within the tensor.
                let size = layout.chunk_bytes() as u32;
                let length = bytes.saturating_sub(index * size).min(size);
                let head = chunk_head(layout.dtype, self.value_id(), index, length as u16);
                Ok(differs(found, &head, length as usize))
            }
        }
    }

    /// Whether a node beyond the last leaf of one of the worker's trees is not that of an empty subtree. `index` is that of the node.
    fn padding(&mut self, index: u32) -> Result<bool, Invalid> {
        let (tree, level) = (self.reader.tree()?, u32::from(self.reader.u8()?));
        let (units, n_ops) = (self.claim.units, self.claim.n_ops);
        let layout = match tree {
            Tree::Chunks => Some(self.descriptor()?.output.layout()),
            Tree::Traces | Tree::Outputs | Tree::Ops => None,
        };
        let count = match (tree, layout) {
            (Tree::Ops, _) => n_ops,
            (_, Some(layout)) => layout.chunks().ok_or(Invalid::Op)?,
            _ => units,
        };
        let above = merkle::depth(count).checked_sub(level).ok_or(Invalid::Index)?;
        // The first leaf below the node lies beyond the last one.
        check(u64::from(index) << level >= u64::from(count), Invalid::Index)?;
        let found = self.reader.hash()?;
        let siblings = self.reader.hashes(above)?;
        let root = merkle::root_from_path(found, index, above, siblings).ok_or(Invalid::Index)?;
        match tree {
            Tree::Traces | Tree::Outputs => check(batch_from_root(units, &root) == *self.root_of(tree)?, Invalid::Trace)?,
            Tree::Ops => self.check_trace(&root)?,
            Tree::Chunks => {
                let tensor = layout.ok_or(Invalid::Kind)?.seal(count, &root);
                let ops_root = self.reader.climb(op_leaf(self.op, &tensor), self.op, n_ops)?;
                self.check_trace(&ops_root)?;
            }
        }
        Ok(found != merkle::empty(level))
    }

    /// Reads the op's descriptor and checks that it is the model's.
    fn descriptor(&mut self) -> Result<OpDescriptor, Invalid> {
        let encoded = self.reader.counted()?;
        let root = self.reader.climb(descriptor_leaf(self.op, encoded), self.op, self.claim.n_ops)?;
        check(root == self.claim.graph_root, Invalid::Descriptor)?;
        OpDescriptor::from_bytes(encoded).map_err(|_| Invalid::Descriptor)
    }

    /// Checks that the unit's op outputs have this root: either the worker has shown it, or the unit path that comes next leads from it to
    /// the traces.
    fn check_trace(&mut self, ops_root: &Hash) -> Result<(), Invalid> {
        let checkpoints = self.claim.checkpoints();
        match self.claim.shown {
            Some(shown) if shown.unit == self.unit => check(shown.root == *ops_root, Invalid::Trace),
            None if checkpoints.are_all() => self.check_unit(&checkpoints.trace_from_root(ops_root)),
            _ => Err(Invalid::Unshown),
        }
    }

    fn check_unit(&mut self, trace: &Hash) -> Result<(), Invalid> {
        let root = self.reader.climb(unit_leaf(self.unit, trace), self.unit, self.claim.units)?;
        check(batch_from_root(self.claim.units, &root) == self.claim.traces, Invalid::Trace)
    }

    fn root_of(&self, tree: Tree) -> Result<&'a Hash, Invalid> {
        match tree {
            Tree::Traces => Ok(&self.claim.traces),
            Tree::Outputs => Ok(&self.claim.outputs),
            Tree::Ops | Tree::Chunks => Err(Invalid::Kind),
        }
    }

    /// Id of the op's output.
    fn value_id(&self) -> u32 {
        u32::from(self.claim.n_inputs).saturating_add(self.op)
    }
}

fn check(holds: bool, otherwise: Invalid) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Whether a preimage is anything but `head` followed by `rest` bytes.
fn differs(found: &[u8], head: &[u8], rest: usize) -> bool {
    found.strip_prefix(head).is_none_or(|tail| tail.len() != rest)
}
