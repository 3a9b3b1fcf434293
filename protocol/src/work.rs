//! Work that a call asks for: a chain of matrix products as large as the GPU, by the arithmetic of jobs ([`crate::requantise`], and the referee's own sum).
//!
//! A tensor of N bytes is a matrix of N/K lines of K. A layer multiplies it with K×K seeded weights, adds seeded noise, requantises, and turns the product: what
//! leaves as column `c` of line `m` is element `c·(N/K) + m` of the next tensor. So lines follow from elements of everywhere, and who keeps less than the
//! tensor computes it again and again. The first tensor is zero; noise makes every other one as random as the next, whatever a device put in the place of the one before.
//!
//! The device answers with a root over all tensors of all its GPUs. Later a beacon that nobody knew then draws one element, and the device shows
//! its chunk and the line it follows from: the program computes the element itself. Whoever computed only a part passes for that part of
//! the beacons, and nothing tried at home tells which.
//!
//! No convict and no dispute: what is not right earns nothing, and saying so costs the chain one dot product.

use crate::hash::{Hash, Tag, tagged};
use crate::merkle;
use crate::referee::dot;
use crate::requantise::Requantise;
use crate::tensor::{from_code, to_code};
use alloc::vec;
use alloc::vec::Vec;

/// Bytes of a leaf.
pub const CHUNK: usize = 256;
const CHUNK_LOG2: u8 = 8;

/// Codes of zero: `x + 128`.
const ZEROS: [u64; 2] = [128; 2];

// Second byte of every preimage under `Tag::Work`.
const WEIGHTS: u8 = 0;
const NOISE: u8 = 1;
const SEED: u8 = 2;
const LEAF: u8 = 3;
const DRAW: u8 = 4;

/// How much work a call asks of each GPU; logarithms to base 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    width: u8,
    bytes: u8,
    layers: u8,
}

impl Size {
    /// The least: a moment of any processor.
    pub const LEAST: Self = Self {
        width: 8,
        bytes: 12,
        layers: 2,
    };

    /// `width` of a line is 2^8, 2^10 or 2^12 elements, so that sums of products stay within the range of what they are requantised to;
    /// `bytes` of a tensor are one line to 2^36; `layers` are 1 to 2^7. `None` beyond.
    pub const fn new(width: u8, bytes: u8, layers: u8) -> Option<Self> {
        let sound = matches!(width, 8 | 10 | 12) && bytes >= width && bytes <= 36 && layers <= 7;
        if sound { Some(Self { width, bytes, layers }) } else { None }
    }

    /// The three logarithms that [`Size::new`] takes.
    pub const fn logarithms(&self) -> [u8; 3] {
        [self.width, self.bytes, self.layers]
    }

    /// Elements of a line: the terms of a sum, K.
    pub const fn width(&self) -> usize {
        1 << self.width
    }

    /// Bytes of a tensor, N.
    pub const fn bytes(&self) -> u64 {
        1 << self.bytes
    }

    /// Lines of a tensor.
    pub const fn lines(&self) -> u64 {
        1 << (self.bytes - self.width)
    }

    /// Layers.
    pub const fn layers(&self) -> u8 {
        1 << self.layers
    }

    /// Multiplications of all layers.
    pub const fn products(&self) -> u64 {
        1 << (self.bytes + self.width + self.layers)
    }

    /// Levels of the tree over a tensor's chunks.
    const fn depth(&self) -> usize {
        (self.bytes - CHUNK_LOG2) as usize
    }

    /// Levels from a line's root to that of its tensor.
    const fn line_depth(&self) -> usize {
        (self.bytes - self.width) as usize
    }

    /// Uniform weights and elements with a standard deviation of s have sums with one of 73.9·√K·s. A shift by 64·√K makes that 1.15·s, and noise adds a
    /// quarter of int8's range: elements spread over all of int8 and saturate at times, however they began.
    pub const fn requantise(&self) -> Requantise {
        Requantise {
            shift: 6 + self.width / 2,
            zero_point: 0,
            lo: i8::MIN,
            hi: i8::MAX,
        }
    }

