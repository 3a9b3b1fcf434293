//! The encoding of evidence: numbers little-endian, paths bottom up, no part longer than it has to be.
//!
//! | part | bytes |
//! |---|---|
//! | version, kind, unit, op, index | 2, 1, 4, 4, 4 |
//! | element | descriptor, unit path, op path of the output, its opening; per input read: an input's opening, the other inputs' TENSORs and the unit path in the inputs, or a value's shape (6), op path and opening; openings of the constants |
//! | output | delivered TENSOR, unit path in the outputs, traced TENSOR, op path, unit path |
//! | malformed | level, tree; descriptor (tensor and chunk); preimage; chunk path, op path, unit path as far as they lie above the level |
//! | padding | tree, level; descriptor (chunks); node; siblings up to the tree's root; op path, unit path above it |
//!
//! Where the worker has shown the unit's op outputs (`Shown`), the path ends at their root: no unit path follows an op path or the siblings
//! in the tree of ops.
//!
//! A descriptor and a preimage are a length (2) and bytes; a descriptor is followed by its path in the graph. An opening is a number of
//! ranges (1) and for each range: first chunk (4), count (2), the chunks, the siblings that complete them.

use super::{Invalid, Openings};
use crate::hash::Hash;
use crate::merkle::{self, depth};
use crate::ops::Operand;
use crate::tensor::{Layout, Shape, chunk_leaf};
use alloc::vec::Vec;

/// Kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Element = 0,
    Output = 1,
    Malformed = 2,
    Padding = 3,
}

/// Kind of preimage that is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Batch = 0,
    Unit = 1,
    Trace = 2,
    Op = 3,
    Tensor = 4,
    Chunk = 5,
}

/// Tree whose padding is wrong, or batch that is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Traces = 0,
    Outputs = 1,
    Ops = 2,
    Chunks = 3,
}

/// Parses evidence from front to back.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(evidence: &'a [u8]) -> Self {
        Self { rest: evidence }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Invalid> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Invalid::Length)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        self.take(N)?.first_chunk().copied().ok_or(Invalid::Length)
    }

    pub fn u8(&mut self) -> Result<u8, Invalid> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, Invalid> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Invalid> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn hash(&mut self) -> Result<Hash, Invalid> {
        self.array()
    }

    pub fn shape(&mut self) -> Result<Shape, Invalid> {
        self.array().map(Shape::from_bytes)
    }

    pub fn hashes(&mut self, count: u32) -> Result<&'a [Hash], Invalid> {
        // A count is at most 2 · 24: the longest proof.
        let (hashes, _) = self.take(count as usize * 32)?.as_chunks();
        Ok(hashes)
    }

    /// Bytes preceded by their length.
    pub fn counted(&mut self) -> Result<&'a [u8], Invalid> {
        let length = self.u16()?;
        self.take(length.into())
    }

    pub(super) fn kind(&mut self) -> Result<Kind, Invalid> {
        Ok(match self.u8()? {
            0 => Kind::Element,
            1 => Kind::Output,
            2 => Kind::Malformed,
            3 => Kind::Padding,
            _ => return Err(Invalid::Kind),
        })
    }

    pub(super) fn level(&mut self) -> Result<Level, Invalid> {
        Ok(match self.u8()? {
            0 => Level::Batch,
            1 => Level::Unit,
            2 => Level::Trace,
            3 => Level::Op,
            4 => Level::Tensor,
            5 => Level::Chunk,
            _ => return Err(Invalid::Kind),
        })
    }

    pub(super) fn tree(&mut self) -> Result<Tree, Invalid> {
        Ok(match self.u8()? {
            0 => Tree::Traces,
            1 => Tree::Outputs,
            2 => Tree::Ops,
            3 => Tree::Chunks,
            _ => return Err(Invalid::Kind),
        })
    }

    /// Reads the path of the leaf at `index` of a tree over `count` leaves; returns the root that it leads to.
    pub fn climb(&mut self, leaf: Hash, index: u32, count: u32) -> Result<Hash, Invalid> {
        let path = self.hashes(depth(count))?;
        merkle::root_from_path(leaf, index, depth(count), path).ok_or(Invalid::Index)
    }

    /// Fails unless all evidence has been read.
    pub fn end(self) -> Result<(), Invalid> {
        if self.rest.is_empty() { Ok(()) } else { Err(Invalid::Length) }
    }
}

/// Opened ranges of the tensors an op depends on.
#[derive(Default)]
pub(super) struct Opened<'a> {
    ranges: Vec<Range<'a>>,
}

struct Range<'a> {
    operand: Operand,
    first: u32,
    bytes: &'a [u8],
}

impl<'a> Opened<'a> {
    /// Reads the opening of a tensor and stores its ranges under `operand`; returns the TENSOR it leads to, which the caller must check.
    pub fn read(&mut self, reader: &mut Reader<'a>, operand: Operand, layout: &Layout, uid: u32) -> Result<Hash, Invalid> {
        let (bytes, chunks) = (layout.bytes().ok_or(Invalid::Op)?, layout.chunks().ok_or(Invalid::Op)?);
        let mut root = None;
        for _ in 0..reader.u8()? {
            let (first, count) = (reader.u32()?, u32::from(reader.u16()?));
            let end = first
                .checked_add(count)
                .filter(|end| *end <= chunks && count > 0)
                .ok_or(Invalid::Index)?;
            // `end` is at most 2^24 chunks of 2^10 bytes, and a tensor has fewer than 2^32.
            let size = layout.chunk_bytes();
            let from = u64::from(first) * size as u64;
            let to = (u64::from(end) * size as u64).min(bytes.into());
            let data = reader.take(to.saturating_sub(from) as usize)?;
            let mut leaves = Vec::with_capacity(count as usize);
            for (chunk, index) in data.chunks(size).zip(first..) {
                leaves.push(chunk_leaf(layout.dtype, uid, index, chunk));
            }
            let proof = reader.hashes(merkle::range_proof_len(first, count, depth(chunks)))?;
            let found = merkle::root_from_range(&mut leaves, first, depth(chunks), proof).ok_or(Invalid::Index)?;
            if root.is_some_and(|root| root != found) {
                return Err(Invalid::Trace);
            }
            root = Some(found);
            self.ranges.push(Range {
                operand,
                first: from as u32,
                bytes: data,
            });
        }
        Ok(layout.seal(chunks, &root.ok_or(Invalid::Closed)?))
    }
}

impl Openings for Opened<'_> {
    fn bytes(&self, operand: Operand, first: u32, len: u32) -> Option<&[u8]> {
        for range in self.ranges.iter().filter(|range| range.operand == operand) {
            let open = first
                .checked_sub(range.first)
                .and_then(|from| range.bytes.get(from as usize..)?.get(..len as usize));
            if open.is_some() {
                return open;
            }
        }
        None
    }
}
