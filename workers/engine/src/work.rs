//! Work of a call ([`protocol::work`]) on a GPU or on the CPU, bit for bit.
//!
//! Tensors come and go: two are kept at a time, and of each the root and what a draw wants to see.

mod cpu;

use crate::backend::Backend;
use crate::cuda::{self, Device};
use crate::error::Error;
use crate::threads::Threads;
use protocol::hash::Hash;
use protocol::merkle;
use protocol::work::{self, CHUNK, Draw, Opening, Size};
use rayon::prelude::*;

/// Bytes of a block: what a GPU's block of threads hashes, and what is read back of a tensor for an opening. A line lies within one.
pub(crate) const BLOCK: usize = 256 * CHUNK;

/// One GPU's part of the answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worked {
    /// Root of each layer's tensor.
    pub layers: Vec<Hash>,
    /// With a draw, what [`protocol::work::evidence`] takes: the drawn chunk's opening and, but in the first layer, that of the line it
    /// follows from.
    pub openings: Vec<Opening>,
}

/// Does the work of `size` that comes from `seed`, on a GPU or, without one, on the CPU: its best backend and all cores. `draw` is one that
/// [`Draw::new`] gave for this size and GPU. Between layers `go_on` is asked, which may wait; its no ends the work with [`Error::Stopped`].
///
/// Two tensors have to fit memory. Of one layer's product a part is checked on the CPU.
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

/// Bytes of a GPU's memory that [`run`] takes.
pub fn gpu_memory(size: Size) -> u64 {
    cuda::work_memory(size)
}

/// What is kept of the tensors.
pub(crate) struct Kept<'a> {
    size: Size,
    draw: Option<&'a Draw>,
    layers: Vec<Hash>,
    /// Of a line and of a chunk, in the order in which their layers come.
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

    /// Takes the next layer's tensor, given its root; `open` reads a block of it, by its number, and the roots of all its blocks.
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

/// Codes of all weights of a layer, column by column, on the threads at hand.
pub(crate) fn weights(size: Size, seed: &Hash, layer: u8) -> Vec<u8> {
    let width = size.width();
    let mut codes = vec![0; width * width];
    let columns = codes.par_chunks_exact_mut(width).enumerate();
    // A line has at most 2^12 elements, which is how many columns there are.
    columns.for_each(|(column, line)| line.copy_from_slice(&work::weights(size, seed, layer, column as u16)));
    codes
}
