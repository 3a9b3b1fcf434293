//! Lowers the ops of a package to kernel launches.

mod gemm;
mod hashing;
mod plan;
mod pointwise;
mod windows;

use super::arena::{aligned, place};
use super::constants::{Constants, Places};
use super::device::{DeviceError, Launch, Traits};
use super::params::Hashed;
use crate::package::{Op, Package};
use bytemuck::Pod;
use gemm::{pixels, run_of_rows};
pub use hashing::HASHES_BESIDE;
use plan::Plan;
use protocol::ops::OpKind;
use protocol::tensor::Shape;
use windows::window;

/// A pass over a number of units.
pub(crate) struct Pass {
    pub launches: Vec<Launch>,
    /// Size of the arena in bytes.
    pub bytes: u64,
    /// The table of values that the hashing kernels read.
    pub table: Vec<Hashed>,
    /// Offsets in the arena of each graph input, of the output and of the TENSORs.
    pub inputs: Vec<u64>,
    pub output: u64,
    pub tensors: u64,
}

/// Addresses of the memory of a pass.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bases {
    pub constants: u64,
    pub arena: u64,
    pub table: u64,
}

fn elements(shape: Shape) -> u64 {
    shape.elements().unwrap_or(0).into()
}

/// Bytes from one unit to the next within a value.
pub(crate) fn stride(shape: Shape) -> u64 {
    aligned(elements(shape))
}

/// The largest of 16, 4 and 1 that divides all lengths.
fn run_of(lengths: &[i32]) -> i32 {
    [16, 4]
        .into_iter()
        .find(|run| lengths.iter().all(|length| length % run == 0))
        .unwrap_or(1)
}

/// Builds the launches of a pass.
struct Lowering<'a> {
    plan: &'a Plan<'a>,
    constants: &'a Constants,
    traits: &'a Traits,
    bases: Bases,
    offsets: Vec<u64>,
    launches: Vec<Launch>,
    table: Vec<Hashed>,
}

