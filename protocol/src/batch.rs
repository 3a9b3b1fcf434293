//! Many units of work under one root, and the blobs that carry them.
//!
//! A blob is a 40-byte header and the tensors of every unit, offset-binary, unit after unit. Blob stores address it by its batch root, so
//! a client that fetches a blob recomputes the root and has to trust nobody.

use crate::graph::{MAX_GRAPH_INPUTS, MAX_OPS};
use crate::hash::{Hash, Tag, tagged};
use crate::math;
use crate::merkle::Frontier;
use crate::tensor::Shape;
use alloc::vec::Vec;

/// Most units of one job. A unit's path in the batch is then at most 20 hashes.
pub const MAX_UNITS: u32 = 1 << 20;

/// Most tensors of one unit: a graph has at most four inputs.
pub const MAX_TENSORS: usize = MAX_GRAPH_INPUTS;

/// Value ids of any graph are below this.
pub(crate) const MAX_VALUES: u32 = MAX_OPS + MAX_GRAPH_INPUTS as u32;

/// First bytes of every blob.
pub const MAGIC: [u8; 4] = *b"IOB1";

/// Hash of one unit's graph inputs, by their TENSORs.
pub fn inputs_hash(tensors: &[Hash]) -> Hash {
    let mut bytes = [0; MAX_TENSORS * 32];
    for (slot, tensor) in bytes.chunks_exact_mut(32).zip(tensors) {
        slot.copy_from_slice(tensor);
    }
    let count = tensors.len().min(MAX_TENSORS);
    tagged(Tag::Inputs, [&[count as u8], bytes.get(..count << 5).unwrap_or(&bytes)])
}

/// Leaf of a batch for unit `index`. `hash` is the hash of its inputs, its TRACE or its output TENSOR.
pub fn unit_leaf(index: u32, hash: &Hash) -> Hash {
    tagged(Tag::Unit, [&index.to_le_bytes(), hash])
}

/// Leaves of consecutive units from `first` on.
pub fn unit_leaves(first: u32, hashes: &[Hash]) -> Vec<Hash> {
    (first..).zip(hashes).map(|(unit, hash)| unit_leaf(unit, hash)).collect()
}

/// Batch root from the Merkle root over the unit leaves.
pub fn batch_from_root(units: u32, root: &Hash) -> Hash {
    tagged(Tag::Batch, [&units.to_le_bytes(), root])
}

/// Batch root over one hash per unit.
pub fn batch_root(hashes: &[Hash]) -> Hash {
    let mut leaves = Frontier::default();
    for hash in hashes {
        leaves.push(unit_leaf(leaves.count(), hash));
    }
    batch_from_root(leaves.count(), &leaves.root())
}

/// What a blob carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BlobKind {
    /// Graph inputs of every unit.
    Inputs = 0,
    /// The graph's output of every unit.
    Outputs = 1,
}

/// Why bytes are not a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// Shorter than a header, or a wrong magic, kind or reserved byte.
    Header,
    /// No units, or more than 2^20.
    Units,
    /// Inputs need 1 to 4 tensors that are numbered from 0, outputs exactly one.
    Tensors,
    /// A shape has a zero side or more than 2^24 elements, or an unused one is not zero.
    Shape,
    /// The blob is not exactly as long as its header says.
    Length,
    /// A trace without ops, or with more than 1,024.
    Ops,
    /// A trace's checkpoint interval is longer than its graph, or is 1, which has to be written as 0.
    Interval,
    /// The value id is larger than in any graph.
    Value,
}

impl BatchError {
    /// The reason in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Header => "the blob does not begin with a valid header",
            Self::Units => "the blob has no units or more than 2^20",
            Self::Tensors => "an inputs blob needs 1 to 4 tensors numbered from 0, an outputs blob exactly one",
            Self::Shape => "a shape in the blob's header has a zero side or more than 2^24 elements, or is unused and not zero",
            Self::Length => "the blob is not exactly as long as its header says",
            Self::Ops => "the trace in the blob has no ops or more than 1,024",
            Self::Interval => {
                "the checkpoint interval of the trace in the blob is longer than its graph, or is 1, which has to be written as 0"
            }
            Self::Value => "the value id in the blob's header is larger than in any graph",
        }
    }
}

