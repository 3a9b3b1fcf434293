//! How good the enlarged photo is, compared with bicubic interpolation.

use anyhow::{Context, Result, ensure};
use image::imageops::{self, FilterType};
use image::{ImageReader, RgbImage};
use serde::Serialize;
use std::path::Path;

/// PSNR of both enlargements against the original photo, in dB over all RGB samples.
#[derive(Debug, Serialize)]
pub struct Quality {
    /// Of the job's output.
    pub model_db: f64,
    /// Of bicubic interpolation.
    pub bicubic_db: f64,
}

/// Compares `output`, and a bicubic enlargement of `input`, with `truth`.
pub fn quality(input: &Path, output: &Path, truth: &Path) -> Result<Quality> {
    let (input, output, truth) = (open(input)?, open(output)?, open(truth)?);
    // Catmull-Rom is the cubic with a = −1/2, which image programs call bicubic.
    let bicubic = imageops::resize(&input, truth.width(), truth.height(), FilterType::CatmullRom);
    Ok(Quality {
        model_db: psnr(&output, &truth)?,
        bicubic_db: psnr(&bicubic, &truth)?,
    })
}

/// Fails unless a photo can be read, and lies outside `dir`, which will be emptied.
pub fn check(photo: &Path, dir: &Path) -> Result<()> {
    open(photo)?;
    if let (Ok(photo), Ok(dir)) = (photo.canonicalize(), dir.canonicalize()) {
        ensure!(
            !photo.starts_with(&dir),
            "{} lies in the folder that the demo empties; copy it, or name another folder with --dir",
            photo.display()
        );
    }
    Ok(())
}

fn open(path: &Path) -> Result<RgbImage> {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    Ok(reader
        .with_context(|| format!("cannot read {}", path.display()))?
        .decode()
        .with_context(|| format!("{} is not a picture", path.display()))?
        .into_rgb8())
}

/// `10 · log10(255² / MSE)`.
fn psnr(picture: &RgbImage, truth: &RgbImage) -> Result<f64> {
    ensure!(
        picture.dimensions() == truth.dimensions(),
        "the pictures differ in size: {:?} and {:?}",
        picture.dimensions(),
        truth.dimensions()
    );
    let squares: u64 = picture
        .as_raw()
        .iter()
        .zip(truth.as_raw())
        .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
        .sum();
    let mean = squares as f64 / truth.as_raw().len() as f64;
    Ok(10.0 * (255.0f64.powi(2) / mean).log10())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use image::Rgb;

    #[test]
    fn a_photo_must_be_readable_and_outside_the_folder() {
        let (photos, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let says = |photo: &Path| check(photo, own.path()).unwrap_err().to_string();
        let (photo, text, output) = (
            photos.path().join("a.png"),
            photos.path().join("a.jpg"),
            own.path().join("output.png"),
        );
        RgbImage::new(2, 2).save(&photo).unwrap();
        RgbImage::new(2, 2).save(&output).unwrap();
        std::fs::write(&text, "no picture").unwrap();
        check(&photo, own.path()).unwrap();
        check(&photo, &own.path().join("new")).unwrap();
        assert!(says(&photos.path().join("nope.png")).contains("cannot read"));
        assert!(says(&text).contains("is not a picture"));
        assert!(says(&output).contains("lies in the folder"));
    }

    #[test]
    fn one_step_everywhere_is_48_db() {
        let (a, b) = (RgbImage::from_pixel(8, 8, Rgb([100; 3])), RgbImage::from_pixel(8, 8, Rgb([101; 3])));
        assert!((psnr(&a, &b).unwrap() - 48.1308).abs() < 1e-3);
        assert!(psnr(&a, &RgbImage::new(8, 9)).is_err());
    }
}
