//! The engine in a browser: makes a model's inputs from a photo or a prompt, pictures from its outputs, and checks a worker's result by
//! recomputing it. Nobody relies on this code but the page's visitor; the chain decides.

mod check;

pub use check::Check;

use engine::{Engine, Package};
use image::RgbaImage;
use protocol::{batch::BatchHeader, blob, hash::Hash};
use std::{fmt::Display, sync::Arc};
use task::{Layout, Task};
use wasm_bindgen::prelude::*;

type Result<T> = std::result::Result<T, JsError>;

/// An error for JavaScript, with a sentence for people.
fn said(error: impl Display) -> JsError {
    JsError::new(&error.to_string())
}

fn hash(bytes: &[u8]) -> Result<Hash> {
    bytes.try_into().map_err(|_| JsError::new("a hash has 32 bytes"))
}

/// A model package, ready to run.
#[wasm_bindgen]
pub struct Model {
    engine: Arc<Engine>,
    task: Task,
}

/// The inputs of a job.
#[wasm_bindgen(getter_with_clone)]
pub struct Prepared {
    /// Units of work.
    #[wasm_bindgen(readonly)]
    pub units: u32,
    /// Batch root of the inputs, 32 bytes: what the job commits to.
    #[wasm_bindgen(readonly)]
    pub address: Vec<u8>,
    /// The inputs blob, to be uploaded under its address.
    #[wasm_bindgen(readonly)]
    pub blob: Vec<u8>,
}

/// A picture.
#[wasm_bindgen(getter_with_clone)]
pub struct Picture {
    /// Pixels in a row.
    #[wasm_bindgen(readonly)]
    pub width: u32,
    /// Rows.
    #[wasm_bindgen(readonly)]
    pub height: u32,
    /// Four bytes per pixel.
    #[wasm_bindgen(readonly)]
    pub rgba: Vec<u8>,
}

impl From<RgbaImage> for Picture {
    fn from(image: RgbaImage) -> Self {
        Self {
            width: image.width(),
            height: image.height(),
            rgba: image.into_raw(),
        }
    }
}

#[wasm_bindgen]
impl Model {
    /// Reads and checks a package: `model.json` and `tensors.safetensors`.
    #[wasm_bindgen(constructor)]
    pub fn new(manifest: &[u8], tensors: &[u8]) -> Result<Self> {
        let package = Package::from_bytes(manifest, tensors).map_err(said)?;
        let task = Task::of(&package).map_err(said)?;
        let engine = Arc::new(Engine::new(Arc::new(package), 1).map_err(said)?);
        Ok(Self { engine, task })
    }

    /// MODEL, 32 bytes: the commitment in a registered model's account.
    #[wasm_bindgen(getter)]
    pub fn hash(&self) -> Vec<u8> {
        self.engine.package().model.to_vec()
    }

    /// What its inputs are made from: `photo` or `prompt`.
    #[wasm_bindgen(getter)]
    pub fn takes(&self) -> String {
        match &self.task {
            Task::Upscale(_) => "photo",
            Task::Imagine(_) => "prompt",
        }
        .to_owned()
    }

    /// Width of the picture of one unit.
    #[wasm_bindgen(getter)]
    pub fn width(&self) -> u16 {
        self.engine.package().output_shape().w
    }

    /// Height of the picture of one unit.
    #[wasm_bindgen(getter)]
    pub fn height(&self) -> u16 {
        self.engine.package().output_shape().h
    }

    /// Factor by which each side of a photo grows; 1 if it takes prompts.
    #[wasm_bindgen(getter)]
    pub fn scale(&self) -> u32 {
        match &self.task {
            Task::Upscale(upscale) => upscale.scale,
            Task::Imagine(_) => 1,
        }
    }

