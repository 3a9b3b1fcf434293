//! From what people have (a photo, a prompt) to the units a model computes, and back. Pure functions: no chain, no network.
//!
//! How is said by `task` in the package's `model.json`; this crate only knows the kinds of tasks.

mod imagine;
mod upscale;

pub use imagine::Imagine;
pub use upscale::{Layout, Upscale};

use engine::Package;
use protocol::batch::{BatchError, BatchHeader};
use serde::Deserialize;

/// Result of preparing inputs or reading outputs.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an input cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The prompt says something the model does not know.
    #[error("{reason}; the model knows: {known}")]
    Prompt {
        /// What is wrong.
        reason: String,
        /// The words it knows.
        known: String,
    },
    /// The package's `task` is not one this version can do.
    #[error("the task of model {model} cannot be used ({reason}); fix model.json or update this program")]
    Task {
        /// The package.
        model: String,
        /// What is wrong.
        reason: String,
    },
    /// The job's output does not fit its input.
    #[error("the output is not what this job makes ({0}); its worker computed something else")]
    Output(String),
    /// The units do not make a blob.
    #[error("the input cannot be packed: {0}")]
    Batch(#[from] BatchError),
}

/// What a package's `task` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Enlarges photos.
    Upscale(Upscale),
    /// Paints pictures from prompts.
    Imagine(Box<Imagine>),
}

impl Task {
    /// The task of a package, checked against its shapes.
    pub fn of(package: &Package) -> Result<Self> {
        let refuse = |reason: String| Error::Task {
            model: package.name.clone(),
            reason,
        };
        let task: Self = serde_json::from_value(package.task.clone()).map_err(|error| refuse(error.to_string()))?;
        let fits = match &task {
            Self::Upscale(upscale) => upscale.fits(package),
            Self::Imagine(imagine) => imagine.fits(package),
        };
        if !fits {
            return Err(refuse("it does not fit the shapes of the model's input and output".to_owned()));
        }
        Ok(task)
    }
}

/// The blob that carries `units`, the graph inputs of each unit end to end as stored bytes (`x + 128`).
pub fn inputs_blob(package: &Package, units: u32, bytes: &[u8]) -> Result<Vec<u8>> {
    let header = BatchHeader::inputs(units, &package.input_shapes())?;
    Ok([header.encode().as_slice(), bytes].concat())
}

/// The units of an inputs blob, which must be `units` of `package`.
pub fn inputs<'a>(package: &Package, units: u32, blob: &'a [u8]) -> Result<Vec<&'a [u8]>> {
    parse(blob, &BatchHeader::inputs(units, &package.input_shapes())?)
}

/// The outputs in a blob, which must be those of `units` units of `package`. The blob's root has been checked by whoever fetched it.
pub fn outputs<'a>(package: &Package, units: u32, blob: &'a [u8]) -> Result<Vec<&'a [u8]>> {
    parse(blob, &BatchHeader::outputs(units, package.output_id(), package.output_shape())?)
}

fn parse<'a>(blob: &'a [u8], expected: &BatchHeader) -> Result<Vec<&'a [u8]>> {
    let (header, data) = BatchHeader::parse(blob).map_err(|error| Error::Output(error.to_string()))?;
    if header != *expected {
        return Err(Error::Output(format!(
            "{} units of {:?}, expected {} of {:?}",
            header.units(),
            header.shapes(),
            expected.units(),
            expected.shapes()
        )));
    }
    Ok(data.iter().collect())
}
