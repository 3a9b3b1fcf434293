//! Ops into launches.

use super::arena::{Region, aligned, place};
use super::constants::{Constants, Places, numbers};
use super::device::{Cores, DeviceError, Launch, Traits};
use super::fusion::Fusion;
use super::params::{Depthwise, Follower, Gemm, Hashed, Hashing, MaxPool, Move, Pair, Pairing, RowSums, Table, Window};
use super::tiles::{self, Operands, STEP, by_run};
use crate::package::{Op, Package};
use bytemuck::{Pod, bytes_of};
use protocol::hash::Tag;
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::{CHUNK_BYTES, Shape, to_code};
use std::collections::HashMap;
use std::ops::RangeInclusive;

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

/// What is to be launched, and the memory that it takes.
struct Plan<'a> {
    package: &'a Package,
    fusion: Fusion,
    units: u32,
    traced: bool,
    /// Of every value, of the TENSORs, and of what single steps need.
    regions: Vec<Region>,
    /// The region of the TENSORs, which follows those of the values.
    tensors: usize,
    /// Of products of activations.
    sums: HashMap<usize, Scratch>,
    /// Ops that are hashed together once the last of them has been computed.
    batches: Vec<(RangeInclusive<usize>, Scratch)>,
}

impl<'a> Plan<'a> {
    fn new(package: &'a Package, units: u32, traced: bool) -> Self {
        let mut plan = Self {
            package,
            fusion: Fusion::new(package),
            units,
            traced,
            regions: Vec::new(),
            tensors: 0,
            sums: HashMap::new(),
            batches: Vec::new(),
        };
        plan.place_values();
        plan.place_sums();
        if traced {
            plan.place_hashes();
        }
        plan
    }

    fn last_op(&self) -> usize {
        self.package.ops.len().saturating_sub(1)
    }

    fn is_hashed(&self, op: usize) -> bool {
        self.traced && self.package.checkpoints().contains(op as u32)
    }

    /// Values are there until their last use, the output and the TENSORs to the end.
    fn place_values(&mut self) {
        let (package, last_op) = (self.package, self.last_op());
        for shape in package.input_shapes() {
            self.regions.push(Region {
                bytes: stride(shape) * u64::from(self.units),
                first: 0,
                last: 0,
            });
        }
        for (step, op) in package.ops.iter().enumerate() {
            let place = self.fusion.place(step);
            // What is read in its own launch only, and not hashed, is never stored.
            let passes = place != step && !self.is_hashed(step);
            self.regions.push(Region {
                bytes: if passes {
                    0
                } else {
                    stride(op.descriptor.output) * u64::from(self.units)
                },
                first: place,
                last: place,
            });
            for id in op.descriptor.inputs.as_slice() {
                if let Some(region) = self.regions.get_mut(usize::from(*id)) {
                    region.last = region.last.max(place);
                }
            }
        }
        if let Some(output) = self.regions.last_mut() {
            output.last = last_op;
        }
        self.tensors = self.regions.len();
        self.regions.push(Region {
            bytes: DIGEST * u64::from(self.units) * u64::from(package.checkpoints().count()),
            first: 0,
            last: last_op,
        });
    }

    fn place_sums(&mut self) {
        let package = self.package;
        for (step, op) in package.ops.iter().enumerate() {
            if let (OpKind::MatmulAct { .. }, [a, b]) = (op.descriptor.kind, op.inputs.as_slice()) {
                let place = self.fusion.place(step);
                let scratch = self.scratch([place, place], [a, b].map(|shape| 4 * u64::from(shape.w)));
                self.sums.insert(step, scratch);
            }
        }
    }

    fn place_hashes(&mut self) {
        let package = self.package;
        let batches = hash_batches(package, &self.fusion, self.units);
        // A batch is hashed until the next one is.
        let next = batches.iter().skip(1).map(|batch| *batch.end());
        let ends: Vec<usize> = next.chain([self.last_op()]).collect();
        for (batch, end) in batches.into_iter().zip(ends) {
            let [mut leaves, mut nodes] = [0; 2];
            for step in batch.clone().filter(|step| package.checkpoints().contains(*step as u32)) {
                if let Some(region) = self.regions.get_mut(package.inputs.len() + step) {
                    region.last = region.last.max(end);
                }
                let chunks = package.ops.get(step).map_or(0, |op| chunks(op.descriptor.output));
                leaves += chunks;
                nodes += branches(chunks);
            }
            let scratch = self.scratch([*batch.end(), end], [leaves, nodes].map(|count| count * DIGEST));
            self.batches.push((batch, scratch));
        }
    }

