//! Model packages: a folder with `model.json` and `tensors.safetensors`, read, checked and hashed.

mod manifest;
mod ops;
mod tensors;

use crate::error::Error;
use manifest::{Manifest, ManifestInput, parse_op};
use ops::{Values, load_op};
use protocol::graph::{self, GraphFacts, MAX_GRAPH_INPUTS, MAX_OPS, OpFacts};
use protocol::hash::Hash;
use protocol::merkle::Frontier;
use protocol::ops::{OpDescriptor, OpKind};
use protocol::requantise::Channel;
use protocol::tensor::{MAX_ELEMENTS, Shape, to_code};
use protocol::trace::Checkpoints;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tensors::Tensors;

/// Largest `model.json`. A graph of 1,024 ops takes about half a megabyte.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// Largest `tensors.safetensors`: what a worker is willing to hold in memory for one model.
const MAX_TENSORS_BYTES: u64 = 8 << 30;

/// Most elements of padded input that one row of windows may span, including dilation: four times the largest value. Each thread copies
/// that many.
pub(crate) const MAX_BAND: u64 = 4 * MAX_ELEMENTS as u64;

/// A graph input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphInput {
    /// Name in `model.json`.
    pub name: String,
    /// Shape.
    pub shape: Shape,
}

/// Constants of one op. Fields that do not apply to the op are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constants {
    /// Weights, in the order of the specification.
    pub weights: Vec<i8>,
    /// Bias and multiplier of each output channel.
    pub channels: Vec<Channel>,
    /// The 256 entries of a table.
    pub table: Vec<i8>,
}

impl Constants {
    /// The weights as codes, the form that the model commits to.
    pub fn weight_codes(&self) -> Vec<u8> {
        self.weights.iter().copied().map(to_code).collect()
    }

    /// The (bias, multiplier) records in the form that the model commits to.
    pub fn channel_records(&self) -> Vec<u8> {
        self.channels.iter().flat_map(|channel| channel.to_bytes()).collect()
    }

    /// The table as codes, the form that the model commits to.
    pub fn table_codes(&self) -> Vec<u8> {
        self.table.iter().copied().map(to_code).collect()
    }
}

/// One op of a loaded package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Name in `model.json`, which is also the name of the op's output.
    pub name: String,
    /// The descriptor that the model commits to.
    pub descriptor: OpDescriptor,
    /// Shapes of the inputs.
    pub inputs: Vec<Shape>,
    /// Weights and other constants.
    pub constants: Constants,
    /// Figures derived from the descriptor.
    pub facts: OpFacts,
}

impl Op {
    /// Whether the op is a depthwise convolution: one group per channel.
    pub(crate) fn is_depthwise(&self) -> bool {
        let channels = self.inputs.first().map_or(0, |a| a.c);
        let OpDescriptor { kind, output, .. } = &self.descriptor;
        matches!(kind, OpKind::Conv2d { groups, .. } if *groups > 1 && *groups == channels && *groups == output.c)
    }
}

/// A model package that passed every check.
#[derive(Clone, Debug)]
pub struct Package {
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: String,
    /// SPDX expression of its licence.
    pub license: String,
    /// One-line description.
    pub description: String,
    /// How clients prepare inputs and read outputs. Not part of the commitment.
    pub task: serde_json::Value,
    /// Graph inputs.
    pub inputs: Vec<GraphInput>,
    /// Ops in order.
    pub ops: Vec<Op>,
    /// The figures that the model commits to.
    pub facts: GraphFacts,
    /// MODEL, the hash that identifies the model.
    pub model: Hash,
}

