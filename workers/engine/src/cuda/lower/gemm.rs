//! Launches of convolutions and matrix products, with the ops that follow in the same launch.

use super::pointwise::pairing;
use super::{Lowering, Site, run_of, stride};
use crate::cuda::device::DeviceError;
use crate::cuda::params::{Follower, Gemm, RowSums, Window};
use crate::cuda::tiles::{self, Operands, STEP};
use crate::package::Op;
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::{Shape, to_code};

impl Lowering<'_> {
    /// Adds the followers to a product's launch. The layers of the product are groups of channels or, with `by_unit`, units.
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

    /// The arguments of an element-wise op on `value`.
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
            // A product has only one multiplier.
            if follower.product == 0 {
                follower.pairing.multipliers.reverse();
            }
        }
        follower
    }

    /// Launches a product with weights, with one layer per group of channels.
    pub(super) fn weighted(
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

    /// Launches a product of two activations: Σ (u − za)(v − zb) = Σuv − za·Σv − zb·Σu + K·za·zb on codes, modulo 2^32.
    pub(super) fn activations(
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
        let scratch = scratch.ok_or(DeviceError::Bug("a product without its sums".to_owned()))?;
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

    /// The arguments that are common to products of all units.
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

    /// Launches a product with the tile that suits it best.
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
}

/// The run for the rows of a product: [`STEP`] if they consist of whole steps, otherwise as [`run_of`].
pub(super) fn run_of_rows(depth: i32) -> i32 {
    if depth % STEP as i32 == 0 { STEP as i32 } else { run_of(&[depth]) }
}

/// A window of one pixel, over all pixels as one long row.
pub(super) fn pixels(h: u16, w: u16) -> Window {
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
