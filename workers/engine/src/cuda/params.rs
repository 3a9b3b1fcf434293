//! The kernels' arguments, field by field as in `kernels/*.cu`, where they are documented. The emulation's tests compare all sizes.

use super::fusion::FOLLOWERS;
use bytemuck::{Pod, Zeroable};
use protocol::requantise::Requantise;

/// Requantisation on codes: all values after the shift are 128 higher.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Round {
    shift: i32,
    zero_point: i32,
    lo: i32,
    hi: i32,
}

impl From<Requantise> for Round {
    fn from(r: Requantise) -> Self {
        let code = |value: i8| i32::from(value) + 128;
        Self {
            shift: r.shift.into(),
            zero_point: code(r.zero_point),
            lo: code(r.lo),
            hi: code(r.hi),
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Pairing {
    pub zeros: [i32; 2],
    pub multipliers: [i32; 2],
    pub round: Round,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Window {
    pub height: i32,
    pub width: i32,
    pub out_width: i32,
    pub kernel: [i32; 2],
    pub stride: [i32; 2],
    pub top: i32,
    pub left: i32,
    pub dilation: [i32; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Follower {
    pub table: u64,
    pub other: u64,
    pub out: u64,
    pub unit: u64,
    pub z: u64,
    pub pixel: i32,
    pub product: i32,
    pub pairing: Pairing,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Gemm {
    pub a: u64,
    pub b: u64,
    pub out: u64,
    pub bias: u64,
    pub rows: u64,
    pub multipliers: u64,
    pub pad: u64,
    pub a_unit: u64,
    pub out_unit: u64,
    pub a_z: u64,
    pub b_z: u64,
    pub out_z: u64,
    pub bias_z: i32,
    pub rows_z: i32,
    pub m: i32,
    pub n: i32,
    pub tiles_n: i32,
    pub steps: i32,
    pub b_rows: i32,
    pub b_bytes: i32,
    pub b_pitch: i32,
    pub channels: i32,
    pub depth: i32,
    pub out_pixels: i32,
    pub out_channels: i32,
    pub multiplier: i32,
    pub window: Window,
    pub round: Round,
    pub followers: i32,
    pub follower: [Follower; FOLLOWERS],
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct RowSums {
    pub input: u64,
    pub out: u64,
    pub in_unit: u64,
    pub rows: i32,
    pub bytes: i32,
    pub out_unit: i32,
    pub factor: u32,
    pub constant: u32,
    pub end: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Depthwise {
    pub input: u64,
    pub out: u64,
    pub weights: u64,
    pub bias: u64,
    pub multipliers: u64,
    pub in_unit: u64,
    pub out_unit: u64,
    pub elements: i32,
    pub channels: i32,
    pub pad: i32,
    pub window: Window,
    pub round: Round,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct MaxPool {
    pub input: u64,
    pub out: u64,
    pub in_unit: u64,
    pub out_unit: u64,
    pub elements: i32,
    pub channels: i32,
    pub window: Window,
    pub end: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Pair {
    pub a: u64,
    pub b: u64,
    pub out: u64,
    pub a_unit: u64,
    pub b_unit: u64,
    pub out_unit: u64,
    pub lines: i32,
    pub b_elements: i32,
    pub pairing: Pairing,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Table {
    pub input: u64,
    pub table: u64,
    pub out: u64,
    pub in_unit: u64,
    pub out_unit: u64,
    pub lines: i32,
    pub end: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Move {
    pub input: u64,
    pub out: u64,
    pub in_unit: u64,
    pub out_unit: u64,
    pub runs: i32,
    pub in_channels: i32,
    pub out_channels: i32,
    pub offset: i32,
    pub out_width: i32,
    pub factor: i32,
}

/// A value to be hashed in every unit.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Hashed {
    pub value: u64,
    pub unit: u64,
    pub elements: i32,
    pub first: i32,
    pub branch: i32,
    pub index: i32,
    pub uid: u32,
    pub head: [u32; 6],
    pub end: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Hashing {
    pub values: u64,
    pub leaves: u64,
    pub branches: u64,
    pub empty: u64,
    pub tensors: u64,
    pub units: i32,
    pub n_values: i32,
    pub n_chunks: i32,
    pub n_branches: i32,
    pub n_tensors: i32,
    pub end: i32,
}

/// A layer of a call's work, or part of its sums.
#[cfg(not(target_family = "wasm"))]
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Work {
    pub tensor: u64,
    pub weights: u64,
    pub out: u64,
    pub bias: u64,
    pub lines: i32,
    pub width: i32,
    pub round: Round,
}

#[cfg(not(target_family = "wasm"))]
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Noise {
    pub tensor: u64,
    pub noise: u64,
    pub pairs: u64,
    pub fresh: i32,
    pub end: i32,
}

/// Blocks of chunks of a tensor.
#[cfg(not(target_family = "wasm"))]
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Blocks {
    pub tensor: u64,
    pub roots: u64,
    pub chunks: i32,
    pub end: i32,
}

#[cfg(not(target_family = "wasm"))]
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
pub(crate) struct Tops {
    pub roots: u64,
    pub tops: u64,
}
