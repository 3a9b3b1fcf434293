//! Tensor hashes, on the threads of the current pool.

use protocol::hash::Hash;
use protocol::merkle;
use protocol::tensor::{CHUNK_BYTES, DType, Shape, chunk_leaf};
use rayon::prelude::*;

/// Chunks that one task hashes: about 30 µs of work.
const CHUNKS_PER_TASK: usize = 64;

/// TENSOR of an activation, given as codes.
pub(crate) fn activation(shape: Shape, id: u32, codes: &[u8], threads: usize) -> Hash {
    if threads == 1 {
        return shape.layout().hash(id, codes);
    }
    let leaf = |(index, chunk): (usize, &[u8])| chunk_leaf(DType::I8, id, index as u32, chunk);
    let leaves: Vec<Hash> = codes
        .par_chunks(CHUNK_BYTES)
        .enumerate()
        .with_min_len(CHUNKS_PER_TASK)
        .map(leaf)
        .collect();
    shape.layout().seal(leaves.len() as u32, &merkle::root(&leaves))
}
