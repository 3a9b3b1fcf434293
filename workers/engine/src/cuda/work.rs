//! The work of a call on a GPU, with two tensors in memory. Each layer adds noise to one, writes the product to the other, and hashes that
//! into a tree. The noise of the next layer follows from the root.
//!
//! Everything that differs between layers is in memory, so that a few recordings serve all of them. Meanwhile the CPU computes the weights
//! of the next layer.
#![allow(unsafe_code, reason = "recordings are unsafe to make; see `Gpu::record`")]

use super::device::{Cores, Device, DeviceError, Launch, Memory, Recording};
use super::params::{Blocks, Noise, Tops, Work};
use super::tiles::{HIGH, Tile};
use crate::error::Error;
use crate::freivalds;
use crate::threads::Threads;
use crate::work::{BLOCK, Kept, weights};
use bytemuck::Pod;
use protocol::hash::Hash;
use protocol::merkle;
use protocol::tensor::{from_code, to_code};
use protocol::work::{self as definition, CHUNK, Size};
use rayon::prelude::*;

/// Threads per block, for all kernels here.
const THREADS: u32 = 256;

/// Number of roots that `work_tops` combines into one.
const TOP: u64 = 256;

/// Most lines whose sums are checked, a power of two. The sums of the longest lines take 16 MiB.
const CHECKED_LINES: u64 = 1_024;

/// Does the work.
pub(crate) fn work(
    device: &dyn Device,
    threads: &Threads,
    size: Size,
    seed: &Hash,
    kept: &mut Kept<'_>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(), Error> {
    let check = Check::draw(size)?;
    let gpu = Gpu::new(device, size)?;
    let first = gpu.step(0, true)?;
    let steps = [gpu.step(0, false)?, gpu.step(1, false)?];
    let sums = gpu.sums(&check)?;
    let layers = size.layers();
    let made = |layer| {
        if layer < layers {
            threads.run(|| weights(size, seed, layer))
        } else {
            Vec::new()
        }
    };
    let (mut codes, mut root) = (made(0), Hash::default());
    for layer in 0..layers {
        if layer > 0 && !go_on() {
            return Err(Error::Stopped);
        }
        gpu.constants(threads, &codes, definition::noise(seed, layer, &root))?;
        let [even, odd] = &steps;
        match layer {
            0 => first.run()?,
            _ if layer.is_multiple_of(2) => even.run()?,
            _ => odd.run()?,
        }
        let next = made(layer.wrapping_add(1));
        root = gpu.keep(kept, layer)?;
        if check.layer == layer {
            sums.run()?;
            gpu.check(threads, &check, &codes)?;
        }
        codes = next;
    }
    Ok(())
}

/// The part of the work that is checked: some adjacent lines of a layer.
struct Check {
    layer: u8,
    first: u64,
    lines: u64,
}

impl Check {
    /// Draws the part at random, so that a GPU cannot know it.
    fn draw(size: Size) -> Result<Self, Error> {
        let random = || getrandom::u64().map_err(Error::Random);
        let lines = size.lines().min(CHECKED_LINES);
        Ok(Self {
            layer: (random()? % u64::from(size.layers())) as u8,
            first: random()? % (size.lines() / lines) * lines,
            lines,
        })
    }
}

/// A GPU, and its memory for the work.
struct Gpu<'a> {
    device: &'a dyn Device,
    size: Size,
    tensors: [Box<dyn Memory>; 2],
    /// Weights of a layer, column by column.
    weights: Box<dyn Memory>,
    bias: Box<dyn Memory>,
    noise: Box<dyn Memory>,
    /// Roots of a tensor's blocks.
    roots: Box<dyn Memory>,
    /// Roots over [`TOP`] block roots each, if there are more blocks than that.
    tops: Box<dyn Memory>,
    /// Sums of the lines that are checked.
    sums: Box<dyn Memory>,
}

