//! Where a worker's result first differs from the recomputed one.
//!
//! Units come in order and ops in topological order, so the first op that differs reads only values that are equal on both sides. Any
//! difference in that op's output therefore contradicts the worker's own commitments, and convicts whatever else differs.
//!
//! A worker shows units by the page. The siblings that lead a page up to the root are the roots over all other pages, so the one that
//! differs leads to a page with a unit that differs. Every page halves the rest.
//!
//! Nothing here does I/O: what the worker shows comes through [`WorkerTrace`], from a blob store or from answers on the chain.

use async_trait::async_trait;
use engine::Batch;
use protocol::batch::{unit_leaf, unit_leaves};
use protocol::demand::{CHUNK_HEAD, PAGE, page_depth};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::referee::Node;
use protocol::tensor::{CHUNK_BYTES, Shape};
use protocol::trace::Checkpoints;

/// The commitment to a value, as its worker shows it. Implementations of [`WorkerTrace`] ensure that it hashes to the TENSOR in question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaves {
    /// What precedes the root in the TENSOR: type, dimensions and number of chunks, as the worker claims.
    pub head: [u8; 22],
    /// Root over the chunks.
    pub root: Hash,
    /// CHUNK of every chunk; empty if the head is not the model's, as the head alone convicts then.
    pub chunks: Vec<Hash>,
}

impl Leaves {
    /// The commitment to a value with this id, shape and codes.
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

/// Consecutive hashes of a batch, one per unit: a page of them, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Unit of the first hash.
    pub first: u32,
    /// The hashes.
    pub hashes: Vec<Hash>,
    /// Siblings from the root over the page to the root over all units; empty if the page has all units.
    pub above: Vec<Hash>,
}

impl Page {
    /// A page with all units.
    pub fn of_all(hashes: Vec<Hash>) -> Self {
        Self {
            first: 0,
            hashes,
            above: Vec::new(),
        }
    }

    /// A unit on the page, with its path in a batch of `units`.
    fn member(&self, units: u32, unit: u32) -> Option<Member> {
        let at = unit.checked_sub(self.first)?;
        let mut path = merkle::path(&unit_leaves(self.first, &self.hashes), at);
        // The last page is padded.
        let filled = path.len() as u32..page_depth(units).max(path.len() as u32);
        path.extend(filled.map(merkle::empty));
        path.extend(&self.above);
        Some(Member {
            unit,
            hash: *self.hashes.get(at as usize)?,
            path,
        })
    }
}

/// A unit's hash in one of the worker's batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Unit.
    pub unit: u32,
    /// Its hash.
    pub hash: Hash,
    /// Siblings from its leaf to the root over all units.
    pub path: Vec<Hash>,
}

/// An op's output in a unit: the value in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Unit.
    pub unit: u32,
    /// Op.
    pub op: u32,
    /// The worker's TENSOR of it.
    pub root: Hash,
    /// Its shape in the model.
    pub shape: Shape,
}

/// What a worker shows of its trace. Each part is `None` if it is not available, and otherwise hashes to the revealed commitments.
#[async_trait(?Send)]
pub trait WorkerTrace: Send + Sync {
    /// TRACEs of a page of units, or of all units.
    async fn traces(&self, page: u32) -> Option<Page>;

    /// TENSOR of every op's output in a unit, in a form that binds the worker.
    async fn ops(&self, unit: u32) -> Option<Vec<Hash>>;

    /// Chunk hashes of a value.
    async fn leaves(&self, spot: &Spot) -> Option<Leaves>;

    /// The preimage of one chunk of a value.
    async fn chunk(&self, spot: &Spot, index: u32) -> Option<Vec<u8>>;

    /// TENSORs of the outputs delivered for a page of units, or for all units.
    async fn delivered(&self, page: u32) -> Option<Page>;
}

