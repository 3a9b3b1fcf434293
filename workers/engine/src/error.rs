//! The engine's error type.

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
    #[error("{path} has more than {limit} bytes, the limit for this file; check that the folder is a model package")]
    TooLarge { path: PathBuf, limit: u64 },
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
    #[error("checkpoint_interval in model.json is {interval}; it must be 1, or less than the graph's {ops} ops")]
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
        "op `{op}`: one row of windows spans {elements} elements of padded input, more than {}; reduce its padding or dilation",
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
    #[error("op `{op}` uses the tensor `{tensor}`, which is already in use; give every field of every op its own tensor")]
    SharedTensor { op: String, tensor: String },
    #[error("op `{op}`: the weights `{tensor}` are −128 at element {index}; weights must be within −127 to 127")]
    Weight { op: String, tensor: String, index: usize },
    #[error("op `{op}`: the bias `{tensor}` of channel {channel} is {value}, but its magnitude must be below 2^30")]
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
    #[error("this CPU does not support the backend {0}; let the engine choose one")]
    Backend(crate::Backend),
    #[error(transparent)]
    Device(#[from] crate::cuda::DeviceError),
    #[cfg(not(target_family = "wasm"))]
    #[error(
        "work of this size needs {needed} bytes of memory, but {free} are free; close other programs or register the device for less work"
    )]
    WorkMemory { needed: u64, free: u64 },
    #[error("the GPU cannot run passes of {units} units, only powers of two that fit its memory; ask for {most}")]
    PassUnits { units: u32, most: u32 },
    #[error("the work was stopped before it was done")]
    Stopped,
    #[cfg(not(target_family = "wasm"))]
    #[error("the system has no random numbers ({0}), so a GPU's results cannot be checked; run on a system that has them")]
    Random(getrandom::Error),
    #[error("the model takes {expected} inputs, but {found} were given")]
    UnitInputs { expected: usize, found: usize },
    #[error("input `{name}` takes {expected} bytes, but {found} were given")]
    UnitBytes { name: String, expected: usize, found: usize },
    #[error("the inputs blob is invalid: {0}; fetch it again")]
    Batch(#[from] BatchError),
    #[error("the inputs blob holds {found}, but the model takes {expected}; check that the job is for this model")]
    BatchShapes { expected: String, found: String },
    #[error("internal error of the engine ({0}); please report it with the model")]
    Internal(&'static str),
}
