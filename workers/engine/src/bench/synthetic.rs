//! Networks that are larger than the shipped ones, with synthetic weights: the kind of load that people buy GPUs for.

use crate::package::{Constants, GraphInput, Op, Package};
use clap::ValueEnum;
use protocol::graph::{GraphError, GraphFacts, check_op};
use protocol::ops::{Inputs, OpDescriptor, OpKind};
use protocol::requantise::{Channel, Requantise};
use protocol::tensor::{MAX_ELEMENTS, Shape};

/// A synthetic network. Its weights are meaningless; its sizes are those of real networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// One product of two 4,096 × 4,096 matrices, or of the size given by `--width`
    Gemm,
    /// A U-Net as in latent diffusion: from 64 × 64 × 320 down to 16 × 16 × 1,280 and up again
    Unet,
    /// A transformer block of width 1,024 over 1,024 tokens, with one head
    Transformer,
}

impl Network {
    /// All networks, smallest first.
    pub const ALL: [Self; 3] = [Self::Gemm, Self::Transformer, Self::Unet];

    /// Builds the network. Nobody registers it, so its hashes are left empty.
    pub fn package(self) -> Result<Package, GraphError> {
        match self {
            Self::Gemm => gemm(4096),
            Self::Unet => unet(),
            Self::Transformer => transformer(),
        }
    }
}

/// One product by a `width` × `width` matrix, of `width` rows, or as many as fit into a tensor.
pub fn gemm(width: u16) -> Result<Package, GraphError> {
    // At most `width`, so it fits.
    let rows = (MAX_ELEMENTS / u32::from(width).max(1)).min(width.into()) as u16;
    let mut build = Build::new(&format!("gemm {width}"), Shape::new(1, rows, width));
    build.matmul(0, width)?;
    Ok(build.package)
}

fn unet() -> Result<Package, GraphError> {
    let mut build = Build::new("unet 64x64", Shape::new(64, 64, 4));
    let stem = build.conv(0, 320, 3, 1)?;
    let high = build.residual(stem, 320)?;
    let down = build.conv(high, 640, 3, 2)?;
    let middle = build.residual(down, 640)?;
    let down = build.conv(middle, 1280, 3, 2)?;
    let low = build.residual(down, 1280)?;
    let low = build.residual(low, 1280)?;
    let up = build.up(low, middle, 640)?;
    let up = build.residual(up, 640)?;
    let up = build.up(up, high, 320)?;
    let up = build.residual(up, 320)?;
    build.conv(up, 4, 3, 1)?;
    Ok(build.package)
}

fn transformer() -> Result<Package, GraphError> {
    const WIDTH: u16 = 1024;
    let mut build = Build::new("transformer block 1024x1024", Shape::new(1, WIDTH, WIDTH));
    let [query, key, value] = [build.matmul(0, WIDTH)?, build.matmul(0, WIDTH)?, build.matmul(0, WIDTH)?];
    let scores = build.product(query, key)?;
    let weights = build.table(scores)?;
    let mixed = build.product(weights, value)?;
    let out = build.matmul(mixed, WIDTH)?;
    let first = build.add(0, out)?;
    let wide = build.matmul(first, 4 * WIDTH)?;
    let wide = build.table(wide)?;
    let narrow = build.matmul(wide, WIDTH)?;
    build.add(first, narrow)?;
    Ok(build.package)
}

/// A package under construction. Values are identified by number.
struct Build {
    package: Package,
    shapes: Vec<Shape>,
    /// State of the random number generator for constants.
    random: u32,
}

/// Standard deviations of the codes of weights and graph inputs, which take all values alike, and of all other values.
const UNIFORM: f64 = 74.0;
const SPREAD: f64 = 32.0;

/// Scales sums of products to codes.
const ROUND: Requantise = Requantise {
    shift: 40,
    zero_point: 0,
    lo: -128,
    hi: 127,
};

