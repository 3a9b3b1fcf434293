//! Where a worker's result first differs from the recomputed one.
//!
//! Units come in order and ops in topological order, so everything the first different op reads is equal to one's own values. Whatever of
//! that op's output differs therefore contradicts the worker's own commitments: it convicts, whoever is right about the rest.
//!
//! Nothing here does any I/O: what the worker shows comes through [`WorkerTrace`], be it from a blob store or from answers on the chain.

use async_trait::async_trait;
use protocol::batch::{batch_root, unit_leaf};
use protocol::demand::CHUNK_HEAD;
use protocol::hash::Hash;
use protocol::merkle::{self, Frontier};
use protocol::tensor::{CHUNK_BYTES, Shape};
use protocol::trace::Checkpoints;

/// How a value is committed to, as its worker shows it. It hashes to the TENSOR asked for, or is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaves {
    /// What precedes the root in the TENSOR: type, sides and number of chunks, as the worker says.
    pub head: [u8; 22],
    /// Root over the chunks.
    pub root: Hash,
    /// CHUNK of every chunk; none of a value whose head is not the model's, which is all it takes.
    pub chunks: Vec<Hash>,
}

impl Leaves {
    /// Of a value of this number and shape, in codes.
    pub fn of(value_id: u32, shape: Shape, codes: &[u8]) -> Self {
        let chunks = shape.layout().leaves(value_id, codes);
        Self {
            // At most 2^14.
            head: shape.layout().head(chunks.len() as u32),
            root: merkle::root(&chunks),
            chunks,
        }
    }
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
    /// Its shape, as the model says.
    pub shape: Shape,
}

/// What a worker shows of its work. Each is `None` when it is not to be had, and hashes to what was revealed when it is.
#[async_trait(?Send)]
pub trait WorkerTrace: Send + Sync {
    /// TRACE of every unit.
    async fn traces(&self) -> Option<Vec<Hash>>;

    /// TENSOR of every op's output of a unit, as evidence may rest on it.
    async fn ops(&self, unit: u32) -> Option<Vec<Hash>>;

    /// Chunk hashes of a value.
    async fn leaves(&self, spot: &Spot) -> Option<Leaves>;

    /// The preimage of one chunk of a value.
    async fn chunk(&self, spot: &Spot, index: u32) -> Option<Vec<u8>>;

    /// TENSOR of every unit's output as delivered.
    async fn delivered(&self) -> Option<Vec<Hash>>;
}

/// What is known to be right.
#[derive(Clone, Copy, Debug)]
pub struct Honest<'a> {
    /// What traces of the model commit to.
    pub checkpoints: Checkpoints,
    /// TENSOR of every checkpoint, unit after unit.
    pub tensors: &'a [Hash],
}

impl Honest<'_> {
    fn units(&self) -> std::slice::ChunksExact<'_, Hash> {
        self.tensors.chunks_exact((self.checkpoints.count() as usize).max(1))
    }

    /// TRACE of every unit.
    pub fn traces(&self) -> Vec<Hash> {
        self.units().map(|unit| self.checkpoints.trace(unit)).collect()
    }

    /// Batch root of the outputs.
    pub fn outputs_root(&self) -> Hash {
        let mut leaves = Frontier::default();
        for unit in self.units() {
            leaves.push(unit_leaf(leaves.count(), &unit.last().copied().unwrap_or_default()));
        }
        protocol::batch::batch_from_root(leaves.count(), &leaves.root())
    }
}

/// Where a result first differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    Nowhere,
    /// In a unit: comparing all its op outputs tells where.
    Unit {
        /// Unit.
        unit: u32,
    },
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
    /// A unit's trace counts other ops than the model has.
    Ops {
        /// Unit.
        unit: u32,
    },
    /// The worker keeps back what would tell.
    Hidden(Missing),
}

/// What a worker keeps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The hashes of the units.
    Traces,
    /// The hashes of a unit's op outputs.
    Ops {
        /// Unit.
        unit: u32,
    },
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
            Self::Traces => f.write_str("the hashes of its units"),
            Self::Ops { unit } => write!(f, "the hashes of its op outputs in unit {unit}"),
            Self::Outputs => f.write_str("its outputs"),
            Self::Tensor { unit, op } => write!(f, "the output of op {op} in unit {unit}"),
        }
    }
}

/// Where a result first differs, and the worker's hashes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub place: Place,
    /// The worker's TRACE of every unit, where they matter.
    pub traces: Vec<Hash>,
    /// The worker's TENSOR of every op of the unit in question, where they matter.
    pub ops: Vec<Hash>,
    /// TENSOR of every unit's output as delivered, where they matter.
    pub outputs: Vec<Hash>,
}

impl Found {
    fn at(place: Place) -> Self {
        Self {
            place,
            traces: Vec::new(),
            ops: Vec::new(),
            outputs: Vec::new(),
        }
    }
}