    /// What noise is multiplied by: half of what a unit of the output is worth.
    pub const fn noise_factor(&self) -> i32 {
        1 << (5 + self.width / 2)
    }
}

/// What the work of GPU number `gpu` of a called device comes from; of no other device or beacon.
pub fn seed(beacon: &Hash, device: &Hash, gpu: u8) -> Hash {
    tagged(Tag::Work, [&[SEED, gpu], beacon, device])
}

/// The increment of SplitMix64.
pub const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's output for a state.
pub const fn mix(state: u64) -> u64 {
    let draw = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let draw = (draw ^ (draw >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    draw ^ (draw >> 31)
}

/// Codes of the weights of output column `column`, K of them: `H(16 ‖ 0 ‖ layer ‖ column ‖ seed)` starts four SplitMix64 generators, which take turns.
pub fn weights(size: Size, seed: &Hash, layer: u8, column: u16) -> Vec<u8> {
    let start = tagged(Tag::Work, [&[WEIGHTS, layer], &column.to_le_bytes(), seed]);
    let mut states = [0u64; 4];
    for (state, bytes) in states.iter_mut().zip(start.as_chunks().0) {
        *state = u64::from_le_bytes(*bytes);
    }
    let mut line = vec![0; size.width()];
    for turn in line.as_chunks_mut::<8>().0.as_chunks_mut::<4>().0 {
        for (place, state) in turn.iter_mut().zip(&mut states) {
            *state = state.wrapping_add(GAMMA);
            *place = mix(*state).to_le_bytes();
        }
    }
    line
}

/// Where the noise of a layer starts: its word `i`, for elements 8·i to 8·i + 7 from the lowest byte up, is `mix(start + (i + 1)·GAMMA)`.
pub fn noise(seed: &Hash, layer: u8) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = tagged(Tag::Work, [&[NOISE, layer], seed]);
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Code of an element: noise at its place and, but for the first layer, the sum of a line's products with its column's weights.
fn element(size: Size, noise: u64, place: u64, line: Option<&[u8]>, weights: impl FnOnce() -> Vec<u8>) -> u8 {
    let word = mix(noise.wrapping_add(GAMMA.wrapping_mul((place / 8).wrapping_add(1))));
    let noise = from_code((word >> (place % 8 * 8)) as u8);
    let sum = line.map_or(0, |line| dot(line, &weights(), &ZEROS));
    // |sum| ≤ 2^12 · 2^14, and noise 2^18.
    to_code(
        size.requantise()
            .scale(sum.wrapping_add(i64::from(noise).wrapping_mul(size.noise_factor().into())), 1),
    )
}

/// A leaf of a tensor's tree.
pub fn leaf(chunk: &[u8]) -> Hash {
    tagged(Tag::Work, [&[LEAF, 0, 0], chunk])
}

/// The definition: codes of every layer's tensor in turn. For small sizes; the engine has faster ways.
pub fn tensors(size: Size, seed: &Hash) -> Vec<Vec<u8>> {
    let mut tensors: Vec<Vec<u8>> = Vec::new();
    for layer in 0..size.layers() {
        let noise = noise(seed, layer);
        let mut tensor = Vec::new();
        for column in 0..size.width() as u16 {
            let weights = weights(size, seed, layer, column);
            for line in 0..size.lines() {
                let input = tensors.last().and_then(|input| input.chunks_exact(size.width()).nth(line as usize));
                tensor.push(element(size, noise, tensor.len() as u64, input, || weights.clone()));
            }
        }
        tensors.push(tensor);
    }
    tensors
}

/// Root over a tensor's chunks.
pub fn tensor_root(tensor: &[u8]) -> Hash {
    merkle::root(&leaves(tensor))
}

fn leaves(tensor: &[u8]) -> Vec<Hash> {
    tensor.chunks(CHUNK).map(leaf).collect()
}

/// The answer to a call: the root over the GPUs, each of which is the root over its layers' tensors.
pub fn answer(gpus: &[Vec<Hash>]) -> Hash {
    merkle::root(&roots(gpus))
}

fn roots(gpus: &[Vec<Hash>]) -> Vec<Hash> {
    gpus.iter().map(|layers| merkle::root(layers)).collect()
}

/// The element that a later beacon draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Which GPU.
    pub gpu: u8,
    /// The layer whose output it is of.
    pub layer: u8,
    /// Its place in the tensor.
    pub place: u64,
}

impl Draw {
    /// Of a device with so many GPUs, drawn by a beacon.
    pub fn new(beacon: &Hash, device: &Hash, size: Size, gpus: u8) -> Self {
        let [a, b, c, d, e, f, g, h, gpu, layer, ..] = tagged(Tag::Work, [&[DRAW], beacon, device]);
        Self {
            gpu: gpu.checked_rem(gpus).unwrap_or(0),
            layer: layer % size.layers(),
            place: u64::from_le_bytes([a, b, c, d, e, f, g, h]) % size.bytes(),
        }
    }

    /// The chunk it lies in.
    pub const fn chunk(&self) -> u64 {
        self.place / CHUNK as u64
    }

    /// The line of the layer's input that it follows from.
    pub const fn line(&self, size: Size) -> u64 {
        self.place % size.lines()
    }

    /// The column of the weights that it follows from; below K.
    pub const fn column(&self, size: Size) -> u16 {
        (self.place / size.lines()) as u16
    }
}

/// Bytes of a tensor with their way up to the tensor's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// A chunk, or a line.
    pub bytes: Vec<u8>,
    /// Siblings from there up.
    pub path: Vec<Hash>,
}

