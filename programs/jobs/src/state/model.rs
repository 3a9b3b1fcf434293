use crate::error::JobsError;
use anchor_lang::prelude::*;
use protocol::graph::{MAX_GRAPH_INPUTS, MAX_OPS};
use protocol::tensor::Shape;
use protocol::trace::Checkpoints;

/// A registered model: immutable, and named by the hash of what it computes. PDA `["model", MODEL hash]`.
#[account]
pub struct Model {
    /// MODEL: the hash that binds every op, weight and table.
    pub hash: [u8; 32],
    /// Root over the op descriptors.
    pub graph_root: [u8; 32],
    /// Wallet that paid for the registration.
    pub registrar: Address,
    /// Multiply-accumulates (or copies) of one unit.
    pub macs: PodU64,
    /// Number of ops in the graph.
    pub n_ops: PodU32,
    /// Largest number of input elements behind one output element.
    pub max_fan_in: PodU32,
    /// Shapes of the graph inputs, each `h, w, c` as little-endian `u16`; those beyond `n_inputs` are zero.
    pub inputs: [[u8; Shape::BYTES]; MAX_GRAPH_INPUTS],
    /// Shape of the graph's output, in the same encoding.
    pub output: [u8; Shape::BYTES],
    /// Number of graph inputs.
    pub n_inputs: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Ops from one checkpoint of a trace to the next; 0 means 1.
    pub interval: PodU16,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 30],
}

impl Model {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"model";

    /// What a trace of the model commits to.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.n_ops.get(), self.interval.get().into())
    }

    /// Fails unless the counts lie within the limits of a graph.
    pub fn invariant(&self) -> Result<()> {
        let sound = (1..=MAX_GRAPH_INPUTS).contains(&usize::from(self.n_inputs))
            && (1..=MAX_OPS).contains(&self.n_ops.get())
            && self.checkpoints().are_valid();
        require!(sound, JobsError::InvalidModelHeader);
        Ok(())
    }
}