/// Compares the roots a worker revealed with the right ones and narrows the first difference down to a unit, asking for no more than it
/// takes.
pub async fn place(honest: &Honest<'_>, traces: &Hash, outputs: &Hash, shown: &dyn WorkerTrace) -> Found {
    let own = honest.traces();
    if batch_root(&own) == *traces {
        if honest.outputs_root() == *outputs {
            return Found::at(Place::Nowhere);
        }
        let Some(delivered) = shown.delivered().await else {
            return Found::at(Place::Hidden(Missing::Outputs));
        };
        let right = honest.units().map(<[Hash]>::last);
        let different = right.zip(&delivered).position(|(own, theirs)| own != Some(theirs));
        let (place, ops) = match different {
            _ if delivered.len() != own.len() => (Place::OutputUnits, Vec::new()),
            Some(unit) if honest.checkpoints.are_all() => {
                let ops = honest.units().nth(unit).unwrap_or_default();
                (Place::Output { unit: unit as u32 }, ops.to_vec())
            }
            // The trace is right, and what it says no more than the output's hash: the rest has to come from the worker.
            Some(unit) => match shown.ops(unit as u32).await {
                Some(ops) => (Place::Unit { unit: unit as u32 }, ops),
                None => (Place::Hidden(Missing::Ops { unit: unit as u32 }), Vec::new()),
            },
            None => (Place::Nowhere, Vec::new()),
        };
        return Found {
            place,
            traces: own,
            ops,
            outputs: delivered,
        };
    }
    let Some(theirs) = shown.traces().await else {
        return Found::at(Place::Hidden(Missing::Traces));
    };
    let with = |place, ops| Found {
        place,
        traces: theirs.clone(),
        ops,
        outputs: Vec::new(),
    };
    if theirs.len() != own.len() {
        return with(Place::TraceUnits, Vec::new());
    }
    let Some(unit) = own.iter().zip(&theirs).position(|(own, theirs)| own != theirs) else {
        return Found::at(Place::Nowhere);
    };
    let unit = unit as u32;
    let Some(ops) = shown.ops(unit).await else {
        return with(Place::Hidden(Missing::Ops { unit }), Vec::new());
    };
    if ops.len() != honest.checkpoints.n_ops() as usize {
        return with(Place::Ops { unit }, ops);
    }
    with(Place::Unit { unit }, ops)
}

impl Found {
    /// Narrows a unit down to an op, by the right TENSOR of every op's output of it.
    pub fn narrowed(mut self, unit: u32, right: &[Hash]) -> Self {
        let delivered = self.outputs.get(unit as usize);
        self.place = match right.iter().zip(&self.ops).position(|(own, theirs)| own != theirs) {
            Some(op) => Place::Op { unit, op: op as u32 },
            None if delivered.is_some_and(|theirs| right.last() != Some(theirs)) => Place::Output { unit },
            // The same ops with another TRACE: nothing of the kind can be shown.
            None => Place::Hidden(Missing::Ops { unit }),
        };
        self
    }
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
    /// A chunk is committed to under another number, length or type.
    Chunk,
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
    /// Its preimage, as the worker shows it.
    pub preimage: Vec<u8>,
}

impl Contradiction {
    /// The chunk's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.preimage.get(CHUNK_HEAD..).unwrap_or_default()
    }
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
    let own = Leaves::of(value_id, shape, right);
    if leaves.head != own.head {
        return Ok(Contradiction {
            difference: Difference::Shape,
            leaves,
            chunk: 0,
            preimage: Vec::new(),
        });
    }
    // The roots differ, so some chunk does.
    let mut pairs = own.chunks.iter().zip(&leaves.chunks);
    let chunk = pairs.position(|(own, theirs)| own != theirs).ok_or(hidden)? as u32;
    let preimage = shown.chunk(spot, chunk).await.ok_or(hidden)?;
    let whole = shape.layout().preimage(value_id, chunk, right).ok_or(hidden)?;
    let difference = if preimage.len() != whole.len() || preimage.get(..CHUNK_HEAD) != whole.get(..CHUNK_HEAD) {
        Difference::Chunk
    } else {
        let codes = |bytes: Vec<u8>| bytes.into_iter().skip(CHUNK_HEAD);
        let mut pairs = codes(whole).zip(codes(preimage.clone())).enumerate();
        let (index, (expected, claimed)) = pairs.find(|(_, (right, theirs))| right != theirs).ok_or(hidden)?;
        let first = chunk.saturating_mul(CHUNK_BYTES as u32);
        Difference::Element {
            index: first.saturating_add(index as u32),
            expected,
            claimed,
        }
    };
    Ok(Contradiction {
        difference,
        leaves,
        chunk,
        preimage,
    })
}
