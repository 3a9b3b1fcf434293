//! The referee: convicts a false result by a single element, given only the roots that its worker committed to.
//!
//! A worker commits to every op output of every unit, or to checkpoints among them (`protocol::trace`). If each committed element were what
//! its op makes of the committed inputs, the whole trace would be the honest one. So a false trace contains an element that contradicts the
//! worker's own commitments, or a commitment that is not built as `protocol::trace` and `protocol::tensor` specify. [`judge`] checks a
//! proof of either:
//!
//! - every byte it reads must hash up to a root of the [`Claim`], along paths whose lengths follow from committed counts;
//! - the op's descriptor, never the evidence, determines which bytes an element depends on;
//! - shapes of op outputs come from the worker's own TENSORs, those of graph inputs from the model.
//!
//! Where the traces commit to checkpoints only, a unit is judged once its worker has shown all its op outputs ([`Shown`]), and evidence
//! leads to the root of those.
//!
//! An honest trace cannot be convicted: everything a proof can open in it is what an honest worker computed, barring SHA-256 collisions.
//! `docs/verification.md` has the full argument and the costs.
//!
//! Pure and allocation-light: the same code runs in the `referee` program and in the software that builds evidence ([`Exhibit`]).

mod element;
mod evidence;
mod exhibit;
mod judge;
#[cfg(test)]
mod tests;

pub(crate) use element::dot;
pub use element::{Openings, element};
pub(crate) use evidence::Reader;
pub use exhibit::{Claimed, Exhibit, Node, Preimage, Tensors};
pub use judge::judge;

use crate::graph::MAX_GRAPH_INPUTS;
use crate::hash::{Hash, Tag, tagged};
use crate::tensor::Shape;
use crate::trace::Checkpoints;

/// Longest evidence. It is enough for every element of a valid op: the most expensive one (`graph::MAX_VERDICT_UNITS`) opens about 170
/// chunks.
pub const MAX_EVIDENCE_BYTES: usize = 192 << 10;

/// What a result is judged against: the model, the job's inputs and the worker's roots. All of it is on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Root over the model's op descriptors.
    pub graph_root: Hash,
    /// Number of ops.
    pub n_ops: u32,
    /// Ops from one checkpoint of the traces to the next.
    pub interval: u32,
    /// Op outputs that the worker has shown on demand; needed where its traces commit to checkpoints only.
    pub shown: Option<Shown>,
    /// Shapes of the graph inputs; those beyond `n_inputs` are ignored.
    pub input_shapes: [Shape; MAX_GRAPH_INPUTS],
    /// Number of graph inputs.
    pub n_inputs: u8,
    /// Units of work.
    pub units: u32,
    /// Batch root of the inputs.
    pub inputs: Hash,
    /// Batch root of the traces, as the worker revealed it.
    pub traces: Hash,
    /// Batch root of the outputs, as the worker revealed it.
    pub outputs: Hash,
}

impl Claim {
    /// What the traces commit to.
    pub const fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.n_ops, self.interval)
    }
}

/// All op outputs of a unit as the worker showed them, after the chain checked that the checkpoints among them are those of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The unit.
    pub unit: u32,
    /// Root over the OP leaves of all ops.
    pub root: Hash,
}

crate::coded! {
    /// What a proof shows to be wrong.
    pub enum Fault {
        /// An element is not what its op makes of its inputs.
        Element = 0,
        /// The delivered output is not the traced one.
        Output = 1,
        /// A commitment is not built as specified.
        Malformed = 2,
        /// A tree is not empty beyond its last leaf.
        Padding = 3,
        /// A demand was not answered in time. The jobs program, which keeps the time, finds this without evidence.
        Silence = 4,
    }
}

/// The referee's finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the claim is false. If not, the evidence is valid but shows no fault.
    pub convicted: bool,
    /// What the evidence is about.
    pub fault: Fault,
    /// Unit that the fault lies in.
    pub unit: u32,
    /// Op that the fault lies in; 0 when the fault is above the ops.
    pub op: u32,
    /// Index of the element, chunk or node.
    pub index: u32,
    /// For an element: the code of its right value.
    pub expected: u8,
    /// For an element: the code that the worker committed to.
    pub claimed: u8,
}

