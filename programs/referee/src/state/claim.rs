use anchor_lang::prelude::*;
use protocol::graph::MAX_GRAPH_INPUTS;
use protocol::tensor::Shape;

/// All op outputs of a unit, as shown by a worker whose traces commit only to checkpoints; see [`protocol::referee::Shown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct Shown {
    /// The unit.
    pub unit: u32,
    /// Root over the OP leaves of all ops.
    pub root: [u8; 32],
}

/// The claim about a computation that evidence is judged against; see [`protocol::referee::Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct Claim {
    /// Root over the model's op descriptors.
    pub graph_root: [u8; 32],
    /// Batch root of the job's inputs.
    pub inputs: [u8; 32],
    /// Batch root of the traces, as the worker revealed it.
    pub traces: [u8; 32],
    /// Batch root of the outputs, as the worker revealed it.
    pub outputs: [u8; 32],
    /// Number of ops of the model.
    pub n_ops: u32,
    /// Ops from one checkpoint of the traces to the next.
    pub interval: u32,
    /// Number of units of the job.
    pub units: u32,
    /// Number of graph inputs of the model.
    pub n_inputs: u8,
    /// Shapes of the graph inputs, each `h, w, c` as little-endian `u16`; those beyond `n_inputs` are ignored.
    pub input_shapes: [[u8; Shape::BYTES]; MAX_GRAPH_INPUTS],
    /// What the worker has shown of the unit that the evidence is about; needed where traces commit only to checkpoints.
    pub shown: Option<Shown>,
}

impl From<Claim> for protocol::referee::Claim {
    fn from(claim: Claim) -> Self {
        Self {
            graph_root: claim.graph_root,
            n_ops: claim.n_ops,
            interval: claim.interval,
            shown: claim.shown.map(|Shown { unit, root }| protocol::referee::Shown { unit, root }),
            input_shapes: claim.input_shapes.map(Shape::from_bytes),
            n_inputs: claim.n_inputs,
            units: claim.units,
            inputs: claim.inputs,
            traces: claim.traces,
            outputs: claim.outputs,
        }
    }
}
