//! Turns the ops of `model.json` into checked [`Op`]s with their constants.

use super::manifest::{ManifestConv, ManifestMatmul, ManifestOp};
use super::tensors::{Field, Tensors, wrong_type};
use super::{Constants, MAX_BAND, Op};
use crate::error::Error;
use protocol::graph;
use protocol::hash::Hash;
use protocol::ops::{Inputs, OpDescriptor, OpKind};
use protocol::requantise::Requantise;
use protocol::tensor::{CHANNELS_UID, Layout, Shape, TABLE_UID, WEIGHTS_UID};
use safetensors::tensor::Dtype;
use std::collections::HashMap;

/// The values defined so far, by name.
#[derive(Default)]
pub(super) struct Values {
    ids: HashMap<String, u16>,
    shapes: Vec<Shape>,
}

impl Values {
    pub fn define(&mut self, name: &str, shape: Shape) -> Result<(), Error> {
        // There are at most 4 inputs and 1,024 ops, so the id fits.
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

/// TENSOR of the (bias, multiplier) records.
fn channels_hash(constants: &Constants) -> Hash {
    Layout::channels(constants.channels.len() as u32).hash(CHANNELS_UID, &constants.channel_records())
}

fn requantise(shift: u8, zero_point: i8, [lo, hi]: [i8; 2]) -> Requantise {
    Requantise { shift, zero_point, lo, hi }
}

/// Loads a convolution. Also returns the number of output channels.
fn conv2d(op: &str, conv: &ManifestConv, input: Shape, tensors: &mut Tensors<'_>) -> Result<(OpKind, Constants, u16), Error> {
    let field = Field { op, tensor: &conv.weights };
    let (dims @ [co, kh, kw, depth], weights) = tensors.weights(field)?;
    let refuse = |expected: String| Err(wrong_type(field, Dtype::I8, &dims, expected));
    let (Ok(channels), Ok(kh), Ok(kw)) = (u16::try_from(co), u8::try_from(kh), u8::try_from(kw)) else {
        return refuse("I8 [co, kh, kw, ci / groups] with co at most 65,535 and kernel sides at most 255".to_owned());
    };
    // Whether the groups divide the channels is checked later, together with the op's other parameters.
    let (ci, groups) = (input.c, conv.groups);
    if let Some(expected) = ci.checked_div(groups).map(usize::from).filter(|_| ci.is_multiple_of(groups))
        && depth != expected
    {
        return refuse(format!(
            "I8 [{co}, {kh}, {kw}, {expected}], whose last side is the number of input channels per group"
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

/// Loads a product with weights. Also returns the number of output channels.
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

/// Loads what an op computes and its constants. Also returns the number of output channels, if the constants determine it; otherwise 0, and
/// it follows from the inputs.
fn load_kind(name: &str, op: ManifestOp, first: Shape, tensors: &mut Tensors<'_>) -> Result<(OpKind, Constants, u16), Error> {
    let plain = |kind| (kind, Constants::default(), 0);
    Ok(match op {
        ManifestOp::Conv2d(conv) => conv2d(name, &conv, first, tensors)?,
        ManifestOp::Matmul(product) => matmul(name, &product, first, tensors)?,
        ManifestOp::Table8 { table } => table8(name, &table, tensors)?,
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
    })
}

/// Loads an op whose inputs are among `values`, and checks it.
pub(super) fn load_op(name: String, inputs: &[String], op: ManifestOp, values: &Values, tensors: &mut Tensors<'_>) -> Result<Op, Error> {
    let (ids, inputs) = values.resolve(&name, inputs)?;
    let first = inputs.first().copied().unwrap_or_default();
    let (kind, constants, channels) = load_kind(&name, op, first, tensors)?;
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

/// Number of elements of padded input that one row of windows spans.
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
