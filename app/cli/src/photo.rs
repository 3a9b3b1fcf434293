//! Reading and writing image files.

use crate::error::{Result, refuse};
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage, RgbaImage,
    codecs::png::{CompressionType, FilterType, PngEncoder},
    metadata::Orientation,
};
use std::{
    fmt::Display,
    fs,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
};

/// Most pixels of an image that is decoded: 32 million, as many as large cameras make.
pub const MAX_PIXELS: u64 = 32_000_000;

/// Largest image file. A PNG of [`MAX_PIXELS`] in 16-bit colour without any compression is about this large.
const MAX_FILE: u64 = 256 << 20;

/// Reads a PNG or JPEG, turned upright as its camera noted. 16-bit samples are reduced to 8 bits and grey becomes RGB.
pub fn open_photo(path: &Path) -> Result<RgbaImage> {
    let shown = path.display();
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .or_else(|error| refuse(format!("cannot read {shown}: {error}; check the path and its permissions")))?;
    if bytes.len() as u64 > MAX_FILE {
        return damaged(path, "the file is larger than any photo of 32 megapixels");
    }
    let format = match image::guess_format(&bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        _ => return refuse(format!("{shown} is not a PNG or JPEG image; convert it to one of them")),
    };
    // The JPEG decoder fills what is missing with grey instead of saying so.
    if format == ImageFormat::Jpeg && !ends_properly(&bytes) {
        return damaged(path, "the JPEG has no end");
    }
    let mut decoder = ImageReader::with_format(Cursor::new(&bytes), format)
        .into_decoder()
        .or_else(|error| damaged(path, error))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return refuse(format!("{shown} has {width}×{height} pixels; use an image that has some"));
    }
    if pixels > MAX_PIXELS {
        return refuse(format!(
            "the image has {width}×{height} pixels and a job takes {MAX_PIXELS} at most; shrink or crop it first"
        ));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut photo = DynamicImage::from_decoder(decoder).or_else(|error| damaged(path, error))?;
    photo.apply_orientation(orientation);
    Ok(photo.into_rgba8())
}

/// Whether a JPEG's end marker comes after its last scan begins. Thumbnails inside it have ends of their own, but before that.
fn ends_properly(jpeg: &[u8]) -> bool {
    let last = |marker: [u8; 2]| jpeg.windows(2).rposition(|bytes| bytes == marker);
    const START_OF_SCAN: [u8; 2] = [0xFF, 0xDA];
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    last(END_OF_IMAGE) > last(START_OF_SCAN)
}

fn damaged<T>(path: &Path, reason: impl Display) -> Result<T> {
    refuse(format!(
        "{} is damaged or incomplete ({reason}); use an intact copy",
        path.display()
    ))
}

/// Fails unless the name ends in `.png`. `option` is the flag that gave it.
pub fn check_name(path: &Path, option: &str) -> Result<()> {
    match path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        true => Ok(()),
        false => refuse(format!(
            "{} will be a PNG, but its name does not end in .png; change the name given with {option}",
            path.display()
        )),
    }
}

/// Fails when `path` cannot be written, or exists and `force` is not set; changes nothing. `option` is the flag that gave the path.
pub fn check_free(path: &Path, option: &str, force: bool) -> Result<()> {
    check_writable(path).or_else(|error| refuse(format!("{}, or name another file with {option}", unwritten(path, &error))))?;
    match !force && path.exists() {
        true => refuse(format!(
            "{} exists already; name another file with {option}, or replace it with --force",
            path.display()
        )),
        false => Ok(()),
    }
}

fn check_writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    let probe = own(path, "probe");
    fs::File::create_new(&probe).and_then(|_| fs::remove_file(&probe))
}

/// A temporary file next to `path`, with a name that nothing else uses.
fn own(path: &Path, kind: &str) -> PathBuf {
    path.with_added_extension(format!("{}.{kind}", std::process::id()))
}

/// Why a file was not written, in words.
pub fn unwritten(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{shown} exists already; name another file, or replace it with --force"),
        _ => format!("cannot write {shown}: {error}; check the path and its permissions"),
    }
}

