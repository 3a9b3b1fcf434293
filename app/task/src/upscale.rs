//! Cuts a photo into overlapping tiles, and joins enlarged tiles into a photo.
//!
//! The photo's edges are padded by repeating its outermost pixels. Each tile is `core` pixels square plus a `halo` on each side, so tiles
//! meet without seams. Transparency goes through the model too, as grey tiles after the tiles of the colours.

use super::{Error, Result};
use engine::Package;
use image::{Rgba, RgbaImage};
use protocol::tensor::Shape;
use serde::{Deserialize, Serialize};

/// The task of a model that enlarges photos, from `model.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upscale {
    /// Factor by which each side grows.
    pub scale: u32,
    /// Side of a tile in pixels, without its halo.
    pub core: u32,
    /// Pixels of context around each side of a tile.
    pub halo: u32,
}

/// What [`Upscale::join`] has to know about the original photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Width of the photo.
    pub width: u32,
    /// Height of the photo.
    pub height: u32,
    /// Whether it has transparent pixels, and therefore tiles for its transparency.
    pub alpha: bool,
}

impl Layout {
    /// The layout of a photo.
    pub fn of(photo: &RgbaImage) -> Self {
        Self {
            width: photo.width(),
            height: photo.height(),
            alpha: photo.pixels().any(|Rgba([.., alpha])| *alpha != u8::MAX),
        }
    }
}

impl Upscale {
    pub(super) fn fits(&self, package: &Package) -> bool {
        let square = |side: Option<u32>| Some(Shape::new(side?.try_into().ok()?, side?.try_into().ok()?, 3));
        let tile = self.halo.checked_mul(2).and_then(|halo| halo.checked_add(self.core));
        self.core > 0
            && self.scale > 0
            && package.input_shapes().first().copied() == square(tile)
            && package.inputs.len() == 1
            && Some(package.output_shape()) == square(self.core.checked_mul(self.scale))
    }

    fn tile(&self) -> u32 {
        self.core + 2 * self.halo
    }

    fn columns(&self, layout: &Layout) -> u32 {
        layout.width.div_ceil(self.core)
    }

    /// Tiles of one plane.
    fn tiles(&self, layout: &Layout) -> u64 {
        u64::from(self.columns(layout)) * u64::from(layout.height.div_ceil(self.core))
    }

    /// Units of work for a photo.
    pub fn units(&self, layout: &Layout) -> u64 {
        self.tiles(layout) * (1 + u64::from(layout.alpha))
    }

    /// Units of the largest photo whose input and output fit into blobs of `limit` bytes.
    pub fn most_units(&self, limit: u64) -> u64 {
        let side = u64::from(self.tile().max(self.core * self.scale));
        limit.saturating_sub(protocol::batch::BatchHeader::BYTES as u64) / (side * side * 3)
    }

    /// The graph inputs of all units, as stored bytes: a code is `pixel − 128`, and stored codes are offset by 128.
    pub fn cut(&self, photo: &RgbaImage) -> Vec<u8> {
        let layout = Layout::of(photo);
        let (right, bottom) = (layout.width.saturating_sub(1), layout.height.saturating_sub(1));
        let mut bytes = Vec::new();
        for unit in 0..self.units(&layout) {
            let (x0, y0, alpha) = self.place(&layout, unit);
            for y in 0..self.tile() {
                for x in 0..self.tile() {
                    let at = |origin: u32, step: u32, last: u32| (origin + step).saturating_sub(self.halo).min(last);
                    let Rgba([r, g, b, a]) = *photo.get_pixel(at(x0, x, right), at(y0, y, bottom));
                    bytes.extend(if alpha { [a; 3] } else { [r, g, b] });
                }
            }
        }
        bytes
    }

    /// The enlarged photo from the outputs of all units.
    pub fn join(&self, layout: &Layout, units: &[&[u8]]) -> Result<RgbaImage> {
        self.assemble(layout, units, self.scale, 0)
    }

    /// The original photo from the graph inputs of all units: the inverse of [`Self::cut`].
    pub fn restore(&self, layout: &Layout, units: &[&[u8]]) -> Result<RgbaImage> {
        self.assemble(layout, units, 1, self.halo)
    }

    /// Joins tiles whose cores are `scale` times as large as the original ones and have `border` extra pixels on each side.
    fn assemble(&self, layout: &Layout, units: &[&[u8]], scale: u32, border: u32) -> Result<RgbaImage> {
        let (core, side) = (self.core * scale, self.core * scale + 2 * border);
        let bytes = side as usize * side as usize * 3;
        if units.len() as u64 != self.units(layout) || units.iter().any(|unit| unit.len() != bytes) {
            return Err(Error::Output(format!("{} tiles, expected {}", units.len(), self.units(layout))));
        }
        let mut photo = RgbaImage::from_pixel(layout.width * scale, layout.height * scale, Rgba([u8::MAX; 4]));
        for (unit, pixels) in (0..).zip(units) {
            let (x0, y0, alpha) = self.place(layout, unit);
            let (pixels, _) = pixels.as_chunks::<3>();
            let inside = |index: &u32| (border..border + core).contains(index);
            for (row, line) in (0..).zip(pixels.chunks_exact(side as usize)).filter(|(row, _)| inside(row)) {
                for (column, [r, g, b]) in (0..).zip(line).filter(|(column, _)| inside(column)) {
                    let Some(pixel) = photo.get_pixel_mut_checked(x0 * scale + column - border, y0 * scale + row - border) else {
                        continue;
                    };
                    let Rgba([red, green, blue, transparency]) = pixel;
                    if alpha {
                        // The three channels of a grey tile hardly differ; take green.
                        *transparency = *g;
                    } else {
                        (*red, *green, *blue) = (*r, *g, *b);
                    }
                }
            }
        }
        Ok(photo)
    }

