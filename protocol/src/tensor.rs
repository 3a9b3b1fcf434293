//! Shapes and the commitment to a tensor: 1 KiB chunks under a Merkle tree.

use crate::hash::{Hash, Tag, tagged};
use crate::merkle::Frontier;
use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

/// Most elements of one activation. 2^24 bytes are 2^14 chunks, so paths stay short, and every element index of any op fits `u32`
/// with room for the products of two indices in `u64`.
pub const MAX_ELEMENTS: u32 = 1 << 24;

/// Bytes of data under one leaf: one leaf hash costs the chain about 600 compute units.
pub const CHUNK_BYTES: usize = 1024;

/// Bytes under one leaf of a table of (bias, multiplier) records: 16 records. Judging an element of a product takes one record, and a
/// shorter chunk makes shorter evidence.
pub const RECORDS_CHUNK_BYTES: usize = 128;

/// Version byte of a chunk header.
pub const CHUNK_VERSION: u8 = 1;

/// `tensor_uid` of every weights tensor. Above all value ids, so that a weight chunk never hashes like an activation chunk.
pub const WEIGHTS_UID: u32 = 0xC000_0000;
/// `tensor_uid` of every table of (bias, multiplier) records.
pub const CHANNELS_UID: u32 = 0xC000_0001;
/// `tensor_uid` of every 256-entry table.
pub const TABLE_UID: u32 = 0xC000_0002;

/// Shape of an activation: row-major, channels last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, SchemaRead, SchemaWrite)]
pub struct Shape {
    /// Rows.
    pub h: u16,
    /// Columns.
    pub w: u16,
    /// Channels.
    pub c: u16,
}

impl Shape {
    /// Bytes of [`Shape::to_bytes`].
    pub const BYTES: usize = 6;

    /// A shape of `h` rows, `w` columns and `c` channels.
    pub const fn new(h: u16, w: u16, c: u16) -> Self {
        Self { h, w, c }
    }

    /// Number of elements, or `None` when a side is zero or there are more than [`MAX_ELEMENTS`].
    pub const fn elements(self) -> Option<u32> {
        // Three 16-bit factors: the product stays below 2^48.
        let count = (self.h as u64).wrapping_mul(self.w as u64).wrapping_mul(self.c as u64);
        if count == 0 || count > MAX_ELEMENTS as u64 {
            None
        } else {
            Some(count as u32)
        }
    }

    /// `h, w, c` as little-endian `u16`s: the form inside hashes and blob headers.
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        let ([h0, h1], [w0, w1], [c0, c1]) = (self.h.to_le_bytes(), self.w.to_le_bytes(), self.c.to_le_bytes());
        [h0, h1, w0, w1, c0, c1]
    }

    /// Inverse of [`Shape::to_bytes`].
    pub const fn from_bytes([h0, h1, w0, w1, c0, c1]: [u8; Self::BYTES]) -> Self {
        Self::new(
            u16::from_le_bytes([h0, h1]),
            u16::from_le_bytes([w0, w1]),
            u16::from_le_bytes([c0, c1]),
        )
    }

    /// How a tensor of this shape is committed to.
    pub const fn layout(self) -> Layout {
        Layout {
            dtype: DType::I8,
            rank: 3,
            dims: [self.h as u32, self.w as u32, self.c as u32, 0],
        }
    }
}

impl core::fmt::Display for Shape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "[{}, {}, {}]", self.h, self.w, self.c)
    }
}

/// Element type of a committed tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DType {
    /// `i8`, stored offset-binary.
    I8 = 0,
    /// `i32`, stored little-endian.
    I32 = 1,
}

/// What a tensor's hash commits to besides its bytes. Sides beyond `rank` are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Element type.
    pub dtype: DType,
    /// Number of sides in use.
    pub rank: u8,
    /// Sides, outermost first.
    pub dims: [u32; 4],
}

impl Layout {
    /// Weights of a convolution, `[co, kh, kw, ci / groups]`.
    pub const fn conv_weights(dims: [u32; 4]) -> Self {
        Self {
            dtype: DType::I8,
            rank: 4,
            dims,
        }
    }

    /// Weights of a matrix product, `[n, k]`.
    pub const fn matmul_weights(n: u32, k: u32) -> Self {
        Self {
            dtype: DType::I8,
            rank: 2,
            dims: [n, k, 0, 0],
        }
    }

