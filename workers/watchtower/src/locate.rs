//! Where a worker's result first differs from the recomputed one.
//!
//! Units come in order and ops in topological order, so everything the first different op reads is equal to one's own values. Whatever of
//! that op's output differs therefore contradicts the worker's own commitments: it convicts, whoever is right about the rest.
//!
//! Nothing here does any I/O: what the worker shows comes through [`WorkerTrace`], be it from a blob store or from answers on the chain.

use async_trait::async_trait;
use protocol::batch::{batch_root, unit_leaf};
use protocol::blob::TraceBlob;
use protocol::hash::Hash;
use protocol::merkle::Frontier;
use protocol::tensor::{CHUNK_BYTES, Shape};
use protocol::trace;

/// The op roots of a whole job, as its worker shows them. They hash to the revealed traces root, or are not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpRoots {
    /// Ops of the graph, as the worker says.
    pub n_ops: u32,
    /// Units of the job, as the worker says.
    pub units: u32,
    /// TENSOR of every op's output, unit after unit.
    pub tensors: Vec<Hash>,
}

impl OpRoots {
    /// What a trace blob carries.
    pub fn of(blob: &TraceBlob<'_>) -> Self {
        let tensors = (0..blob.units()).filter_map(|unit| blob.unit(unit)).flatten().copied().collect();
        Self {
            n_ops: blob.n_ops(),
            units: blob.units(),
            tensors,
        }
    }

    /// Op roots of one unit.
    pub fn unit(&self, unit: u32) -> &[Hash] {
        self.tensors
            .chunks_exact((self.n_ops as usize).max(1))
            .nth(unit as usize)
            .unwrap_or_default()
    }

    /// TRACE of every unit.
    pub fn traces(&self) -> Vec<Hash> {
        self.tensors.chunks_exact((self.n_ops as usize).max(1)).map(trace::trace).collect()
    }
}

/// How a value is committed to, as its worker shows it. It hashes to the TENSOR asked for, or is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaves {
    /// Number of the value it was committed under.
    pub value_id: u32,
    /// Shape it was committed with.
    pub shape: Shape,
    /// CHUNK of every chunk.
    pub chunks: Vec<Hash>,
}

/// An op's output in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Unit.
    pub unit: u32,
    /// Op.
    pub op: u32,
    /// The worker's TENSOR of it.
    pub root: Hash,
}

/// What a worker shows of its work.
#[async_trait]
pub trait WorkerTrace: Send + Sync {
    /// Every op root of the job; `None` when they are not to be had.
    async fn op_roots(&self) -> Option<OpRoots>;

    /// Chunk hashes of a value; `None` when they are not to be had.
    async fn leaves(&self, spot: &Spot) -> Option<Leaves>;

    /// The bytes of one chunk of a value; `None` when they are not to be had.
    async fn chunk(&self, spot: &Spot, index: u32) -> Option<Vec<u8>>;

    /// TENSOR of every unit's output as delivered; `None` when the outputs are not to be had.
    async fn delivered(&self) -> Option<Vec<Hash>>;
}

/// What is known to be right.
#[derive(Clone, Copy, Debug)]
pub struct Honest<'a> {
    /// Ops of the model.
    pub n_ops: u32,
    /// TENSOR of every op's output, unit after unit.
    pub tensors: &'a [Hash],
}

impl Honest<'_> {
    fn unit(&self, unit: u32) -> &[Hash] {
        self.tensors
            .chunks_exact((self.n_ops as usize).max(1))
            .nth(unit as usize)
            .unwrap_or_default()
    }

    fn units(&self) -> u32 {
        // A batch has at most 2^20 units.
        (self.tensors.len() / (self.n_ops as usize).max(1)) as u32
    }

    /// Batch root of the traces.
    pub fn traces_root(&self) -> Hash {
        let traces: Vec<Hash> = self.tensors.chunks_exact((self.n_ops as usize).max(1)).map(trace::trace).collect();
        batch_root(&traces)
    }

    /// Batch root of the outputs.
    pub fn outputs_root(&self) -> Hash {
        let mut leaves = Frontier::default();
        for unit in self.tensors.chunks_exact((self.n_ops as usize).max(1)) {
            leaves.push(unit_leaf(leaves.count(), &unit.last().copied().unwrap_or_default()));
        }
        protocol::batch::batch_from_root(leaves.count(), &leaves.root())
    }
}

/// Where a result first differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    Nowhere,
    /// In an op's output, whose inputs are all right.
    Op {
        /// Unit.
        unit: u32,
        /// Op.
        op: u32,
    },
    /// The output delivered for a unit is not the traced one; the trace is right.
    Output {
        /// Unit.
        unit: u32,
    },
    /// The worker's trace counts other units than the job has.
    TraceUnits,
    /// The worker's outputs count other units than the job has.
    OutputUnits,
    /// The worker's trace counts other ops than the model has; each unit's does, so the first will do.
    Ops,
    /// The worker keeps back what would tell.
    Hidden(Missing),
}