    /// Position of a unit's core in the photo, and whether the unit holds transparency.
    fn place(&self, layout: &Layout, unit: u64) -> (u32, u32, bool) {
        let (tiles, columns) = (self.tiles(layout).max(1), u64::from(self.columns(layout)).max(1));
        let (plane, tile) = (unit / tiles, unit % tiles);
        // Both are less than the number of tiles along a side, which fits 32 bits.
        let (column, row) = ((tile % columns) as u32, (tile / columns) as u32);
        (column * self.core, row * self.core, plane == 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    /// Stands in for a model: enlarges each tile by repeating pixels.
    fn nearest(upscale: &Upscale, cut: &[u8]) -> Vec<Vec<u8>> {
        let (tile, side) = (upscale.tile() as usize, (upscale.core * upscale.scale) as usize);
        let enlarge = |unit: &[u8]| {
            let mut out = Vec::new();
            for y in 0..side {
                for x in 0..side {
                    let at = |v: usize| v / upscale.scale as usize + upscale.halo as usize;
                    let from = (at(y) * tile + at(x)) * 3;
                    out.extend_from_slice(&unit[from..from + 3]);
                }
            }
            out
        };
        cut.chunks_exact(tile * tile * 3).map(enlarge).collect()
    }

    fn round_trip(upscale: Upscale, photo: &RgbaImage) {
        let layout = Layout::of(photo);
        let cut = upscale.cut(photo);
        let units = nearest(&upscale, &cut);
        assert_eq!(units.len() as u64, upscale.units(&layout));
        let tile = upscale.tile() as usize;
        let inputs: Vec<&[u8]> = cut.chunks_exact(tile * tile * 3).collect();
        assert_eq!(&upscale.restore(&layout, &inputs).unwrap(), photo);
        let refs: Vec<&[u8]> = units.iter().map(Vec::as_slice).collect();
        let joined = upscale.join(&layout, &refs).unwrap();
        assert_eq!(
            (joined.width(), joined.height()),
            (photo.width() * upscale.scale, photo.height() * upscale.scale)
        );
        for (x, y, pixel) in joined.enumerate_pixels() {
            assert_eq!(pixel, photo.get_pixel(x / upscale.scale, y / upscale.scale), "{x} {y}");
        }
    }

    fn photo(width: u32, height: u32, alpha: bool) -> RgbaImage {
        RgbaImage::from_fn(width, height, |x, y| {
            Rgba([x as u8, y as u8, (x * y) as u8, if alpha { (x + y) as u8 } else { 255 }])
        })
    }

    #[test]
    fn edges_repeat_and_neighbours_are_seen() {
        let upscale = Upscale {
            scale: 2,
            core: 2,
            halo: 1,
        };
        let photo = RgbaImage::from_fn(3, 2, |x, y| Rgba([(10 * y + x) as u8, 0, 0, 255]));
        let cut = upscale.cut(&photo);
        let red: Vec<u8> = cut.as_chunks::<3>().0.iter().map(|[red, ..]| *red).collect();
        let first = [[0, 0, 1, 2], [0, 0, 1, 2], [10, 10, 11, 12], [10, 10, 11, 12]].concat();
        let second = [[1, 2, 2, 2], [1, 2, 2, 2], [11, 12, 12, 12], [11, 12, 12, 12]].concat();
        assert_eq!(red, [first, second].concat());
    }

    #[test]
    fn a_wrong_number_of_tiles_is_refused() {
        let upscale = Upscale {
            scale: 2,
            core: 8,
            halo: 3,
        };
        let layout = Layout {
            width: 9,
            height: 8,
            alpha: false,
        };
        let unit = vec![0; 16 * 16 * 3];
        for units in [vec![], vec![&unit[..]], vec![&unit[..], &unit[1..]]] {
            assert!(matches!(upscale.join(&layout, &units), Err(Error::Output(_))));
        }
    }

    #[test]
    fn the_largest_photo_fits_the_blobs() {
        let upscale = Upscale {
            scale: 2,
            core: 64,
            halo: 6,
        };
        let most = upscale.most_units(64 << 20);
        assert!(40 + most * 128 * 128 * 3 <= 64 << 20 && 40 + (most + 1) * 128 * 128 * 3 > 64 << 20);
    }

    proptest! {
        #[test]
        fn any_photo_comes_back(width in 1u32..40, height in 1u32..40, core in 1u32..20, halo in 0u32..20, scale in 1u32..4, alpha: bool) {
            round_trip(Upscale { scale, core, halo }, &photo(width, height, alpha));
        }
    }
}
