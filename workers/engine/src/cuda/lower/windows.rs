//! Launches of windowed ops on separate channels: depthwise convolutions and pools.

use super::{Lowering, Site, elements};
use crate::cuda::device::DeviceError;
use crate::cuda::params::{Depthwise, MaxPool, Window};
use protocol::requantise::Requantise;
use protocol::tensor::{Shape, to_code};

impl Lowering<'_> {
    /// Launches a depthwise convolution or an average pool.
    pub(super) fn depthwise(&mut self, site: &Site<'_>, pad: i8, window: Window, requantise: Requantise) -> Result<(), DeviceError> {
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

    pub(super) fn max_pool(&mut self, site: &Site<'_>, window: Window) -> Result<(), DeviceError> {
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
}

pub(super) fn window(input: Shape, output: Shape, kernel: [u8; 2], stride: [u8; 2], [top, left]: [u8; 2], dilation: [u8; 2]) -> Window {
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