    /// One (bias, multiplier) record per output channel.
    pub const fn channels(count: u32) -> Self {
        Self {
            dtype: DType::I32,
            rank: 4,
            dims: [1, 1, count, 2],
        }
    }

    /// A 256-entry table.
    pub const fn table8() -> Self {
        Self {
            dtype: DType::I8,
            rank: 1,
            dims: [256, 0, 0, 0],
        }
    }

    /// Number of bytes of the committed form; `None` when a side in use is zero or the number does not fit 32 bits.
    pub fn bytes(&self) -> Option<u32> {
        let size = match self.dtype {
            DType::I8 => 1u32,
            DType::I32 => 4,
        };
        let sides = self.dims.get(..usize::from(self.rank))?;
        let bytes = sides.iter().try_fold(size, |bytes, side| bytes.checked_mul(*side))?;
        (bytes > 0).then_some(bytes)
    }

    /// Number of chunks of the committed form; `None` as for [`Layout::bytes`].
    pub fn chunks(&self) -> Option<u32> {
        Some(self.bytes()?.div_ceil(self.chunk_bytes() as u32))
    }

    /// Bytes under one leaf.
    pub const fn chunk_bytes(&self) -> usize {
        match self.dtype {
            DType::I8 => CHUNK_BYTES,
            DType::I32 => RECORDS_CHUNK_BYTES,
        }
    }

    /// TENSOR from the root over its chunks, for callers that hashed the chunks themselves.
    pub fn seal(&self, n_chunks: u32, root: &Hash) -> Hash {
        tagged(Tag::Tensor, [&self.head(n_chunks), root])
    }

    /// The head of a TENSOR's preimage, before the root: element type, rank, sides, number of chunks.
    pub fn head(&self, n_chunks: u32) -> [u8; 22] {
        let [d0, d1, d2, d3] = self.dims;
        let mut head = [0; 22];
        let (kind, sides) = head.split_at_mut(2);
        kind.copy_from_slice(&[self.dtype as u8, self.rank]);
        for (to, side) in sides.as_chunks_mut().0.iter_mut().zip([d0, d1, d2, d3, n_chunks]) {
            *to = side.to_le_bytes();
        }
        head
    }

    /// CHUNK of every chunk of a tensor in its committed form.
    pub fn leaves(&self, uid: u32, bytes: &[u8]) -> Vec<Hash> {
        let chunks = (0..).zip(bytes.chunks(self.chunk_bytes()));
        chunks.map(|(index, chunk)| chunk_leaf(self.dtype, uid, index, chunk)).collect()
    }

    /// Preimage of chunk `index` of a tensor in its committed form; `None` beyond its end.
    pub fn preimage(&self, uid: u32, index: u32, bytes: &[u8]) -> Option<Vec<u8>> {
        let data = bytes.chunks(self.chunk_bytes()).nth(index as usize)?;
        Some([&chunk_head(self.dtype, uid, index, data.len() as u16)[..], data].concat())
    }

    /// TENSOR of a tensor in its committed form (offset-binary `i8`, little-endian `i32`).
    pub fn hash(&self, uid: u32, bytes: &[u8]) -> Hash {
        let mut leaves = Frontier::default();
        for chunk in bytes.chunks(self.chunk_bytes()) {
            leaves.push(chunk_leaf(self.dtype, uid, leaves.count(), chunk));
        }
        self.seal(leaves.count(), &leaves.root())
    }

    /// TENSOR of plain `i8` data.
    pub fn hash_i8(&self, uid: u32, data: &[i8]) -> Hash {
        let mut leaves = Frontier::default();
        let mut buffer = [0; CHUNK_BYTES];
        for chunk in data.chunks(CHUNK_BYTES) {
            for (code, value) in buffer.iter_mut().zip(chunk) {
                *code = to_code(*value);
            }
            let bytes = buffer.get(..chunk.len()).unwrap_or(&[]);
            leaves.push(chunk_leaf(self.dtype, uid, leaves.count(), bytes));
        }
        self.seal(leaves.count(), &leaves.root())
    }
}

/// The committed form of an `i8`: offset binary, `x + 128`. On chain, unsigned bytes are cheaper to read than signed ones.
pub const fn to_code(value: i8) -> u8 {
    value as u8 ^ 0x80
}

