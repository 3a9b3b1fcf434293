//! What makes an op valid, and the hash that identifies a model.
//!
//! When a model is registered on chain, every op has to pass [`check_op`], which needs only the descriptor and the shapes of the op's
//! inputs. Faults in the bytes of the constants (a weight of −128, a bias out of range) are found by the software that loads the package;
//! [`evaluate`](crate::ops::evaluate) is defined for any constants, so a model that cannot be loaded harms only its own users.

#[cfg(test)]
mod tests;
mod verdict;

pub use verdict::{MAX_VERDICT_UNITS, verdict_units};

use crate::hash::{Hash, SPEC_VERSION, Tag, tagged};
use crate::ops::{MAX_INPUTS, OpDescriptor, OpKind};
use crate::requantise::{Requantise, SHIFT};
use crate::tensor::Shape;
use crate::trace::Checkpoints;

/// Most inputs of a graph: they share one blob, whose header has room for four shapes.
pub const MAX_GRAPH_INPUTS: usize = 4;

/// Most ops of a graph. To show its trace, a worker reveals one root per op: 1,024 roots take nine transactions.
pub const MAX_OPS: u32 = 1024;

/// Most input elements behind one output element: a dispute re-executes one element inside one transaction, and 16,384 terms with
/// their openings take about 140,000 compute units. It also keeps every accumulator below 2^30.
pub const MAX_FAN_IN: u32 = 16_384;

/// Enlargement factors of `upsample` and block sides of `depth_to_space`.
pub const FACTOR: core::ops::RangeInclusive<u8> = 2..=16;

/// Why an op is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GraphError {
    /// The op reads the wrong number of values.
    InputCount,
    /// A shape has a zero side or more than 2^24 elements.
    Elements,
    /// The shapes of the inputs do not go together.
    InputShapes,
    /// The declared output shape is not the one the op produces.
    OutputShape,
    /// A kernel side is zero.
    Kernel,
    /// A stride is zero.
    Stride,
    /// A dilation is zero.
    Dilation,
    /// The padding of a maximum pool is not smaller than its kernel.
    Padding,
    /// The window is larger than the padded input.
    Window,
    /// The number of groups is zero or does not divide the input and output channels.
    Groups,
    /// More than 16,384 input elements enter one output element.
    FanIn,
    /// The factor or block is not within 2 to 16.
    Factor,
    /// The channels are not a multiple of the squared block.
    Block,
    /// A multiplier is negative, or an add's multiplier is −2^31.
    Multiplier,
    /// The shift is not within 1 to 62.
    Shift,
    /// The lower end of the clamp lies above the upper end.
    Clamp,
    /// One output element takes too much to open and check in a dispute.
    Verdict,
}

impl GraphError {
    /// The reason in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::InputCount => "the op reads the wrong number of values",
            Self::Elements => "a shape has a zero side or more than 2^24 elements",
            Self::InputShapes => "the shapes of the inputs do not go together",
            Self::OutputShape => "the declared output shape is not the one the op produces",
            Self::Kernel => "a kernel side is zero",
            Self::Stride => "a stride is zero",
            Self::Dilation => "a dilation is zero",
            Self::Padding => "the padding of a maximum pool is not smaller than its kernel",
            Self::Window => "the window is larger than the padded input",
            Self::Groups => "the number of groups is zero or does not divide the input and output channels",
            Self::FanIn => "more than 16,384 input elements enter one output element",
            Self::Factor => "the factor or block is not within 2 to 16",
            Self::Block => "the channels are not a multiple of the squared block",
            Self::Multiplier => "a multiplier is negative, or an add's multiplier is -2^31",
            Self::Shift => "the shift is not within 1 to 62",
            Self::Clamp => "the lower end of the clamp lies above the upper end",
            Self::Verdict => "one output element reads from so many places that a dispute could not check it",
        }
    }
}

impl core::fmt::Display for GraphError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for GraphError {}

/// What follows from a valid op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpFacts {
    /// Shape of the output.
    pub output: Shape,
    /// Input elements behind one output element: `K` of a product, the kernel of a pool, 2 for add and mul, 1 for a copy.
    pub fan_in: u32,
    /// Output elements times fan-in: the op's share of the model's work. Below 2^38, so the sum over a graph is below 2^48.
    pub macs: u64,
}

/// Checks one op against the shapes of the values it reads, in the order it reads them.
pub fn check_op(op: &OpDescriptor, inputs: &[Shape]) -> Result<OpFacts, GraphError> {
    let (output, fan_in) = output_of(op, inputs)?;
    if output != op.output {
        return Err(GraphError::OutputShape);
    }
    if fan_in > MAX_FAN_IN {
        return Err(GraphError::FanIn);
    }
    let elements = output.elements().ok_or(GraphError::Elements)?;
    if verdict_units(op, inputs) > MAX_VERDICT_UNITS {
        return Err(GraphError::Verdict);
    }
    Ok(OpFacts {
        output,
        fan_in,
        macs: u64::from(elements).wrapping_mul(u64::from(fan_in)),
    })
}

