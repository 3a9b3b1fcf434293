//! Model packages: a folder with `model.json` and `tensors.safetensors`, read, checked and hashed.

use crate::error::Error;
use protocol::graph::{self, GraphFacts, MAX_GRAPH_INPUTS, MAX_OPS, OpFacts};
use protocol::hash::Hash;
use protocol::merkle::Frontier;
use protocol::ops::{Inputs, OpDescriptor, OpKind};
use protocol::requantise::{Channel, MAX_BIAS, Requantise};
use protocol::tensor::{CHANNELS_UID, Layout, MAX_ELEMENTS, Shape, TABLE_UID, WEIGHTS_UID, to_code};
use protocol::trace::Checkpoints;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;
use serde::de::Error as _;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Largest `model.json`. A graph of 1,024 ops takes about half a megabyte.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// Largest `tensors.safetensors`: what a worker is willing to hold in memory for one model.
pub const MAX_TENSORS_BYTES: u64 = 8 << 30;

/// Most elements of padded input that one row of windows may span, dilation included: four times the largest value. A thread copies them.
pub(crate) const MAX_BAND: u64 = 4 * MAX_ELEMENTS as u64;

/// A graph input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphInput {
    /// Its name in `model.json`.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
}

/// Constants of one op; those it does not have are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constants {
    /// Weights in the order of the specification.
    pub weights: Vec<i8>,
    /// Bias and multiplier of each output channel.
    pub channels: Vec<Channel>,
    /// The 256 entries of a table.
    pub table: Vec<i8>,
}

impl Constants {
    /// The weights as committed: codes.
    pub fn weight_codes(&self) -> Vec<u8> {
        self.weights.iter().copied().map(to_code).collect()
    }

    /// The (bias, multiplier) records as committed.
    pub fn channel_records(&self) -> Vec<u8> {
        self.channels.iter().flat_map(|channel| channel.to_bytes()).collect()
    }

    /// The table as committed: codes.
    pub fn table_codes(&self) -> Vec<u8> {
        self.table.iter().copied().map(to_code).collect()
    }
}

/// One op of a loaded package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its name in `model.json`, which is also the name of its output.
    pub name: String,
    /// What the model commits to.
    pub descriptor: OpDescriptor,
    /// Shapes of the values it reads.
    pub inputs: Vec<Shape>,
    /// Its constants.
    pub constants: Constants,
    /// What follows from the descriptor.
    pub facts: OpFacts,
}

impl Op {
    /// Whether it is a convolution that keeps all channels apart.
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
    /// One line about it.
    pub description: String,
    /// How a client prepares inputs and reads outputs; not part of the commitment.
    pub task: serde_json::Value,
    /// Graph inputs.
    pub inputs: Vec<GraphInput>,
    /// Ops in order.
    pub ops: Vec<Op>,
    /// The numbers a model commits to.
    pub facts: GraphFacts,
    /// MODEL.
    pub model: Hash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    name: String,
    version: String,
    license: String,
    description: String,
    task: serde_json::Value,
    inputs: Vec<ManifestInput>,
    /// Ops from one checkpoint of a trace to the next.
    #[serde(default = "every_op")]
    checkpoint_interval: u32,
    /// Parsed one by one, so that a mistake can be reported with its op.
    ops: Vec<serde_json::Value>,
}

fn every_op() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestInput {
    name: String,
    dims: [u16; 3],
}