/// What is wrong with a batch itself, apart from its units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It has another number of units than the job.
    Count {
        /// Number of units.
        units: u32,
        /// Root over the units.
        root: Hash,
    },
    /// A node beyond the last unit is not the root of an empty subtree.
    Padding {
        /// Level of the node, counted from the leaves.
        level: u32,
        /// Index of the node within its level.
        index: u32,
        /// Hash of the node.
        hash: Hash,
        /// Siblings from the node to the root over all units.
        siblings: Vec<Hash>,
    },
}

/// Where a result differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    Nowhere,
    /// In a unit, whose op outputs have yet to be compared.
    Unit {
        /// Unit.
        unit: u32,
    },
    /// In the output of an op whose inputs are all right.
    Op {
        /// Unit.
        unit: u32,
        /// Op.
        op: u32,
    },
    /// In the delivered output of a unit, whose trace is right.
    Output {
        /// Unit.
        unit: u32,
    },
    /// In the batch of the traces or of the outputs itself.
    Batch(Node, Flaw),
    /// In the number of ops of a unit's trace.
    Ops {
        /// Unit.
        unit: u32,
    },
    /// Unknown, as the worker hides a part of its trace.
    Hidden(Missing),
}

/// A part that a worker hides.
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

/// Where a result differs, with the worker's hashes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The place.
    pub place: Place,
    /// Siblings from the unit's leaf to the root over the worker's traces, if evidence needs them.
    pub trace_path: Vec<Hash>,
    /// The worker's TENSORs of the unit's ops, if evidence needs them.
    pub ops: Vec<Hash>,
    /// TENSOR of the unit's delivered output, if evidence needs it.
    pub delivered: Option<Member>,
}

impl Found {
    /// A place that needs no hashes, or none yet.
    pub fn at(place: Place) -> Self {
        Self {
            place,
            trace_path: Vec::new(),
            ops: Vec::new(),
            delivered: None,
        }
    }
}

/// A unit that differs from the right batch `own`, or what is wrong with the batch itself; `None` if the worker does not show it. Calls
/// `show` for the first page, and for at most one page per level of the tree over the pages.
async fn difference(own: &[Hash], show: impl AsyncFn(u32) -> Option<Page>) -> Option<Result<Member, Flaw>> {
    let units = own.len() as u32;
    let (mut page, mut levels) = (0u32, usize::MAX);
    loop {
        let shown = show(page).await?;
        if shown.above.is_empty() && shown.hashes.len() != own.len() {
            return Some(Err(Flaw::Count {
                units: shown.hashes.len() as u32,
                root: merkle::root(&unit_leaves(0, &shown.hashes)),
            }));
        }
        let differs = |(unit, theirs): &(u32, &Hash)| own.get(*unit as usize) != Some(*theirs);
        if let Some((unit, _)) = (shown.first..).zip(&shown.hashes).find(differs) {
            return shown.member(units, unit).map(Ok);
        }
        // The page is right, so one of its siblings must be wrong; after the first page, one within the subtree that led here.
        let (level, index, hash) = (0u32..).zip(&shown.above).take(levels).find_map(|(level, theirs)| {
            let index = (page >> level) ^ 1;
            (subtree(own, level, index) != *theirs).then_some((level, index, *theirs))
        })?;
        let first = index << level;
        if first >= units.div_ceil(PAGE) {
            let below = subtree(own, level, page >> level);
            let above = shown.above.get(level as usize..).unwrap_or_default();
            return Some(Err(Flaw::Padding {
                level: page_depth(units).saturating_add(level),
                index,
                hash,
                siblings: [&[below], above.get(1..).unwrap_or_default()].concat(),
            }));
        }
        (page, levels) = (first, level as usize);
    }
}

/// Root over a batch's leaves in the subtree with this index among those of `2^level` pages.
fn subtree(own: &[Hash], level: u32, index: u32) -> Hash {
    let depth = page_depth(own.len() as u32).saturating_add(level);
    let first = index << depth;
    let within = own.iter().skip(first as usize).take(1 << depth);
    let leaves: Vec<Hash> = (first..).zip(within).map(|(unit, hash)| unit_leaf(unit, hash)).collect();
    merkle::padded_root(&leaves, depth)
}

