//! Launches of ops that compute or move elements one by one.

use super::{Lowering, Site, elements, run_of, stride};
use crate::cuda::device::DeviceError;
use crate::cuda::params::{Move, Pair, Pairing, Table};
use crate::cuda::tiles::by_run;
use protocol::ops::OpKind;
use protocol::tensor::to_code;

impl Lowering<'_> {
    pub(super) fn pair(&mut self, kernel: &'static str, site: &Site<'_>) -> Result<(), DeviceError> {
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

    pub(super) fn table8(&mut self, site: &Site<'_>) -> Result<(), DeviceError> {
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

    /// Launches one copy per input.
    pub(super) fn concat(&mut self, site: &Site<'_>) -> Result<(), DeviceError> {
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

    /// Enlarges each pixel to a square; runs of `together` codes stay together.
    pub(super) fn enlarge(&mut self, kernels: [&'static str; 3], site: &Site<'_>, factor: u8, together: i32) -> Result<(), DeviceError> {
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
}

/// The arguments of an element-wise sum or product.
pub(super) fn pairing(kind: OpKind) -> Pairing {
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
