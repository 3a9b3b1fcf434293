//! Every kind of blob that a store keeps, and the address of each, which follows from its bytes alone.
//!
//! Besides the batches of [`crate::batch`] there are two kinds with which a worker shows its work:
//!
//! * a **trace blob**, `IOT1`: a 16-byte header (magic, ops of the graph, units, ops from one checkpoint to the next, or 0 when every op is
//!   a checkpoint; numbers little-endian), then the TENSOR of every checkpoint, unit after unit. Its address is the batch root of the
//!   traces, which the worker reveals on chain.
//! * a **tensor blob**, `IOV1`: a 16-byte header (magic, value id, shape, two zeros), then the codes of one value. Its address is
//!   the value's TENSOR, which a trace blob lists.

use crate::batch::{self, BatchError, MAX_UNITS, MAX_VALUES};
use crate::graph::MAX_OPS;
use crate::hash::Hash;
use crate::math;
use crate::merkle::Frontier;
use crate::tensor::Shape;
use crate::trace::Checkpoints;
use alloc::vec::Vec;

/// First bytes of a trace blob.
pub const TRACE_MAGIC: [u8; 4] = *b"IOT1";

/// First bytes of a tensor blob.
pub const TENSOR_MAGIC: [u8; 4] = *b"IOV1";

/// Length of the header of a trace or tensor blob.
pub const HEADER_BYTES: usize = 16;

/// The address of a blob of any kind.
pub fn address(blob: &[u8]) -> Result<Hash, BatchError> {
    match blob.first_chunk::<4>() {
        Some(&TRACE_MAGIC) => Ok(TraceBlob::parse(blob)?.root()),
        Some(&TENSOR_MAGIC) => Ok(TensorBlob::parse(blob)?.hash()),
        _ => batch::root_of_blob(blob),
    }
}

/// The roots of every unit's checkpoints. Always valid: it can only be made by a constructor that checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceBlob<'a> {
    checkpoints: Checkpoints,
    units: u32,
    tensors: &'a [Hash],
}

impl<'a> TraceBlob<'a> {
    /// A blob of the TENSORs of these checkpoints, unit after unit.
    pub fn new(checkpoints: Checkpoints, tensors: &'a [Hash]) -> Result<Self, BatchError> {
        if !(1..=MAX_OPS).contains(&checkpoints.n_ops()) {
            return Err(BatchError::Ops);
        }
        if checkpoints.interval() > checkpoints.n_ops() {
            return Err(BatchError::Interval);
        }
        // At least one.
        let count = checkpoints.count() as usize;
        let units = u32::try_from(tensors.len() / count).map_err(|_| BatchError::Units)?;
        if !tensors.len().is_multiple_of(count) {
            return Err(BatchError::Length);
        }
        if units == 0 || units > MAX_UNITS {
            return Err(BatchError::Units);
        }
        Ok(Self {
            checkpoints,
            units,
            tensors,
        })
    }

    /// Bytes of the trace blob of a job.
    pub fn bytes(checkpoints: Checkpoints, units: u32) -> u64 {
        // At most 2^10 ops, 2^20 units and 2^5 bytes each: checked_mul never fails here.
        math::checked_mul(checkpoints.count().into(), units.into())
            .and_then(|hashes| math::checked_mul(hashes, 32))
            .unwrap_or(u64::MAX)
            .saturating_add(HEADER_BYTES as u64)
    }

    /// Reads and checks a blob, which must be exactly as long as its header says.
    pub fn parse(blob: &'a [u8]) -> Result<Self, BatchError> {
        let (head, data) = blob.split_first_chunk::<HEADER_BYTES>().ok_or(BatchError::Header)?;
        let [m0, m1, m2, m3, o0, o1, o2, o3, u0, u1, u2, u3, i0, i1, i2, i3] = *head;
        if [m0, m1, m2, m3] != TRACE_MAGIC {
            return Err(BatchError::Header);
        }
        let interval = u32::from_le_bytes([i0, i1, i2, i3]);
        if interval == 1 {
            // An interval of 1 is written as 0, so that each trace has one encoding.
            return Err(BatchError::Interval);
        }
        let (tensors, rest) = data.as_chunks::<32>();
        let found = Self::new(Checkpoints::new(u32::from_le_bytes([o0, o1, o2, o3]), interval), tensors)?;
        if !rest.is_empty() || found.units != u32::from_le_bytes([u0, u1, u2, u3]) {
            return Err(BatchError::Length);
        }
        Ok(found)
    }

    /// The blob.
    pub fn encode(&self) -> Vec<u8> {
        let interval = if self.checkpoints.are_all() {
            0
        } else {
            self.checkpoints.interval()
        };
        let mut blob = Vec::with_capacity(HEADER_BYTES.saturating_add(self.tensors.as_flattened().len()));
        blob.extend(TRACE_MAGIC);
        blob.extend(self.checkpoints.n_ops().to_le_bytes());
        blob.extend(self.units.to_le_bytes());
        blob.extend(interval.to_le_bytes());
        blob.extend(self.tensors.as_flattened());
        blob
    }