impl Package {
    /// Loads and checks a package from its folder.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let manifest = read(&folder.join("model.json"), MAX_MANIFEST_BYTES)?;
        let tensors = read(&folder.join("tensors.safetensors"), MAX_TENSORS_BYTES)?;
        Self::from_bytes(&manifest, &tensors)
    }

    /// Loads and checks a package from the contents of its two files.
    pub fn from_bytes(manifest: &[u8], tensors: &[u8]) -> Result<Self, Error> {
        let manifest: Manifest = serde_json::from_slice(manifest).map_err(Error::Manifest)?;
        if manifest.format != 1 {
            return Err(Error::Format(manifest.format));
        }
        if !(1..=MAX_GRAPH_INPUTS).contains(&manifest.inputs.len()) {
            return Err(Error::InputCount(manifest.inputs.len()));
        }
        if !(1..=MAX_OPS as usize).contains(&manifest.ops.len()) {
            return Err(Error::OpCount(manifest.ops.len()));
        }
        let mut values = Values::default();
        let mut inputs = Vec::new();
        for ManifestInput { name, dims } in manifest.inputs {
            let [h, w, c] = dims;
            let shape = Shape::new(h, w, c);
            if shape.elements().is_none() {
                return Err(Error::InputShape { name, dims });
            }
            values.define(&name, shape)?;
            inputs.push(GraphInput { name, shape });
        }
        let mut tensors = Tensors::read(tensors)?;
        let mut ops = Vec::new();
        let mut leaves = Frontier::default();
        let mut facts = GraphFacts {
            n_ops: 0,
            graph_root: [0; 32],
            max_fan_in: 0,
            macs: 0,
            interval: manifest.checkpoint_interval,
        };
        for (index, op) in manifest.ops.into_iter().enumerate() {
            let (name, names, op) = parse_op(op).map_err(|source| Error::OpSyntax { index, source })?;
            let op = load_op(name, &names, op, &values, &mut tensors)?;
            values.define(&op.name, op.descriptor.output)?;
            leaves.push(op.descriptor.leaf(leaves.count()));
            facts.max_fan_in = facts.max_fan_in.max(op.facts.fan_in);
            facts.macs += op.facts.macs;
            ops.push(op);
        }
        if let Some(extra) = tensors.unused() {
            return Err(Error::ExtraTensor(extra));
        }
        facts.n_ops = leaves.count();
        facts.graph_root = leaves.root();
        if !facts.has_interval() {
            return Err(Error::Interval {
                interval: facts.interval,
                ops: facts.n_ops,
            });
        }
        let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape).collect();
        let model = graph::model_hash(&shapes, &facts);
        let Manifest {
            name,
            version,
            license,
            description,
            task,
            ..
        } = manifest;
        Ok(Self {
            name,
            version,
            license,
            description,
            task,
            inputs,
            ops,
            facts,
            model,
        })
    }

    /// The checkpoints that a trace commits to.
    pub fn checkpoints(&self) -> Checkpoints {
        self.facts.checkpoints()
    }

    /// Shapes of the graph inputs.
    pub fn input_shapes(&self) -> Vec<Shape> {
        self.inputs.iter().map(|input| input.shape).collect()
    }

    /// Shape of the graph's output.
    pub fn output_shape(&self) -> Shape {
        // A package has at least one op.
        self.ops.last().map(|op| op.descriptor.output).unwrap_or_default()
    }

    /// Value id of the graph's output.
    pub fn output_id(&self) -> u32 {
        (self.inputs.len() + self.ops.len()).saturating_sub(1) as u32
    }
}

/// Reads a file of at most `limit` bytes, whatever its metadata says: it may grow meanwhile.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let within = |bytes| {
        (bytes <= limit).then_some(bytes).ok_or_else(|| Error::TooLarge {
            path: path.to_owned(),
            limit,
        })
    };
    let file = File::open(path).map_err(failed)?;
    let bytes = within(file.metadata().map_err(failed)?.len())?;
    let mut content = Vec::new();
    content.try_reserve_exact(bytes as usize).map_err(|error| failed(error.into()))?;
    file.take(limit + 1).read_to_end(&mut content).map_err(failed)?;
    within(content.len() as u64)?;
    Ok(content)
}
