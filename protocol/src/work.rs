//! The work that a call asks for: a chain of matrix products as large as the GPU's memory, in the arithmetic of jobs
//! ([`crate::requantise`], and the referee's dot product).
//!
//! A tensor of N bytes is a matrix of N/K lines of K elements. A layer adds noise to it, multiplies it by K×K seeded weights, requantises,
//! and transposes the product: column `c` of line `m` becomes element `c·(N/K) + m` of the next tensor. So each line depends on elements
//! from everywhere, and a device that keeps less than the whole tensor has to recompute it again and again.
//!
//! The noise that is added to a tensor is derived from its root. So whatever a device puts in a tensor's place, the operand is random and
//! has no structure that would make the product cheaper. The first layer multiplies noise alone.
//!
//! The device answers with a root over all tensors of all its GPUs. A later beacon, unknown at that time, draws one element, and the device
//! shows the element's chunk and the line it was computed from: the program computes the element itself. A device that computed only a part
//! of the work passes for that part of the draws, and cannot find out which by trying offline.
//!
//! There is no conviction and no dispute: wrong work earns nothing, and detecting it costs the chain one dot product.

use crate::hash::{Hash, Tag, tagged};
use crate::merkle;
use crate::referee::dot;
use crate::requantise::Requantise;
use crate::tensor::to_code;
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

/// Size of the work that a call asks of each GPU, as logarithms to base 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    width: u8,
    bytes: u8,
    layers: u8,
}

impl Size {
    /// The least work, which any processor does in a moment.
    pub const LEAST: Self = Self {
        width: 8,
        bytes: 12,
        layers: 2,
    };

    /// `None` unless a line has 2^8, 2^10 or 2^12 elements, a tensor has at least one line and at most 2^36 bytes, and there are at most
    /// 2^7 layers. These widths keep sums within the range of [`crate::requantise`], and √K a power of two.
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

    /// Sums of K products of uniform bytes have a standard deviation of 5,461·√K. Dividing by 128·√K makes that 42.7, so that elements
    /// spread over all of int8.
    pub const fn requantise(&self) -> Requantise {
        Requantise {
            shift: 7 + self.width / 2,
            zero_point: 0,
            lo: i8::MIN,
            hi: i8::MAX,
        }
    }
}

/// Seed of the work of GPU number `gpu` of a called device, unique to the device and the beacon.
pub fn seed(beacon: &Hash, device: &Hash, gpu: u8) -> Hash {
    tagged(Tag::Work, [&[SEED, gpu], beacon, device])
}