/// Inverse of [`to_code`].
pub const fn from_code(code: u8) -> i8 {
    (code ^ 0x80) as i8
}

/// CHUNK: leaf `index` of the tensor `uid`, over at most [`CHUNK_BYTES`] bytes.
pub fn chunk_leaf(dtype: DType, uid: u32, index: u32, data: &[u8]) -> Hash {
    tagged(Tag::Chunk, [&chunk_head(dtype, uid, index, data.len() as u16), data])
}

/// The head of a CHUNK's preimage, before the data: version, element type, length, uid, index, three reserved bytes.
///
/// The length is hashed, so a short last chunk cannot be read as a padded one.
pub fn chunk_head(dtype: DType, uid: u32, index: u32, len: u16) -> [u8; 15] {
    let ([l0, l1], [u0, u1, u2, u3], [i0, i1, i2, i3]) = (len.to_le_bytes(), uid.to_le_bytes(), index.to_le_bytes());
    [CHUNK_VERSION, dtype as u8, l0, l1, u0, u1, u2, u3, i0, i1, i2, i3, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle;
    use std::vec;

    #[test]
    fn element_count_at_its_limits() {
        assert_eq!(Shape::new(4096, 4096, 1).elements(), Some(MAX_ELEMENTS));
        assert_eq!(Shape::new(4096, 4095, 1).elements(), Some(MAX_ELEMENTS - 4096));
        assert_eq!(Shape::new(257, 65_281, 1).elements(), None, "2^24 + 1");
        assert_eq!(Shape::new(u16::MAX, u16::MAX, u16::MAX).elements(), None);
        for zero in [Shape::new(0, 1, 1), Shape::new(1, 0, 1), Shape::new(1, 1, 0)] {
            assert_eq!((zero.elements(), zero.layout().bytes()), (None, None));
        }
        let shape = Shape::new(1, 258, 65_535);
        assert_eq!(Shape::from_bytes(shape.to_bytes()), shape);
    }

    #[test]
    fn offset_binary_at_its_ends() {
        for (value, code) in [(-128, 0), (-1, 127), (0, 128), (127, 255)] {
            assert_eq!(to_code(value), code);
            assert_eq!(from_code(code), value);
        }
    }

    /// The preimages written out byte by byte, so that no refactoring changes them unnoticed.
    #[test]
    fn preimages_are_as_documented() {
        let header: [u8; 15] = [1, 0, 3, 0, 0x78, 0x56, 0x34, 0x12, 7, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            chunk_leaf(DType::I8, 0x1234_5678, 7, &[9, 8, 7]),
            tagged(Tag::Chunk, [&header, &[9, 8, 7]])
        );
        let layout = Shape::new(7, 1_024, 1).layout();
        let bytes = [vec![0; 7 << 10], vec![9, 8, 7]].concat();
        assert_eq!(layout.preimage(0x1234_5678, 7, &bytes), Some([&header[..], &[9, 8, 7]].concat()));
        assert_eq!(layout.preimage(0x1234_5678, 8, &bytes), None, "there are eight");

        let data: Vec<i8> = (0..2050).map(|i| i as i8).collect();
        let codes: Vec<u8> = data.iter().map(|x| to_code(*x)).collect();
        let shape = Shape::new(2, 1025, 1);
        let leaves: Vec<Hash> = (0..3)
            .map(|i| chunk_leaf(DType::I8, 5, i as u32, &codes[i * 1024..codes.len().min((i + 1) * 1024)]))
            .collect();
        let mut preimage = vec![0, 3];
        for word in [2u32, 1025, 1, 0, 3] {
            preimage.extend(word.to_le_bytes());
        }
        preimage.extend(merkle::root(&leaves));
        let expected = tagged(Tag::Tensor, [&preimage]);
        assert_eq!(shape.layout().hash_i8(5, &data), expected);
        assert_eq!(shape.layout().hash(5, &codes), expected);
        assert_ne!(shape.layout().hash(6, &codes), expected, "the uid is part of the hash");
        assert_ne!(
            Shape::new(1025, 2, 1).layout().hash(5, &codes),
            expected,
            "the shape is part of the hash"
        );
    }
}
