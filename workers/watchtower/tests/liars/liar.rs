//! A worker that lies in every possible way, consistently: each hash above a lie follows from it.

use crate::work::Work;
use blobs::BlobStore;
use jobs::PageEnd;
use proptest::prelude::*;
use protocol::batch::{BatchHeader, unit_leaves};
use protocol::blob::{TensorBlob, TraceBlob};
use protocol::demand::{CHUNK_HEAD, Item, MAX_PREIMAGE, PAGE, chunk_page_len, chunks_of_head, leaf_of_chunk, page_depth, page_len};
use protocol::hash::{Hash, Tag, tagged};
use protocol::merkle;
use protocol::tensor::Shape;
use protocol::trace::{Checkpoints, op_leaves};
use std::sync::Arc;

/// A node of a tree: its level, its index there, and its hash.
#[derive(Clone, Copy, Debug)]
pub struct Node(pub usize, pub usize, pub Hash);

/// A Merkle tree in which any node may be false.
struct Tree {
    depth: usize,
    /// Nodes of each level, without trailing empty subtrees.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    fn new(leaves: Vec<Hash>, depth: u32, lies: &[Node]) -> Self {
        let mut levels = vec![leaves];
        for level in 0..=depth as usize {
            let (nodes, empty) = (&mut levels[level], merkle::empty(level as u32));
            for Node(_, at, hash) in lies.iter().filter(|lie| lie.0 == level) {
                nodes.resize(nodes.len().max(at + 1), empty);
                nodes[*at] = *hash;
            }
            let above = nodes.chunks(2).map(|pair| merkle::node(&pair[0], pair.get(1).unwrap_or(&empty)));
            let above = above.collect();
            levels.push(above);
        }
        let depth = depth as usize;
        Self { depth, levels }
    }

    fn node(&self, level: usize, index: u32) -> Hash {
        let node = self.levels[level].get(index as usize);
        node.copied().unwrap_or_else(|| merkle::empty(level as u32))
    }

    fn root(&self) -> Hash {
        self.node(self.depth, 0)
    }

    /// Siblings from a node of this level up to the root.
    fn path(&self, level: u32, index: u32) -> Vec<Hash> {
        let levels = (level as usize..self.depth).zip(0..);
        levels.map(|(level, up)| self.node(level, (index >> up) ^ 1)).collect()
    }
}

/// A value as committed to.
#[derive(Clone)]
pub struct Value {
    /// What precedes the root in the TENSOR.
    head: [u8; 22],
    /// Preimages of the chunks.
    pub chunks: Vec<Vec<u8>>,
    /// False nodes of their tree.
    pub lies: Vec<Node>,
}

impl Value {
    fn new(work: &Work, op: usize, codes: &[u8]) -> Self {
        let (id, shape) = work.model.op_output(op);
        let layout = shape.layout();
        Self {
            head: layout.head(layout.chunks().unwrap()),
            chunks: (0..).map_while(|chunk| layout.preimage(id, chunk, codes)).collect(),
            lies: Vec::new(),
        }
    }

    fn leaves(&self) -> Vec<Hash> {
        self.chunks.iter().map(|chunk| leaf_of_chunk(chunk)).collect()
    }

    fn tree(&self) -> Tree {
        Tree::new(self.leaves(), merkle::depth(chunks_of_head(&self.head)), &self.lies)
    }

    fn tensor(&self) -> Hash {
        tagged(Tag::Tensor, [&self.head, &self.tree().root()])
    }

    /// Id, shape and codes, as a blob would have them.
    fn content(&self) -> Option<(u32, Shape, Vec<u8>)> {
        let id = self.chunks.first()?.get(4..8)?.try_into().ok()?;
        let side = |at: usize| u16::from_le_bytes([self.head[at], self.head[at + 1]]);
        let codes: Vec<&[u8]> = self.chunks.iter().filter_map(|chunk| chunk.get(CHUNK_HEAD..)).collect();
        Some((u32::from_le_bytes(id), Shape::new(side(2), side(6), side(10)), codes.concat()))
    }
}

