use super::Model;
use crate::error::JobsError;
use anchor_lang::accounts::Slab;
use anchor_lang::bytemuck;
use anchor_lang::prelude::*;
use bytemuck::{Pod, Zeroable};
use protocol::graph::{self, GraphFacts, MAX_GRAPH_INPUTS, MAX_OPS};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::ops::{MAX_INPUTS, OpDescriptor, descriptor_leaf};
use protocol::tensor::Shape;

/// Number of subtree roots in the Merkle frontier of [`MAX_OPS`] leaves: 2^11 > 1,024.
pub const FRONTIER: usize = 11;

/// A model whose ops are still being uploaded: what has been checked and hashed so far. PDA `["draft", registrar, MODEL hash]`.
///
/// The tail holds the shape of every value of the graph, inputs first, so that each op can be checked against the values it reads.
#[account]
pub struct DraftHeader {
    /// Wallet that writes the draft and gets its rent back.
    pub registrar: Address,
    /// The MODEL hash that the sealed ops must have.
    pub model_hash: [u8; 32],
    /// Merkle frontier of the op descriptors appended so far.
    pub frontier: [[u8; 32]; FRONTIER],
    /// Multiply-accumulates (or copies) of one unit in the ops appended so far.
    pub macs: PodU64,
    /// Number of ops that the model will have.
    pub n_ops: PodU32,
    /// Number of ops appended so far.
    pub appended: PodU32,
    /// Largest number of input elements behind one output element so far.
    pub max_fan_in: PodU32,
    /// Number of graph inputs of the model.
    pub n_inputs: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
}

/// Shape of a value, as bytes.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
#[bytemuck(crate = "anchor_lang::bytemuck")]
pub struct Value(pub [u8; Shape::BYTES]);

/// A draft with its tail.
pub type Draft = Slab<DraftHeader, Value>;

/// First seed of a draft's PDA.
pub const DRAFT_SEED: &[u8] = b"draft";

/// Account size for a draft of `n_ops` ops and up to four inputs.
pub const fn draft_space(n_ops: u32) -> usize {
    // Bounded so that a hostile count cannot overflow the addition before the handler refuses it.
    let n_ops = if n_ops > MAX_OPS { MAX_OPS } else { n_ops };
    Draft::space_for(n_ops + MAX_GRAPH_INPUTS as u32)
}

impl DraftHeader {
    /// Fails unless the declared number of ops lies within its limits and no more have been appended.
    pub fn invariant(&self) -> Result<()> {
        let sound = self.appended.get() <= self.n_ops.get() && (1..=MAX_OPS).contains(&self.n_ops.get());
        require!(sound, JobsError::InvalidModelHeader);
        Ok(())
    }

    fn facts(&self, interval: u16) -> GraphFacts {
        GraphFacts {
            n_ops: self.n_ops.get(),
            graph_root: merkle::frontier_root(&self.frontier, self.appended.get()),
            max_fan_in: self.max_fan_in.get(),
            macs: self.macs.get(),
            interval: interval.into(),
        }
    }
}

/// Writes the header and the input shapes of a new draft.
pub fn start_draft(draft: &mut Draft, registrar: Address, model_hash: Hash, n_ops: u32, inputs: &[Shape], bump: u8) -> Result<()> {
    let valid = (1..=MAX_GRAPH_INPUTS).contains(&inputs.len())
        && (1..=MAX_OPS).contains(&n_ops)
        && inputs.iter().all(|shape| shape.elements().is_some());
    require!(valid, JobsError::InvalidModelHeader);
    draft.registrar = registrar;
    draft.model_hash = model_hash;
    draft.n_ops = n_ops.into();
    draft.n_inputs = inputs.len() as u8;
    draft.bump = bump;
    for shape in inputs {
        draft.try_push(Value(shape.to_bytes()))?;
    }
    Ok(())
}

/// Checks the next op against the values it reads and adds it to the graph.
pub fn append_op(draft: &mut Draft, encoded: &[u8]) -> Result<()> {
    let index = draft.appended.get();
    require!(index < draft.n_ops.get(), JobsError::DraftFull);
    let op = OpDescriptor::from_bytes(encoded).map_err(|_| JobsError::InvalidDescriptor)?;
    let ids = op.inputs.as_slice();
    let mut read = [Shape::from_bytes([0; Shape::BYTES]); MAX_INPUTS];
    for (slot, id) in read.iter_mut().zip(ids) {
        // The tail ends with the op before this one, so an op cannot read itself or a later one.
        let value = draft.get(usize::from(*id)).ok_or(JobsError::InvalidInputId)?;
        *slot = Shape::from_bytes(value.0);
    }
    let read = read.get(..ids.len()).ok_or(JobsError::InvalidDescriptor)?;
    let facts = graph::check_op(&op, read).map_err(|_| JobsError::InvalidOp)?;

    let mut count = index;
    merkle::push(&mut draft.frontier, &mut count, descriptor_leaf(index, encoded));
    draft.appended = count.into();
    draft.macs = draft.macs.checked_add(facts.macs).ok_or(JobsError::InvalidOp)?;
    draft.max_fan_in = draft.max_fan_in.get().max(facts.fan_in).into();
    draft.try_push(Value(facts.output.to_bytes()))?;
    draft.invariant()
}

/// Writes the model of a complete draft whose ops hash to its name, with a checkpoint every `interval` ops.
pub fn seal_draft(draft: &Draft, model: &mut Model, interval: u16, bump: u8) -> Result<()> {
    require!(draft.appended == draft.n_ops, JobsError::DraftIncomplete);
    let n_inputs = usize::from(draft.n_inputs);
    let mut inputs = [Shape::from_bytes([0; Shape::BYTES]); MAX_GRAPH_INPUTS];
    for ((slot, bytes), value) in inputs.iter_mut().zip(model.inputs.iter_mut()).zip(draft.iter()).take(n_inputs) {
        *bytes = value.0;
        *slot = Shape::from_bytes(value.0);
    }
    let facts = draft.facts(interval);
    require!(facts.has_interval(), JobsError::InvalidModelHeader);
    let inputs = inputs.get(..n_inputs).ok_or(JobsError::InvalidModelHeader)?;
    require!(graph::model_hash(inputs, &facts) == draft.model_hash, JobsError::ModelHashMismatch);
    model.hash = draft.model_hash;
    model.graph_root = facts.graph_root;
    model.registrar = draft.registrar;
    model.macs = facts.macs.into();
    model.n_ops = facts.n_ops.into();
    model.max_fan_in = facts.max_fan_in.into();
    model.output = draft.last().ok_or(JobsError::DraftIncomplete)?.0;
    model.interval = interval.into();
    model.n_inputs = draft.n_inputs;
    model.bump = bump;
    model.version = 1;
    model.invariant()
}