impl core::fmt::Display for BatchError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for BatchError {}

/// The header of a blob. Always valid: it can only be made by a constructor that checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    kind: BlobKind,
    units: u32,
    first_value_id: u32,
    n_tensors: u8,
    shapes: [Shape; MAX_TENSORS],
}

impl BatchHeader {
    /// Length of an encoded header.
    pub const BYTES: usize = 16 + MAX_TENSORS * Shape::BYTES;

    /// Header of the inputs of `units` units of a graph with these input shapes.
    pub fn inputs(units: u32, shapes: &[Shape]) -> Result<Self, BatchError> {
        Self::new(BlobKind::Inputs, units, 0, shapes)
    }

    /// Header of the outputs of `units` units; `value_id` is the id of the graph's output.
    pub fn outputs(units: u32, value_id: u32, shape: Shape) -> Result<Self, BatchError> {
        Self::new(BlobKind::Outputs, units, value_id, &[shape])
    }

    fn new(kind: BlobKind, units: u32, first_value_id: u32, shapes: &[Shape]) -> Result<Self, BatchError> {
        if units == 0 || units > MAX_UNITS {
            return Err(BatchError::Units);
        }
        let right_tensors = match kind {
            BlobKind::Inputs => (1..=MAX_TENSORS).contains(&shapes.len()) && first_value_id == 0,
            BlobKind::Outputs => shapes.len() == 1,
        };
        if !right_tensors {
            return Err(BatchError::Tensors);
        }
        if first_value_id >= MAX_VALUES {
            return Err(BatchError::Value);
        }
        if shapes.iter().any(|shape| shape.elements().is_none()) {
            return Err(BatchError::Shape);
        }
        let mut all = [Shape::default(); MAX_TENSORS];
        for (slot, shape) in all.iter_mut().zip(shapes) {
            *slot = *shape;
        }
        Ok(Self {
            kind,
            units,
            first_value_id,
            n_tensors: shapes.len() as u8,
            shapes: all,
        })
    }

    /// What the blob carries.
    pub fn kind(&self) -> BlobKind {
        self.kind
    }

    /// Number of units.
    pub fn units(&self) -> u32 {
        self.units
    }

    /// Value id of each unit's first tensor; the others follow.
    pub fn first_value_id(&self) -> u32 {
        self.first_value_id
    }

    /// Shapes of each unit's tensors.
    pub fn shapes(&self) -> &[Shape] {
        self.shapes.get(..usize::from(self.n_tensors)).unwrap_or(&[])
    }

    /// Bytes of one unit: at most 2^26.
    pub fn unit_bytes(&self) -> u32 {
        self.shapes().iter().filter_map(|shape| shape.elements()).sum()
    }

    /// Bytes of the whole blob.
    pub fn blob_bytes(&self) -> u64 {
        // At most 2^20 units of 2^26 bytes: checked_mul never fails here.
        math::checked_mul(self.units.into(), self.unit_bytes().into())
            .unwrap_or(0)
            .saturating_add(Self::BYTES as u64)
    }