/// The pass that computes `units` units of a package and, if `traced`, hashes their checkpoints.
pub(crate) fn pass(
    package: &Package,
    constants: &Constants,
    traits: &Traits,
    bases: Bases,
    units: u32,
    traced: bool,
) -> Result<Pass, DeviceError> {
    let plan = Plan::new(package, units, traced);
    // The inputs come first, so that passes with hashing and without have them in the same place.
    let (inputs, others) = plan.regions.split_at(package.inputs.len());
    let (mut offsets, mut bytes) = (Vec::new(), 0);
    for input in inputs {
        offsets.push(bytes);
        bytes += aligned(input.bytes);
    }
    let (places, more) = place(others);
    offsets.extend(places.iter().map(|place| bytes + place));
    bytes += more;
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

/// An op, with the addresses that it reads and writes.
struct Site<'a> {
    step: usize,
    op: &'a Op,
    /// Addresses of the op's constants.
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
    /// Lines of 16 elements in the output.
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
        self.launches.push(Launch {
            aside: kernel.starts_with("hash_"),
            ..Launch::new(kernel, grid, threads, params)?
        });
        Ok(())
    }

    /// The address of a region of the arena.
    fn region(&self, region: usize) -> u64 {
        self.bases.arena + self.offsets.get(region).copied().unwrap_or(0)
    }

    /// The address of an op's output.
    fn output(&self, step: usize) -> u64 {
        self.region(self.plan.package.inputs.len() + step)
    }

    /// The address of an op's output, or 0 if it need not be stored because only its own launch reads it.
    fn stored(&self, step: usize, read: bool) -> u64 {
        if read || self.plan.is_hashed(step) { self.output(step) } else { 0 }
    }

    /// The address and shape of an op's input.
    fn operand(&self, op: &Op, slot: usize) -> (u64, Shape) {
        let id = op.descriptor.inputs.as_slice().get(slot).copied().unwrap_or(0);
        (self.region(id.into()), op.inputs.get(slot).copied().unwrap_or_default())
    }

    /// The addresses of an op's constants.
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
            out: self.output(step),
            in_unit: stride(a),
            out_unit: stride(output),
            a,
            output,
            channels: a.c.into(),
            lines: elements(output).div_ceil(16),
        }
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
                // If each output pixel depends only on the input pixel in the same place, whole rows can be loaded.
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

    /// Launches a kernel with `threads` threads per unit.
    fn each<T: Pod>(&mut self, kernel: &'static str, threads: u64, params: &T) -> Result<(), DeviceError> {
        self.launch(kernel, [threads.div_ceil(256), self.plan.units.into()], 256, params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::device::Cores;
    use safetensors::tensor::{Dtype, TensorView};
    use serde_json::{Value, json};

    /// A convolution of single pixels of an input of `dims`, in `groups`, which keeps the number of channels; then `ops`.
    fn package(dims: [u16; 3], groups: u16, ops: &[Value]) -> Result<Package, Box<dyn std::error::Error>> {
        let [_, _, channels] = dims;
        let (count, depth) = (usize::from(channels), usize::from(channels / groups));
        let conv = json!({"op": "conv2d", "name": "conv", "inputs": ["in"], "weights": "w", "bias": "b", "multiplier": "m",
            "stride": [1, 1], "padding": [0, 0, 0, 0], "dilation": [1, 1], "groups": groups, "pad_value": 0,
            "shift": 1, "zero_point": 0, "clamp": [-128, 127]});
        let ops = [&[conv], ops].concat();
        let manifest = json!({
            "format": 1, "name": "large", "version": "1.0.0", "license": "Apache-2.0", "description": "made up",
            "task": {"kind": "test"}, "inputs": [{"name": "in", "dims": dims}],
            "ops": ops,
        });
        let (weights, words) = (vec![1; count * depth], vec![0; 4 * count]);
        let tensors = [
            ("w", TensorView::new(Dtype::I8, vec![count, 1, 1, depth], &weights)?),
            ("b", TensorView::new(Dtype::I32, vec![count], &words)?),
            ("m", TensorView::new(Dtype::I32, vec![count], &words)?),
        ];
        Ok(Package::from_bytes(
            &serde_json::to_vec(&manifest)?,
            &safetensors::serialize(tensors, None)?,
        )?)
    }

    /// Values of 2^24 elements in one channel, and the most groups that are not depthwise.
    #[test]
    fn the_largest_values_in_the_largest_pass_fit_a_grid() -> Result<(), Box<dyn std::error::Error>> {
        let add = json!({"op": "add", "name": "sum", "inputs": ["in", "conv"], "a_zero_point": 0, "b_zero_point": 0,
            "a_multiplier": 1, "b_multiplier": 1, "shift": 1, "zero_point": 0, "clamp": [-128, 127]});
        let pool =
            json!({"op": "max_pool", "name": "pool", "inputs": ["sum"], "kernel": [1, 1], "stride": [1, 1], "padding": [0, 0, 0, 0]});
        for package in [
            package([4096, 4096, 1], 1, &[add.clone(), pool.clone()])?,
            package([1, 256, 65_534], 32_767, &[add, pool])?,
        ] {
            for (arch, cores) in [(61, Cores::None), (80, Cores::Warp), (90, Cores::Group)] {
                let traits = Traits {
                    ordinal: 0,
                    name: String::new(),
                    memory: 0,
                    arch,
                    cores,
                    processors: 100,
                };
                let pass = pass(&package, &Constants::new(&package), &traits, Bases::default(), 64, true)?;
                let largest = pass.launches.iter().map(|launch| launch.grid).max();
                assert!(largest.is_some_and(|[x, _]| x > 1 << 14), "{largest:?}");
                // At least the input and the output.
                assert!(pass.bytes > 2 * 64 * 16_000_000, "{}", pass.bytes);
            }
        }
        Ok(())
    }
}