impl<'a> Gpu<'a> {
    fn new(device: &'a dyn Device, size: Size) -> Result<Self, Error> {
        let (needed, free) = (memory(size), device.free_memory()?);
        if needed > free {
            return Err(Error::WorkMemory { needed, free });
        }
        let allocate = |bytes: u64| device.allocate(usize::try_from(bytes).unwrap_or(usize::MAX));
        let [a, b, weights, bias, noise, roots, tops, sums] = pieces(size);
        Ok(Self {
            device,
            size,
            tensors: [allocate(a)?, allocate(b)?],
            weights: allocate(weights)?,
            bias: allocate(bias)?,
            noise: allocate(noise)?,
            roots: allocate(roots)?,
            tops: allocate(tops)?,
            sums: allocate(sums)?,
        })
    }

    /// The memory of a layer's input, with its noise.
    fn input(&self, layer: u8) -> &dyn Memory {
        let [even, odd] = &self.tensors;
        if layer.is_multiple_of(2) { even } else { odd }.as_ref()
    }

    /// The memory of a layer's tensor.
    fn output(&self, layer: u8) -> &dyn Memory {
        self.input(layer.wrapping_add(1))
    }

    fn record(&self, launches: &[Launch]) -> Result<Box<dyn Recording>, DeviceError> {
        // SAFETY: each launch below has its kernel's struct, and all addresses are in this `Gpu`'s memory. It is as large as `size`
        // requires, and outlives the recordings, because `work` creates it before them.
        unsafe { self.device.record(launches) }
    }

    /// Records a layer of this parity: the noise, which is added to the previous layer's tensor or, if `fresh`, to zeros; the product; and
    /// the tree over it.
    fn step(&self, layer: u8, fresh: bool) -> Result<Box<dyn Recording>, DeviceError> {
        let (input, output) = (self.input(layer), self.output(layer));
        let pairs = self.size.bytes() / 16;
        let noise = Noise {
            tensor: input.address(),
            noise: self.noise.address(),
            pairs,
            fresh: fresh.into(),
            end: 0,
        };
        let mut launches = vec![
            launch("work_noise", pairs.div_ceil(THREADS.into()), &noise)?,
            self.product(false, input.address(), self.size.lines(), output)?,
        ];
        let (blocks, chunks) = (blocks(self.size), self.size.bytes() / CHUNK as u64);
        let params = Blocks {
            tensor: output.address(),
            roots: self.roots.address(),
            chunks: chunks.min((BLOCK / CHUNK) as u64) as i32,
            end: 0,
        };
        launches.push(launch("work_blocks", blocks, &params)?);
        if blocks > TOP {
            let params = Tops {
                roots: self.roots.address(),
                tops: self.tops.address(),
            };
            launches.push(launch("work_tops", blocks / TOP, &params)?);
        }
        self.record(&launches)
    }

    /// Records the computation of the sums of the checked lines.
    fn sums(&self, check: &Check) -> Result<Box<dyn Recording>, DeviceError> {
        let tensor = self.input(check.layer).address() + check.first * self.size.width() as u64;
        self.record(&[self.product(true, tensor, check.lines, self.sums.as_ref())?])
    }

    /// The launch for a layer's product, or only for its sums, of `lines` lines starting at the address `tensor`.
    fn product(&self, sums: bool, tensor: u64, lines: u64, out: &dyn Memory) -> Result<Launch, DeviceError> {
        let width = self.size.width();
        let (kernels, tile) = match self.device.traits().cores {
            Cores::Group => (["work_256x128", "work_sums_256x128"], HIGH),
            Cores::Warp => (["work_128x128", "work_sums_128x128"], Tile::square(128)),
            Cores::None => (["work_dp4a", "work_sums_dp4a"], Tile::square(64)),
        };
        let [layer, its_sums] = kernels;
        let params = Work {
            tensor,
            weights: self.weights.address(),
            out: out.address(),
            bias: self.bias.address(),
            // At most 2^28 lines, and a width of at most 2^12.
            lines: lines as i32,
            width: width as i32,
            round: self.size.requantise().into(),
        };
        let blocks = lines.div_ceil(tile.rows.into()) * (width as u64 / u64::from(tile.columns));
        let product = launch(if sums { its_sums } else { layer }, blocks, &params)?;
        Ok(Launch {
            shared: tile.shared,
            ..product
        })
    }