/// Writes a PNG. With `force` it replaces an existing file atomically; without, it leaves one alone, and a new file is empty for a moment.
pub fn write_png(path: &Path, photo: &RgbaImage, alpha: bool, force: bool) -> io::Result<()> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
    let written = if alpha {
        photo.write_with_encoder(encoder)
    } else {
        let opaque: RgbImage = DynamicImage::from(photo.clone()).into_rgb8();
        opaque.write_with_encoder(encoder)
    };
    written.map_err(io::Error::other)?;
    let draft = own(path, "part");
    let publish = || {
        fs::write(&draft, bytes)?;
        if !force {
            // Reserves the name, which only one of several writers gets. Unlike a hard link, this works on every file system.
            fs::File::create_new(path)?;
        }
        fs::rename(&draft, path).inspect_err(|_| {
            if !force {
                // Release the name.
                let _ = fs::remove_file(path);
            }
        })
    };
    publish().inspect_err(|_| {
        // A partly written draft is of no use.
        let _ = fs::remove_file(&draft);
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use image::{GrayImage, ImageBuffer, Luma, Rgb};

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn encoded(photo: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        photo.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// Why a file is refused.
    fn said(path: &Path) -> String {
        open_photo(path).unwrap_err().to_string()
    }

    fn sample() -> DynamicImage {
        RgbImage::from_fn(40, 30, |x, y| Rgb([x as u8 * 6, y as u8 * 8, 90])).into()
    }

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        for alpha in [false, true] {
            let path = folder.path().join("photo.png");
            let mut photo = sample().into_rgba8();
            if alpha {
                photo.get_pixel_mut(3, 4).0[3] = 17;
            }
            write_png(&path, &photo, alpha, true).unwrap();
            assert_eq!(open_photo(&path).unwrap(), photo);
        }
    }

    #[test]
    fn an_existing_file_is_left_alone() {
        let (folder, path) = file("photo.png", b"precious");
        let photo = sample().into_rgba8();
        let refused = write_png(&path, &photo, false, false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        let said = unwritten(&path, &refused);
        assert!(said.contains("exists already") && said.ends_with("--force"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        fs::remove_file(&path).unwrap();
        write_png(&path, &photo, false, false).unwrap();
        assert_eq!(open_photo(&path).unwrap(), photo);
    }

    #[cfg(unix)]
    #[test]
    fn a_failed_write_releases_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo.png");
        // A draft that vanishes before it is renamed: a pipe, whose reader removes its name before it drains it.
        let draft = own(&path, "part");
        assert!(std::process::Command::new("mkfifo").arg(&draft).status().unwrap().success());
        let reader = std::thread::spawn(move || {
            let mut pipe = fs::File::open(&draft).unwrap();
            fs::remove_file(&draft).unwrap();
            std::io::copy(&mut pipe, &mut std::io::sink()).unwrap()
        });
        let mut noise = fastrand::Rng::with_seed(1);
        let photo = RgbaImage::from_fn(256, 256, |_, _| image::Rgba(noise.u32(..).to_le_bytes()));
        assert!(write_png(&path, &photo, false, false).is_err());
        assert!(reader.join().unwrap() > 64 << 10, "more than a pipe holds");
        assert!(!path.exists());
    }

    #[test]
    fn grey_and_deep_images_become_rgb() {
        let grey = GrayImage::from_pixel(2, 1, Luma([7]));
        let (_folder, path) = file("a.png", &encoded(&grey.into(), ImageFormat::Png));
        assert_eq!(open_photo(&path).unwrap().get_pixel(0, 0).0, [7, 7, 7, 255]);
        let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = ImageBuffer::from_pixel(2, 1, Rgb([0, 0x8080, 0xFFFF]));
        let (_folder, path) = file("a.png", &encoded(&deep.into(), ImageFormat::Png));
        assert_eq!(open_photo(&path).unwrap().get_pixel(1, 0).0, [0, 0x80, 0xFF, 255]);
    }

    #[test]
    fn orientation_is_read_from_exif() {
        // An EXIF segment that says "turn right": orientation 6 of a 40×30 photo makes it 30×40.
        let exif = b"\xFF\xE1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let jpeg = encoded(&sample(), ImageFormat::Jpeg);
        let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
        let (_folder, path) = file("a.jpg", &turned);
        let photo = open_photo(&path).unwrap();
        assert_eq!((photo.width(), photo.height()), (30, 40));
    }

    #[test]
    fn every_truncation_is_refused_by_name() {
        for (name, format) in [("a.png", ImageFormat::Png), ("a.jpg", ImageFormat::Jpeg)] {
            let whole = encoded(&sample(), format);
            // A PNG without its end mark has lost nothing, and is not refused.
            let lost = if format == ImageFormat::Png { 30 } else { 1 };
            for length in [0, 1, 8, 20, whole.len() / 2, whole.len() - lost] {
                let (_folder, path) = file(name, &whole[..length]);
                let Err(error) = open_photo(&path) else {
                    panic!("{name} of {length} bytes is accepted")
                };
                let said = error.to_string();
                assert!(
                    said.contains("is not a PNG or JPEG") || said.contains("is damaged"),
                    "{length}: {said}"
                );
                assert!(said.contains(name) && !said.contains('\n'), "{said}");
            }
        }
    }

    #[test]
    fn other_files_are_refused() {
        for text in ["hello", "GIF89a\x01\0\x01\0", "<svg/>"] {
            let (_folder, path) = file("a.png", text.as_bytes());
            assert!(said(&path).contains("is not a PNG or JPEG"), "{text}");
        }
        for path in ["/nowhere/a.png", "/"] {
            assert!(said(Path::new(path)).contains(&format!("cannot read {path}: ")));
        }
    }

    #[test]
    fn sizes_are_checked_before_pixels_are_read() {
        // A PNG header alone: the image is refused for what it claims to be.
        let claim = |width: u32, height: u32| {
            let mut png = encoded(&sample(), ImageFormat::Png);
            png[16..20].copy_from_slice(&width.to_be_bytes());
            png[20..24].copy_from_slice(&height.to_be_bytes());
            let sum = crc(&png[12..29]);
            png[29..33].copy_from_slice(&sum.to_be_bytes());
            file("a.png", &png)
        };
        let (_folder, path) = claim(100_000, 1_000);
        assert!(said(&path).contains("100000×1000 pixels"));
        let (_folder, path) = claim(0, 7);
        assert!(["0×7 pixels", "is damaged"].iter().any(|reason| said(&path).contains(reason)));
    }

    /// CRC-32 as PNG uses it.
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }
}