    /// The inputs of a job that enlarges a photo, given with four bytes per pixel.
    pub fn photo(&self, rgba: Vec<u8>, width: u32, height: u32) -> Result<Prepared> {
        let Task::Upscale(upscale) = &self.task else {
            return Err(JsError::new("this model takes prompts, not photos"));
        };
        let photo = RgbaImage::from_raw(width, height, rgba).filter(|photo| !photo.is_empty());
        let photo = photo.ok_or_else(|| JsError::new("the photo has no pixels, or a different number than its size"))?;
        let units = u32::try_from(upscale.units(&Layout::of(&photo))).map_err(|_| JsError::new("the photo is too large for one job"))?;
        self.prepare(units, &upscale.cut(&photo))
    }

    /// The inputs of a job that paints a number of pictures from a prompt, with consecutive seeds.
    pub fn prompt(&self, prompt: &str, seed: u64, pictures: u32) -> Result<Prepared> {
        let Task::Imagine(imagine) = &self.task else {
            return Err(JsError::new("this model takes photos, not prompts"));
        };
        let units = (0..u64::from(pictures)).map(|unit| imagine.encode(prompt, seed.wrapping_add(unit)));
        let units: Vec<Vec<u8>> = units.collect::<task::Result<_>>().map_err(said)?;
        self.prepare(pictures, &units.concat())
    }

    fn prepare(&self, units: u32, inputs: &[u8]) -> Result<Prepared> {
        let blob = task::inputs_blob(self.engine.package(), units, inputs).map_err(said)?;
        let address = address(&blob)?;
        Ok(Prepared { units, address, blob })
    }

    /// The enlarged photo in a job's outputs. Width, height and alpha are those of the original photo.
    pub fn join(&self, outputs: &[u8], units: u32, width: u32, height: u32, alpha: bool) -> Result<Picture> {
        let Task::Upscale(upscale) = &self.task else {
            return Err(JsError::new("this model paints pictures"));
        };
        let units = task::outputs(self.engine.package(), units, outputs).map_err(said)?;
        let photo = upscale.join(&Layout { width, height, alpha }, &units);
        photo.map(Picture::from).map_err(said)
    }

    /// The original photo, of this size, joined from a job's inputs.
    pub fn restore(&self, inputs: &[u8], units: u32, width: u32, height: u32, alpha: bool) -> Result<Picture> {
        let Task::Upscale(upscale) = &self.task else {
            return Err(JsError::new("this model takes prompts, not photos"));
        };
        let units = task::inputs(self.engine.package(), units, inputs).map_err(said)?;
        let photo = upscale.restore(&Layout { width, height, alpha }, &units);
        photo.map(Picture::from).map_err(said)
    }

    /// The picture of one unit: a painted picture or a single tile.
    pub fn unit(&self, outputs: &[u8], index: u32) -> Result<Picture> {
        let (_, units) = BatchHeader::parse(outputs).map_err(said)?;
        let unit = units.get(index).ok_or_else(|| JsError::new("the job has no such unit"))?;
        if let Task::Imagine(imagine) = &self.task {
            return imagine.picture(unit).map(Picture::from).map_err(said);
        }
        let shape = self.engine.package().output_shape();
        let (pixels, _) = unit.as_chunks::<3>();
        let rgba = pixels.iter().flat_map(|[r, g, b]| [*r, *g, *b, u8::MAX]).collect();
        let picture = RgbaImage::from_raw(shape.w.into(), shape.h.into(), rgba);
        picture
            .map(Picture::from)
            .ok_or_else(|| JsError::new("the outputs are not those of this model"))
    }

    /// Starts recomputing a job from its inputs blob.
    pub fn check(&self, inputs: Vec<u8>) -> Result<Check> {
        Check::new(self.engine.clone(), inputs)
    }
}

/// Address of any blob of a job, 32 bytes: the hash that a download must match.
#[wasm_bindgen]
pub fn address(blob: &[u8]) -> Result<Vec<u8>> {
    Ok(blob::address(blob).map_err(said)?.to_vec())
}
