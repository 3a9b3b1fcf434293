//! Turns user input (a photo, a prompt) into the units that a model computes, and its outputs back into pictures. Pure functions, without
//! chain or network.
//!
//! The field `task` of a package's `model.json` holds the parameters; this crate implements each kind of task.

mod imagine;
mod upscale;

pub use imagine::Imagine;
pub use upscale::{Layout, Upscale};

use engine::Package;
use protocol::batch::{BatchError, BatchHeader};
use serde::Deserialize;

/// Result of preparing inputs or reading outputs.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an input or output cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model does not understand the prompt.
    #[error("{reason}; the model knows: {known}")]
    Prompt {
        /// What is wrong.
        reason: String,
        /// The words the model knows.
        known: String,
    },
    /// This version does not support the package's `task`.
    #[error("the task of model {model} cannot be used ({reason}); fix model.json or update this program")]
    Task {
        /// Name of the package.
        model: String,
        /// What is wrong.
        reason: String,
    },
    /// The job's output does not fit its input.
    #[error("the output does not match this job ({0}); its worker computed something else")]
    Output(String),
    /// The units do not fit into a blob.
    #[error("the input cannot be packed into a blob: {0}")]
    Batch(#[from] BatchError),
}

/// The task of a package, from the field `task` of its `model.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Enlarges photos.
    Upscale(Upscale),
    /// Paints pictures from prompts.
    Imagine(Box<Imagine>),
}

impl Task {
    /// Reads the task of a package and checks it against the package's shapes.
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

/// The inputs blob for `units` units. `bytes` are the graph inputs of all units in order, as stored bytes (`x + 128`).
pub fn inputs_blob(package: &Package, units: u32, bytes: &[u8]) -> Result<Vec<u8>> {
    let header = BatchHeader::inputs(units, &package.input_shapes())?;
    Ok([header.encode().as_slice(), bytes].concat())
}

/// The units in an inputs blob, which must hold `units` units of `package`.
pub fn inputs<'a>(package: &Package, units: u32, blob: &'a [u8]) -> Result<Vec<&'a [u8]>> {
    parse(blob, &BatchHeader::inputs(units, &package.input_shapes())?)
}

/// The outputs in a blob, which must hold those of `units` units of `package`. The caller has already verified the blob's root.
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