    /// The first 40 bytes of the blob.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let head = MAGIC.into_iter().chain([self.kind as u8, self.n_tensors, 0, 0]);
        let numbers = self.units.to_le_bytes().into_iter().chain(self.first_value_id.to_le_bytes());
        let shapes = self.shapes.iter().flat_map(|shape| shape.to_bytes());
        for (to, from) in bytes.iter_mut().zip(head.chain(numbers).chain(shapes)) {
            *to = from;
        }
        bytes
    }

    /// Reads and checks the header of `blob`, and that the blob is exactly as long as it says.
    pub fn parse(blob: &[u8]) -> Result<(Self, Units<'_>), BatchError> {
        let (head, data) = blob.split_first_chunk::<{ Self::BYTES }>().ok_or(BatchError::Header)?;
        let header = Self::decode(head)?;
        if blob.len() as u64 != header.blob_bytes() {
            return Err(BatchError::Length);
        }
        Ok((header, Units { header, data }))
    }

    /// Reads and checks a header alone, so that a download can be refused before it starts.
    pub fn decode(head: &[u8; Self::BYTES]) -> Result<Self, BatchError> {
        let [m0, m1, m2, m3, kind, n_tensors, 0, 0, u0, u1, u2, u3, f0, f1, f2, f3, shapes @ ..] = *head else {
            return Err(BatchError::Header);
        };
        let kind = match kind {
            0 => BlobKind::Inputs,
            1 => BlobKind::Outputs,
            _ => return Err(BatchError::Header),
        };
        if [m0, m1, m2, m3] != MAGIC {
            return Err(BatchError::Header);
        }
        let (words, _) = shapes.as_chunks::<{ Shape::BYTES }>();
        let mut all = [Shape::default(); MAX_TENSORS];
        for (slot, word) in all.iter_mut().zip(words) {
            *slot = Shape::from_bytes(*word);
        }
        let (used, unused) = all.split_at_checked(n_tensors.into()).ok_or(BatchError::Tensors)?;
        if unused.iter().any(|shape| *shape != Shape::default()) {
            return Err(BatchError::Shape);
        }
        Self::new(
            kind,
            u32::from_le_bytes([u0, u1, u2, u3]),
            u32::from_le_bytes([f0, f1, f2, f3]),
            used,
        )
    }

    /// Hash of one unit from its bytes: the hash of its inputs, or its output TENSOR.
    pub fn unit_hash(&self, unit: &[u8]) -> Hash {
        let mut tensors = [[0; 32]; MAX_TENSORS];
        for ((slot, (shape, data)), id) in tensors.iter_mut().zip(self.tensors(unit)).zip(self.first_value_id..) {
            *slot = shape.layout().hash(id, data);
        }
        match self.kind {
            BlobKind::Inputs => inputs_hash(tensors.get(..usize::from(self.n_tensors)).unwrap_or(&[])),
            BlobKind::Outputs => tensors.first().copied().unwrap_or_default(),
        }
    }

    /// The tensors within one unit's bytes.
    pub fn tensors<'a>(&self, mut unit: &'a [u8]) -> impl Iterator<Item = (Shape, &'a [u8])> {
        self.shapes.into_iter().take(self.n_tensors.into()).map_while(move |shape| {
            let (tensor, rest) = unit.split_at_checked(shape.elements()? as usize)?;
            unit = rest;
            Some((shape, tensor))
        })
    }
}

/// The data of a blob whose length has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Units<'a> {
    header: BatchHeader,
    data: &'a [u8],
}

impl<'a> Units<'a> {
    /// The bytes of each unit, in order.
    pub fn iter(&self) -> core::slice::ChunksExact<'a, u8> {
        // A valid header has at least one tensor of at least one element.
        self.data.chunks_exact((self.header.unit_bytes() as usize).max(1))
    }

    /// The bytes of one unit, or `None` beyond the last.
    pub fn get(&self, index: u32) -> Option<&'a [u8]> {
        self.iter().nth(index as usize)
    }
}

