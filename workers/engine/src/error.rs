//! Everything that can be wrong with a package or an input, each as one sentence.

use crate::package::MAX_BAND;
use protocol::batch::BatchError;
use protocol::graph::GraphError;
use std::path::PathBuf;

/// Why a package cannot be loaded or a unit cannot be run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("cannot read {path}: {source}; a model package is a folder with model.json and tensors.safetensors")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} has {bytes} bytes, more than the {limit} a model package may have there; check that the folder is a model package")]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
    #[error("model.json is not a valid model: {0}")]
    Manifest(serde_json::Error),
    #[error("model.json has format {0}, but this version reads format 1; convert the package or update this program")]
    Format(u32),
    #[error("tensors.safetensors is damaged: {0}; fetch the package again")]
    Tensors(#[from] safetensors::SafeTensorError),
    #[error("a graph has 1 to 4 inputs, but model.json lists {0}")]
    InputCount(usize),
    #[error("a graph has 1 to 1024 ops, but model.json lists {0}")]
    OpCount(usize),
    #[error("model.json has a checkpoint every {interval} ops: say 1, or fewer than the {ops} that the graph has")]
    Interval { interval: u32, ops: u32 },
    #[error("input `{name}`: the shape {dims:?} has a zero side or more than 2^24 elements")]
    InputShape { name: String, dims: [u16; 3] },
    #[error("the name `{0}` is empty or used twice in model.json; give every input and op its own name")]
    Name(String),
    #[error("op {index} of model.json is malformed: {source}")]
    OpSyntax { index: usize, source: serde_json::Error },
    #[error("op `{op}` reads `{value}`, which is neither a graph input nor an op before it; a graph cannot be cyclic")]
    ForwardReference { op: String, value: String },
    #[error("op `{op}` reads {count} values, but an op reads 1 to 4")]
    OpInputs { op: String, count: usize },
    #[error("op `{op}` with inputs {inputs}: {reason}")]
    Op { op: String, inputs: String, reason: GraphError },
    #[error(
        "op `{op}` spans {elements} elements of padded input with one row of windows, more than {}; pad or dilate less",
        MAX_BAND
    )]
    Band { op: String, elements: u64 },
    #[error("op `{op}` needs the tensor `{tensor}`, which tensors.safetensors does not have")]
    MissingTensor { op: String, tensor: String },
    #[error("op `{op}`: the tensor `{tensor}` is {found}, but must be {expected}")]
    TensorType {
        op: String,
        tensor: String,
        found: String,
        expected: String,
    },
    #[error("op `{op}` names the tensor `{tensor}` again; give every op, and each of its fields, a tensor of its own")]
    SharedTensor { op: String, tensor: String },
    #[error("op `{op}`: the weights `{tensor}` hold −128 at element {index}; weights must lie within −127 to 127")]
    Weight { op: String, tensor: String, index: usize },
    #[error("op `{op}`: the bias `{tensor}` of channel {channel} is {value}, but must lie below 2^30 in magnitude")]
    Bias {
        op: String,
        tensor: String,
        channel: usize,
        value: i32,
    },
    #[error("op `{op}`: the multiplier `{tensor}` of channel {channel} is {value}, but must not be negative")]
    Multiplier {
        op: String,
        tensor: String,
        channel: usize,
        value: i32,
    },
    #[error("tensors.safetensors has the tensor `{0}`, which no op uses; remove it or fix the op that should use it")]
    ExtraTensor(String),
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        threads: usize,
        source: rayon::ThreadPoolBuildError,
    },
    #[error("this CPU has no {0}; let the engine choose its backend")]
    Backend(crate::Backend),
    #[error(transparent)]
    Device(#[from] crate::cuda::DeviceError),
    #[cfg(not(target_family = "wasm"))]
    #[error(
        "work of this size needs {needed} bytes of memory, but {free} are free; close other programs or register the device for smaller work"
    )]
    WorkMemory { needed: u64, free: u64 },
    #[error("the GPU takes no pass of {units} units, only powers of two that there is memory for; ask for {most}")]
    PassUnits { units: u32, most: u32 },
    #[error("the work was stopped before its end")]
    Stopped,
    #[cfg(not(target_family = "wasm"))]
    #[error("the system gives no random numbers ({0}), without which a GPU's results cannot be checked; run where it does")]
    Random(getrandom::Error),
    #[error("the model takes {expected} inputs, but {found} were given")]
    UnitInputs { expected: usize, found: usize },
    #[error("input `{name}` takes {expected} bytes, but {found} were given")]
    UnitBytes { name: String, expected: usize, found: usize },
    #[error("the inputs blob is invalid: {0}; fetch it again")]
    Batch(#[from] BatchError),
    #[error("the inputs blob carries {found}, but the model takes {expected}; check that job and model belong together")]
    BatchShapes { expected: String, found: String },
    #[error("{0} is not fit for computing; this is a fault of the engine, please report it with the model")]
    Internal(&'static str),
}
