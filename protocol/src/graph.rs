//! What makes an op valid, and the hash that identifies a model.
//!
//! When a model is registered on chain, every op has to pass [`check_op`], which needs only the descriptor and the shapes of the op's
//! inputs. Faults in the bytes of the constants (a weight of −128, a bias out of range) are found by the software that loads the package;
//! [`evaluate`](crate::ops::evaluate) is defined for any constants, so a model that cannot be loaded harms only its own users.

use crate::hash::{Hash, SPEC_VERSION, Tag, tagged};
use crate::ops::{MAX_INPUTS, OpDescriptor, OpKind};
use crate::referee::MAX_EVIDENCE_BYTES;
use crate::requantise::{Requantise, SHIFT};
use crate::tensor::{CHUNK_BYTES, Shape};
use crate::trace::Checkpoints;

/// Most inputs of a graph: they share one blob, whose header has room for four shapes.
pub const MAX_GRAPH_INPUTS: usize = 4;

/// Most ops of a graph. To show its trace, a worker reveals one root per op: 1,024 roots take nine transactions.
pub const MAX_OPS: u32 = 1024;

/// Most input elements behind one output element: a dispute re-executes one element inside one transaction, and 16,384 terms with
/// their openings take about 140,000 compute units. It also keeps every accumulator below 2^30.
pub const MAX_FAN_IN: u32 = 16_384;

/// Most compute units that judging one element may take, as [`verdict_units`] computes them. The rest of a conviction takes less than
/// 20,000, so it fits a transaction's default of 200,000. Every product of 16,384 terms whose operands are contiguous is well below it.
pub const MAX_VERDICT_UNITS: u64 = 180_000;

/// What an opened chunk adds to a verdict, in compute units.
const CHUNK: u64 = 950;

// A fault that fits no evidence could not be convicted. Of everything that verdict_units counts, chunks have the most bytes per compute
// unit, so evidence that is cheap enough to judge is also short enough to submit.
const _: () = assert!(MAX_VERDICT_UNITS * CHUNK_BYTES as u64 / CHUNK <= MAX_EVIDENCE_BYTES as u64);

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

/// Upper bound on the compute units that judging one element takes on chain, verified by `tests/tests/verdicts.rs`. The op must pass the
/// other checks of [`check_op`] with these input shapes.
pub fn verdict_units(op: &OpDescriptor, inputs: &[Shape]) -> u64 {
    // Parsing, the descriptor and its path, the output's chunk and its paths, the roots above, in a graph of 1,024 ops and a job of 2^20
    // units.
    const BASE: u64 = 13_000;
    // A tensor's header and its path (a graph input's is the longest); a range of its chunks, with a path of up to 18 levels; a run of
    // bytes; a term of a product; a term of a pool.
    const TENSOR: u64 = 4_200;
    const RANGE: u64 = 3_600;
    const RUN: u64 = 160;
    const TERM: u64 = 6;
    const POOL_TERM: u64 = 11;
    let terms = |count: u64, runs: u64| TERM.saturating_mul(count).saturating_add(RUN.saturating_mul(runs));
    // Most chunks that a run of `bytes` can touch.
    let touched = |bytes: u64| bytes.div_ceil(CHUNK_BYTES as u64).saturating_add(1);
    let opened = |ranges: u64, chunks: u64| RANGE.saturating_mul(ranges).saturating_add(CHUNK.saturating_mul(chunks));
    let a = inputs.first().copied().unwrap_or_default();
    let window = |[kh, kw]: [u8; 2], dilation: u8, depth: u64, dense: bool| {
        let (rows, columns) = (u64::from(kh), u64::from(kw));
        let gap = u64::from(dilation).saturating_mul(a.c.into());
        let whole = u64::from(a.elements().unwrap_or(0)).div_ceil(CHUNK_BYTES as u64);
        let (ranges, chunks) = if gap < CHUNK_BYTES as u64 || gap == depth {
            let span = columns.saturating_sub(1).saturating_mul(gap).saturating_add(depth);
            (rows, rows.saturating_mul(touched(span)))
        } else {
            (
                rows.saturating_mul(columns),
                rows.saturating_mul(columns).saturating_mul(touched(depth)),
            )
        };
        // A window opens no more chunks than the tensor has, and separate ranges have at least one chunk between them.
        let (ranges, chunks) = (ranges.min(whole.div_ceil(2)), chunks.min(whole));
        let runs = if dense { rows } else { rows.saturating_mul(columns) };
        opened(ranges, chunks).saturating_add(terms(0, runs))
    };
    let own = match op.kind {
        OpKind::Conv2d {
            kernel,
            dilation: [_, dx],
            groups,
            ..
        } => {
            let depth = u64::from(a.c.checked_div(groups).unwrap_or(a.c));
            let fan_in = u64::from(area(kernel)).saturating_mul(depth);
            let weights = opened(2, touched(fan_in));
            window(kernel, dx, depth, groups == 1 && dx == 1)
                .saturating_add(weights)
                .saturating_add(terms(fan_in, 0))
        }
        OpKind::Matmul { .. } => opened(3, touched(a.c.into()).saturating_mul(2)).saturating_add(terms(a.c.into(), 1)),
        OpKind::MatmulAct { .. } => opened(2, touched(a.c.into()).saturating_mul(2)).saturating_add(terms(a.c.into(), 1)),
        // A pool opens whole rows, including the channels that it does not read.
        OpKind::MaxPool { kernel, .. } | OpKind::AvgPool { kernel, .. } => {
            window(kernel, 1, 1, true).saturating_add(POOL_TERM.saturating_mul(area(kernel).into()))
        }
        _ => opened(inputs.len() as u64, inputs.len() as u64),
    };
    BASE.saturating_add(TENSOR.saturating_mul(inputs.len() as u64)).saturating_add(own)
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
    if sy == 0 || sx == 0 {
        return Err(GraphError::Stride);
    }
    if dy == 0 || dx == 0 {
        return Err(GraphError::Dilation);
    }
    Ok((
        positions(input.h, kh, sy, top, bottom, dy)?,
        positions(input.w, kw, sx, left, right, dx)?,
    ))
}