/// What a worker keeps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The op roots.
    OpRoots,
    /// The outputs.
    Outputs,
    /// The bytes of an op's output.
    Tensor {
        /// Unit.
        unit: u32,
        /// Op.
        op: u32,
    },
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OpRoots => f.write_str("the hashes of its op outputs"),
            Self::Outputs => f.write_str("its outputs"),
            Self::Tensor { unit, op } => write!(f, "the output of op {op} in unit {unit}"),
        }
    }
}

/// Compares the roots a worker revealed with the right ones and narrows the first difference down to an op. Returns the worker's op roots
/// with it where they matter.
pub async fn place(honest: &Honest<'_>, traces: &Hash, outputs: &Hash, shown: &dyn WorkerTrace) -> (Place, Option<OpRoots>) {
    if honest.traces_root() == *traces {
        if honest.outputs_root() == *outputs {
            return (Place::Nowhere, None);
        }
        let Some(delivered) = shown.delivered().await else {
            return (Place::Hidden(Missing::Outputs), None);
        };
        let own = (0..honest.units()).map(|unit| honest.unit(unit).last());
        let place = match own.zip(&delivered).position(|(own, theirs)| own != Some(theirs)) {
            _ if delivered.len() != honest.units() as usize => Place::OutputUnits,
            Some(unit) => Place::Output { unit: unit as u32 },
            None => Place::Nowhere,
        };
        let own = OpRoots {
            n_ops: honest.n_ops,
            units: honest.units(),
            tensors: honest.tensors.to_vec(),
        };
        return (place, Some(own));
    }
    let Some(theirs) = shown.op_roots().await else {
        return (Place::Hidden(Missing::OpRoots), None);
    };
    if theirs.units != honest.units() {
        return (Place::TraceUnits, Some(theirs));
    }
    if theirs.n_ops != honest.n_ops {
        return (Place::Ops, Some(theirs));
    }
    let first = honest.tensors.iter().zip(&theirs.tensors).position(|(own, theirs)| own != theirs);
    let place = match first {
        Some(index) => Place::Op {
            unit: (index / honest.n_ops as usize) as u32,
            op: (index % honest.n_ops as usize) as u32,
        },
        None => Place::Nowhere,
    };
    (place, Some(theirs))
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// One element, the first, as codes.
    Element {
        /// Row-major index.
        index: u32,
        /// What it must be.
        expected: u8,
        /// What the worker committed to.
        claimed: u8,
    },
    /// It is committed to under another shape than the model's.
    Shape,
    /// It is committed to under another value's number.
    ValueId,
}

/// What a value differs in from the right one, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The difference.
    pub difference: Difference,
    /// How the worker committed to the value.
    pub leaves: Leaves,
    /// The chunk that differs.
    pub chunk: u32,
    /// Its bytes, as the worker shows them.
    pub bytes: Vec<u8>,
}

/// The first difference of the value at `spot` from the right one, which has these codes; `Err` when the worker keeps back what would tell.
pub async fn contradiction(
    right: &[u8],
    value_id: u32,
    shape: Shape,
    spot: &Spot,
    shown: &dyn WorkerTrace,
) -> Result<Contradiction, Missing> {
    let hidden = Missing::Tensor {
        unit: spot.unit,
        op: spot.op,
    };
    let leaves = shown.leaves(spot).await.ok_or(hidden)?;
    let malformed = |difference, leaves| Contradiction {
        difference,
        leaves,
        chunk: 0,
        bytes: Vec::new(),
    };
    if leaves.shape != shape {
        return Ok(malformed(Difference::Shape, leaves));
    }
    let own = shape.layout().leaves(value_id, right);
    // The roots differ, so some chunk does.
    let chunk = own
        .iter()
        .zip(&leaves.chunks)
        .position(|(own, theirs)| own != theirs)
        .ok_or(hidden)? as u32;
    let bytes = shown.chunk(spot, chunk).await.ok_or(hidden)?;
    if leaves.value_id != value_id {
        return Ok(Contradiction {
            difference: Difference::ValueId,
            leaves,
            chunk,
            bytes,
        });
    }
    let first = chunk as usize * CHUNK_BYTES;
    let pairs = (first as u32..).zip(right.get(first..).unwrap_or_default().iter().zip(&bytes));
    let found = pairs.into_iter().find(|(_, (right, theirs))| right != theirs);
    let (index, (expected, claimed)) = found.ok_or(hidden)?;
    Ok(Contradiction {
        difference: Difference::Element {
            index,
            expected: *expected,
            claimed: *claimed,
        },
        leaves,
        chunk,
        bytes,
    })
}