impl Build {
    fn new(name: &str, input: Shape) -> Self {
        let package = Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: "Apache-2.0".to_owned(),
            description: "made up to be timed".to_owned(),
            task: serde_json::Value::Null,
            inputs: vec![GraphInput {
                name: "in".to_owned(),
                shape: input,
            }],
            ops: Vec::new(),
            facts: GraphFacts {
                n_ops: 0,
                graph_root: [0; 32],
                max_fan_in: 0,
                macs: 0,
                interval: 1,
            },
            // Nobody registers it.
            model: [0; 32],
        };
        Self {
            package,
            shapes: vec![input],
            random: 1,
        }
    }

    fn shape(&self, value: u16) -> Shape {
        self.shapes.get(usize::from(value)).copied().unwrap_or_default()
    }

    fn push(&mut self, kind: OpKind, inputs: &[u16], output: Shape, constants: Constants) -> Result<u16, GraphError> {
        let descriptor = OpDescriptor {
            inputs: Inputs::new(inputs).ok_or(GraphError::InputCount)?,
            kind,
            output,
        };
        let shapes: Vec<Shape> = inputs.iter().map(|value| self.shape(*value)).collect();
        let facts = check_op(&descriptor, &shapes)?;
        let id = self.shapes.len() as u16;
        self.shapes.push(output);
        self.package.facts.n_ops += 1;
        self.package.facts.macs += facts.macs;
        self.package.facts.max_fan_in = self.package.facts.max_fan_in.max(facts.fan_in);
        self.package.ops.push(Op {
            name: format!("op{id}"),
            descriptor,
            inputs: shapes,
            constants,
            facts,
        });
        Ok(id)
    }

    /// Random weights for sums of `fan_in` elements of a value, and multipliers that give the sums the same spread in every layer: a GPU
    /// takes less power for small codes.
    fn constants(&mut self, from: u16, channels: u16, fan_in: usize) -> Constants {
        let spread = if from == 0 { UNIFORM } else { SPREAD };
        let mut weight = || {
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Within −127 … 127.
            ((self.random >> 24) as i32 - 128).max(-127) as i8
        };
        Constants {
            weights: (0..usize::from(channels) * fan_in).map(|_| weight()).collect(),
            channels: vec![
                Channel {
                    bias: 0,
                    multiplier: ((1u64 << 40) as f64 * SPREAD / (spread * UNIFORM * (fan_in as f64).sqrt())) as i32,
                };
                usize::from(channels)
            ],
            table: Vec::new(),
        }
    }

    fn conv(&mut self, from: u16, channels: u16, kernel: u8, stride: u8) -> Result<u16, GraphError> {
        let a = self.shape(from);
        let side = |side: u16| side.div_ceil(stride.into());
        let constants = self.constants(from, channels, usize::from(a.c) * usize::from(kernel) * usize::from(kernel));
        let kind = OpKind::Conv2d {
            weights: [0; 32],
            channels: [0; 32],
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2; 4],
            dilation: [1, 1],
            groups: 1,
            pad_value: 0,
            requantise: ROUND,
        };
        self.push(kind, &[from], Shape::new(side(a.h), side(a.w), channels), constants)
    }

    fn matmul(&mut self, from: u16, channels: u16) -> Result<u16, GraphError> {
        let a = self.shape(from);
        let constants = self.constants(from, channels, a.c.into());
        let kind = OpKind::Matmul {
            weights: [0; 32],
            channels: [0; 32],
            requantise: ROUND,
        };
        self.push(kind, &[from], Shape { c: channels, ..a }, constants)
    }

    fn product(&mut self, a: u16, b: u16) -> Result<u16, GraphError> {
        let output = Shape::new(1, self.shape(a).w, self.shape(b).w);
        let kind = OpKind::MatmulAct {
            a_zero_point: 0,
            b_zero_point: 0,
            // For sums of 1,024 terms.
            multiplier: ((1u64 << 40) as f64 / (SPREAD * 32.0)) as i32,
            requantise: ROUND,
        };
        self.push(kind, &[a, b], output, Constants::default())
    }

    fn table(&mut self, from: u16) -> Result<u16, GraphError> {
        let constants = Constants {
            table: (i8::MIN..=i8::MAX).collect(),
            ..Constants::default()
        };
        self.push(OpKind::Table8 { table: [0; 32] }, &[from], self.shape(from), constants)
    }

    fn add(&mut self, a: u16, b: u16) -> Result<u16, GraphError> {
        // The spread of a sum is larger by the root of two.
        let part = (f64::from(1 << 30) * std::f64::consts::FRAC_1_SQRT_2) as i32;
        let kind = OpKind::Add {
            a_zero_point: 0,
            b_zero_point: 0,
            a_multiplier: part,
            b_multiplier: part,
            requantise: Requantise { shift: 30, ..ROUND },
        };
        self.push(kind, &[a, b], self.shape(a), Constants::default())
    }

    /// Two convolutions with a residual connection.
    fn residual(&mut self, from: u16, channels: u16) -> Result<u16, GraphError> {
        let first = self.conv(from, channels, 3, 1)?;
        let first = self.table(first)?;
        let second = self.conv(first, channels, 3, 1)?;
        self.add(from, second)
    }

    /// Upsamples by two and concatenates the skip connection.
    fn up(&mut self, from: u16, skip: u16, channels: u16) -> Result<u16, GraphError> {
        let (small, beside) = (self.shape(from), self.shape(skip));
        let large = Shape {
            h: 2 * small.h,
            w: 2 * small.w,
            ..small
        };
        let large = self.push(OpKind::Upsample { factor: 2 }, &[from], large, Constants::default())?;
        let joined = Shape {
            c: small.c + beside.c,
            ..beside
        };
        let joined = self.push(OpKind::Concat, &[large, skip], joined, Constants::default())?;
        self.conv(joined, channels, 1, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::unit;
    use crate::engine::Engine;
    use std::sync::Arc;

    #[test]
    fn no_layer_computes_small_codes() -> Result<(), Box<dyn std::error::Error>> {
        for network in [Network::Unet, Network::Transformer] {
            let engine = Engine::new(Arc::new(network.package()?), 2)?;
            let inputs = unit(engine.package());
            let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
            let spreads = engine.values(&inputs)?.into_iter().map(|codes| {
                let (count, codes) = (codes.len() as f64, codes.into_iter().map(f64::from));
                let [sum, squares] = [codes.clone().sum::<f64>(), codes.map(|code| code * code).sum()];
                (squares / count - (sum / count).powi(2)).sqrt()
            });
            let spreads: Vec<f64> = spreads.collect();
            assert!(
                spreads.iter().all(|spread| (20.0..70.0).contains(spread)),
                "{network:?}: {spreads:.0?}"
            );
        }
        Ok(())
    }

    #[test]
    fn every_network_is_valid_and_of_its_size() {
        let giga = |network: Network| network.package().map(|package| package.facts.macs as f64 / 1e9);
        assert_eq!(giga(Network::Gemm), Ok(f64::from(1 << 12).powi(3) / 1e9));
        assert_eq!(gemm(8192).map(|package| package.facts.macs), Ok(1 << (11 + 13 + 13)));
        assert_eq!(gemm(64).map(|package| package.facts.macs), Ok(1 << 18));
        assert!(giga(Network::Unet).is_ok_and(|macs| macs > 30.0));
        assert!(giga(Network::Transformer).is_ok_and(|macs| macs > 10.0));
    }
}
