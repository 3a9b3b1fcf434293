//! What judging one element of an op costs on chain.

use super::area;
use crate::ops::{OpDescriptor, OpKind};
use crate::referee::MAX_EVIDENCE_BYTES;
use crate::tensor::{CHUNK_BYTES, Shape};

/// Most compute units that judging one element may take, as [`verdict_units`] computes them. The rest of a conviction takes less than
/// 20,000, so it fits a transaction's default of 200,000. Every product of 16,384 terms whose operands are contiguous is well below it.
pub const MAX_VERDICT_UNITS: u64 = 180_000;

/// What an opened chunk adds to a verdict, in compute units.
const CHUNK: u64 = 950;

// A fault that fits no evidence could not be convicted. Of everything that verdict_units counts, chunks have the most bytes per compute
// unit, so evidence that is cheap enough to judge is also short enough to submit.
const _: () = assert!(MAX_VERDICT_UNITS * CHUNK_BYTES as u64 / CHUNK <= MAX_EVIDENCE_BYTES as u64);

/// Upper bound on the compute units that judging one element takes on chain, verified by `tests/tests/verdicts.rs`. The op must pass the
/// other checks of [`check_op`](super::check_op) with these input shapes.
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