    /// Two regions of so many bytes a unit, from one step to another.
    fn scratch(&mut self, [first, last]: [usize; 2], bytes: [u64; 2]) -> Scratch {
        let at = self.regions.len();
        self.regions.extend(bytes.map(|bytes| Region {
            bytes: bytes * u64::from(self.units),
            first,
            last,
        }));
        Scratch { first: at, second: at + 1 }
    }
}

/// Builds a pass.
struct Lowering<'a> {
    plan: &'a Plan<'a>,
    constants: &'a Constants,
    traits: &'a Traits,
    bases: Bases,
    offsets: Vec<u64>,
    launches: Vec<Launch>,
    table: Vec<Hashed>,
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
    let plan = Plan::new(package, units, traced);
    let (offsets, bytes) = place(&plan.regions);
    let mut lowering = Lowering {
        plan: &plan,
        constants,
        traits,
        bases,
        offsets,
        launches: Vec::new(),
        table: Vec::new(),
    };
    lowering.emit()?;
    let offset = |region: usize| lowering.offsets.get(region).copied().unwrap_or(0);
    Ok(Pass {
        inputs: (0..package.inputs.len()).map(offset).collect(),
        output: offset(plan.tensors.saturating_sub(1)),
        tensors: offset(plan.tensors),
        launches: lowering.launches,
        bytes,
        table: lowering.table,
    })
}

/// Ops whose checkpoints are hashed together, in the place of the last, by which all have been computed.
fn hash_batches(package: &Package, fusion: &Fusion, units: u32) -> Vec<RangeInclusive<usize>> {
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

/// An op, and where it reads and writes.
struct Site<'a> {
    step: usize,
    op: &'a Op,
    /// Its constants.
    places: Places,
    input: u64,
    out: u64,
    /// Bytes from one unit to the next.
    in_unit: u64,
    out_unit: u64,
    a: Shape,
    output: Shape,
    /// Channels of the input.
    channels: i32,
    /// Sixteens of elements of the output.
    lines: u64,
}

impl<'a> Lowering<'a> {
    fn emit(&mut self) -> Result<(), DeviceError> {
        let plan = self.plan;
        let mut batches = plan.batches.iter().peekable();
        for step in 0..plan.package.ops.len() {
            if let [first, followers @ ..] = plan.fusion.chain(step) {
                self.op(*first, followers)?;
            }
            if let Some((batch, scratch)) = batches.next_if(|(batch, _)| *batch.end() == step) {
                self.hash(batch.clone(), *scratch)?;
            }
        }
        Ok(())
    }

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

    /// The region of an op's output.
    fn made(&self, step: usize) -> u64 {
        self.region(self.plan.package.inputs.len() + step)
    }

    /// Where an op's output lies, or 0 if it is read where it is computed and nowhere else.
    fn stored(&self, step: usize, read: bool) -> u64 {
        if read || self.plan.is_hashed(step) { self.made(step) } else { 0 }
    }

    /// Where a value that an op reads lies, and its shape.
    fn operand(&self, op: &Op, slot: usize) -> (u64, Shape) {
        let id = op.descriptor.inputs.as_slice().get(slot).copied().unwrap_or(0);
        (self.region(id.into()), op.inputs.get(slot).copied().unwrap_or_default())
    }

    /// Where an op's constants lie.
    fn places(&self, step: usize) -> Places {
        let Places {
            weights,
            bias,
            multipliers,
            codes,
        } = self.constants.places(step);
        let at = |offset: u64| self.bases.constants + offset;
        Places {
            weights: at(weights),
            bias: at(bias),
            multipliers: at(multipliers),
            codes: at(codes),
        }
    }