/// Batch root of a blob, over the hashes of its inputs or over its output TENSORs.
pub fn root_of_blob(blob: &[u8]) -> Result<Hash, BatchError> {
    let (header, units) = BatchHeader::parse(blob)?;
    let mut leaves = Frontier::default();
    for unit in units.iter() {
        leaves.push(unit_leaf(leaves.count(), &header.unit_hash(unit)));
    }
    Ok(batch_from_root(leaves.count(), &leaves.root()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle;

    fn blob(header: BatchHeader) -> Vec<u8> {
        let mut bytes = header.encode().to_vec();
        bytes.extend((0..header.blob_bytes() - 40).map(|i| (i * 7) as u8));
        bytes
    }

    fn two_inputs() -> BatchHeader {
        BatchHeader::inputs(3, &[Shape::new(2, 3, 4), Shape::new(1, 1, 5)]).unwrap()
    }

    #[test]
    fn the_header_is_as_documented() {
        let mut expected = b"IOB1".to_vec();
        expected.extend([0, 2, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 4, 0, 1, 0, 1, 0, 5, 0]);
        expected.extend([0; 12]);
        assert_eq!(two_inputs().encode().to_vec(), expected);
        let outputs = BatchHeader::outputs(MAX_UNITS, 0x0102, Shape::new(4096, 4096, 1)).unwrap();
        assert_eq!(BatchHeader::decode(&outputs.encode()), Ok(outputs));
        assert_eq!(outputs.blob_bytes(), (1 << 44) + 40);
    }

    #[test]
    fn the_root_of_a_blob_is_the_definition() {
        let bytes = blob(two_inputs());
        let leaves: Vec<Hash> = (0..3)
            .map(|unit| {
                let data = &bytes[40 + unit * 29..40 + (unit + 1) * 29];
                let image = Shape::new(2, 3, 4).layout().hash(0, &data[..24]);
                let prompt = Shape::new(1, 1, 5).layout().hash(1, &data[24..]);
                let inputs = tagged(Tag::Inputs, [&[2], &image, &prompt]);
                tagged(Tag::Unit, [&(unit as u32).to_le_bytes(), &inputs])
            })
            .collect();
        let expected = tagged(Tag::Batch, [&[3, 0, 0, 0], &merkle::root(&leaves)]);
        assert_eq!(root_of_blob(&bytes), Ok(expected));

        let shape = Shape::new(2, 3, 4);
        let outputs = blob(BatchHeader::outputs(2, 9, shape).unwrap());
        let tensors = [shape.layout().hash(9, &outputs[40..64]), shape.layout().hash(9, &outputs[64..])];
        assert_eq!(root_of_blob(&outputs), Ok(batch_root(&tensors)));
        let (_, units) = BatchHeader::parse(&outputs).unwrap();
        assert_eq!(units.get(1), Some(&outputs[64..]));
        assert_eq!(units.get(2), None);
    }

    #[test]
    fn malformed_blobs_are_refused() {
        let good = blob(two_inputs());
        let changed = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            root_of_blob(&bytes)
        };
        assert_eq!(root_of_blob(&[]), Err(BatchError::Header));
        assert_eq!(root_of_blob(&good[..39]), Err(BatchError::Header));
        assert_eq!(root_of_blob(&good[..40]), Err(BatchError::Length));
        assert_eq!(root_of_blob(&good[..good.len() - 1]), Err(BatchError::Length));
        assert_eq!(root_of_blob(&[&good[..], &[0]].concat()), Err(BatchError::Length));
        assert_eq!(changed(0, b'X'), Err(BatchError::Header));
        assert_eq!(changed(4, 2), Err(BatchError::Header), "kind");
        assert_eq!(changed(4, 1), Err(BatchError::Tensors), "two outputs");
        assert_eq!(changed(5, 0), Err(BatchError::Shape), "shapes beyond the count");
        assert_eq!(changed(5, 3), Err(BatchError::Shape), "an empty third tensor");
        assert_eq!(changed(5, 5), Err(BatchError::Tensors));
        assert_eq!(changed(6, 1), Err(BatchError::Header), "reserved");
        assert_eq!(changed(8, 0), Err(BatchError::Units));
        assert_eq!(changed(10, 0x20), Err(BatchError::Units), "more than 2^20");
        assert_eq!(changed(12, 1), Err(BatchError::Tensors), "inputs are numbered from 0");
        assert_eq!(changed(16, 0), Err(BatchError::Shape), "a zero side");
        assert_eq!(changed(39, 1), Err(BatchError::Shape), "an unused shape");
        let pixel = Shape::new(1, 1, 1);
        assert!(BatchHeader::outputs(1, MAX_VALUES - 1, pixel).is_ok());
        assert_eq!(BatchHeader::outputs(1, MAX_VALUES, pixel), Err(BatchError::Value));
        assert_eq!(BatchHeader::inputs(1, &[]).unwrap_err(), BatchError::Tensors);
        assert_eq!(BatchHeader::inputs(1, &[Shape::new(1, 1, 1); 5]).unwrap_err(), BatchError::Tensors);
        assert_eq!(
            BatchHeader::inputs(MAX_UNITS + 1, &[Shape::new(1, 1, 1)]).unwrap_err(),
            BatchError::Units
        );
        assert!(BatchHeader::inputs(MAX_UNITS, &[Shape::new(1, 1, 1); 4]).is_ok());
    }
}