/// What is said of an op besides its name and inputs.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum ManifestOp {
    Conv2d(ManifestConv),
    Matmul(ManifestMatmul),
    MatmulAct {
        a_zero_point: i8,
        b_zero_point: i8,
        multiplier: i32,
        shift: u8,
        zero_point: i8,
        clamp: [i8; 2],
    },
    Add {
        a_zero_point: i8,
        b_zero_point: i8,
        a_multiplier: i32,
        b_multiplier: i32,
        shift: u8,
        zero_point: i8,
        clamp: [i8; 2],
    },
    Mul {
        a_zero_point: i8,
        b_zero_point: i8,
        multiplier: i32,
        shift: u8,
        zero_point: i8,
        clamp: [i8; 2],
    },
    Table8 {
        table: String,
    },
    Concat {},
    Upsample {
        factor: u8,
    },
    DepthToSpace {
        block: u8,
    },
    MaxPool {
        kernel: [u8; 2],
        stride: [u8; 2],
        padding: [u8; 4],
    },
    AvgPool {
        kernel: [u8; 2],
        stride: [u8; 2],
        padding: [u8; 4],
        input_zero_point: i8,
        multiplier: i32,
        shift: u8,
        zero_point: i8,
        clamp: [i8; 2],
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestConv {
    weights: String,
    bias: String,
    multiplier: String,
    stride: [u8; 2],
    padding: [u8; 4],
    dilation: [u8; 2],
    groups: u16,
    pad_value: i8,
    shift: u8,
    zero_point: i8,
    clamp: [i8; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestMatmul {
    weights: String,
    bias: String,
    multiplier: String,
    shift: u8,
    zero_point: i8,
    clamp: [i8; 2],
}

/// An op's name, the names of its inputs, and the rest.
fn parse_op(op: serde_json::Value) -> serde_json::Result<(String, Vec<String>, ManifestOp)> {
    let mut rest: serde_json::Map<String, serde_json::Value> = serde_json::from_value(op)?;
    let mut take = |key| rest.remove(key).ok_or_else(|| serde_json::Error::missing_field(key));
    let (name, inputs) = (take("name")?, take("inputs")?);
    Ok((
        serde_json::from_value(name)?,
        serde_json::from_value(inputs)?,
        serde_json::from_value(rest.into())?,
    ))
}

impl Package {
    /// Loads and checks the package in a folder.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let manifest = read(&folder.join("model.json"), MAX_MANIFEST_BYTES)?;
        let tensors = read(&folder.join("tensors.safetensors"), MAX_TENSORS_BYTES)?;
        Self::from_bytes(&manifest, &tensors)
    }

    /// Checks a package whose two files are already in memory.
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
        let mut tensors = Tensors {
            file: SafeTensors::deserialize(tensors)?,
            used: HashSet::new(),
        };
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
        if let Some(extra) = tensors.file.names().into_iter().find(|name| !tensors.used.contains(*name)) {
            return Err(Error::ExtraTensor(extra.to_owned()));
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

    /// What a trace commits to.
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

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > limit {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            bytes,
            limit,
        });
    }
    std::fs::read(path).map_err(failed)
}

/// Values defined so far, by name.
#[derive(Default)]
struct Values {
    ids: HashMap<String, u16>,
    shapes: Vec<Shape>,
}

impl Values {
    fn define(&mut self, name: &str, shape: Shape) -> Result<(), Error> {
        // At most 4 inputs and 1,024 ops: the id fits.
        let id = self.shapes.len() as u16;
        if name.is_empty() || self.ids.insert(name.to_owned(), id).is_some() {
            return Err(Error::Name(name.to_owned()));
        }
        self.shapes.push(shape);
        Ok(())
    }

    fn resolve(&self, op: &str, names: &[String]) -> Result<(Inputs, Vec<Shape>), Error> {
        let ids = names
            .iter()
            .map(|name| {
                self.ids.get(name).copied().ok_or_else(|| Error::ForwardReference {
                    op: op.to_owned(),
                    value: name.clone(),
                })
            })
            .collect::<Result<Vec<u16>, Error>>()?;
        let shapes = ids.iter().filter_map(|id| self.shapes.get(usize::from(*id)).copied()).collect();
        let inputs = Inputs::new(&ids).ok_or_else(|| Error::OpInputs {
            op: op.to_owned(),
            count: names.len(),
        })?;
        Ok((inputs, shapes))
    }
}

/// The tensors of a package, and which of them were used. None is used twice, so that all constants together are no larger than the file.
struct Tensors<'a> {
    file: SafeTensors<'a>,
    used: HashSet<String>,
}

