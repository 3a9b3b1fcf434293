//! Convolutions and matrix products: packs the weights and walks over the tiles.

use super::{Kernels, Packing, Round, Segment, Tile};
use crate::error::Error;
use crate::window::{Rows, Window};
use protocol::requantise::{Channel, Requantise};

/// One cache line of packed weights, so that no vector load straddles two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([i32; 16]);

/// Constants of one channel group.
struct Group {
    /// `[block][step][lane]` words of four bytes each.
    weights: Vec<Line>,
    /// Per lane of every block. Compensates for the packing's offset.
    bias: Vec<i32>,
    multipliers: Vec<i32>,
}

/// A convolution or matrix product that is ready to run.
pub(crate) struct Product {
    pub(crate) window: Window,
    groups: Vec<Group>,
    segments: Vec<Segment>,
    /// Bytes between the first input channels of adjacent groups.
    group_step: usize,
    /// Output channels of a group.
    group_channels: usize,
    steps: usize,
    round: Round,
}

/// [`Round`] for constant weights: bounds the sum of each channel over all possible activations.
pub(crate) fn round_for(weights: &[i8], channels: &[Channel], requantise: Requantise) -> Round {
    let fan_in = weights.len().checked_div(channels.len()).unwrap_or(0).max(1);
    let largest = weights.chunks_exact(fan_in).zip(channels).map(|(weights, channel)| {
        let sum: u64 = weights.iter().map(|weight| u64::from(weight.unsigned_abs())).sum();
        (128 * sum + u64::from(channel.bias.unsigned_abs())) * u64::from(channel.multiplier.unsigned_abs())
    });
    Round::new(requantise, largest.max().unwrap_or(0))
}

impl Product {
    /// Packs `[co, kh, kw, ci / groups]` weights.
    pub(crate) fn new(window: Window, groups: usize, weights: &[i8], channels: &[Channel], round: Round, kernels: &Kernels) -> Self {
        let packing = kernels.packing;
        let ([kh, kw], [_, _, ci]) = (window.kernel, window.input);
        let depth = ci / groups;
        // Taps that are adjacent in memory form one run; dilation and groups leave gaps.
        let whole_rows = groups == 1 && window.dilation[1] == 1;
        let (runs_per_row, run) = if whole_rows { (1, kw * depth) } else { (kw, depth) };
        let steps_per_run = run.div_ceil(packing.group());
        let taps = (0..kh).flat_map(|ky| (0..runs_per_row).map(move |kx| [ky, kx]));
        let segments: Vec<Segment> = taps
            .map(|tap| Segment {
                offset: window.tap(tap, packing),
                steps: steps_per_run,
            })
            .collect();
        let steps = segments.len() * steps_per_run;
        let fan_in = kh * kw * depth;
        let group_channels = channels.len() / groups;
        let groups = weights
            .chunks_exact((group_channels * fan_in).max(1))
            .zip(channels.chunks_exact(group_channels.max(1)));
        let groups = groups
            .map(|(weights, channels)| pack_group(weights, channels, fan_in, run, steps, kernels))
            .collect();
        Self {
            window,
            groups,
            segments,
            group_step: depth * packing.element_bytes(),
            group_channels,
            steps,
            round,
        }
    }