    /// Writes a layer's weights and biases, and the start of its noise.
    fn constants(&self, threads: &Threads, codes: &[u8], noise: u64) -> Result<(), DeviceError> {
        let (weights, bias): (Vec<u8>, Vec<i32>) = threads.run(|| {
            // Σ (u − 128)·w = Σ u·w − 128·Σw.
            let bias = |column: &[u8]| -128 * column.iter().map(|code| i32::from(from_code(*code))).sum::<i32>();
            (
                codes.par_iter().map(|code| from_code(*code) as u8).collect(),
                codes.par_chunks(self.size.width()).map(bias).collect(),
            )
        });
        self.weights.write(0, &weights)?;
        self.bias.write(0, bytemuck::cast_slice(&bias))?;
        self.noise.write(0, &noise.to_le_bytes())
    }

    /// Records the root and any opening of a layer's tensor that has just been hashed. Returns the root.
    fn keep(&self, kept: &mut Kept<'_>, layer: u8) -> Result<Hash, Error> {
        let (blocks, tensor) = (blocks(self.size), self.output(layer));
        let (tops, count) = if blocks > TOP {
            (&self.tops, blocks / TOP)
        } else {
            (&self.roots, blocks)
        };
        let root = merkle::root(&digests(tops.as_ref(), count)?);
        kept.tensor(root, |block| {
            let mut codes = vec![0; BLOCK.min(tensor.bytes())];
            tensor.read(block as usize * BLOCK, &mut codes)?;
            Ok((codes, digests(self.roots.as_ref(), blocks)?))
        })?;
        Ok(root)
    }

    /// Checks that the sums of the checked lines are right, and that the layer's output follows from them.
    fn check(&self, threads: &Threads, check: &Check, weights: &[u8]) -> Result<(), Error> {
        let width = self.size.width();
        let (first, count) = (check.first as usize, check.lines as usize);
        let mut lines = vec![0; count * width];
        self.input(check.layer).read(first * width, &mut lines)?;
        let mut sums = vec![0i32; count * width];
        self.sums.read(0, bytemuck::cast_slice_mut(&mut sums))?;
        let mut stored = vec![0; count * width];
        let output = self.output(check.layer);
        for (column, stored) in stored.chunks_exact_mut(count).enumerate() {
            output.read(column * self.size.lines() as usize + first, stored)?;
        }
        let requantise = self.size.requantise();
        let follows = |(column, stored): (usize, &[u8])| {
            let column = sums.iter().skip(column).step_by(width);
            let codes = column.map(|sum| to_code(requantise.scale((*sum).into(), 1)));
            codes.eq(stored.iter().copied())
        };
        let right = threads.run(|| {
            let agree = freivalds::agrees(&lines, weights, &sums, width)?;
            Ok::<_, Error>(agree && stored.par_chunks_exact(count).enumerate().all(follows))
        });
        if right? {
            return Ok(());
        }
        let name = self.device.traits().name.clone();
        Err(DeviceError::Wrong { name }.into())
    }
}

/// Size of each piece of a [`Gpu`]'s memory, in order.
fn pieces(size: Size) -> [u64; 8] {
    let (bytes, width, blocks) = (size.bytes(), size.width() as u64, blocks(size));
    let root = size_of::<Hash>() as u64;
    [
        bytes,
        bytes,
        width * width,
        width * 4,
        8,
        blocks * root,
        blocks.div_ceil(TOP) * root,
        size.lines().min(CHECKED_LINES) * width * 4,
    ]
}

/// Bytes of GPU memory that the work needs.
pub(crate) fn memory(size: Size) -> u64 {
    pieces(size).iter().sum()
}

/// Number of blocks in a tensor.
const fn blocks(size: Size) -> u64 {
    size.bytes().div_ceil(BLOCK as u64)
}

fn digests(memory: &dyn Memory, count: u64) -> Result<Vec<Hash>, DeviceError> {
    let mut digests = vec![[0; 32]; count as usize];
    memory.read(0, digests.as_flattened_mut())?;
    Ok(digests)
}

fn launch<P: Pod>(kernel: &'static str, blocks: u64, params: &P) -> Result<Launch, DeviceError> {
    Launch::new(kernel, [blocks, 1], THREADS, params)
}