impl Opening {
    /// Of chunk or line number `index`, of so many bytes.
    pub fn of(tensor: &[u8], bytes: usize, index: u64) -> Option<Self> {
        let roots: Vec<Hash> = tensor.chunks(bytes).map(tensor_root).collect();
        let index = u32::try_from(index).ok()?;
        Some(Self {
            bytes: tensor.chunks(bytes).nth(index as usize)?.to_vec(),
            path: merkle::path(&roots, index),
        })
    }
}

/// What is to be shown: the drawn element's chunk and, but in the first layer, the line it follows from, each with its way up to the answer: first
/// through its tensor, then through the layers, then through the GPUs. `openings` are those two in this order.
pub fn evidence(gpus: &[Vec<Hash>], draw: &Draw, openings: &[Opening]) -> Vec<u8> {
    let of_gpu = gpus.get(usize::from(draw.gpu)).map_or(&[][..], Vec::as_slice);
    let gpu_path = merkle::path(&roots(gpus), draw.gpu.into());
    let mut evidence = Vec::new();
    for (opening, layer) in openings.iter().zip([draw.layer, draw.layer.wrapping_sub(1)]) {
        evidence.extend_from_slice(&opening.bytes);
        let layer_path = merkle::path(of_gpu, layer.into());
        let path = opening.path.iter().chain(&layer_path).chain(&gpu_path);
        path.for_each(|sibling| evidence.extend_from_slice(sibling));
    }
    evidence
}