/// Compares the roots that a worker revealed with the right ones, and narrows a difference down to a unit. Asks `shown` for no more than
/// needed.
pub async fn place(computed: &Batch, checkpoints: Checkpoints, traces: &Hash, outputs: &Hash, shown: &dyn WorkerTrace) -> Found {
    let own = &computed.traces;
    if computed.traces_root == *traces {
        if computed.outputs_root == *outputs {
            return Found::at(Place::Nowhere);
        }
        // The last checkpoint is the graph's output.
        let right: Vec<Hash> = (0..).map_while(|unit| computed.unit(unit).last().copied()).collect();
        let delivered = match difference(&right, async |page| shown.delivered(page).await).await {
            None => return Found::at(Place::Hidden(Missing::Outputs)),
            Some(Err(flaw)) => return Found::at(Place::Batch(Node::Outputs, flaw)),
            Some(Ok(delivered)) => delivered,
        };
        let unit = delivered.unit;
        let (place, ops) = if checkpoints.are_all() {
            (Place::Output { unit }, computed.unit(unit).to_vec())
        } else {
            // The trace is right, but has only checkpoints: the worker has to show all ops of the unit.
            match shown.ops(unit).await {
                Some(ops) => (Place::Unit { unit }, ops),
                None => (Place::Hidden(Missing::Ops { unit }), Vec::new()),
            }
        };
        return Found {
            place,
            trace_path: merkle::path(&unit_leaves(0, own), unit),
            ops,
            delivered: Some(delivered),
        };
    }
    let Member { unit, path, .. } = match difference(own, async |page| shown.traces(page).await).await {
        None => return Found::at(Place::Hidden(Missing::Traces)),
        Some(Err(flaw)) => return Found::at(Place::Batch(Node::Traces, flaw)),
        Some(Ok(trace)) => trace,
    };
    let Some(ops) = shown.ops(unit).await else {
        return Found::at(Place::Hidden(Missing::Ops { unit }));
    };
    let counted = ops.len() == checkpoints.n_ops() as usize;
    Found {
        place: if counted { Place::Unit { unit } } else { Place::Ops { unit } },
        trace_path: path,
        ops,
        delivered: None,
    }
}

impl Found {
    /// Narrows a unit down to an op, given the right TENSORs of the unit's ops.
    pub fn narrowed(mut self, unit: u32, right: &[Hash]) -> Self {
        let delivered = self.delivered.as_ref();
        self.place = match right.iter().zip(&self.ops).position(|(own, theirs)| own != theirs) {
            Some(op) => Place::Op { unit, op: op as u32 },
            None if delivered.is_some_and(|theirs| right.last() != Some(&theirs.hash)) => Place::Output { unit },
            // The ops are equal but the TRACE is not: such ops cannot be shown.
            None => Place::Hidden(Missing::Ops { unit }),
        };
        self
    }
}

/// How a value differs from the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// In an element; this is the first one.
    Element {
        /// Row-major index.
        index: u32,
        /// The right code.
        expected: u8,
        /// The code that the worker committed to.
        claimed: u8,
    },
    /// In its shape: the worker committed to another than the model's.
    Shape,
    /// In the id, length or type of a chunk.
    Chunk,
}

/// How a value differs from the right one, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The difference.
    pub difference: Difference,
    /// The worker's commitment to the value.
    pub leaves: Leaves,
    /// Index of the chunk that differs.
    pub chunk: u32,
    /// The chunk's preimage, as the worker shows it.
    pub preimage: Vec<u8>,
}

impl Contradiction {
    /// The chunk's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.preimage.get(CHUNK_HEAD..).unwrap_or_default()
    }
}

