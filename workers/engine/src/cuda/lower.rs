//! Ops into launches.

use super::arena::{Region, aligned, place};
use super::constants::{Constants, numbers};
use super::device::{Cores, DeviceError, Launch, Traits};
use super::fusion::Fusion;
use super::params::{Depthwise, Follower, Gemm, Hashed, Hashing, MaxPool, Move, Pair, Pairing, RowSums, Table, Window};
use super::tiles::{self, Operands, STEP, by_run};
use crate::package::{Op, Package};
use bytemuck::{Pod, bytes_of};
use protocol::hash::Tag;
use protocol::ops::OpKind;
use protocol::tensor::{CHUNK_BYTES, Shape, to_code};
use std::collections::HashMap;

/// Traced, values stay until this many bytes of a pass wait, and are hashed together, beside the ops that follow: 32,768 chunks, a thread
/// each, are about what keeps a large GPU busy.
const HASH_BYTES: u64 = 32 << 20;

/// Bytes of a digest.
const DIGEST: u64 = 32;

/// Chunks of a branch of a value's tree, for values of more.
const BRANCH: u64 = 256;

/// Blocks of hashes that a multiprocessor has room for beside one of Hopper's products.
const HASHES_BESIDE: u64 = 3;

/// What a pass over so many units does.
pub(crate) struct Pass {
    pub launches: Vec<Launch>,
    /// Bytes of the arena.
    pub bytes: u64,
    /// What the hashing kernels look up, and where it goes.
    pub table: Vec<Hashed>,
    /// Offsets in the arena: of each graph input, of the output, of the TENSORs.
    pub inputs: Vec<u64>,
    pub output: u64,
    pub tensors: u64,
}

/// Where the memory of a pass begins.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bases {
    pub constants: u64,
    pub arena: u64,
    pub table: u64,
}

fn elements(shape: Shape) -> u64 {
    shape.elements().unwrap_or(0).into()
}

/// Bytes from one unit of a value to the next.
pub(crate) fn stride(shape: Shape) -> u64 {
    aligned(elements(shape))
}

/// The longest of 16, 4 and 1 that divides all lengths.
fn run_of(lengths: &[i32]) -> i32 {
    [16, 4]
        .into_iter()
        .find(|run| lengths.iter().all(|length| length % run == 0))
        .unwrap_or(1)
}

/// The same of the rows of a product, or [`STEP`] if they are of whole steps.
fn run_of_rows(depth: i32) -> i32 {
    if depth % STEP as i32 == 0 { STEP as i32 } else { run_of(&[depth]) }
}

/// Scratch of the kernels that a step needs besides its operands: corrections of a product of activations, or hashes.
#[derive(Clone, Copy)]
struct Scratch {
    first: usize,
    second: usize,
}

/// Builds a pass.
pub(crate) struct Lowering<'a> {
    package: &'a Package,
    constants: &'a Constants,
    traits: &'a Traits,
    bases: Bases,
    units: u32,
    traced: bool,
    offsets: Vec<u64>,
    launches: Vec<Launch>,
}