/// What messages need to know about the tensor at hand.
#[derive(Clone, Copy)]
struct Field<'a> {
    op: &'a str,
    tensor: &'a str,
}

impl<'a> Tensors<'a> {
    fn get(&mut self, field: Field<'_>, dtype: Dtype, rank: usize) -> Result<TensorView<'a>, Error> {
        let Field { op, tensor } = field;
        let missing = |_| Error::MissingTensor {
            op: op.to_owned(),
            tensor: tensor.to_owned(),
        };
        let view = self.file.tensor(tensor).map_err(missing)?;
        if !self.used.insert(tensor.to_owned()) {
            return Err(Error::SharedTensor {
                op: op.to_owned(),
                tensor: tensor.to_owned(),
            });
        }
        if view.dtype() != dtype || view.shape().len() != rank {
            return Err(wrong_type(
                field,
                view.dtype(),
                view.shape(),
                format!("{dtype:?} with {rank} dimensions"),
            ));
        }
        Ok(view)
    }

    /// Weights and their dimensions.
    fn weights<const RANK: usize>(&mut self, field: Field<'_>) -> Result<([usize; RANK], Vec<i8>), Error> {
        let view = self.get(field, Dtype::I8, RANK)?;
        let dims = <[usize; RANK]>::try_from(view.shape()).map_err(|_| Error::Internal("the rank of a tensor"))?;
        let weights: Vec<i8> = view.data().iter().map(|byte| *byte as i8).collect();
        match weights.iter().position(|weight| *weight == i8::MIN) {
            Some(index) => Err(Error::Weight {
                op: field.op.to_owned(),
                tensor: field.tensor.to_owned(),
                index,
            }),
            None => Ok((dims, weights)),
        }
    }

    fn words(&mut self, field: Field<'_>, count: usize) -> Result<Vec<i32>, Error> {
        let view = self.get(field, Dtype::I32, 1)?;
        if view.shape() != [count] {
            return Err(wrong_type(field, Dtype::I32, view.shape(), format!("I32 [{count}]")));
        }
        Ok(view.data().as_chunks().0.iter().map(|word| i32::from_le_bytes(*word)).collect())
    }

    fn channels(&mut self, op: &str, bias: &str, multiplier: &str, count: usize) -> Result<Vec<Channel>, Error> {
        let biases = self.words(Field { op, tensor: bias }, count)?;
        let multipliers = self.words(Field { op, tensor: multiplier }, count)?;
        let channels = biases
            .into_iter()
            .zip(multipliers)
            .map(|(bias, multiplier)| Channel { bias, multiplier });
        let checked = channels.enumerate().map(|(channel, record)| {
            if record.bias.unsigned_abs() > MAX_BIAS.unsigned_abs() {
                return Err(Error::Bias {
                    op: op.to_owned(),
                    tensor: bias.to_owned(),
                    channel,
                    value: record.bias,
                });
            }
            if record.multiplier < 0 {
                return Err(Error::Multiplier {
                    op: op.to_owned(),
                    tensor: multiplier.to_owned(),
                    channel,
                    value: record.multiplier,
                });
            }
            Ok(record)
        });
        checked.collect()
    }
}

fn wrong_type(Field { op, tensor }: Field<'_>, dtype: Dtype, dims: &[usize], expected: String) -> Error {
    Error::TensorType {
        op: op.to_owned(),
        tensor: tensor.to_owned(),
        found: format!("{dtype:?} {dims:?}"),
        expected,
    }
}

/// TENSOR of the (bias, multiplier) records.
fn channels_hash(constants: &Constants) -> Hash {
    Layout::channels(constants.channels.len() as u32).hash(CHANNELS_UID, &constants.channel_records())
}

fn requantise(shift: u8, zero_point: i8, [lo, hi]: [i8; 2]) -> Requantise {
    Requantise { shift, zero_point, lo, hi }
}

/// A convolution, and the channels of its output.
fn conv2d(op: &str, conv: &ManifestConv, input: Shape, tensors: &mut Tensors<'_>) -> Result<(OpKind, Constants, u16), Error> {
    let field = Field { op, tensor: &conv.weights };
    let (dims @ [co, kh, kw, depth], weights) = tensors.weights(field)?;
    let refuse = |expected: String| Err(wrong_type(field, Dtype::I8, &dims, expected));
    let (Ok(channels), Ok(kh), Ok(kw)) = (u16::try_from(co), u8::try_from(kh), u8::try_from(kw)) else {
        return refuse("I8 [co, kh, kw, ci / groups] with co at most 65,535 and kernel sides at most 255".to_owned());
    };
    // Groups that do not divide the channels are reported with the op's other parameters.
    let (ci, groups) = (input.c, conv.groups);
    if let Some(expected) = ci.checked_div(groups).map(usize::from).filter(|_| ci.is_multiple_of(groups))
        && depth != expected
    {
        return refuse(format!(
            "I8 [{co}, {kh}, {kw}, {expected}], whose last side is the input's channels by group"
        ));
    }
    let constants = Constants {
        channels: tensors.channels(op, &conv.bias, &conv.multiplier, co)?,
        weights,
        ..Constants::default()
    };
    let kind = OpKind::Conv2d {
        weights: Layout::conv_weights(dims.map(|side| side as u32)).hash_i8(WEIGHTS_UID, &constants.weights),
        channels: channels_hash(&constants),
        kernel: [kh, kw],
        stride: conv.stride,
        padding: conv.padding,
        dilation: conv.dilation,
        groups,
        pad_value: conv.pad_value,
        requantise: requantise(conv.shift, conv.zero_point, conv.clamp),
    };
    Ok((kind, constants, channels))
}

/// A product with weights, and the channels of its output.
fn matmul(op: &str, product: &ManifestMatmul, input: Shape, tensors: &mut Tensors<'_>) -> Result<(OpKind, Constants, u16), Error> {
    let field = Field {
        op,
        tensor: &product.weights,
    };
    let (dims @ [n, k], weights) = tensors.weights(field)?;
    let expected = usize::from(input.c);
    let Some(channels) = u16::try_from(n).ok().filter(|_| k == expected) else {
        let expected = format!("I8 [n, {expected}] with n at most 65,535");
        return Err(wrong_type(field, Dtype::I8, &dims, expected));
    };
    let constants = Constants {
        channels: tensors.channels(op, &product.bias, &product.multiplier, n)?,
        weights,
        ..Constants::default()
    };
    let kind = OpKind::Matmul {
        weights: Layout::matmul_weights(n as u32, k as u32).hash_i8(WEIGHTS_UID, &constants.weights),
        channels: channels_hash(&constants),
        requantise: requantise(product.shift, product.zero_point, product.clamp),
    };
    Ok((kind, constants, channels))
}

fn table8(op: &str, table: &str, tensors: &mut Tensors<'_>) -> Result<(OpKind, Constants, u16), Error> {
    let field = Field { op, tensor: table };
    let view = tensors.get(field, Dtype::I8, 1)?;
    if view.shape() != [256] {
        return Err(wrong_type(field, Dtype::I8, view.shape(), "I8 [256]".to_owned()));
    }
    let constants = Constants {
        table: view.data().iter().map(|byte| *byte as i8).collect(),
        ..Constants::default()
    };
    let table = Layout::table8().hash_i8(TABLE_UID, &constants.table);
    Ok((OpKind::Table8 { table }, constants, 0))
}

fn load_op(name: String, inputs: &[String], op: ManifestOp, values: &Values, tensors: &mut Tensors<'_>) -> Result<Op, Error> {
    let (ids, inputs) = values.resolve(&name, inputs)?;
    let first = inputs.first().copied().unwrap_or_default();
    // Of the output's shape, only a product's channels come from the package; the rest follows.
    let plain = |kind| (kind, Constants::default(), 0);
    let (kind, constants, channels) = match op {
        ManifestOp::Conv2d(conv) => conv2d(&name, &conv, first, tensors)?,
        ManifestOp::Matmul(product) => matmul(&name, &product, first, tensors)?,
        ManifestOp::Table8 { table } => table8(&name, &table, tensors)?,
        ManifestOp::MatmulAct {
            a_zero_point,
            b_zero_point,
            multiplier,
            shift,
            zero_point,
            clamp,
        } => plain(OpKind::MatmulAct {
            a_zero_point,
            b_zero_point,
            multiplier,
            requantise: requantise(shift, zero_point, clamp),
        }),
        ManifestOp::Add {
            a_zero_point,
            b_zero_point,
            a_multiplier,
            b_multiplier,
            shift,
            zero_point,
            clamp,
        } => plain(OpKind::Add {
            a_zero_point,
            b_zero_point,
            a_multiplier,
            b_multiplier,
            requantise: requantise(shift, zero_point, clamp),
        }),
        ManifestOp::Mul {
            a_zero_point,
            b_zero_point,
            multiplier,
            shift,
            zero_point,
            clamp,
        } => plain(OpKind::Mul {
            a_zero_point,
            b_zero_point,
            multiplier,
            requantise: requantise(shift, zero_point, clamp),
        }),
        ManifestOp::Concat {} => plain(OpKind::Concat),
        ManifestOp::Upsample { factor } => plain(OpKind::Upsample { factor }),
        ManifestOp::DepthToSpace { block } => plain(OpKind::DepthToSpace { block }),
        ManifestOp::MaxPool { kernel, stride, padding } => plain(OpKind::MaxPool { kernel, stride, padding }),
        ManifestOp::AvgPool {
            kernel,
            stride,
            padding,
            input_zero_point,
            multiplier,
            shift,
            zero_point,
            clamp,
        } => plain(OpKind::AvgPool {
            kernel,
            stride,
            padding,
            input_zero_point,
            multiplier,
            requantise: requantise(shift, zero_point, clamp),
        }),
    };
    let mut descriptor = OpDescriptor {
        inputs: ids,
        kind,
        output: Shape::new(0, 0, channels),
    };
    let checked = graph::output_shape(&descriptor, &inputs).and_then(|output| {
        descriptor.output = output;
        graph::check_op(&descriptor, &inputs)
    });
    let facts = match checked {
        Ok(facts) => facts,
        Err(reason) => {
            let inputs = inputs.iter().map(Shape::to_string).collect::<Vec<_>>().join(" and ");
            return Err(Error::Op { op: name, inputs, reason });
        }
    };
    let elements = band(&descriptor.kind, first);
    if elements > MAX_BAND {
        return Err(Error::Band { op: name, elements });
    }
    Ok(Op {
        name,
        descriptor,
        inputs,
        constants,
        facts,
    })
}

/// Elements of padded input that one row of windows spans.
fn band(kind: &OpKind, input: Shape) -> u64 {
    let (kernel, padding, dilation) = match *kind {
        OpKind::Conv2d {
            kernel, padding, dilation, ..
        } => (kernel, padding, dilation),
        OpKind::MaxPool { kernel, padding, .. } | OpKind::AvgPool { kernel, padding, .. } => (kernel, padding, [1, 1]),
        _ => return 0,
    };
    let ([kh, _], [dy, _], [_, left, _, right]) = (kernel.map(u64::from), dilation.map(u64::from), padding.map(u64::from));
    let (w, c) = (u64::from(input.w), u64::from(input.c));
    ((kh - 1) * dy + 1) * (left + w + right) * c
}