    /// The checkpoints whose outputs it lists.
    pub fn checkpoints(&self) -> Checkpoints {
        self.checkpoints
    }

    /// Number of units.
    pub fn units(&self) -> u32 {
        self.units
    }

    /// The TENSOR of each checkpoint of one unit, or `None` beyond the last.
    pub fn unit(&self, index: u32) -> Option<&'a [Hash]> {
        self.all().nth(index as usize)
    }

    /// The TENSORs of each unit's checkpoints, in order.
    pub fn all(&self) -> impl Iterator<Item = &'a [Hash]> + use<'a> {
        self.tensors.chunks_exact(self.checkpoints.count() as usize)
    }

    /// TRACE of every unit.
    pub fn traces(&self) -> impl Iterator<Item = Hash> + use<'a> {
        let checkpoints = self.checkpoints;
        self.all().map(move |unit| checkpoints.trace(unit))
    }

    /// Batch root of the traces: the blob's address.
    pub fn root(&self) -> Hash {
        let mut leaves = Frontier::default();
        for trace in self.traces() {
            leaves.push(batch::unit_leaf(leaves.count(), &trace));
        }
        batch::batch_from_root(leaves.count(), &leaves.root())
    }
}

/// One value of one unit. Always valid: it can only be made by a constructor that checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorBlob<'a> {
    value_id: u32,
    shape: Shape,
    codes: &'a [u8],
}

impl<'a> TensorBlob<'a> {
    /// The value `value_id` of this shape, as codes.
    pub fn new(value_id: u32, shape: Shape, codes: &'a [u8]) -> Result<Self, BatchError> {
        if value_id >= MAX_VALUES {
            return Err(BatchError::Value);
        }
        let elements = shape.elements().ok_or(BatchError::Shape)?;
        if codes.len() != elements as usize {
            return Err(BatchError::Length);
        }
        Ok(Self { value_id, shape, codes })
    }

    /// Reads and checks a blob, which must be exactly as long as its header says.
    pub fn parse(blob: &'a [u8]) -> Result<Self, BatchError> {
        let (head, codes) = blob.split_first_chunk::<HEADER_BYTES>().ok_or(BatchError::Header)?;
        let [m0, m1, m2, m3, v0, v1, v2, v3, shape @ .., 0, 0] = *head else {
            return Err(BatchError::Header);
        };
        if [m0, m1, m2, m3] != TENSOR_MAGIC {
            return Err(BatchError::Header);
        }
        Self::new(u32::from_le_bytes([v0, v1, v2, v3]), Shape::from_bytes(shape), codes)
    }