/// The launches that compute `units` units of a package, and with `traced` hash the checkpoints of its traces.
pub(crate) fn pass(
    package: &Package,
    constants: &Constants,
    traits: &Traits,
    bases: Bases,
    units: u32,
    traced: bool,
) -> Result<Pass, DeviceError> {
    let (inputs, fusion) = (package.inputs.len(), Fusion::new(package));
    let shapes: Vec<Shape> = package
        .input_shapes()
        .into_iter()
        .chain(package.ops.iter().map(|op| op.descriptor.output))
        .collect();
    let last_op = package.ops.len().saturating_sub(1);
    let hashed = |op: usize| traced && package.checkpoints().contains(op as u32);

    // Values first, region by region: read until their last use, the output to the end.
    let mut regions: Vec<Region> = shapes
        .iter()
        .enumerate()
        .map(|(id, shape)| {
            let made = id.checked_sub(inputs);
            let place = made.map_or(0, |made| fusion.place(made));
            // What is read in its own launch only, and not hashed, is never stored.
            let passes = made.is_some_and(|made| place != made && !hashed(made));
            Region {
                bytes: if passes { 0 } else { stride(*shape) * u64::from(units) },
                first: place,
                last: place,
            }
        })
        .collect();
    for (step, op) in package.ops.iter().enumerate() {
        for id in op.descriptor.inputs.as_slice() {
            if let Some(region) = regions.get_mut(usize::from(*id)) {
                region.last = region.last.max(fusion.place(step));
            }
        }
    }
    if let Some(region) = regions.last_mut() {
        region.last = last_op;
    }
    let tensors = regions.len();
    regions.push(Region {
        bytes: DIGEST * u64::from(units) * u64::from(package.checkpoints().count()),
        first: 0,
        last: last_op,
    });
    // Then what single steps need.
    let mut scratch = HashMap::new();
    let add = |regions: &mut Vec<Region>, [from, to]: [usize; 2], [a, b]: [u64; 2]| {
        let first = regions.len();
        regions.extend([a, b].map(|bytes| Region {
            bytes: bytes * u64::from(units),
            first: from,
            last: to,
        }));
        Scratch { first, second: first + 1 }
    };
    for (step, op) in package.ops.iter().enumerate() {
        if let (OpKind::MatmulAct { .. }, [a, b]) = (op.descriptor.kind, op.inputs.as_slice()) {
            let sums = [a, b].map(|shape| 4 * u64::from(shape.w));
            scratch.insert(step, add(&mut regions, [fusion.place(step); 2], sums));
        }
    }
    let mut flushes = Vec::new();
    if traced {
        let batches = hash_batches(package, &fusion, units);
        // A batch is hashed until the next one is.
        let ends = batches
            .iter()
            .skip(1)
            .map(|batch| *batch.end())
            .chain([last_op])
            .collect::<Vec<_>>();
        for (batch, end) in batches.into_iter().zip(ends) {
            let step = *batch.end();
            let [mut leaves, mut nodes] = [0; 2];
            for op in batch.clone().filter(|op| hashed(*op)) {
                if let Some(region) = regions.get_mut(inputs + op) {
                    region.last = region.last.max(end);
                }
                let chunks = package.ops.get(op).map_or(0, |op| chunks(op.descriptor.output));
                leaves += chunks;
                nodes += branches(chunks);
            }
            flushes.push((batch, add(&mut regions, [step, end], [leaves, nodes].map(|count| count * DIGEST))));
        }
    }

    let (offsets, bytes) = place(&regions);
    let mut lowering = Lowering {
        package,
        constants,
        traits,
        bases,
        units,
        traced,
        offsets,
        launches: Vec::new(),
    };
    let mut table = Vec::new();
    let mut flushes = flushes.into_iter().peekable();
    for step in 0..package.ops.len() {
        if let [first, followers @ ..] = fusion.chain(step) {
            lowering.op(*first, followers, scratch.remove(first))?;
        }
        if let Some((batch, room)) = flushes.next_if(|(batch, _)| *batch.end() == step) {
            lowering.hash(batch, room, tensors, &mut table)?;
        }
    }
    let offset = |region: usize| lowering.offsets.get(region).copied().unwrap_or(0);
    Ok(Pass {
        inputs: (0..inputs).map(offset).collect(),
        output: offset(tensors.saturating_sub(1)),
        tensors: offset(tensors),
        launches: lowering.launches,
        bytes,
        table,
    })
}

/// Ops whose checkpoints are hashed together, in the place of the last, by which all have been computed.
fn hash_batches(package: &Package, fusion: &Fusion, units: u32) -> Vec<std::ops::RangeInclusive<usize>> {
    let (mut batches, mut first, mut waiting, mut computed) = (Vec::new(), 0, 0, 0);
    for (step, op) in package.ops.iter().enumerate() {
        if package.checkpoints().contains(step as u32) {
            waiting += stride(op.descriptor.output) * u64::from(units);
        }
        computed = computed.max(fusion.place(step));
        if waiting >= HASH_BYTES && computed == step || step + 1 == package.ops.len() {
            batches.push(first..=step);
            (first, waiting) = (step + 1, 0);
        }
    }
    batches
}

fn chunks(shape: Shape) -> u64 {
    elements(shape).div_ceil(CHUNK_BYTES as u64)
}