/// `(side + before + after − dilation·(kernel − 1) − 1) / stride + 1`, for non-zero kernel and stride.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Inputs;
    use std::vec;
    use std::vec::Vec;

    const R: Requantise = Requantise {
        shift: 8,
        zero_point: 0,
        lo: -128,
        hi: 127,
    };

    /// Checks an op of this kind, with as many value ids as shapes.
    fn check(kind: OpKind, inputs: &[Shape], output: Shape) -> Result<OpFacts, GraphError> {
        let ids: Vec<u16> = (0..inputs.len() as u16).collect();
        check_op(
            &OpDescriptor {
                inputs: Inputs::new(&ids).unwrap(),
                kind,
                output,
            },
            inputs,
        )
    }

    /// A convolution's parameters, under their usual letters.
    #[derive(Clone, Copy)]
    struct Conv {
        k: [u8; 2],
        s: [u8; 2],
        p: [u8; 4],
        d: [u8; 2],
        g: u16,
        r: Requantise,
    }

    /// The 3x3 convolution that keeps its input's size, with some parameters changed.
    fn conv(change: impl Fn(&mut Conv)) -> OpKind {
        let mut conv = Conv {
            k: [3, 3],
            s: [1, 1],
            p: [1; 4],
            d: [1, 1],
            g: 1,
            r: R,
        };
        change(&mut conv);
        let Conv {
            k: kernel,
            s: stride,
            p: padding,
            d: dilation,
            g: groups,
            r: requantise,
        } = conv;
        OpKind::Conv2d {
            weights: [0; 32],
            channels: [0; 32],
            kernel,
            stride,
            padding,
            dilation,
            groups,
            pad_value: 0,
            requantise,
        }
    }

    #[test]
    fn conv_shape_fan_in_and_work() {
        let facts = check(conv(|_| ()), &[Shape::new(80, 60, 3)], Shape::new(80, 60, 16)).unwrap();
        assert_eq!(
            facts,
            OpFacts {
                output: Shape::new(80, 60, 16),
                fan_in: 27,
                macs: 80 * 60 * 16 * 27
            }
        );
        let odd = conv(|c| (c.k, c.s, c.p, c.d, c.g) = ([3, 2], [2, 3], [0, 1, 2, 3], [2, 4], 2));
        // (9 + 2 − 2·2 − 1)/2 + 1 = 4, (10 + 4 − 4·1 − 1)/3 + 1 = 4
        let facts = check(odd, &[Shape::new(9, 10, 4)], Shape::new(4, 4, 6)).unwrap();
        assert_eq!(facts.fan_in, 12);
        assert_eq!(
            check(odd, &[Shape::new(9, 10, 4)], Shape::new(4, 5, 6)),
            Err(GraphError::OutputShape)
        );
    }

    #[test]
    fn conv_limits() {
        let x = [Shape::new(5, 5, 4)];
        let out = Shape::new(5, 5, 4);
        type Change = fn(&mut Conv);
        let cases: [(Change, GraphError); 12] = [
            (|c| c.k[1] = 0, GraphError::Kernel),
            (|c| c.s[0] = 0, GraphError::Stride),
            (|c| c.d[0] = 0, GraphError::Dilation),
            (|c| c.g = 0, GraphError::Groups),
            (|c| c.g = 3, GraphError::Groups),
            (|c| c.k[0] = 8, GraphError::Window),
            (|c| c.d[1] = 4, GraphError::Window),
            (|c| c.r.shift = 0, GraphError::Shift),
            (|c| c.r.shift = 63, GraphError::Shift),
            (|c| (c.r.lo, c.r.hi) = (1, 0), GraphError::Clamp),
            (|c| c.s = [2, 1], GraphError::OutputShape),
            (|c| c.p = [1, 1, 1, 2], GraphError::OutputShape),
        ];
        for (change, error) in cases {
            assert_eq!(check(conv(change), &x, out), Err(error));
        }
        for shift in [1, 62] {
            assert!(check(conv(|c| c.r.shift = shift), &x, out).is_ok());
        }
        let exact = conv(|c| c.k = [7, 7]);
        assert!(
            check(exact, &x, Shape::new(1, 1, 4)).is_ok(),
            "a window as large as the padded input"
        );
        assert_eq!(check(conv(|_| ()), &[x[0], x[0]], out), Err(GraphError::InputCount));
        assert_eq!(check(conv(|_| ()), &[Shape::new(5, 0, 4)], out), Err(GraphError::Elements));
        assert_eq!(check(conv(|_| ()), &x, Shape::new(5, 5, 0)), Err(GraphError::Elements));
    }

    #[test]
    fn fan_in_one_below_at_and_above() {
        let matmul = OpKind::Matmul {
            weights: [0; 32],
            channels: [0; 32],
            requantise: R,
        };
        for (k, ok) in [(16_383, true), (16_384, true), (16_385, false)] {
            let result = check(matmul, &[Shape::new(1, 1, k)], Shape::new(1, 1, 2));
            assert_eq!(
                result.map(|facts| facts.fan_in),
                if ok { Ok(u32::from(k)) } else { Err(GraphError::FanIn) }
            );
        }
        let pool = |kernel| OpKind::MaxPool {
            kernel,
            stride: [1, 1],
            padding: [0; 4],
        };
        assert!(check(pool([100, 100]), &[Shape::new(100, 100, 1)], Shape::new(1, 1, 1)).is_ok());
        assert_eq!(
            check(pool([128, 129]), &[Shape::new(128, 129, 1)], Shape::new(1, 1, 1)),
            Err(GraphError::FanIn)
        );
    }

    /// A few reads that each open their own chunk cost as much as thousands of contiguous ones.
    #[test]
    fn an_element_that_reads_from_too_many_places_is_refused() {
        let by_channel = |kernel: [u8; 2], channels: u16| {
            let side = Shape::new(u16::from(kernel[0]), u16::from(kernel[1]), channels);
            let kind = conv(|c| (c.k, c.p, c.g) = (kernel, [0; 4], channels));
            check(kind, &[side], Shape::new(1, 1, channels)).map(|facts| facts.fan_in)
        };
        assert_eq!(by_channel([5, 5], 1_024), Ok(25));
        assert_eq!(by_channel([7, 7], 768), Ok(49));
        assert_eq!(by_channel([11, 11], 1_024), Err(GraphError::Verdict));
        let pool = OpKind::MaxPool {
            kernel: [128, 128],
            stride: [1, 1],
            padding: [0; 4],
        };
        assert_eq!(
            check(pool, &[Shape::new(128, 128, 4)], Shape::new(1, 1, 4)),
            Err(GraphError::Verdict)
        );
    }

    #[test]
    fn largest_output() {
        let wide = conv(|c| (c.k, c.p) = ([1, 1], [0; 4]));
        let x = [Shape::new(4096, 4096, 1)];
        assert!(check(wide, &x, Shape::new(4096, 4096, 1)).is_ok());
        assert_eq!(check(wide, &x, Shape::new(4096, 4096, 2)), Err(GraphError::Elements));
        let up = OpKind::Upsample { factor: 16 };
        assert_eq!(
            check(up, &[Shape::new(4096, 1, 1)], Shape::new(u16::MAX, 16, 1)),
            Err(GraphError::Elements),
            "65,536 rows"
        );
    }

    #[test]
    fn elementwise_and_layout_ops() {
        let (x, pixel, other) = (Shape::new(4, 6, 8), Shape::new(1, 1, 8), Shape::new(1, 6, 8));
        let add = |a_multiplier, b_multiplier| OpKind::Add {
            a_zero_point: 1,
            b_zero_point: 2,
            a_multiplier,
            b_multiplier,
            requantise: R,
        };
        assert_eq!(check(add(-5, i32::MAX), &[x, x], x).map(|f| (f.fan_in, f.macs)), Ok((2, 384)));
        assert!(check(add(1, i32::MIN + 1), &[x, pixel], x).is_ok());
        assert_eq!(check(add(1, i32::MIN), &[x, x], x), Err(GraphError::Multiplier));
        assert_eq!(check(add(1, 1), &[x, other], x), Err(GraphError::InputShapes));
        assert_eq!(
            check(add(1, 1), &[pixel, x], pixel),
            Err(GraphError::InputShapes),
            "only the second operand is repeated"
        );
        let mul = |multiplier| OpKind::Mul {
            a_zero_point: 1,
            b_zero_point: 2,
            multiplier,
            requantise: R,
        };
        assert!(check(mul(0), &[x, pixel], x).is_ok());
        assert_eq!(check(mul(-1), &[x, x], x), Err(GraphError::Multiplier));

        assert!(check(OpKind::Table8 { table: [0; 32] }, &[x], x).is_ok());
        assert!(check(OpKind::Concat, &[x, Shape::new(4, 6, 1), x], Shape::new(4, 6, 17)).is_ok());
        assert_eq!(check(OpKind::Concat, &[x], x), Err(GraphError::InputCount));
        assert_eq!(check(OpKind::Concat, &[x, pixel], x), Err(GraphError::InputShapes));

        for (factor, ok) in [(0, false), (1, false), (2, true), (16, true), (17, false)] {
            let f = u16::from(factor);
            let up = check(OpKind::Upsample { factor }, &[x], Shape::new(4 * f, 6 * f, 8));
            assert_eq!(up.is_ok(), ok, "{factor}");
            let deep = Shape::new(2, 3, f * f * 5);
            let shuffled = check(OpKind::DepthToSpace { block: factor }, &[deep], Shape::new(2 * f, 3 * f, 5));
            assert_eq!(shuffled.is_ok(), ok, "{factor}");
        }
        assert_eq!(
            check(OpKind::DepthToSpace { block: 3 }, &[x], Shape::new(12, 18, 1)),
            Err(GraphError::Block)
        );
    }

    #[test]
    fn products_of_activations_and_pools() {
        let product = |multiplier| OpKind::MatmulAct {
            a_zero_point: 0,
            b_zero_point: 0,
            multiplier,
            requantise: R,
        };
        let (a, b) = (Shape::new(1, 5, 8), Shape::new(1, 7, 8));
        assert_eq!(check(product(1), &[a, b], Shape::new(1, 5, 7)).map(|f| f.macs), Ok(5 * 7 * 8));
        assert_eq!(check(product(-1), &[a, b], Shape::new(1, 5, 7)), Err(GraphError::Multiplier));
        assert_eq!(
            check(product(1), &[a, Shape::new(1, 7, 9)], Shape::new(1, 5, 7)),
            Err(GraphError::InputShapes)
        );
        assert_eq!(
            check(product(1), &[a, Shape::new(2, 7, 8)], Shape::new(1, 5, 7)),
            Err(GraphError::InputShapes)
        );

        let max = |padding| OpKind::MaxPool {
            kernel: [2, 3],
            stride: [2, 2],
            padding,
        };
        let x = [Shape::new(4, 6, 8)];
        assert!(check(max([1, 2, 1, 2]), &x, Shape::new(3, 4, 8)).is_ok());
        assert_eq!(check(max([2, 0, 0, 0]), &x, Shape::new(3, 2, 8)), Err(GraphError::Padding));
        assert_eq!(check(max([0, 0, 0, 3]), &x, Shape::new(2, 4, 8)), Err(GraphError::Padding));
        let average = OpKind::AvgPool {
            kernel: [2, 2],
            stride: [1, 1],
            padding: [9; 4],
            input_zero_point: 3,
            multiplier: 1,
            requantise: R,
        };
        assert!(check(average, &x, Shape::new(21, 23, 8)).is_ok());
    }

    #[test]
    fn the_model_preimage_is_as_documented() {
        let facts = GraphFacts {
            n_ops: 5,
            graph_root: [7; 32],
            max_fan_in: 27,
            macs: 1 << 40,
            interval: 1,
        };
        let mut bytes = vec![1, 0, 2];
        bytes.extend([80, 0, 80, 0, 3, 0, 1, 0, 1, 0, 16, 0]);
        bytes.extend([5, 0, 0, 0]);
        bytes.extend([7; 32]);
        bytes.extend([27, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
        let inputs = [Shape::new(80, 80, 3), Shape::new(1, 1, 16)];
        assert_eq!(model_hash(&inputs, &facts), tagged(Tag::Model, [&bytes]));
        bytes.extend([4, 0, 0, 0]);
        assert_eq!(
            model_hash(&inputs, &GraphFacts { interval: 4, ..facts }),
            tagged(Tag::Model, [&bytes])
        );
        let valid = |interval| GraphFacts { interval, ..facts }.has_interval();
        assert!(valid(1) && valid(4) && !valid(0) && !valid(5));
    }
}