/// The first difference of the value at `spot` from the right one, whose codes are `right`; `Err` if the worker hides what it takes to
/// tell.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;
    use protocol::batch::batch_from_root;
    use protocol::demand::batch_of_page;
    use protocol::referee::{Claim, Exhibit, judge};
    use std::cell::Cell;

    /// Pages of the largest batch in these tests.
    const PAGES: u32 = 65;

    fn hashes(units: u32) -> Vec<Hash> {
        (0..units)
            .map(|unit| std::array::from_fn(|at| unit.to_le_bytes()[at % 4]))
            .collect()
    }

    /// The difference found between `own` and a batch with the hashes `theirs` and these leaves, which include the padding; and the number
    /// of pages that it took. Checks that every page leads to the batch's root.
    async fn found(own: &[Hash], theirs: &[Hash], leaves: &[Hash]) -> (Result<Member, Flaw>, u32) {
        let (units, asked) = (own.len() as u32, Cell::new(0));
        let root = merkle::root(leaves);
        let show = async |page: u32| {
            asked.set(asked.get() + 1);
            let hashes: Vec<Hash> = theirs.iter().skip((page * PAGE) as usize).take(PAGE as usize).copied().collect();
            let above = merkle::path(leaves, page * PAGE).split_off(page_depth(units) as usize);
            let first = page * PAGE;
            let page_root = merkle::padded_root(&unit_leaves(first, &hashes), page_depth(units));
            let batch = batch_from_root(units, &root);
            assert_eq!(batch_of_page(units, page, &page_root, &above), Some(batch));
            Some(Page { first, hashes, above })
        };
        (difference(own, show).await.unwrap(), asked.get())
    }

    #[tokio::test]
    async fn a_unit_that_differs_is_found_with_few_pages() {
        for units in [3, PAGE, PAGE + 1, 7 * PAGE + 5, PAGES * PAGE] {
            let own = hashes(units);
            let levels = merkle::depth(units.div_ceil(PAGE));
            for unit in [0, units / 2, units.saturating_sub(PAGE + 2), units - 1] {
                let mut theirs = own.clone();
                theirs[unit as usize] = [0xEE; 32];
                let leaves = unit_leaves(0, &theirs);
                let (found, asked) = found(&own, &theirs, &leaves).await;
                let member = found.unwrap();
                assert_eq!((member.unit, member.hash), (unit, [0xEE; 32]));
                assert_eq!(member.path, merkle::path(&leaves, unit), "unit {unit} of {units}");
                assert!(asked <= 1 + levels, "{asked} pages for unit {unit} of {units}");
            }
        }
    }

    /// Pages alone do not show what a tree holds beyond the last one.
    #[tokio::test]
    async fn a_node_beyond_the_last_page_is_found() {
        let own = hashes(5 * PAGE - 3);
        let units = own.len() as u32;
        for page in [5, 6, 7] {
            let mut leaves = unit_leaves(0, &own);
            leaves.resize((8 * PAGE) as usize, merkle::pad());
            leaves[(page * PAGE) as usize] = [7; 32];
            let (found, _) = found(&own, &own, &leaves).await;
            let Err(Flaw::Padding {
                level,
                index,
                hash,
                siblings,
            }) = found
            else {
                panic!("{found:?}")
            };
            let claim = Claim {
                graph_root: [0; 32],
                n_ops: 1,
                interval: 0,
                shown: None,
                input_shapes: Default::default(),
                n_inputs: 1,
                units,
                inputs: [0; 32],
                traces: batch_from_root(units, &merkle::root(&leaves)),
                outputs: [0; 32],
            };
            let exhibit = Exhibit {
                claim: &claim,
                ops: &[],
                inputs: &[],
                trace_path: Vec::new(),
                output: [0; 32],
                output_path: Vec::new(),
                unit: 0,
                tensors: &[],
                input_tensors: &[],
            };
            let evidence = exhibit.padding(Node::Traces, level as u8, index, &hash, &siblings).unwrap();
            assert!(judge(&claim, &evidence).unwrap().convicted, "page {page}");
        }
    }
}