/// Branches of a value of so many chunks.
fn branches(chunks: u64) -> u64 {
    if chunks > BRANCH { chunks.div_ceil(BRANCH) } else { 0 }
}

impl Lowering<'_> {
    fn launch<T: Pod>(&mut self, kernel: &'static str, grid: [u64; 2], threads: u32, params: &T) -> Result<(), DeviceError> {
        // 2^24 elements of 64 units are fewer than 2^31 blocks, and y counts units or groups: below 2^16.
        let [x, y] = grid.map(u32::try_from);
        let (Ok(x), Ok(y)) = (x, y) else {
            return Err(DeviceError::Lost(format!("{kernel} would take more blocks than there can be")));
        };
        self.launches.push(Launch {
            kernel,
            grid: [x, y],
            threads,
            shared: 0,
            params: bytes_of(params).to_vec(),
            aside: kernel.starts_with("hash_"),
        });
        Ok(())
    }

    fn region(&self, region: usize) -> u64 {
        self.bases.arena + self.offsets.get(region).copied().unwrap_or(0)
    }

    /// Where an op's output lies, or 0 if it is read where it is computed and nowhere else.
    fn stored(&self, step: usize, read: bool) -> u64 {
        let id = self.package.inputs.len() + step;
        let hashed = self.traced && self.package.checkpoints().contains(step as u32);
        if read || hashed { self.region(id) } else { 0 }
    }

    /// A product and what follows it in its launch. Its layers are groups of channels, or with `by_unit` units.
    fn followed(&self, mut gemm: Gemm, step: usize, followers: &[usize], by_unit: bool) -> Gemm {
        gemm.out = self.stored(step, followers.is_empty());
        let mut last = step;
        for (to, step) in gemm.follower.iter_mut().zip(followers) {
            let Some(op) = self.package.ops.get(*step) else { continue };
            *to = Follower {
                out: self.stored(*step, followers.last() == Some(step)),
                ..self.follower(op, *step, self.package.inputs.len() + last)
            };
            if by_unit {
                (to.z, to.unit) = (to.unit, 0);
            } else {
                to.z = gemm.out_z;
            }
            last = *step;
            gemm.followers += 1;
        }
        gemm
    }

    /// An op that makes each element of one of `value`.
    fn follower(&self, op: &Op, step: usize, value: usize) -> Follower {
        let (ids, kind) = (op.descriptor.inputs.as_slice(), op.descriptor.kind);
        let own = ids.iter().position(|id| usize::from(*id) == value).unwrap_or(0);
        let beside = |of: &[u16]| of.get(1 - own).copied().unwrap_or(0);
        let shape = op.inputs.get(1 - own).copied().unwrap_or_default();
        let output = op.descriptor.output;
        let mut follower = Follower {
            other: self.region(beside(ids).into()),
            unit: stride(shape),
            pixel: if shape == output { output.c.into() } else { 0 },
            product: matches!(kind, OpKind::Mul { .. }).into(),
            pairing: pairing(kind),
            ..Follower::default()
        };
        if let OpKind::Table8 { .. } = kind {
            follower.table = self.bases.constants + self.constants.places(step).codes;
        }
        if own == 1 {
            follower.pairing.zeros.reverse();
            // A product has one multiplier.
            if follower.product == 0 {
                follower.pairing.multipliers.reverse();
            }
        }
        follower
    }

    fn op(&mut self, step: usize, followers: &[usize], scratch: Option<Scratch>) -> Result<(), DeviceError> {
        let Some(op) = self.package.ops.get(step) else { return Ok(()) };
        let places = self.constants.places(step);
        let at = |offset: u64| self.bases.constants + offset;
        let ids = op.descriptor.inputs.as_slice();
        let first = ids.first().copied().unwrap_or(0);
        let [input, out] = [usize::from(first), self.package.inputs.len() + step].map(|id| self.region(id));
        let a = op.inputs.first().copied().unwrap_or_default();
        let output = op.descriptor.output;
        let (in_unit, out_unit) = (stride(a), stride(output));
        let units = u64::from(self.units);
        let channels = i32::from(a.c);
        let lines = elements(output).div_ceil(16);
        let second = || {
            let id = ids.get(1).copied().unwrap_or(0);
            (self.region(id.into()), op.inputs.get(1).copied().unwrap_or_default())
        };
        let pair = || {
            let (b, shape) = second();
            Pair {
                a: input,
                b,
                out,
                a_unit: in_unit,
                b_unit: stride(shape),
                out_unit,
                lines: lines as i32,
                b_elements: elements(shape) as i32,
                pairing: pairing(op.descriptor.kind),
            }
        };
        match op.descriptor.kind {
            OpKind::Conv2d {
                kernel,
                stride: steps,
                padding,
                dilation,
                groups,
                pad_value,
                requantise,
                ..
            } => {
                let [top, left, ..] = padding;
                let window = window(a, output, kernel, steps, [top, left], dilation);
                if op.is_depthwise() {
                    return self.depthwise(Depthwise {
                        input,
                        out,
                        weights: at(places.weights),
                        bias: at(places.bias),
                        multipliers: at(places.multipliers),
                        in_unit,
                        out_unit,
                        elements: elements(output) as i32,
                        channels,
                        pad: to_code(pad_value).into(),
                        window,
                        round: requantise.into(),
                    });
                }
                let group = i32::from(output.c / groups.max(1));
                let depth = i32::from(a.c / groups.max(1));
                let fan_in = depth as usize * usize::from(kernel[0]) * usize::from(kernel[1]);
                let pitch = fan_in.next_multiple_of(STEP);
                // Each output pixel is of the input pixel in its place.
                let whole = kernel == [1, 1] && steps == [1, 1] && padding == [0; 4];
                let gemm = Gemm {
                    a: input,
                    b: at(places.weights),
                    bias: at(places.bias),
                    multipliers: at(places.multipliers),
                    pad: at(places.codes),
                    a_unit: in_unit,
                    out_unit,
                    a_z: depth as u64,
                    b_z: group as u64 * pitch as u64,
                    out_z: group as u64,
                    bias_z: group,
                    n: group,
                    steps: (pitch / STEP) as i32,
                    b_rows: group,
                    b_bytes: pitch as i32,
                    b_pitch: pitch as i32,
                    channels,
                    depth,
                    window,
                    ..self.whole(output, requantise.into())
                };
                self.product(
                    Operands::Weights,
                    self.followed(gemm, step, followers, false),
                    groups.into(),
                    if whole { run_of_rows(depth) } else { run_of(&[channels, depth]) },
                )
            }
            OpKind::Matmul { requantise, .. } => {
                let pitch = usize::from(a.c).next_multiple_of(STEP);
                let gemm = Gemm {
                    a: input,
                    b: at(places.weights),
                    bias: at(places.bias),
                    multipliers: at(places.multipliers),
                    pad: at(places.codes),
                    a_unit: in_unit,
                    out_unit,
                    n: output.c.into(),
                    steps: (pitch / STEP) as i32,
                    b_rows: output.c.into(),
                    b_bytes: pitch as i32,
                    b_pitch: pitch as i32,
                    channels,
                    depth: channels,
                    window: pixels(a.h, a.w),
                    ..self.whole(output, requantise.into())
                };
                self.product(
                    Operands::Weights,
                    self.followed(gemm, step, followers, false),
                    1,
                    run_of_rows(channels),
                )
            }
            OpKind::MatmulAct {
                a_zero_point,
                b_zero_point,
                multiplier,
                requantise,
            } => {
                let (b, shape) = second();
                let b_unit = stride(shape);
                // Σ (u − za)(v − zb) = Σuv − za·Σv − zb·Σu + K·za·zb on codes, modulo 2^32.
                let [za, zb] = [a_zero_point, b_zero_point].map(|zero| u32::from(to_code(zero)));
                let scratch = scratch.ok_or(DeviceError::Lost("a product without its sums".to_owned()))?;
                let [of_a, of_b] = [scratch.first, scratch.second].map(|region| self.region(region));
                let sums = |input, in_unit, out, rows: u16, factor: u32, constant| RowSums {
                    input,
                    out,
                    in_unit,
                    rows: rows.into(),
                    bytes: channels,
                    out_unit: rows.into(),
                    factor: factor.wrapping_neg(),
                    constant,
                    end: 0,
                };
                let constant = u32::from(a.c).wrapping_mul(za).wrapping_mul(zb);
                let blocks = |rows: u16| [u64::from(rows).div_ceil(4), units];
                self.launch("row_sums", blocks(a.w), 128, &sums(input, in_unit, of_a, a.w, zb, 0))?;
                self.launch("row_sums", blocks(shape.w), 128, &sums(b, b_unit, of_b, shape.w, za, constant))?;
                let gemm = Gemm {
                    a: input,
                    b,
                    bias: of_b,
                    rows: of_a,
                    pad: self.bases.constants + places.codes,
                    a_z: in_unit,
                    b_z: b_unit,
                    out_z: out_unit,
                    bias_z: shape.w.into(),
                    rows_z: a.w.into(),
                    m: a.w.into(),
                    n: shape.w.into(),
                    steps: usize::from(a.c).div_ceil(STEP) as i32,
                    b_rows: shape.w.into(),
                    b_bytes: channels,
                    b_pitch: channels,
                    channels,
                    depth: channels,
                    multiplier,
                    window: pixels(1, a.w),
                    ..self.whole(output, requantise.into())
                };
                self.product(
                    Operands::Activations,
                    self.followed(gemm, step, followers, true),
                    units,
                    run_of_rows(channels),
                )
            }
            OpKind::AvgPool {
                kernel,
                stride: steps,
                padding: [top, left, ..],
                input_zero_point,
                requantise,
                ..
            } => self.depthwise(Depthwise {
                input,
                out,
                weights: at(places.weights),
                bias: at(places.bias),
                multipliers: at(places.multipliers),
                in_unit,
                out_unit,
                elements: elements(output) as i32,
                channels,
                pad: to_code(input_zero_point).into(),
                window: window(a, output, kernel, steps, [top, left], [1, 1]),
                round: requantise.into(),
            }),
            OpKind::MaxPool {
                kernel,
                stride: steps,
                padding: [top, left, ..],
            } => {
                let run = if channels % 4 == 0 { 4 } else { 1 };
                let params = MaxPool {
                    input,
                    out,
                    in_unit,
                    out_unit,
                    elements: elements(output) as i32 / run,
                    channels: channels / run,
                    window: window(a, output, kernel, steps, [top, left], [1, 1]),
                    end: 0,
                };
                let kernel = if run == 4 { "max_pool_4" } else { "max_pool_1" };
                self.launch(
                    kernel,
                    [u64::from(params.elements.unsigned_abs()).div_ceil(256), units],
                    256,
                    &params,
                )
            }
            OpKind::Add { .. } => self.launch("add", [lines.div_ceil(256), units], 256, &pair()),
            OpKind::Mul { .. } => self.launch("mul", [lines.div_ceil(256), units], 256, &pair()),
            OpKind::Table8 { .. } => {
                let table = Table {
                    input,
                    table: at(places.codes),
                    out,
                    in_unit,
                    out_unit,
                    lines: lines as i32,
                    end: 0,
                };
                self.launch("table8", [lines.div_ceil(256), units], 256, &table)
            }
            OpKind::Concat => {
                let lengths: Vec<i32> = op.inputs.iter().map(|shape| shape.c.into()).collect();
                let run = run_of(&lengths);
                let kernel = by_run(run, ["concat_16", "concat_4", "concat_1"]);
                let mut offset = 0;
                for (id, shape) in ids.iter().zip(&op.inputs) {
                    let in_channels = i32::from(shape.c) / run;
                    let part = Move {
                        input: self.region(usize::from(*id)),
                        out,
                        in_unit: stride(*shape),
                        out_unit,
                        runs: elements(*shape) as i32 / run,
                        in_channels,
                        out_channels: i32::from(output.c) / run,
                        offset,
                        out_width: 1,
                        factor: 1,
                    };
                    offset += in_channels;
                    self.movement(kernel, &part)?;
                }
                Ok(())
            }
            OpKind::Upsample { factor } => {
                let run = run_of(&[channels]);
                let kernel = by_run(run, ["upsample_16", "upsample_4", "upsample_1"]);
                self.enlarge(kernel, run, factor, input, out, a, output)
            }
            OpKind::DepthToSpace { block } => {
                let run = run_of(&[output.c.into()]);
                let kernel = by_run(run, ["depth_to_space_16", "depth_to_space_4", "depth_to_space_1"]);
                self.enlarge(kernel, run, block, input, out, a, output)
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "a private helper of two call sites")]
    fn enlarge(
        &mut self,
        kernel: &'static str,
        run: i32,
        factor: u8,
        input: u64,
        out: u64,
        a: Shape,
        output: Shape,
    ) -> Result<(), DeviceError> {
        let params = Move {
            input,
            out,
            in_unit: stride(a),
            out_unit: stride(output),
            runs: elements(output) as i32 / run,
            in_channels: i32::from(a.c) / run,
            out_channels: i32::from(output.c) / run,
            offset: 0,
            out_width: output.w.into(),
            factor: factor.into(),
        };
        self.movement(kernel, &params)
    }

    fn movement(&mut self, kernel: &'static str, params: &Move) -> Result<(), DeviceError> {
        let blocks = u64::from(params.runs.unsigned_abs()).div_ceil(256);
        self.launch(kernel, [blocks, self.units.into()], 256, params)
    }

    fn depthwise(&mut self, params: Depthwise) -> Result<(), DeviceError> {
        let (kernel, run) = if params.channels % 4 == 0 {
            ("depthwise_4", 4)
        } else {
            ("depthwise_1", 1)
        };
        let threads = u64::from(params.elements.unsigned_abs()) / run;
        self.launch(kernel, [threads.div_ceil(256), self.units.into()], 256, &params)
    }

    /// What a product of all units at once has in common.
    fn whole(&self, output: Shape, round: super::params::Round) -> Gemm {
        let pixels = i32::from(output.h) * i32::from(output.w);
        Gemm {
            m: pixels.saturating_mul(self.units as i32),
            out_pixels: pixels,
            out_channels: output.c.into(),
            round,
            ..Gemm::default()
        }
    }

    /// A product on the tile that fits it.
    fn product(&mut self, operands: Operands, mut gemm: Gemm, layers: u64, run: i32) -> Result<(), DeviceError> {
        let size = tiles::Size {
            rows: gemm.m.unsigned_abs(),
            columns: gemm.n.unsigned_abs(),
            layers,
            run,
        };
        let (kernel, tile) = tiles::choose(operands, size, self.traits);
        let down = u64::from(gemm.m.unsigned_abs().div_ceil(tile.rows));
        let across = gemm.n.unsigned_abs().div_ceil(tile.columns);
        gemm.tiles_n = across as i32;
        self.launch(kernel, [down * u64::from(across), layers], tile.threads, &gemm)?;
        if let Some(launch) = self.launches.last_mut() {
            launch.shared = tile.shared;
        }
        Ok(())
    }

    /// Hashes the checkpoints among some ops.
    fn hash(
        &mut self,
        batch: std::ops::RangeInclusive<usize>,
        room: Scratch,
        tensors: usize,
        table: &mut Vec<Hashed>,
    ) -> Result<(), DeviceError> {
        let values = self.bases.table + (table.len() * size_of::<Hashed>()) as u64;
        let checkpoints = self.package.checkpoints();
        let [leaves, nodes] = [room.first, room.second].map(|region| self.region(region));
        let mut hashing = Hashing {
            values,
            leaves,
            branches: nodes,
            empty: self.bases.constants + self.constants.empty,
            tensors: self.region(tensors),
            units: self.units as i32,
            n_tensors: checkpoints.count() as i32,
            ..Hashing::default()
        };
        for step in batch.filter(|op| checkpoints.contains(*op as u32)) {
            let Some(op) = self.package.ops.get(step) else { continue };
            let (id, shape) = (self.package.inputs.len() + step, op.descriptor.output);
            let chunks = chunks(shape);
            let mut head = vec![Tag::Tensor as u8];
            head.extend(shape.layout().head(chunks as u32));
            head.push(0);
            let mut hashed = Hashed {
                value: self.region(id),
                unit: stride(shape),
                elements: elements(shape) as i32,
                first: hashing.n_chunks,
                branch: hashing.n_branches,
                index: checkpoints.before(step as u32) as i32,
                uid: id as u32,
                ..Hashed::default()
            };
            hashed.head.iter_mut().zip(numbers(&head)).for_each(|(to, from)| *to = from);
            table.push(hashed);
            hashing.n_values += 1;
            hashing.n_chunks += chunks as i32;
            hashing.n_branches += branches(chunks) as i32;
        }
        let units = u64::from(self.units);
        let [chunks, nodes] = [hashing.n_chunks, hashing.n_branches].map(|count| units * u64::from(count.unsigned_abs()));
        // Begun at once, more would keep products out.
        let most = match self.traits.cores {
            Cores::Group => HASHES_BESIDE * u64::from(self.traits.processors.max(1)),
            _ => u64::MAX,
        };
        self.launch("hash_chunks", [chunks.div_ceil(128).min(most), 1], 128, &hashing)?;
        if nodes > 0 {
            self.launch("hash_branches", [nodes.min(most), 1], 128, &hashing)?;
        }
        self.launch("hash_trees", [hashing.n_values as u64, units], 128, &hashing)
    }
}

