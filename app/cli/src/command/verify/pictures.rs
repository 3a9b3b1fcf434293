//! The right picture and the worker's, side by side.

use crate::{
    error::{Result, refuse},
    photo::{unwritten, write_png},
};
use bytes::Bytes;
use engine::Package;
use image::{GenericImage, Rgba, RgbaImage};
use protocol::{batch::BatchHeader, tensor::Shape};
use std::path::Path;

/// Pixels between two pictures.
const GAP: u32 = 8;

/// Whether a model's outputs are pictures.
pub fn makes_pictures(package: &Package) -> bool {
    task::Task::of(package).is_ok() && package.output_shape().c == 3
}

/// Writes the first unit whose output differs, or else the first unit: the right picture, the delivered one, and the pixels that differ in
/// white.
pub fn side_by_side(package: &Package, units: u32, right: &[u8], delivered: &Bytes, path: &Path, force: bool) -> Result<()> {
    let theirs = task::outputs(package, units, delivered)?;
    let (_, ours) = BatchHeader::parse(right).map_err(task::Error::from)?;
    let mut pairs = ours.iter().zip(theirs);
    let first = pairs.clone().next();
    let Some((ours, theirs)) = pairs.find(|(ours, theirs)| ours != theirs).or(first) else {
        return refuse("the job has no unit to show; omit --pictures");
    };
    let Shape { h, w, .. } = package.output_shape();
    let (width, height) = (u32::from(w), u32::from(h));
    let panel = |pixel: &dyn Fn([u8; 3], [u8; 3]) -> [u8; 3]| {
        let pairs = ours.as_chunks::<3>().0.iter().zip(theirs.as_chunks::<3>().0);
        let bytes = pairs.flat_map(|(ours, theirs)| {
            let [r, g, b] = pixel(*ours, *theirs);
            [r, g, b, u8::MAX]
        });
        RgbaImage::from_raw(width, height, bytes.collect()).unwrap_or_default()
    };
    let panels = [
        panel(&|ours, _| ours),
        panel(&|_, theirs| theirs),
        panel(&|ours, theirs| if ours == theirs { [0; 3] } else { [u8::MAX; 3] }),
    ];
    let mut sheet = RgbaImage::from_pixel(3 * width + 2 * GAP, height, Rgba([128, 128, 128, u8::MAX]));
    for (x, panel) in (0..).step_by((width + GAP) as usize).zip(&panels) {
        // Each panel lies within the sheet.
        let _ = sheet.copy_from(panel, x, 0);
    }
    write_png(path, &sheet, false, force).or_else(|error| refuse(unwritten(path, &error)))
}