impl Verdict {
    /// Length of [`Verdict::to_bytes`].
    pub const BYTES: usize = 16;

    /// `convicted, fault, expected, claimed, unit, op, index`, numbers little-endian.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let ([u0, u1, u2, u3], [o0, o1, o2, o3]) = (self.unit.to_le_bytes(), self.op.to_le_bytes());
        let [i0, i1, i2, i3] = self.index.to_le_bytes();
        let head = [self.convicted as u8, self.fault as u8, self.expected, self.claimed];
        let [convicted, fault, expected, claimed] = head;
        [convicted, fault, expected, claimed, u0, u1, u2, u3, o0, o1, o2, o3, i0, i1, i2, i3]
    }

    /// Inverse of [`Verdict::to_bytes`]; `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [
            convicted @ 0..=1,
            fault,
            expected,
            claimed,
            u0,
            u1,
            u2,
            u3,
            o0,
            o1,
            o2,
            o3,
            i0,
            i1,
            i2,
            i3,
        ] = *bytes
        else {
            return None;
        };
        Some(Self {
            convicted: convicted == 1,
            fault: match fault {
                0 => Fault::Element,
                1 => Fault::Output,
                2 => Fault::Malformed,
                3 => Fault::Padding,
                _ => return None,
            },
            unit: u32::from_le_bytes([u0, u1, u2, u3]),
            op: u32::from_le_bytes([o0, o1, o2, o3]),
            index: u32::from_le_bytes([i0, i1, i2, i3]),
            expected,
            claimed,
        })
    }
}

/// Why bytes are not evidence about a claim. Such bytes convict nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Invalid {
    /// Shorter or longer than its parts.
    Length,
    /// For another version of the specification.
    Version,
    /// A kind, level or tree that does not exist.
    Kind,
    /// A unit, op, element, chunk or node that does not exist.
    Index,
    /// The descriptor is not that of the model's op.
    Descriptor,
    /// The op is not valid for the opened shapes.
    Op,
    /// An opening of the worker's trace does not lead to its root.
    Trace,
    /// An opening of the worker's outputs does not lead to their root.
    Output,
    /// An opening of the job's inputs does not lead to their root.
    Input,
    /// An opening of a constant does not lead to the hash in the descriptor.
    Constant,
    /// Bytes that the element depends on are not opened.
    Closed,
    /// The traces commit to checkpoints only, and the worker has not shown the op outputs of this unit.
    Unshown,
}

impl Invalid {
    /// The reason in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Length => "the evidence is shorter or longer than its parts",
            Self::Version => "the evidence is for another version of the specification",
            Self::Kind => "there is no such kind of evidence",
            Self::Index => "the evidence names a unit, op, element, chunk or node that does not exist",
            Self::Descriptor => "the descriptor is not the model's descriptor of this op",
            Self::Op => "the op does not fit the shapes that were opened",
            Self::Trace => "an opening of the worker's trace does not lead to its root",
            Self::Output => "an opening of the worker's outputs does not lead to their root",
            Self::Input => "an opening of the job's inputs does not lead to their root",
            Self::Constant => "an opening of a constant does not lead to the hash in the descriptor",
            Self::Closed => "the evidence does not open all bytes that the element depends on",
            Self::Unshown => "the traces commit only to checkpoints, and the worker has not shown the op outputs of this unit",
        }
    }
}

impl core::fmt::Display for Invalid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Invalid {}

/// The unit that evidence is about; `None` when the evidence is too short.
pub fn unit_of(evidence: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(evidence);
    reader.take(3).ok()?;
    reader.u32().ok()
}

/// EVIDENCE: the commitment to evidence that a challenger submits before showing it. It hides the evidence; because it contains
/// `challenger`, copying it is useless.
pub fn seal(evidence: &[u8], challenger: &[u8; 32], subject: &[u8; 32]) -> Hash {
    let digest = solana_sha256_hasher::hashv(&[evidence]).to_bytes();
    tagged(Tag::Evidence, [&digest, challenger, subject])
}