/// What a sum or a product makes of two elements.
fn pairing(kind: OpKind) -> Pairing {
    let (zeros, multipliers, round) = match kind {
        OpKind::Add {
            a_zero_point,
            b_zero_point,
            a_multiplier,
            b_multiplier,
            requantise,
        } => ([a_zero_point, b_zero_point], [a_multiplier, b_multiplier], requantise),
        OpKind::Mul {
            a_zero_point,
            b_zero_point,
            multiplier,
            requantise,
        } => ([a_zero_point, b_zero_point], [multiplier, 0], requantise),
        _ => return Pairing::default(),
    };
    Pairing {
        zeros: zeros.map(|zero| to_code(zero).into()),
        multipliers,
        round: round.into(),
    }
}

fn window(input: Shape, output: Shape, kernel: [u8; 2], stride: [u8; 2], [top, left]: [u8; 2], dilation: [u8; 2]) -> Window {
    Window {
        height: input.h.into(),
        width: input.w.into(),
        out_width: output.w.into(),
        kernel: kernel.map(i32::from),
        stride: stride.map(i32::from),
        top: top.into(),
        left: left.into(),
        dilation: dilation.map(i32::from),
    }
}

/// Pixels one by one, as one long row.
fn pixels(h: u16, w: u16) -> Window {
    let pixels = i32::from(h) * i32::from(w);
    Window {
        height: 1,
        width: pixels,
        out_width: pixels,
        kernel: [1, 1],
        stride: [1, 1],
        top: 0,
        left: 0,
        dilation: [1, 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gemm;

    #[test]
    fn large_values_are_hashed_by_many_blocks_and_beside_hoppers_products_by_few() -> Result<(), Box<dyn std::error::Error>> {
        let hashes = |width: u16, cores| {
            let (package, units) = (gemm(width)?, 4);
            let traits = Traits {
                ordinal: 0,
                name: String::new(),
                memory: 0,
                arch: 90,
                cores,
                processors: 2,
            };
            let pass = pass(&package, &Constants::new(&package), &traits, Bases::default(), units, true)?;
            let hashes = pass.launches.iter().filter(|launch| launch.aside);
            Ok::<_, Box<dyn std::error::Error>>(hashes.map(|launch| (launch.kernel, launch.grid)).collect::<Vec<_>>())
        };
        let [chunks, branches, trees] = ["hash_chunks", "hash_branches", "hash_trees"];
        // Of 1,024 chunks.
        assert_eq!(
            hashes(1024, Cores::Warp)?,
            [(chunks, [32, 1]), (branches, [16, 1]), (trees, [1, 4])]
        );
        assert_eq!(hashes(1024, Cores::Group)?, [(chunks, [6, 1]), (branches, [6, 1]), (trees, [1, 4])]);
        // Of 256.
        assert_eq!(hashes(512, Cores::Group)?, [(chunks, [6, 1]), (trees, [1, 4])]);
        Ok(())
    }
}