/// The increment of SplitMix64.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's output for a state.
const fn mix(state: u64) -> u64 {
    let draw = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let draw = (draw ^ (draw >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    draw ^ (draw >> 31)
}

/// Codes of the K weights of output column `column`: `H(16 ‖ 0 ‖ layer ‖ column ‖ seed)` seeds four SplitMix64 generators, which take
/// turns.
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

/// Start of the noise that a layer adds to the tensor with this root. For the first layer, which has no tensor before it, the root is zero.
pub fn noise(seed: &Hash, layer: u8, root: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = tagged(Tag::Work, [&[NOISE, layer], seed, root]);
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Adds noise to the codes from `place` on, by exclusive or: word `i` of the noise, for places 8·i to 8·i + 7 from the lowest byte up, is
/// `mix(start + (i + 1)·GAMMA)`. Both place and codes are whole words.
pub fn add_noise(start: u64, place: u64, codes: &mut [u8]) {
    let mut state = start.wrapping_add(GAMMA.wrapping_mul(place / 8));
    for word in codes.as_chunks_mut().0 {
        state = state.wrapping_add(GAMMA);
        *word = (u64::from_le_bytes(*word) ^ mix(state)).to_le_bytes();
    }
}

/// Code of an element: of a line with its noise, times a column's weights.
fn element(size: Size, line: &[u8], weights: &[u8]) -> u8 {
    to_code(size.requantise().scale(dot(line, weights, &ZEROS), 1))
}

/// A leaf of a tensor's tree.
pub fn leaf(chunk: &[u8]) -> Hash {
    tagged(Tag::Work, [&[LEAF, 0, 0], chunk])
}

/// The definition of the work: codes of every layer's tensor in turn. Only for small sizes; the engine computes the same faster.
pub fn tensors(size: Size, seed: &Hash) -> Vec<Vec<u8>> {
    let (mut tensor, mut root) = (vec![0; size.bytes() as usize], Hash::default());
    let layers = (0..size.layers()).map(|layer| {
        add_noise(noise(seed, layer, &root), 0, &mut tensor);
        let lines = tensor.chunks_exact(size.width());
        let column = |column| {
            let weights = weights(size, seed, layer, column);
            lines.clone().map(move |line| element(size, line, &weights))
        };
        let next: Vec<u8> = (0..size.width() as u16).flat_map(column).collect();
        root = tensor_root(&next);
        tensor.clone_from(&next);
        next
    });
    layers.collect()
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
    /// Number of the GPU.
    pub gpu: u8,
    /// The layer in whose output it lies.
    pub layer: u8,
    /// Its place in the tensor.
    pub place: u64,
}

impl Draw {
    /// The element that a beacon draws from the work of a device with `gpus` GPUs.
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

    /// The line of the layer's input that it is computed from.
    pub const fn line(&self, size: Size) -> u64 {
        self.place % size.lines()
    }

    /// The column of weights that it is computed from; below K.
    pub const fn column(&self, size: Size) -> u16 {
        (self.place / size.lines()) as u16
    }
}

/// Bytes of a tensor and their path to the tensor's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// A chunk, or a line.
    pub bytes: Vec<u8>,
    /// Siblings from there up.
    pub path: Vec<Hash>,
}

impl Opening {
    /// Opens chunk or line number `index`, where each has `bytes` bytes.
    pub fn of(tensor: &[u8], bytes: usize, index: u64) -> Option<Self> {
        let roots: Vec<Hash> = tensor.chunks(bytes).map(tensor_root).collect();
        let index = u32::try_from(index).ok()?;
        Some(Self {
            bytes: tensor.chunks(bytes).nth(index as usize)?.to_vec(),
            path: merkle::path(&roots, index),
        })
    }
}

/// The evidence for a draw: the drawn element's chunk and, except in the first layer, the line that it is computed from, each with its path
/// to the answer: through its tensor, then through the layers, then through the GPUs. `openings` are these two, in this order.
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

/// Whether `evidence` leads to the answer of a device with `gpus` GPUs, and the drawn element is right.
pub fn is_right(size: Size, gpus: u8, [beacon, device]: [&Hash; 2], answer: &Hash, draw: &Draw, evidence: &[u8]) -> bool {
    let shape = Answered {
        size,
        gpus: merkle::depth(gpus.into()) as usize,
        answer,
    };
    let shown = || {
        let (chunk, _, rest) = shape.opened(evidence, (CHUNK, draw.chunk()), size.depth(), draw.gpu, draw.layer)?;
        let seed = seed(beacon, device, draw.gpu);
        let (mut line, root, rest) = match draw.layer.checked_sub(1) {
            None => (vec![0; size.width()], Hash::default(), rest),
            Some(before) => {
                let place = (size.width(), draw.line(size));
                let (line, root, rest) = shape.opened(rest, place, size.line_depth(), draw.gpu, before)?;
                (line.to_vec(), root, rest)
            }
        };
        let place = draw.line(size).wrapping_mul(size.width() as u64);
        add_noise(noise(&seed, draw.layer, &root), place, &mut line);
        let weights = weights(size, &seed, draw.layer, draw.column(size));
        let shown = chunk.get((draw.place % CHUNK as u64) as usize)?;
        Some(rest.is_empty() && *shown == element(size, &line, &weights))
    };
    shown().unwrap_or(false)
}

/// The answer that openings are checked against.
struct Answered<'a> {
    size: Size,
    /// Levels of the tree over the GPUs.
    gpus: usize,
    answer: &'a Hash,
}

impl Answered<'_> {
    /// Takes an opening off the front of the evidence. Returns its bytes, the root of the layer's tensor, and the remaining evidence;
    /// `None` unless the path leads from the bytes' place in that layer of that GPU to the answer.
    fn opened<'e>(
        &self,
        evidence: &'e [u8],
        (bytes, index): (usize, u64),
        depth: usize,
        gpu: u8,
        layer: u8,
    ) -> Option<(&'e [u8], Hash, &'e [u8])> {
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
        (answer == *self.answer).then_some((opened, tensor, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Inputs, OpDescriptor, OpKind, Operands, evaluate_all};
    use crate::requantise::Channel;
    use crate::tensor::{Shape, from_code};
    use crate::testing::Work;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const BEACON: Hash = [3; 32];
    const DEVICE: Hash = [4; 32];

    fn honest(size: Size, gpus: u8) -> Work {
        Work::new(size, (0..gpus).map(|gpu| seed(&BEACON, &DEVICE, gpu)))
    }

    fn passes(size: Size, device: &Work, draw: &Draw, evidence: &[u8]) -> bool {
        let gpus = device.tensors.len() as u8;
        is_right(size, gpus, [&BEACON, &DEVICE], &answer(&device.roots), draw, evidence)
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
    fn weights_come_from_four_generators_in_turn() {
        let (size, seed) = (Size::new(8, 12, 1).unwrap(), [9; 32]);
        let start = tagged(Tag::Work, [&[WEIGHTS, 1], &[5, 0], &seed]);
        let line = weights(size, &seed, 1, 5);
        assert_eq!(line.len(), 256);
        for (place, bytes) in line.as_chunks::<8>().0.iter().enumerate() {
            let first = u64::from_le_bytes(start.as_chunks::<8>().0[place % 4]);
            let state = first.wrapping_add(GAMMA.wrapping_mul(place as u64 / 4 + 1));
            assert_eq!(u64::from_le_bytes(*bytes), mix(state), "{place}");
        }
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

    /// A layer is a job's `matmul` of the previous layer's tensor plus noise, transposed.
    #[test]
    fn a_layer_is_the_definition_of_jobs() {
        let size = Size::new(8, 11, 1).unwrap();
        let seed = [9; 32];
        let tensors = tensors(size, &seed);
        let signed = |codes: &[u8]| codes.iter().map(|code| from_code(*code)).collect::<Vec<i8>>();
        let (lines, width) = (size.lines() as u16, size.width() as u16);
        let nothing = vec![0; size.bytes() as usize];
        for (layer, before, root) in [(0, &nothing, [0; 32]), (1, &tensors[0], tensor_root(&tensors[0]))] {
            let mut input = before.clone();
            // SplitMix64 as published by its author.
            let mut state = noise(&seed, layer, &root);
            for word in input.chunks_mut(8) {
                state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut draw = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                draw = (draw ^ (draw >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                draw ^= draw >> 31;
                word.iter_mut().zip(draw.to_le_bytes()).for_each(|(code, noise)| *code ^= noise);
            }
            let op = OpDescriptor {
                kind: OpKind::Matmul {
                    weights: [0; 32],
                    channels: [0; 32],
                    requantise: size.requantise(),
                },
                inputs: Inputs::new(&[0]).unwrap(),
                output: Shape::new(1, lines, width),
            };
            let weights: Vec<i8> = (0..width).flat_map(|column| signed(&weights(size, &seed, layer, column))).collect();
            let operands = Operands {
                inputs: &[&signed(&input)],
                weights: &weights,
                channels: &vec![Channel { bias: 0, multiplier: 1 }; width.into()],
                table: &[],
            };
            let product = evaluate_all(&op, &[Shape::new(1, lines, width)], &operands).unwrap();
            let (lines, width) = (usize::from(lines), usize::from(width));
            let turned = (0..width * lines).map(|place| product[place % lines * width + place / lines]);
            assert!(turned.eq(signed(&tensors[usize::from(layer)])), "layer {layer}");
        }
    }

    #[test]
    fn tensors_are_unique_to_gpu_device_and_beacon_and_spread_over_int8() {
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
        for tensor in &tensors {
            let mut counts = [0u32; 256];
            tensor.iter().for_each(|code| counts[usize::from(*code)] += 1);
            // In a normal distribution with a deviation of 42.7 the most frequent code would occur 612 times in 65,536.
            let occur = counts.iter().filter(|count| **count > 0).count();
            assert!(occur > 240 && counts.iter().all(|count| *count < 800), "{occur} of {counts:?}");
        }
    }

    /// Replacing every other tensor does not make the next one easier: the operand is still random, and only the product gives the right
    /// elements.
    #[test]
    fn nothing_in_a_tensors_place_makes_the_next_product_easier() {
        let size = Size::new(8, 12, 3).unwrap();
        let (honest, own) = (honest(size, 1), seed(&BEACON, &DEVICE, 0));
        let constant = |code| vec![code; size.bytes() as usize];
        // The columns of the product of a constant tensor without noise: the same in every line.
        let above = |layer: u8, code| -> Vec<u8> {
            let column =
                |column| vec![element(size, &vec![code; size.width()], &weights(size, &own, layer, column)); size.lines() as usize];
            (0..size.width() as u16).flat_map(column).collect()
        };
        // A tensor that would cancel noise that were not derived from this tensor's root, leaving zeros to multiply.
        let cancelling = |layer: u8| {
            let mut codes = constant(128);
            add_noise(noise(&own, layer, &Hash::default()), 0, &mut codes);
            codes
        };
        for code in [None, Some(0), Some(128), Some(255)] {
            let mut layers = honest.tensors[0].clone();
            for layer in (2..8).step_by(2) {
                let place = layer as u8;
                layers[layer - 1] = code.map_or_else(|| cancelling(place), constant);
                layers[layer] = above(place, code.unwrap_or(128));
            }
            let device = Work::of(size, vec![layers]);
            let draws = (0..4_000).map(|at| Draw {
                gpu: 0,
                layer: 1 + (at % 6) as u8,
                place: at * 2_654_435_761 % size.bytes(),
            });
            let passed = draws.filter(|draw| passes(size, &device, draw, &device.show(draw))).count();
            // About as often as a guess: once in a hundred times or less.
            assert!(passed < 80, "{passed} of 4,000 with {code:?}");
        }
    }

    #[test]
    fn evidence_fits_eight_pieces() {
        let size = Size::new(12, 36, 7).unwrap();
        let path = size.depth() + 7 + 3 + size.line_depth() + 7 + 3;
        let most = CHUNK + size.width() + path * 32;
        assert_eq!((most, most.div_ceil(944)), (6_656, 8));
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
            let device = honest(size, gpus);
            let shown = device.show(&draw);
            prop_assert!(passes(size, &device, &draw, &shown));
            // Altered in one byte, cut by one byte, and extended by one byte.
            let mut altered = shown.clone();
            altered[at.index(shown.len())] ^= change;
            prop_assert!(!passes(size, &device, &draw, &altered));
            prop_assert!(!passes(size, &device, &draw, &shown[..shown.len() - 1]));
            prop_assert!(!passes(size, &device, &draw, &[&shown[..], &[0]].concat()));
            // Evidence for another draw.
            let other = Draw { place: (draw.place + CHUNK as u64) % size.bytes(), ..draw };
            prop_assert!(other == draw || !passes(size, &device, &other, &shown));
        }

        /// A single wrong element fails exactly when it is drawn.
        #[test]
        fn a_wrong_element_fails_when_it_is_drawn(
            (size, draw) in sizes().prop_flat_map(|size| (Just(size), draws(size, 1))),
            change in 1..=255u8,
        ) {
            let honest = honest(size, 1);
            let mut tensors = honest.tensors.clone();
            tensors[0][usize::from(draw.layer)][draw.place as usize] ^= change;
            let liar = Work::of(size, tensors);
            prop_assert!(!passes(size, &liar, &draw, &liar.show(&draw)));
            // Honest evidence does not lead to the liar's answer.
            prop_assert!(!passes(size, &liar, &draw, &honest.show(&draw)));
            let neighbour = Draw { place: draw.place ^ 1, ..draw };
            prop_assert!(passes(size, &liar, &neighbour, &liar.show(&neighbour)));
        }

        #[test]
        fn draws_are_in_range_and_unique_to_a_device(beacon: Hash, device: Hash, size in sizes(), gpus in 1..=8u8) {
            let draw = Draw::new(&beacon, &device, size, gpus);
            prop_assert!(draw.gpu < gpus && draw.layer < size.layers() && draw.place < size.bytes());
            prop_assert_eq!(draw.place, u64::from(draw.column(size)) * size.lines() + draw.line(size));
        }
    }
}