/// The output shape that follows from the op's inputs and parameters. Of the declared output only the channels are used: for a product they
/// follow from the weights.
pub fn output_shape(op: &OpDescriptor, inputs: &[Shape]) -> Result<Shape, GraphError> {
    output_of(op, inputs).map(|(output, _)| output)
}

/// [`output_shape`] and the fan-in.
fn output_of(op: &OpDescriptor, inputs: &[Shape]) -> Result<(Shape, u32), GraphError> {
    let expected = match op.kind {
        OpKind::MatmulAct { .. } | OpKind::Add { .. } | OpKind::Mul { .. } => 2..=2,
        OpKind::Concat => 2..=MAX_INPUTS,
        _ => 1..=1,
    };
    if !expected.contains(&inputs.len()) || op.inputs.as_slice().len() != inputs.len() {
        return Err(GraphError::InputCount);
    }
    if inputs.iter().any(|shape| shape.elements().is_none()) {
        return Err(GraphError::Elements);
    }
    let a = *inputs.first().ok_or(GraphError::InputCount)?;
    let b = inputs.get(1).copied().unwrap_or(a);
    match op.kind {
        OpKind::Conv2d {
            kernel,
            stride,
            padding,
            dilation,
            groups,
            requantise,
            ..
        } => {
            check_requantise(requantise, 0)?;
            let co = op.output.c;
            if groups == 0 || !a.c.is_multiple_of(groups) || !co.is_multiple_of(groups) {
                return Err(GraphError::Groups);
            }
            let (h, w) = slide(a, kernel, stride, padding, dilation)?;
            Ok((shape(h, w, co.into())?, area(kernel).saturating_mul(u32::from(a.c / groups))))
        }
        OpKind::Matmul { requantise, .. } => {
            check_requantise(requantise, 0)?;
            Ok((Shape { c: op.output.c, ..a }, a.c.into()))
        }
        OpKind::MatmulAct {
            multiplier, requantise, ..
        } => {
            check_requantise(requantise, multiplier)?;
            if a.h != 1 || b.h != 1 || a.c != b.c {
                return Err(GraphError::InputShapes);
            }
            Ok((Shape::new(1, a.w, b.w), a.c.into()))
        }
        OpKind::Add {
            a_multiplier,
            b_multiplier,
            requantise,
            ..
        } => {
            check_requantise(requantise, 0)?;
            if a_multiplier == i32::MIN || b_multiplier == i32::MIN {
                return Err(GraphError::Multiplier);
            }
            check_broadcast(a, b)?;
            Ok((a, 2))
        }
        OpKind::Mul {
            multiplier, requantise, ..
        } => {
            check_requantise(requantise, multiplier)?;
            check_broadcast(a, b)?;
            Ok((a, 2))
        }
        OpKind::Table8 { .. } => Ok((a, 1)),
        OpKind::Concat => {
            if inputs.iter().any(|other| (other.h, other.w) != (a.h, a.w)) {
                return Err(GraphError::InputShapes);
            }
            let channels = inputs.iter().map(|input| u32::from(input.c)).sum();
            Ok((shape(a.h.into(), a.w.into(), channels)?, 1))
        }
        OpKind::Upsample { factor } => Ok((enlarge(a, factor, a.c)?, 1)),
        OpKind::DepthToSpace { block } => {
            let squared = u16::from(block).wrapping_mul(block.into());
            if FACTOR.contains(&block) && !a.c.is_multiple_of(squared.max(1)) {
                return Err(GraphError::Block);
            }
            Ok((enlarge(a, block, a.c / squared.max(1))?, 1))
        }
        OpKind::MaxPool {
            kernel: kernel @ [kh, kw],
            stride,
            padding: padding @ [top, left, bottom, right],
        } => {
            let (h, w) = slide(a, kernel, stride, padding, [1, 1])?;
            if top.max(bottom) >= kh || left.max(right) >= kw {
                return Err(GraphError::Padding);
            }
            Ok((shape(h, w, a.c.into())?, area(kernel)))
        }
        OpKind::AvgPool {
            kernel,
            stride,
            padding,
            multiplier,
            requantise,
            ..
        } => {
            check_requantise(requantise, multiplier)?;
            let (h, w) = slide(a, kernel, stride, padding, [1, 1])?;
            Ok((shape(h, w, a.c.into())?, area(kernel)))
        }
    }
}