    fn site(&self, step: usize, op: &'a Op) -> Site<'a> {
        let (input, a) = self.operand(op, 0);
        let output = op.descriptor.output;
        Site {
            step,
            op,
            places: self.places(step),
            input,
            out: self.made(step),
            in_unit: stride(a),
            out_unit: stride(output),
            a,
            output,
            channels: a.c.into(),
            lines: elements(output).div_ceil(16),
        }
    }

    /// A product and what follows it in its launch. Its layers are groups of channels, or with `by_unit` units.
    fn followed(&self, mut gemm: Gemm, step: usize, followers: &[usize], by_unit: bool) -> Gemm {
        gemm.out = self.stored(step, followers.is_empty());
        let mut last = step;
        for (to, step) in gemm.follower.iter_mut().zip(followers) {
            let Some(op) = self.plan.package.ops.get(*step) else { continue };
            *to = Follower {
                out: self.stored(*step, followers.last() == Some(step)),
                ..self.follower(op, *step, self.plan.package.inputs.len() + last)
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
        let (other, shape) = self.operand(op, 1 - own);
        let output = op.descriptor.output;
        let mut follower = Follower {
            other,
            unit: stride(shape),
            pixel: if shape == output { output.c.into() } else { 0 },
            product: matches!(kind, OpKind::Mul { .. }).into(),
            pairing: pairing(kind),
            ..Follower::default()
        };
        if let OpKind::Table8 { .. } = kind {
            follower.table = self.places(step).codes;
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

    fn op(&mut self, step: usize, followers: &[usize]) -> Result<(), DeviceError> {
        let Some(op) = self.plan.package.ops.get(step) else { return Ok(()) };
        let site = &self.site(step, op);
        let Site { a, output, channels, .. } = *site;
        match op.descriptor.kind {
            OpKind::Conv2d {
                kernel,
                stride,
                padding: padding @ [top, left, ..],
                dilation,
                groups,
                pad_value,
                requantise,
                ..
            } => {
                let window = window(a, output, kernel, stride, [top, left], dilation);
                if op.is_depthwise() {
                    return self.depthwise(site, pad_value, window, requantise);
                }
                let depth = i32::from(a.c / groups.max(1));
                // Each output pixel is of the input pixel in its place.
                let whole = kernel == [1, 1] && stride == [1, 1] && padding == [0; 4];
                let run = if whole { run_of_rows(depth) } else { run_of(&[channels, depth]) };
                self.weighted(site, followers, groups, window, run, requantise)
            }
            OpKind::Matmul { requantise, .. } => self.weighted(site, followers, 1, pixels(a.h, a.w), run_of_rows(channels), requantise),
            OpKind::MatmulAct {
                a_zero_point,
                b_zero_point,
                multiplier,
                requantise,
            } => self.activations(site, followers, [a_zero_point, b_zero_point], multiplier, requantise),
            OpKind::AvgPool {
                kernel,
                stride,
                padding: [top, left, ..],
                input_zero_point,
                requantise,
                ..
            } => {
                let window = window(a, output, kernel, stride, [top, left], [1, 1]);
                self.depthwise(site, input_zero_point, window, requantise)
            }
            OpKind::MaxPool {
                kernel,
                stride,
                padding: [top, left, ..],
            } => self.max_pool(site, window(a, output, kernel, stride, [top, left], [1, 1])),
            OpKind::Add { .. } => self.pair("add", site),
            OpKind::Mul { .. } => self.pair("mul", site),
            OpKind::Table8 { .. } => self.table8(site),
            OpKind::Concat => self.concat(site),
            OpKind::Upsample { factor } => self.enlarge(["upsample_16", "upsample_4", "upsample_1"], site, factor, channels),
            OpKind::DepthToSpace { block } => {
                let kernels = ["depth_to_space_16", "depth_to_space_4", "depth_to_space_1"];
                self.enlarge(kernels, site, block, output.c.into())
            }
        }
    }

    /// A product with weights, by groups of channels.
    fn weighted(
        &mut self,
        site: &Site<'_>,
        followers: &[usize],
        groups: u16,
        window: Window,
        run: i32,
        requantise: Requantise,
    ) -> Result<(), DeviceError> {
        let [group, depth] = [site.output.c, site.a.c].map(|channels| i32::from(channels / groups.max(1)));
        let pitch = (site.op.facts.fan_in as usize).next_multiple_of(STEP);
        let gemm = Gemm {
            a: site.input,
            b: site.places.weights,
            bias: site.places.bias,
            multipliers: site.places.multipliers,
            pad: site.places.codes,
            a_unit: site.in_unit,
            out_unit: site.out_unit,
            a_z: depth as u64,
            b_z: group as u64 * pitch as u64,
            out_z: group as u64,
            bias_z: group,
            n: group,
            steps: (pitch / STEP) as i32,
            b_rows: group,
            b_bytes: pitch as i32,
            b_pitch: pitch as i32,
            channels: site.channels,
            depth,
            window,
            ..self.whole(site.output, requantise)
        };
        let gemm = self.followed(gemm, site.step, followers, false);
        self.product(Operands::Weights, gemm, groups.into(), run)
    }

    /// A product of two activations: Σ (u − za)(v − zb) = Σuv − za·Σv − zb·Σu + K·za·zb on codes, modulo 2^32.
    fn activations(
        &mut self,
        site: &Site<'_>,
        followers: &[usize],
        zeros: [i8; 2],
        multiplier: i32,
        requantise: Requantise,
    ) -> Result<(), DeviceError> {
        let (b, shape) = self.operand(site.op, 1);
        let ([rows, columns], channels) = ([site.a.w, shape.w], site.channels);
        let [za, zb] = zeros.map(|zero| u32::from(to_code(zero)));
        let scratch = self.plan.sums.get(&site.step);
        let scratch = scratch.ok_or(DeviceError::Lost("a product without its sums".to_owned()))?;
        let [of_a, of_b] = [scratch.first, scratch.second].map(|region| self.region(region));
        let units = u64::from(self.plan.units);
        let mut sums = |input, in_unit, out, rows: u16, factor: u32, constant| {
            let params = RowSums {
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
            self.launch("row_sums", [u64::from(rows).div_ceil(4), units], 128, &params)
        };
        let constant = u32::from(site.a.c).wrapping_mul(za).wrapping_mul(zb);
        sums(site.input, site.in_unit, of_a, rows, zb, 0)?;
        sums(b, stride(shape), of_b, columns, za, constant)?;
        let gemm = Gemm {
            a: site.input,
            b,
            bias: of_b,
            rows: of_a,
            pad: site.places.codes,
            a_z: site.in_unit,
            b_z: stride(shape),
            out_z: site.out_unit,
            bias_z: columns.into(),
            rows_z: rows.into(),
            m: rows.into(),
            n: columns.into(),
            steps: usize::from(site.a.c).div_ceil(STEP) as i32,
            b_rows: columns.into(),
            b_bytes: channels,
            b_pitch: channels,
            channels,
            depth: channels,
            multiplier,
            window: pixels(1, rows),
            ..self.whole(site.output, requantise)
        };
        let gemm = self.followed(gemm, site.step, followers, true);
        self.product(Operands::Activations, gemm, units, run_of_rows(channels))
    }

    /// A convolution that keeps channels apart, or an average.
    fn depthwise(&mut self, site: &Site<'_>, pad: i8, window: Window, requantise: Requantise) -> Result<(), DeviceError> {
        let params = Depthwise {
            input: site.input,
            out: site.out,
            weights: site.places.weights,
            bias: site.places.bias,
            multipliers: site.places.multipliers,
            in_unit: site.in_unit,
            out_unit: site.out_unit,
            elements: elements(site.output) as i32,
            channels: site.channels,
            pad: to_code(pad).into(),
            window,
            round: requantise.into(),
        };
        let (kernel, run) = if params.channels % 4 == 0 {
            ("depthwise_4", 4)
        } else {
            ("depthwise_1", 1)
        };
        self.each(kernel, elements(site.output) / run, &params)
    }

    fn max_pool(&mut self, site: &Site<'_>, window: Window) -> Result<(), DeviceError> {
        let (kernel, run) = if site.channels % 4 == 0 {
            ("max_pool_4", 4)
        } else {
            ("max_pool_1", 1)
        };
        let params = MaxPool {
            input: site.input,
            out: site.out,
            in_unit: site.in_unit,
            out_unit: site.out_unit,
            elements: elements(site.output) as i32 / run,
            channels: site.channels / run,
            window,
            end: 0,
        };
        self.each(kernel, params.elements.unsigned_abs().into(), &params)
    }

    fn pair(&mut self, kernel: &'static str, site: &Site<'_>) -> Result<(), DeviceError> {
        let (b, shape) = self.operand(site.op, 1);
        let params = Pair {
            a: site.input,
            b,
            out: site.out,
            a_unit: site.in_unit,
            b_unit: stride(shape),
            out_unit: site.out_unit,
            lines: site.lines as i32,
            b_elements: elements(shape) as i32,
            pairing: pairing(site.op.descriptor.kind),
        };
        self.each(kernel, site.lines, &params)
    }

    fn table8(&mut self, site: &Site<'_>) -> Result<(), DeviceError> {
        let params = Table {
            input: site.input,
            table: site.places.codes,
            out: site.out,
            in_unit: site.in_unit,
            out_unit: site.out_unit,
            lines: site.lines as i32,
            end: 0,
        };
        self.each("table8", site.lines, &params)
    }

    /// A launch for each input.
    fn concat(&mut self, site: &Site<'_>) -> Result<(), DeviceError> {
        let lengths: Vec<i32> = site.op.inputs.iter().map(|shape| shape.c.into()).collect();
        let run = run_of(&lengths);
        let mut offset = 0;
        for slot in 0..lengths.len() {
            let (input, shape) = self.operand(site.op, slot);
            let part = Move {
                input,
                out: site.out,
                in_unit: stride(shape),
                out_unit: site.out_unit,
                runs: elements(shape) as i32 / run,
                in_channels: i32::from(shape.c) / run,
                out_channels: i32::from(site.output.c) / run,
                offset,
                out_width: 1,
                factor: 1,
            };
            offset += part.in_channels;
            self.movement(by_run(run, ["concat_16", "concat_4", "concat_1"]), &part)?;
        }
        Ok(())
    }

    /// Pixels become squares; `together` codes of theirs stay side by side.
    fn enlarge(&mut self, kernels: [&'static str; 3], site: &Site<'_>, factor: u8, together: i32) -> Result<(), DeviceError> {
        let run = run_of(&[together]);
        let params = Move {
            input: site.input,
            out: site.out,
            in_unit: site.in_unit,
            out_unit: site.out_unit,
            runs: elements(site.output) as i32 / run,
            in_channels: site.channels / run,
            out_channels: i32::from(site.output.c) / run,
            offset: 0,
            out_width: site.output.w.into(),
            factor: factor.into(),
        };
        self.movement(by_run(run, kernels), &params)
    }

    fn movement(&mut self, kernel: &'static str, params: &Move) -> Result<(), DeviceError> {
        self.each(kernel, params.runs.unsigned_abs().into(), params)
    }

    /// So many threads for each unit.
    fn each<T: Pod>(&mut self, kernel: &'static str, threads: u64, params: &T) -> Result<(), DeviceError> {
        self.launch(kernel, [threads.div_ceil(256), self.plan.units.into()], 256, params)
    }

    /// What a product of all units at once has in common.
    fn whole(&self, output: Shape, requantise: Requantise) -> Gemm {
        let pixels = i32::from(output.h) * i32::from(output.w);
        Gemm {
            m: pixels.saturating_mul(self.plan.units as i32),
            out_pixels: pixels,
            out_channels: output.c.into(),
            round: requantise.into(),
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
    fn hash(&mut self, batch: RangeInclusive<usize>, scratch: Scratch) -> Result<(), DeviceError> {
        let package = self.plan.package;
        let values = self.bases.table + (self.table.len() * size_of::<Hashed>()) as u64;
        let checkpoints = package.checkpoints();
        let [leaves, nodes] = [scratch.first, scratch.second].map(|region| self.region(region));
        let mut hashing = Hashing {
            values,
            leaves,
            branches: nodes,
            empty: self.bases.constants + self.constants.empty,
            tensors: self.region(self.plan.tensors),
            units: self.plan.units as i32,
            n_tensors: checkpoints.count() as i32,
            ..Hashing::default()
        };
        for step in batch.filter(|op| checkpoints.contains(*op as u32)) {
            let Some(op) = package.ops.get(step) else { continue };
            let (id, shape) = (package.inputs.len() + step, op.descriptor.output);
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
            self.table.push(hashed);
            hashing.n_values += 1;
            hashing.n_chunks += chunks as i32;
            hashing.n_branches += branches(chunks) as i32;
        }
        let units = u64::from(self.plan.units);
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