/// Whether evidence is of the answer of a device with so many GPUs, and the drawn element right.
pub fn is_right(size: Size, gpus: u8, [beacon, device]: [&Hash; 2], answer: &Hash, draw: &Draw, evidence: &[u8]) -> bool {
    let shape = Answered {
        size,
        gpus: merkle::depth(gpus.into()) as usize,
        answer,
    };
    let shown = || {
        let (chunk, rest) = shape.opened(evidence, (CHUNK, draw.chunk()), size.depth(), draw.gpu, draw.layer)?;
        let seed = seed(beacon, device, draw.gpu);
        let noise = noise(&seed, draw.layer);
        let weights = || weights(size, &seed, draw.layer, draw.column(size));
        let (line, rest) = match draw.layer.checked_sub(1) {
            None => (None, rest),
            Some(before) => {
                let place = (size.width(), draw.line(size));
                let (line, rest) = shape.opened(rest, place, size.line_depth(), draw.gpu, before)?;
                (Some(line), rest)
            }
        };
        let shown = chunk.get((draw.place % CHUNK as u64) as usize)?;
        Some(rest.is_empty() && *shown == element(size, noise, draw.place, line, weights))
    };
    shown().unwrap_or(false)
}

/// What openings are held against.
struct Answered<'a> {
    size: Size,
    /// Levels of the tree over the GPUs.
    gpus: usize,
    answer: &'a Hash,
}

