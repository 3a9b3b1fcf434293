//! The work of a call ([`protocol::work`]), bit for bit as defined, on a GPU or on the CPU.
//!
//! Only two tensors are in memory at a time. Of each, only the root and the opening for the draw are kept.

mod cpu;

use crate::backend::Backend;
use crate::cuda::{self, Device};
use crate::error::Error;
use crate::threads::Threads;
use protocol::hash::Hash;
use protocol::merkle;
use protocol::work::{self, CHUNK, Draw, Opening, Size};
use rayon::prelude::*;

/// Bytes of a block: the part of a tensor that one thread block hashes on a GPU, and that is read back for an opening. A line never crosses
/// a block boundary.
pub(crate) const BLOCK: usize = 256 * CHUNK;

/// One GPU's part of the answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worked {
    /// Root of each layer's tensor.
    pub layers: Vec<Hash>,
    /// The openings for [`protocol::work::evidence`], if there was a draw: that of the drawn chunk and, except in the first layer, that of
    /// the line from which the drawn element follows.
    pub openings: Vec<Opening>,
}

/// Does the work of `size` for `seed`, on a GPU or, if `device` is `None`, on all cores of the CPU with its best backend. `draw` must be
/// from [`Draw::new`] for the same size and GPU. `go_on` is called between layers and may block; when it returns false, the work ends with
/// [`Error::Stopped`].
///
/// Two tensors have to fit into memory. On a GPU, the CPU checks part of one layer's product.
pub fn run(
    device: Option<&dyn Device>,
    size: Size,
    seed: &Hash,
    draw: Option<&Draw>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Worked, Error> {
    let best = Backend::best();
    let kernels = best.kernels().ok_or(Error::Backend(best))?;
    let threads = Threads::new(0)?;
    let mut kept = Kept::new(size, draw);
    match device {
        Some(device) => cuda::work(device, &threads, size, seed, &mut kept, go_on)?,
        None => cpu::run(kernels, &threads, size, seed, &mut kept, go_on)?,
    }
    Ok(kept.worked())
}

/// Bytes of GPU memory that [`run`] needs.
pub fn gpu_memory(size: Size) -> u64 {
    cuda::work_memory(size)
}

/// The parts of tensors that are kept.
pub(crate) struct Kept<'a> {
    size: Size,
    draw: Option<&'a Draw>,
    layers: Vec<Hash>,
    /// The openings of a line and of a chunk, in the order of their layers.
    openings: Vec<Opening>,
}

impl<'a> Kept<'a> {
    fn new(size: Size, draw: Option<&'a Draw>) -> Self {
        Self {
            size,
            draw,
            layers: Vec::new(),
            openings: Vec::new(),
        }
    }

    /// Records the next layer's tensor, given its root. `open` reads one block of the tensor, and the roots of all its blocks.
    pub(crate) fn tensor(&mut self, root: Hash, open: impl FnOnce(u64) -> Result<(Vec<u8>, Vec<Hash>), Error>) -> Result<(), Error> {
        let layer = self.layers.len();
        self.layers.push(root);
        let Some(draw) = self.draw else { return Ok(()) };
        let drawn = usize::from(draw.layer);
        let (bytes, index) = match drawn.checked_sub(layer) {
            Some(0) => (CHUNK, draw.chunk()),
            Some(1) => (self.size.width(), draw.line(self.size)),
            _ => return Ok(()),
        };
        let per_block = (BLOCK / bytes) as u64;
        let block = index / per_block;
        let (codes, roots) = open(block)?;
        let opening = Opening::of(&codes, bytes, index % per_block);
        let mut opening = opening.ok_or(Error::Internal("a drawn place"))?;
        // A tensor has at most 2^20 blocks.
        opening.path.extend(merkle::path(&roots, block as u32));
        self.openings.push(opening);
        Ok(())
    }

    fn worked(mut self) -> Worked {
        self.openings.reverse();
        Worked {
            layers: self.layers,
            openings: self.openings,
        }
    }
}

/// Codes of all weights of a layer, column by column, computed on the threads of the current pool.
pub(crate) fn weights(size: Size, seed: &Hash, layer: u8) -> Vec<u8> {
    let width = size.width();
    let mut codes = vec![0; width * width];
    let columns = codes.par_chunks_exact_mut(width).enumerate();
    // There are as many columns as elements in a line: at most 2^12.
    columns.for_each(|(column, line)| line.copy_from_slice(&work::weights(size, seed, layer, column as u16)));
    codes
}