    /// The blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(HEADER_BYTES.saturating_add(self.codes.len()));
        blob.extend(TENSOR_MAGIC);
        blob.extend(self.value_id.to_le_bytes());
        blob.extend(self.shape.to_bytes());
        blob.extend([0; 2]);
        blob.extend(self.codes);
        blob
    }

    /// Id of the value.
    pub fn value_id(&self) -> u32 {
        self.value_id
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Its codes.
    pub fn codes(&self) -> &'a [u8] {
        self.codes
    }

    /// TENSOR: the blob's address.
    pub fn hash(&self) -> Hash {
        self.shape.layout().hash(self.value_id, self.codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchHeader;
    use std::vec::Vec;

    fn tensors(count: u8) -> Vec<Hash> {
        (0..count).map(|i| [i; 32]).collect()
    }

    #[test]
    fn a_trace_blob_is_as_documented_and_hashes_to_the_batch_of_its_traces() {
        let tensors = tensors(6);
        let all = Checkpoints::all(3);
        let trace = TraceBlob::new(all, &tensors).unwrap();
        let blob = trace.encode();
        let mut expected = b"IOT1".to_vec();
        expected.extend([3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        tensors.iter().for_each(|tensor| expected.extend(tensor));
        assert_eq!(blob, expected);
        assert_eq!(blob.len() as u64, TraceBlob::bytes(all, 2));
        assert_eq!(TraceBlob::parse(&blob), Ok(trace));
        assert_eq!((trace.unit(1), trace.unit(2)), (Some(&tensors[3..]), None));
        let traces = [all.trace(&tensors[..3]), all.trace(&tensors[3..])];
        assert_eq!(address(&blob), Ok(batch::batch_root(&traces)));
        assert_eq!(TraceBlob::bytes(Checkpoints::all(MAX_OPS), MAX_UNITS), (1 << 35) + 16);
    }

    #[test]
    fn a_trace_blob_of_checkpoints_carries_its_interval() {
        let tensors = tensors(6);
        let some = Checkpoints::new(5, 2);
        let trace = TraceBlob::new(some, &tensors).unwrap();
        let blob = trace.encode();
        let mut expected = b"IOT1".to_vec();
        expected.extend([5, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]);
        tensors.iter().for_each(|tensor| expected.extend(tensor));
        assert_eq!(blob, expected);
        assert_eq!(blob.len() as u64, TraceBlob::bytes(some, 2));
        assert_eq!(TraceBlob::parse(&blob), Ok(trace));
        assert_eq!(trace.unit(1), Some(&tensors[3..]));
        let traces = [some.trace(&tensors[..3]), some.trace(&tensors[3..])];
        assert_eq!(address(&blob), Ok(batch::batch_root(&traces)));
    }

    #[test]
    fn a_tensor_blob_is_as_documented_and_hashes_to_its_tensor() {
        let codes: Vec<u8> = (0..24).collect();
        let shape = Shape::new(2, 3, 4);
        let tensor = TensorBlob::new(0x0201, shape, &codes).unwrap();
        let blob = tensor.encode();
        let mut expected = b"IOV1".to_vec();
        expected.extend([1, 2, 0, 0, 2, 0, 3, 0, 4, 0, 0, 0]);
        expected.extend(&codes);
        assert_eq!(blob, expected);
        assert_eq!(TensorBlob::parse(&blob), Ok(tensor));
        assert_eq!(address(&blob), Ok(shape.layout().hash(0x0201, &codes)));
    }

    #[test]
    fn batches_keep_their_address() {
        let header = BatchHeader::outputs(1, 9, Shape::new(1, 1, 2)).unwrap();
        let blob = [&header.encode()[..], &[1, 2]].concat();
        assert_eq!(address(&blob), batch::root_of_blob(&blob));
        assert!(address(&blob).is_ok());
    }

    #[test]
    fn a_value_id_of_no_graph_is_refused_before_anything_is_hashed() {
        let header = BatchHeader::outputs(1, 9, Shape::new(1, 1, 1)).unwrap();
        let mut blob = [&header.encode()[..], &[1]].concat();
        blob[12..16].fill(0xff);
        assert_eq!(address(&blob), Err(BatchError::Value));
    }

    #[test]
    fn malformed_blobs_are_refused() {
        let tensors = tensors(6);
        let trace = TraceBlob::new(Checkpoints::all(3), &tensors).unwrap().encode();
        let shape = Shape::new(2, 3, 4);
        let tensor = TensorBlob::new(7, shape, &[0; 24]).unwrap().encode();
        let changed = |blob: &[u8], at: usize, value: u8| {
            let mut bytes = blob.to_vec();
            bytes[at] = value;
            address(&bytes)
        };
        for good in [&trace, &tensor] {
            assert_eq!(address(&good[..3]), Err(BatchError::Header));
            assert_eq!(address(&good[..15]), Err(BatchError::Header));
            assert_eq!(address(&good[..good.len() - 1]), Err(BatchError::Length));
            assert_eq!(address(&[&good[..], &[0]].concat()), Err(BatchError::Length));
            assert_eq!(changed(good, 3, b'2'), Err(BatchError::Header), "another version");
        }
        assert_eq!(changed(&tensor, 15, 1), Err(BatchError::Header), "reserved");
        assert_eq!(changed(&trace, 12, 1), Err(BatchError::Interval), "1 instead of 0");
        assert_eq!(changed(&trace, 12, 4), Err(BatchError::Interval), "longer than the graph");
        assert_eq!(changed(&trace, 4, 0), Err(BatchError::Ops));
        assert_eq!(changed(&trace, 5, 5), Err(BatchError::Ops), "more than 1,024");
        assert_eq!(changed(&trace, 4, 4), Err(BatchError::Length), "a unit cut short");
        assert_eq!(changed(&trace, 4, 2), Err(BatchError::Length), "three units of two ops");
        assert_eq!(changed(&trace, 8, 1), Err(BatchError::Length));
        assert_eq!(address(&trace[..16]), Err(BatchError::Units));
        assert_eq!(changed(&tensor, 5, 5), Err(BatchError::Value));
        assert_eq!(changed(&tensor, 8, 0), Err(BatchError::Shape));
        assert_eq!(changed(&tensor, 8, 3), Err(BatchError::Length));
        let (last, codes) = (MAX_VALUES - 1, [0; 24]);
        assert!(TensorBlob::new(last, shape, &codes).is_ok());
        assert_eq!(TensorBlob::new(last + 1, shape, &codes), Err(BatchError::Value));
        assert!(TraceBlob::new(Checkpoints::new(3, 3), &tensors).is_ok());
        assert_eq!(TraceBlob::parse(&tensor), Err(BatchError::Header), "one kind is not the other");
        assert_eq!(TensorBlob::parse(&trace), Err(BatchError::Header), "one kind is not the other");
    }
}