impl Answered<'_> {
    /// The bytes that evidence begins with, if their way leads to the answer from their place in that layer of that GPU, and what comes after.
    fn opened<'e>(
        &self,
        evidence: &'e [u8],
        (bytes, index): (usize, u64),
        depth: usize,
        gpu: u8,
        layer: u8,
    ) -> Option<(&'e [u8], &'e [u8])> {
        let (opened, rest) = evidence.split_at_checked(bytes)?;
        let layers = usize::from(self.size.layers);
        let (path, rest) = rest.split_at_checked((depth + layers + self.gpus) * size_of::<Hash>())?;
        let (path, _) = path.as_chunks();
        let (in_tensor, above) = path.split_at_checked(depth)?;
        let (in_layers, in_gpus) = above.split_at_checked(layers)?;
        let up = |root, index: u64, path: &[Hash]| merkle::root_from_path(root, u32::try_from(index).ok()?, path.len() as u32, path);
        let tensor = up(tensor_root(opened), index, in_tensor)?;
        let all_layers = up(tensor, layer.into(), in_layers)?;
        let answer = up(all_layers, gpu.into(), in_gpus)?;
        (answer == *self.answer).then_some((opened, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Inputs, OpDescriptor, OpKind, Operands, evaluate_all};
    use crate::requantise::Channel;
    use crate::tensor::Shape;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// All GPUs' tensors and roots.
    struct Device {
        size: Size,
        tensors: Vec<Vec<Vec<u8>>>,
        roots: Vec<Vec<Hash>>,
    }

    const BEACON: Hash = [3; 32];
    const DEVICE: Hash = [4; 32];

    impl Device {
        fn new(size: Size, gpus: u8) -> Self {
            let tensors: Vec<_> = (0..gpus).map(|gpu| tensors(size, &seed(&BEACON, &DEVICE, gpu))).collect();
            Self::of(size, tensors)
        }

        fn of(size: Size, tensors: Vec<Vec<Vec<u8>>>) -> Self {
            let roots = tensors
                .iter()
                .map(|layers| layers.iter().map(|tensor| tensor_root(tensor)).collect());
            Self {
                roots: roots.collect(),
                size,
                tensors,
            }
        }

        fn show(&self, draw: &Draw) -> Vec<u8> {
            let layers = &self.tensors[usize::from(draw.gpu)];
            let chunk = Opening::of(&layers[usize::from(draw.layer)], CHUNK, draw.chunk()).unwrap();
            let line = draw.layer.checked_sub(1).map(|before| {
                let line = Opening::of(&layers[usize::from(before)], self.size.width(), draw.line(self.size));
                line.unwrap()
            });
            evidence(&self.roots, draw, &[Some(chunk), line].into_iter().flatten().collect::<Vec<_>>())
        }

        fn passes(&self, draw: &Draw, evidence: &[u8]) -> bool {
            let gpus = self.tensors.len() as u8;
            is_right(self.size, gpus, [&BEACON, &DEVICE], &answer(&self.roots), draw, evidence)
        }
    }

    fn sizes() -> impl Strategy<Value = Size> {
        (prop::sample::select(vec![(8, 8..=12u8), (10, 10..=11)]), 0..=3u8)
            .prop_flat_map(|((width, bytes), layers)| (Just(width), bytes, Just(layers)))
            .prop_map(|(width, bytes, layers)| Size::new(width, bytes, layers).unwrap())
    }

    fn draws(size: Size, gpus: u8) -> impl Strategy<Value = Draw> {
        let draw = (0..gpus, 0..size.layers(), 0..size.bytes());
        draw.prop_map(|(gpu, layer, place)| Draw { gpu, layer, place })
    }

    #[test]
    fn sizes_have_bounds() {
        for (width, bytes, layers) in [(9, 12, 2), (8, 7, 2), (12, 11, 0), (8, 37, 0), (8, 12, 8), (14, 20, 0)] {
            assert_eq!(Size::new(width, bytes, layers), None);
        }
        let size = Size::new(12, 36, 7).unwrap();
        assert_eq!(
            (size.width(), size.bytes(), size.lines(), size.layers()),
            (4_096, 1 << 36, 1 << 24, 128)
        );
        assert_eq!(size.products(), 128 * (1 << 24) * 4_096 * 4_096);
        let least = Size::LEAST;
        assert_eq!(Size::new(least.width, least.bytes, least.layers), Some(least));
    }

    /// A layer is a job's `matmul` with the noise as bias, whose result is turned.
    #[test]
    fn a_layer_is_the_definition_of_jobs() {
        let size = Size::new(8, 11, 1).unwrap();
        let seed = [9; 32];
        let tensors = tensors(size, &seed);
        let signed = |codes: &[u8]| codes.iter().map(|code| from_code(*code)).collect::<Vec<i8>>();
        let (lines, width) = (size.lines() as usize, size.width());
        let input = signed(&tensors[0]);
        let noise: Vec<i8> = (0..size.bytes() / 8)
            .flat_map(|word| mix(noise(&seed, 1).wrapping_add(GAMMA.wrapping_mul(word + 1))).to_le_bytes())
            .map(from_code)
            .collect();
        let kind = OpKind::Matmul {
            weights: [0; 32],
            channels: [0; 32],
            requantise: size.requantise(),
        };
        for line in 0..lines {
            let op = OpDescriptor {
                kind,
                inputs: Inputs::new(&[0]).unwrap(),
                output: Shape::new(1, 1, width as u16),
            };
            let weights: Vec<i8> = (0..width as u16)
                .flat_map(|column| signed(&weights(size, &seed, 1, column)))
                .collect();
            let channels: Vec<Channel> = (0..width)
                .map(|column| Channel {
                    bias: i32::from(noise[column * lines + line]) * size.noise_factor(),
                    multiplier: 1,
                })
                .collect();
            let operands = Operands {
                inputs: &[&input[line * width..(line + 1) * width]],
                weights: &weights,
                channels: &channels,
                table: &[],
            };
            let row = evaluate_all(&op, &[Shape::new(1, 1, width as u16)], &operands).unwrap();
            let turned: Vec<i8> = (0..width).map(|column| from_code(tensors[1][column * lines + line])).collect();
            assert_eq!(row, turned);
        }
    }

    #[test]
    fn tensors_are_of_one_gpu_device_and_beacon_and_spread_over_int8() {
        let size = Size::new(8, 16, 4).unwrap();
        let seeds = [
            seed(&[1; 32], &[2; 32], 0),
            seed(&[1; 32], &[2; 32], 1),
            seed(&[1; 32], &[3; 32], 0),
            seed(&[4; 32], &[2; 32], 0),
        ];
        assert_eq!(seeds.iter().collect::<BTreeSet<_>>().len(), 4);
        let tensors = tensors(size, &seeds[0]);
        assert_eq!(tensors.len(), 16);
        for tensor in tensors.iter().skip(1) {
            let mut counts = [0u32; 256];
            tensor.iter().for_each(|code| counts[usize::from(*code)] += 1);
            // 256 of each would be uniform. Every value occurs, and at most an eighth saturates at each end.
            assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
            assert!(counts[0].max(counts[255]) < 8_192, "{counts:?}");
        }
    }

    /// Whoever begins with zeros in the middle has tensors that are as hard to make as any: noise keeps them from being like one another.
    #[test]
    fn zeros_do_not_stay_zeros() {
        let size = Size::LEAST;
        let zero = vec![128; size.bytes() as usize];
        let output: Vec<u8> = (0..size.bytes())
            .map(|place| {
                let column = (place / size.lines()) as u16;
                let line = &zero[..size.width()];
                element(size, noise(&[5; 32], 2), place, Some(line), || weights(size, &[5; 32], 2, column))
            })
            .collect();
        let lines: BTreeSet<&[u8]> = output.chunks(size.width()).collect();
        assert_eq!(lines.len(), 16);
        assert!(output.iter().collect::<BTreeSet<_>>().len() > 120);
    }

    #[test]
    fn evidence_is_at_most_seven_pieces() {
        let size = Size::new(12, 36, 7).unwrap();
        let path = size.depth() + 7 + 3 + size.line_depth() + 7 + 3;
        assert_eq!(CHUNK + size.width() + path * 32, 6_656);
        let least = Size::LEAST;
        assert_eq!(CHUNK + least.width() + (least.depth() + 2 + least.line_depth() + 2) * 32, 896);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Every element of true work passes, whichever is drawn; nothing else does.
        #[test]
        fn only_the_truth_passes(
            ((size, gpus), draw) in (sizes(), 1..=5u8).prop_flat_map(|(size, gpus)| (Just((size, gpus)), draws(size, gpus))),
            at: prop::sample::Index,
            change in 1..=255u8,
        ) {
            let device = Device::new(size, gpus);
            let shown = device.show(&draw);
            prop_assert!(device.passes(&draw, &shown));
            // One altered byte anywhere, one byte less and one more.
            let mut altered = shown.clone();
            altered[at.index(shown.len())] ^= change;
            prop_assert!(!device.passes(&draw, &altered));
            prop_assert!(!device.passes(&draw, &shown[..shown.len() - 1]));
            prop_assert!(!device.passes(&draw, &[&shown[..], &[0]].concat()));
            // What another draw asks for.
            let other = Draw { place: (draw.place + CHUNK as u64) % size.bytes(), ..draw };
            prop_assert!(other == draw || !device.passes(&other, &shown));
        }

        /// A wrong element is found when it is drawn.
        #[test]
        fn a_lie_is_found_where_it_is(
            (size, draw) in sizes().prop_flat_map(|size| (Just(size), draws(size, 1))),
            change in 1..=255u8,
        ) {
            let honest = Device::new(size, 1);
            let mut tensors = honest.tensors.clone();
            tensors[0][usize::from(draw.layer)][draw.place as usize] ^= change;
            let liar = Device::of(size, tensors);
            prop_assert!(!liar.passes(&draw, &liar.show(&draw)));
            // Honest evidence does not lead to the liar's answer.
            prop_assert!(!liar.passes(&draw, &honest.show(&draw)));
            let beside = Draw { place: draw.place ^ 1, ..draw };
            prop_assert!(liar.passes(&beside, &liar.show(&beside)));
        }

        #[test]
        fn draws_are_anywhere_and_of_one_device(beacon: Hash, device: Hash, size in sizes(), gpus in 1..=8u8) {
            let draw = Draw::new(&beacon, &device, size, gpus);
            prop_assert!(draw.gpu < gpus && draw.layer < size.layers() && draw.place < size.bytes());
            prop_assert_eq!(draw.place, u64::from(draw.column(size)) * size.lines() + draw.line(size));
        }
    }
}