/// A unit as committed to and, between checkpoints, as shown when somebody asks.
#[derive(Clone)]
pub struct Unit {
    /// Every op's output.
    pub values: Vec<Value>,
    /// The delivered output, if it is not the last value.
    delivered: Option<Value>,
    /// A false byte before the root in the TRACE: its index, and what it is XORed with.
    head: (usize, u8),
    /// False nodes of the tree over the ops.
    lies: Vec<Node>,
}

impl Unit {
    fn new(work: &Work, values: &[Vec<u8>]) -> Self {
        Self {
            values: values.iter().enumerate().map(|(op, codes)| Value::new(work, op, codes)).collect(),
            delivered: None,
            head: (0, 0),
            lies: Vec::new(),
        }
    }

    fn delivered(&self) -> &Value {
        self.delivered.as_ref().or(self.values.last()).unwrap()
    }

    fn tensors(&self) -> Vec<Hash> {
        self.values.iter().map(Value::tensor).collect()
    }
}

/// A kind of lie, with its name.
type Kind = (&'static str, fn(&mut Liar, Lie));

const KINDS: &[Kind] = &[
    ("compute", Liar::compute),
    ("element", Liar::element),
    ("head", Liar::head),
    ("chunks", Liar::chunks),
    ("chunk_head", Liar::chunk_head),
    ("chunk_length", Liar::chunk_length),
    ("move_chunk", Liar::move_chunk),
    ("number", Liar::number),
    ("move_value", Liar::move_value),
    ("move_unit", Liar::move_unit),
    ("deliver", Liar::deliver),
    ("trace_head", Liar::trace_head),
    ("checkpoints", Liar::checkpoints),
    ("units", Liar::units),
    ("count", Liar::count),
    ("node", Liar::node),
];

/// A lie. Its numbers choose among whatever there is to choose from.
#[derive(Clone, Copy, Debug)]
pub struct Lie {
    kind: Kind,
    unit: u32,
    op: u32,
    at: u32,
    to: u32,
    /// What bytes are XORed with. It also chooses between variants of a kind.
    by: u8,
}

/// Any lie.
pub fn lie() -> impl Strategy<Value = Lie> {
    let number = || prop_oneof![Just(0), Just(u32::MAX), any::<u32>()];
    let numbers = (number(), number(), number(), number());
    (prop::sample::select(KINDS), numbers, 1u8..).prop_map(|(kind, (unit, op, at, to), by)| Lie {
        kind,
        unit,
        op,
        at,
        to,
        by,
    })
}

/// An index below `of`, which the largest number maps to the last one.
pub fn pick(number: u32, of: usize) -> usize {
    if number == u32::MAX { of - 1 } else { number as usize % of }
}

/// Swaps two items, or copies one over the other.
fn relocate<T: Clone>(list: &mut [T], lie: Lie) {
    let (from, to) = (pick(lie.at, list.len()), pick(lie.to, list.len()));
    if lie.by.is_multiple_of(2) {
        list.swap(from, to);
    } else {
        list[to] = list[from].clone();
    }
}

/// A worker that has yet to commit to its work.
pub struct Liar {
    work: Arc<Work>,
    pub units: Vec<Unit>,
    /// The values that its traces commit to.
    checkpoints: Checkpoints,
    /// False numbers of units in its traces and its outputs.
    counts: [Option<u32>; 2],
    /// False nodes of the trees over its traces and its outputs.
    pub lies: [Vec<Node>; 2],
}

impl Liar {
    /// A worker without lies.
    pub fn new(work: &Arc<Work>) -> Self {
        Self {
            units: work.units.iter().map(|values| Unit::new(work, values)).collect(),
            checkpoints: work.checkpoints(),
            counts: [None; 2],
            lies: Default::default(),
            work: work.clone(),
        }
    }

    pub fn tell(&mut self, lie: &Lie) {
        lie.kind.1(self, *lie);
    }

    fn unit(&mut self, lie: Lie) -> &mut Unit {
        let unit = pick(lie.unit, self.units.len());
        &mut self.units[unit]
    }

    /// A value, or sometimes the delivered output.
    fn value(&mut self, lie: Lie) -> &mut Value {
        let unit = self.unit(lie);
        if lie.by.is_multiple_of(5) {
            let delivered = unit.delivered().clone();
            return unit.delivered.insert(delivered);
        }
        let op = pick(lie.op, unit.values.len());
        &mut unit.values[op]
    }

    fn chunk(&mut self, lie: Lie) -> &mut Vec<u8> {
        let chunks = &mut self.value(lie).chunks;
        let chunk = pick(lie.at, chunks.len());
        &mut chunks[chunk]
    }

    /// An element is computed wrong, and everything after it from that.
    fn compute(&mut self, lie: Lie) {
        let (work, unit) = (&self.work, pick(lie.unit, self.work.units.len()));
        let lied = pick(lie.op, work.units[unit].len());
        let values = work.compute(unit as u32, |op, codes| {
            if op == lied {
                codes[pick(lie.at, codes.len())] ^= lie.by;
            }
        });
        if let Some(to) = self.units.get_mut(unit) {
            to.values = Unit::new(work, &values).values;
        }
    }

    /// An element is committed to wrong, and everything after it is computed from the right one.
    fn element(&mut self, lie: Lie) {
        let codes = self.chunk(lie).get_mut(CHUNK_HEAD..).unwrap_or_default();
        if !codes.is_empty() {
            codes[pick(lie.to, codes.len())] ^= lie.by;
        }
    }

    /// A byte before the root in a TENSOR is wrong: type, dimensions, number of chunks.
    fn head(&mut self, lie: Lie) {
        let head = &mut self.value(lie).head;
        head[pick(lie.at, head.len())] ^= lie.by;
    }

    /// A value has the wrong number of chunks, and says so.
    fn chunks(&mut self, lie: Lie) {
        let value = self.value(lie);
        let count = 1 + pick(lie.at, value.chunks.len() + 2);
        value.chunks.resize(count, value.chunks[0].clone());
        value.head[18..].copy_from_slice(&(count as u32).to_le_bytes());
    }

    /// A byte before the data in a chunk is wrong: version, type, length, id of the value, index.
    fn chunk_head(&mut self, lie: Lie) {
        let at = pick(lie.to, CHUNK_HEAD);
        self.chunk(lie).iter_mut().skip(at).take(1).for_each(|byte| *byte ^= lie.by);
    }

    /// A chunk has the wrong length, and may say so.
    fn chunk_length(&mut self, lie: Lie) {
        let chunk = self.chunk(lie);
        let length = chunk.len();
        let (shorter, longer) = (length.saturating_sub(1), length + 1);
        let lengths = [shorter, 0, CHUNK_HEAD, MAX_PREIMAGE, MAX_PREIMAGE + 1, longer];
        chunk.resize(lengths[pick(lie.to, lengths.len())], lie.by);
        let length = chunk.len().saturating_sub(CHUNK_HEAD) as u16;
        if let Some(said) = chunk.get_mut(2..4).filter(|_| lie.by.is_multiple_of(2)) {
            said.copy_from_slice(&length.to_le_bytes());
        }
    }

    fn move_chunk(&mut self, lie: Lie) {
        relocate(&mut self.value(lie).chunks, lie);
    }

    /// A value is committed to under another id.
    fn number(&mut self, lie: Lie) {
        let ids = self.value(lie).chunks.iter_mut().filter_map(|chunk| chunk.get_mut(4));
        ids.for_each(|id| *id ^= lie.by);
    }

    fn move_value(&mut self, lie: Lie) {
        relocate(&mut self.unit(lie).values, lie);
    }

    fn move_unit(&mut self, lie: Lie) {
        relocate(&mut self.units, lie);
    }

    /// The right output, of this unit or of another, is delivered, whatever the traced one is.
    fn deliver(&mut self, lie: Lie) {
        let values = &self.work.units[pick(lie.at, self.work.units.len())];
        self.unit(lie).delivered = Unit::new(&self.work.clone(), &values.clone()).values.pop();
    }

    /// A byte before the root in a TRACE is wrong: version, tier, number of ops.
    fn trace_head(&mut self, lie: Lie) {
        self.unit(lie).head = (pick(lie.at, 7), lie.by);
    }

    /// The traces have more or fewer ops, or other checkpoints.
    fn checkpoints(&mut self, lie: Lie) {
        let n_ops = self.units[0].values.len().saturating_sub(2) + 1 + pick(lie.at, 3);
        for unit in &mut self.units {
            unit.values.resize(n_ops, unit.values[0].clone());
        }
        let interval = 1 + pick(lie.to, n_ops) as u32;
        self.checkpoints = Checkpoints::new(n_ops as u32, interval);
    }

    /// There are more or fewer units.
    fn units(&mut self, lie: Lie) {
        let units = self.units.len().saturating_sub(2) + 1 + pick(lie.at, 3);
        self.units.resize(units, self.units[0].clone());
    }

    /// Traces or outputs claim another number of units.
    fn count(&mut self, lie: Lie) {
        self.counts[pick(lie.at, 2)] = Some(self.work.n_units() ^ u32::from(lie.by));
    }

    /// Any node of any tree is wrong, even the root, or one beyond the last leaf.
    fn node(&mut self, lie: Lie) {
        let (checkpoints, units) = (self.checkpoints.count(), self.units.len() as u32);
        let (leaves, lies) = match lie.by % 4 {
            0 => (units, &mut self.lies[0]),
            1 => (units, &mut self.lies[1]),
            2 => (checkpoints, &mut self.unit(lie).lies),
            _ => {
                let value = self.value(lie);
                (chunks_of_head(&value.head), &mut value.lies)
            }
        };
        let depth = merkle::depth(leaves) as usize;
        let level = pick(lie.at, depth + 1);
        // As many nodes as a tree of a few pages has.
        let width = 1 << (depth - level).min(13);
        lies.push(Node(level, pick(lie.to, width), [lie.by; 32]));
    }

    fn trace(&self, unit: &Unit) -> Hash {
        let tensors: Vec<Hash> = self.checkpoints.of(&unit.tensors()).copied().collect();
        let depth = merkle::depth(self.checkpoints.count());
        let root = Tree::new(self.checkpoints.leaves(&tensors), depth, &unit.lies).root();
        let mut head = self.checkpoints.trace_head();
        head[unit.head.0] ^= unit.head.1;
        tagged(Tag::Trace, [&head, &root])
    }

    /// The traces or the outputs, from a hash for each unit.
    fn batch(&self, which: usize, hashes: Vec<Hash>) -> Batch {
        let units = hashes.len() as u32;
        let tree = Tree::new(unit_leaves(0, &hashes), merkle::depth(units), &self.lies[which]);
        let count = self.counts[which].unwrap_or(units).to_le_bytes();
        let root = tagged(Tag::Batch, [&count[..], &tree.root()]);
        Batch { hashes, tree, root }
    }

    pub fn commit(self) -> Committed {
        Committed {
            traces: self.batch(0, self.units.iter().map(|unit| self.trace(unit)).collect()),
            outputs: self.batch(1, self.units.iter().map(|unit| unit.delivered().tensor()).collect()),
            liar: self,
        }
    }
}

/// A batch with a hash for each unit.
pub struct Batch {
    hashes: Vec<Hash>,
    tree: Tree,
    root: Hash,
}

/// A worker that has committed to its work, and answers questions as well as it can.
pub struct Committed {
    liar: Liar,
    pub traces: Batch,
    pub outputs: Batch,
}

impl Committed {
    /// Roots of the traces and the outputs.
    pub fn roots(&self) -> (Hash, Hash) {
        (self.traces.root, self.outputs.root)
    }

    /// A page of a batch, and its siblings up to the root.
    pub fn units(&self, batch: &Batch, page: u32) -> (Vec<Hash>, Vec<Hash>) {
        let units = self.liar.work.n_units();
        let from = batch.hashes.iter().skip((page * PAGE) as usize);
        let hashes = from.take(page_len(units, page) as usize).copied().collect();
        (hashes, batch.tree.path(page_depth(units), page))
    }

    /// TENSORs of all ops of a unit, and the siblings of its TRACE up to the root.
    pub fn ops(&self, unit: u32) -> Option<(Vec<Hash>, Vec<Hash>)> {
        let tensors = self.liar.units.get(unit as usize)?.tensors();
        Some((tensors, self.traces.tree.path(0, unit)))
    }

    pub fn value(&self, unit: u32, op: u32) -> Option<&Value> {
        self.liar.units.get(unit as usize)?.values.get(op as usize)
    }

    /// All hashes in a page of a value's chunks, and what leads it up to the unit.
    pub fn page(&self, Item { unit, op, index, .. }: Item) -> Option<(Vec<Hash>, PageEnd)> {
        let value = self.value(unit, op)?;
        let (n_chunks, tree) = (chunks_of_head(&value.head), value.tree());
        let above = match chunk_page_len(n_chunks, index) {
            0 => vec![tree.root()],
            _ => tree.path(page_depth(n_chunks), index),
        };
        let end = PageEnd {
            head: value.head,
            above,
            path: merkle::path(&op_leaves(&self.ops(unit)?.0), op),
        };
        let from = tree.levels[0].iter().skip((index * PAGE) as usize);
        Some((from.take(PAGE as usize).copied().collect(), end))
    }

    /// A chunk's preimage, and its siblings up to the root of its page.
    pub fn chunk(&self, Item { unit, op, index, .. }: Item) -> Option<(Vec<u8>, Vec<Hash>)> {
        let value = self.value(unit, op)?;
        let mut path = value.tree().path(0, index);
        path.truncate(page_depth(chunks_of_head(&value.head)) as usize);
        Some((value.chunks.get(index as usize)?.clone(), path))
    }

    /// Stores the traces, the outputs and the values, as far as blobs can hold them.
    pub async fn serve(&self, store: &BlobStore, [traces, outputs, values]: [bool; 3]) {
        let (units, mut blobs) = (&self.liar.units, Vec::new());
        if traces {
            let of_unit = |unit: &Unit| self.liar.checkpoints.of(&unit.tensors()).copied().collect::<Vec<_>>();
            let tensors: Vec<Hash> = units.iter().flat_map(of_unit).collect();
            blobs.extend(TraceBlob::new(self.liar.checkpoints, &tensors).map(|blob| blob.encode()));
        }
        if outputs {
            let contents: Vec<_> = units.iter().filter_map(|unit| unit.delivered().content()).collect();
            let header = contents
                .first()
                .map(|(id, shape, _)| BatchHeader::outputs(units.len() as u32, *id, *shape));
            if let Some(Ok(header)) = header {
                let codes = contents.into_iter().map(|(.., codes)| codes);
                blobs.push([header.encode().to_vec()].into_iter().chain(codes).collect::<Vec<_>>().concat());
            }
        }
        if values {
            for (id, shape, codes) in units.iter().flat_map(|unit| &unit.values).filter_map(Value::content) {
                blobs.extend(TensorBlob::new(id, shape, &codes).map(|blob| blob.encode()));
            }
        }
        for blob in blobs.into_iter().filter(|blob| blobs::address(blob).is_ok()) {
            store.put(blob.into()).await.unwrap();
        }
    }
}
