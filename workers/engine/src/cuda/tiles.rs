//! Tiles of products: the part that one block computes, and the choice of a tile for a product.

use super::device::{Cores, Traits};
use super::fusion::FOLLOWERS;

/// Bytes of each row that one step of a product consumes. Packed weights are padded to whole steps.
pub(crate) const STEP: usize = 64;

/// The part of a product that one block computes.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    pub rows: u32,
    pub columns: u32,
    pub threads: u32,
    /// Bytes of dynamic shared memory.
    pub shared: u32,
}

impl Tile {
    /// A square tile, with 256 threads.
    pub(crate) const fn square(side: u32) -> Self {
        Self {
            rows: side,
            columns: side,
            threads: 256,
            shared: 0,
        }
    }

    /// Whether tiles of this size keep every multiprocessor busy, mostly with elements that exist.
    fn fills(self, size: Size, traits: &Traits) -> bool {
        let elements = u64::from(size.rows) * u64::from(size.columns) * size.layers;
        let tiles = elements / (u64::from(self.rows) * u64::from(self.columns));
        size.columns > self.columns / 2 && tiles >= traits.processors.into()
    }

    /// Number of elements that tiles of this size compute for a product, including those that do not exist.
    fn computes(self, size: Size) -> u64 {
        let whole = |length: u32, tile: u32| u64::from(length.div_ceil(tile)) * u64::from(tile);
        whole(size.rows, self.rows) * whole(size.columns, self.columns)
    }
}

/// Hopper's tile. Its shared memory holds six stages of the sum, the biases and multipliers of up to 256 columns, and the followers' tables.
pub(crate) const HIGH: Tile = Tile {
    rows: 256,
    columns: 128,
    threads: 256,
    shared: 6 * (256 + 128) * STEP as u32 + 256 * 8 + FOLLOWERS as u32 * 256,
};

/// Hopper's tile for many columns. It computes half as many window positions, and reads less shared memory.
const WIDE: Tile = Tile {
    rows: HIGH.columns,
    columns: HIGH.rows,
    ..HIGH
};

/// For products that are too small to keep the GPU busy with larger tiles.
const SMALL: Tile = Tile {
    threads: 128,
    ..Tile::square(64)
};

/// For products with few columns.
const NARROW: Tile = Tile {
    rows: 128,
    columns: 32,
    threads: 128,
    shared: 0,
};

/// The operands of a product.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operands {
    /// Activations and weights.
    Weights,
    /// Activations and activations.
    Activations,
}

/// The size of a product: rows, columns and layers. `run` is the number of bytes that are contiguous in its operands: 16, 4 or 1, or
/// [`STEP`] if rows are contiguous and consist of whole steps.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub rows: u32,
    pub columns: u32,
    pub layers: u64,
    pub run: i32,
}

/// The kernel for a product, and its tile: the largest one of the GPU that still keeps it busy.
pub(crate) fn choose(operands: Operands, size: Size, traits: &Traits) -> (&'static str, Tile) {
    let fits = |tile: Tile| size.run >= 16 && tile.fills(size, traits);
    let weights = operands == Operands::Weights;
    let large = |of_weights, of_activations| {
        let [whole, runs]: [&'static str; 2] = if weights { of_weights } else { of_activations };
        if size.run == STEP as i32 { whole } else { runs }
    };
    match traits.cores {
        Cores::None if weights => (by_run(size.run, ["gemm_dp4a_16", "gemm_dp4a_4", "gemm_dp4a_1"]), Tile::square(64)),
        Cores::None => (
            by_run(size.run, ["product_dp4a_16", "product_dp4a_4", "product_dp4a_1"]),
            Tile::square(64),
        ),
        _ if weights && size.columns <= NARROW.columns => (by_run(size.run, ["gemm_128x32_16", "gemm_128x32_4", "gemm_128x32_1"]), NARROW),
        Cores::Group if fits(WIDE) && WIDE.computes(size) <= HIGH.computes(size) => (
            large(["gemm_128x256_64", "gemm_128x256_16"], ["product_128x256_64", "product_128x256_16"]),
            WIDE,
        ),
        Cores::Group if fits(HIGH) => (
            large(["gemm_256x128_64", "gemm_256x128_16"], ["product_256x128_64", "product_256x128_16"]),
            HIGH,
        ),
        _ if fits(Tile::square(128)) => (
            large(["gemm_128x128_64", "gemm_128x128_16"], ["product_128x128_64", "product_128x128_16"]),
            Tile::square(128),
        ),
        _ if weights => (by_run(size.run, ["gemm_64x64_16", "gemm_64x64_4", "gemm_64x64_1"]), SMALL),
        _ => (by_run(size.run, ["product_64x64_16", "product_64x64_4", "product_64x64_1"]), SMALL),
    }
}

/// Chooses among three kernels for runs of 16, 4 and 1 bytes.
pub(crate) fn by_run(run: i32, [sixteen, four, one]: [&'static str; 3]) -> &'static str {
    match run {
        16.. => sixteen,
        4.. => four,
        _ => one,
    }
}