    /// Computes a band of output rows. `corrections` is empty or has one entry per output pixel of the band.
    pub(crate) fn rows(
        &self,
        rows: &Rows<'_>,
        corrections: &[i32],
        channels: usize,
        band: &mut [u8],
        kernels: &Kernels,
    ) -> Result<(), Error> {
        let lanes = kernels.lanes;
        let width = self.window.out_width;
        let pixel_step = self.window.pixel_step(kernels.packing);
        let reach = self
            .segments
            .iter()
            .map(|segment| segment.offset + 4 * segment.steps)
            .max()
            .unwrap_or(0);
        let group_reach = self.groups.len().saturating_sub(1) * self.group_step;
        let pixels = band.len() / channels;
        let last_row = pixels.saturating_sub(1) / width;
        // The last row may be short; the row before it is full.
        let end = |row: usize, pixels: usize| row * rows.step + pixels.saturating_sub(1) * pixel_step;
        let furthest = end(last_row, pixels - last_row * width).max(end(last_row.saturating_sub(1), width.min(pixels)));
        let complete = pixels * channels == band.len()
            && self.groups.len() * self.group_channels == channels
            && (corrections.is_empty() || corrections.len() >= pixels);
        if !complete || furthest + group_reach + reach > rows.bytes.len() {
            return Err(Error::Internal("the memory of a product"));
        }
        for (index, group) in self.groups.iter().enumerate() {
            let blocks = self.group_channels.div_ceil(lanes);
            let mut block = 0;
            while block < blocks {
                let [one, two, four] = kernels.widest;
                let (wide, widest) = match blocks - block {
                    4.. if four > 0 => (4, four),
                    2.. if two > 0 => (2, two),
                    _ => (1, one),
                };
                for (row, out) in band.chunks_mut(width * channels).enumerate() {
                    let pixels = out.len() / channels;
                    // All tiles have the same size. The last one is moved left to end with the row, and recomputes some pixels.
                    let size = pixels.div_ceil(pixels.div_ceil(widest));
                    let tile = (kernels.tile)(size, wide).ok_or(Error::Internal("a tile size"))?;
                    for first in (0..pixels).step_by(size) {
                        let first = first.min(pixels - size);
                        let channel = index * self.group_channels + block * lanes;
                        let acts = row * rows.step + first * pixel_step + index * self.group_step;
                        let correction = corrections.get(row * width + first..).filter(|rest| !rest.is_empty());
                        // SAFETY: the row has `size` pixels from `first`, so by the check above every read of activations ends within
                        // `rows.bytes`; `pack_group` pads weights, bias and multipliers to whole blocks; the tile writes `channels`
                        // bytes per pixel, which end within `out`; and `kernels` came from a backend that this CPU has.
                        unsafe {
                            tile(&Tile {
                                acts: rows.bytes.as_ptr().add(acts),
                                pixel_step,
                                segments: &self.segments,
                                weights: group.weights.as_ptr().cast::<i32>().add(block * self.steps * lanes),
                                block_words: self.steps * lanes,
                                bias: group.bias.as_ptr().add(block * lanes),
                                multipliers: group.multipliers.as_ptr().add(block * lanes),
                                rows: correction.map_or(std::ptr::null(), <[i32]>::as_ptr),
                                out: out.as_mut_ptr().add(first * channels + channel),
                                out_step: channels,
                                channels: (self.group_channels - block * lanes).min(wide * lanes),
                                round: &self.round,
                            });
                        }
                    }
                }
                block += wide;
            }
        }
        Ok(())
    }
}

/// Packs the `[co, run, …]` weights of one group, each run padded with zeros to whole steps.
fn pack_group(weights: &[i8], channels: &[Channel], fan_in: usize, run: usize, steps: usize, kernels: &Kernels) -> Group {
    let (lanes, packing) = (kernels.lanes, kernels.packing);
    let blocks = channels.len().div_ceil(lanes);
    let mut words = vec![0; blocks * steps * lanes];
    let (mut bias, mut multipliers) = (vec![0; blocks * lanes], vec![0; blocks * lanes]);
    let constants = weights
        .chunks_exact(fan_in)
        .zip(channels)
        .zip(bias.iter_mut().zip(&mut multipliers));
    for (index, ((weights, channel), (bias, multiplier))) in constants.enumerate() {
        let (block, lane) = (index / lanes, index % lanes);
        let column = words.iter_mut().skip(block * steps * lanes + lane).step_by(lanes);
        let groups = weights.chunks_exact(run).flat_map(|run| run.chunks(packing.group()));
        for (word, group) in column.zip(groups) {
            *word = pack_word(group, packing);
        }
        let sum: i32 = weights.iter().map(|weight| i32::from(*weight)).sum();
        // Like all sums, exact modulo 2^32; |Σ u·w| + |bias| + |128·Σw| < 2^31 in any case.
        *bias = channel.bias.wrapping_sub(packing.offset().wrapping_mul(sum));
        *multiplier = channel.multiplier;
    }
    let line = |words: &[i32]| {
        let mut line = Line([0; 16]);
        line.0.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        line
    };
    Group {
        weights: words.chunks(16).map(line).collect(),
        bias,
        multipliers,
    }
}

fn pack_word(group: &[i8], packing: Packing) -> i32 {
    let at = |index: usize| group.get(index).copied().unwrap_or(0);
    match packing {
        Packing::Quads => i32::from_ne_bytes([at(0), at(1), at(2), at(3)].map(|weight| weight as u8)),
        Packing::Pairs => {
            let ([a, b], [c, d]) = (i16::from(at(0)).to_ne_bytes(), i16::from(at(1)).to_ne_bytes());
            i32::from_ne_bytes([a, b, c, d])
        }
    }
}