fn check_requantise(requantise: Requantise, multiplier: i32) -> Result<(), GraphError> {
    if !SHIFT.contains(&requantise.shift) {
        return Err(GraphError::Shift);
    }
    if requantise.lo > requantise.hi {
        return Err(GraphError::Clamp);
    }
    if multiplier < 0 {
        return Err(GraphError::Multiplier);
    }
    Ok(())
}

/// The second operand of an element-wise op must have the shape of the first, or be a single pixel of it.
fn check_broadcast(a: Shape, b: Shape) -> Result<(), GraphError> {
    if b == a || b == Shape::new(1, 1, a.c) {
        Ok(())
    } else {
        Err(GraphError::InputShapes)
    }
}

/// Rows and columns that a sliding window produces.
fn slide(
    input: Shape,
    [kh, kw]: [u8; 2],
    [sy, sx]: [u8; 2],
    [top, left, bottom, right]: [u8; 4],
    [dy, dx]: [u8; 2],
) -> Result<(u32, u32), GraphError> {
    if kh == 0 || kw == 0 {
        return Err(GraphError::Kernel);
    }
    if dy == 0 || dx == 0 {
        return Err(GraphError::Dilation);
    }
    Ok((
        positions(input.h, kh, sy, top, bottom, dy)?,
        positions(input.w, kw, sx, left, right, dx)?,
    ))
}

/// `(side + before + after − dilation·(kernel − 1) − 1) / stride + 1`, for a non-zero kernel.
fn positions(side: u16, kernel: u8, stride: u8, before: u8, after: u8, dilation: u8) -> Result<u32, GraphError> {
    let reach = u32::from(dilation).wrapping_mul(u32::from(kernel).saturating_sub(1));
    let padded = u32::from(side).wrapping_add(before.into()).wrapping_add(after.into());
    let room = padded
        .checked_sub(reach)
        .and_then(|room| room.checked_sub(1))
        .ok_or(GraphError::Window)?;
    Ok(room.checked_div(stride.into()).ok_or(GraphError::Stride)?.wrapping_add(1))
}

fn area([kh, kw]: [u8; 2]) -> u32 {
    u32::from(kh).wrapping_mul(kw.into())
}

fn enlarge(a: Shape, factor: u8, channels: u16) -> Result<Shape, GraphError> {
    if !FACTOR.contains(&factor) {
        return Err(GraphError::Factor);
    }
    let side = |side: u16| u32::from(side).wrapping_mul(factor.into());
    shape(side(a.h), side(a.w), channels.into())
}

fn shape(h: u32, w: u32, c: u32) -> Result<Shape, GraphError> {
    let side = |side: u32| u16::try_from(side).map_err(|_| GraphError::Elements);
    Ok(Shape::new(side(h)?, side(w)?, side(c)?))
}

/// A graph as a model commits to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphFacts {
    /// Number of ops.
    pub n_ops: u32,
    /// Merkle root over the descriptor leaves.
    pub graph_root: Hash,
    /// Largest fan-in of an op.
    pub max_fan_in: u32,
    /// Work of one unit: the sum of [`OpFacts::macs`].
    pub macs: u64,
    /// Ops from one checkpoint of a trace to the next: 1, or fewer than `n_ops`.
    pub interval: u32,
}

impl GraphFacts {
    /// What a trace of the graph commits to.
    pub const fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.n_ops, self.interval)
    }

    /// Whether the interval is not zero, and a graph of this many ops may have it.
    pub const fn has_interval(&self) -> bool {
        self.interval > 0 && self.checkpoints().are_valid()
    }
}

/// MODEL: the identity of a model. Weights and tables are bound through the descriptors, which hold their hashes.
///
/// At most [`MAX_GRAPH_INPUTS`] inputs count; callers refuse more. The interval is hashed when it is not 1.
pub fn model_hash(inputs: &[Shape], facts: &GraphFacts) -> Hash {
    let mut shapes = [0; MAX_GRAPH_INPUTS * Shape::BYTES];
    for (slot, shape) in shapes.chunks_exact_mut(Shape::BYTES).zip(inputs) {
        slot.copy_from_slice(&shape.to_bytes());
    }
    let count = inputs.len().min(MAX_GRAPH_INPUTS);
    let [v0, v1] = SPEC_VERSION.to_le_bytes();
    let interval = facts.interval.to_le_bytes();
    let interval: &[u8] = if facts.checkpoints().are_all() { &[] } else { &interval };
    tagged(
        Tag::Model,
        [
            &[v0, v1, count as u8],
            shapes.get(..count.wrapping_mul(Shape::BYTES)).unwrap_or(&shapes),
            &facts.n_ops.to_le_bytes(),
            &facts.graph_root,
            &facts.max_fan_in.to_le_bytes(),
            &facts.macs.to_le_bytes(),
            interval,
        ],
    )
}
