//! Products on every kernel that there is for them, whatever the number of multiprocessors: tables, ends of the range, random ones.

use super::comparison::{Case, Comparison};
use super::{Draft, random_batch, random_inputs};
use engine::cuda::Cores;
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use serde_json::json;

const ANY: Requantise = Requantise {
    shift: 1,
    zero_point: 3,
    lo: -128,
    hi: 127,
};

impl Comparison {
    /// All that is below, large values, and random graphs until every kernel of ops has been compared.
    pub fn every_kernel(&mut self, most_macs: u64) {
        self.products_run_on_the_tile_that_fits();
        self.rows_that_lie_whole_are_read_without_a_window();
        self.the_largest_sums_are_exact();
        self.the_largest_sums_of_activations_are_exact();
        self.halves_round_up();
        self.large_values();
        (0..16).for_each(|seed| self.large_product(seed, most_macs));
        // Copies and pools of every width come up by and by.
        let mut seeds = 0..1_000;
        while let Some(seed) = seeds.next().filter(|_| self.goes_on() && !self.missing(false).is_empty()) {
            self.graph(seed, 5, 60_000, seed % 2 == 0);
        }
    }

    /// A product of `rows` with `columns` of so many terms, of weights or of activations, and the kernel it runs on where one block keeps
    /// the GPU busy; whole tiles and what is beyond them.
    fn products_run_on_the_tile_that_fits(&mut self) {
        const CASES: [(u16, u16, u16, [&str; 3]); 12] = [
            (300, 130, 80, ["gemm_dp4a_16", "gemm_128x128_16", "gemm_128x256_16"]),
            (300, 500, 128, ["gemm_dp4a_16", "gemm_128x128_64", "gemm_128x256_64"]),
            (256, 128, 1024, ["gemm_dp4a_16", "gemm_128x128_64", "gemm_256x128_64"]),
            (700, 257, 192, ["gemm_dp4a_16", "gemm_128x128_64", "gemm_256x128_64"]),
            (700, 257, 48, ["gemm_dp4a_16", "gemm_128x128_16", "gemm_256x128_16"]),
            (200, 100, 128, ["gemm_dp4a_16", "gemm_128x128_64", "gemm_128x128_64"]),
            (200, 100, 80, ["gemm_dp4a_16", "gemm_128x128_16", "gemm_128x128_16"]),
            (300, 130, 84, ["gemm_dp4a_4", "gemm_64x64_4", "gemm_64x64_4"]),
            (300, 130, 81, ["gemm_dp4a_1", "gemm_64x64_1", "gemm_64x64_1"]),
            (300, 20, 64, ["gemm_dp4a_16", "gemm_128x32_16", "gemm_128x32_16"]),
            (300, 20, 20, ["gemm_dp4a_4", "gemm_128x32_4", "gemm_128x32_4"]),
            (300, 20, 19, ["gemm_dp4a_1", "gemm_128x32_1", "gemm_128x32_1"]),
        ];
        let cores = self.traits().cores;
        for (rows, columns, terms, [dots, warp, group]) in CASES {
            let mut rng = fastrand::Rng::with_seed(u64::from(terms));
            let shapes = [Shape::new(1, rows, terms), Shape::new(1, columns, terms)];
            for activations in [false, true] {
                let mut draft = Draft::new(&shapes);
                let kind = if activations {
                    OpKind::MatmulAct {
                        a_zero_point: rng.i8(..),
                        b_zero_point: rng.i8(..),
                        multiplier: 1 << 20,
                        requantise: Requantise { shift: 33, ..ANY },
                    }
                } else {
                    OpKind::Matmul {
                        weights: [0; 32],
                        channels: [0; 32],
                        requantise: ANY,
                    }
                };
                let ids: &[usize] = if activations { &[0, 1] } else { &[0] };
                assert!(draft.push(kind, ids, columns, &mut rng, 1 << 30));
                let inputs = random_inputs(&mut rng, &shapes);
                let kernel = match cores {
                    Cores::None => dots,
                    Cores::Warp => warp,
                    Cores::Group => group,
                };
                // Few columns have a tile of their own only among weights.
                let kernel = match activations {
                    true => kernel.replace("gemm", "product").replace("128x32", "64x64"),
                    false => kernel.to_owned(),
                };
                let what = format!("{rows} x {columns} x {terms}, activations: {activations}");
                self.definition(&draft, &inputs, &Case::alone(Some(&kernel), what));
            }
        }
    }

    /// Convolutions of several units: no window is looked through where each pixel is of the one in its place and whole steps are to be
    /// read.
    fn rows_that_lie_whole_are_read_without_a_window(&mut self) {
        // Side of the window, channels, groups, stride, padding, channels of the output's groups; Hopper's kernel.
        const CASES: [(u8, u16, u16, u8, u8, u16, &str); 9] = [
            (1, 128, 1, 1, 0, 128, "gemm_256x128_64"),
            (1, 256, 2, 1, 0, 130, "gemm_128x256_64"),
            (1, 64, 1, 1, 0, 130, "gemm_128x256_64"),
            (1, 256, 1, 2, 0, 130, "gemm_128x256_16"),
            (1, 128, 1, 1, 1, 130, "gemm_128x256_16"),
            (1, 96, 1, 1, 0, 130, "gemm_128x256_16"),
            (1, 128, 4, 1, 0, 100, "gemm_256x128_16"),
            (2, 64, 1, 1, 0, 130, "gemm_128x256_16"),
            (1, 128, 2, 1, 0, 300, "gemm_256x128_64"),
        ];
        for (side, channels, groups, stride, padding, outputs, kernel) in CASES {
            let mut rng = fastrand::Rng::with_seed(channels.into());
            let mut draft = Draft::new(&[Shape::new(13, 21, channels)]);
            let conv = OpKind::Conv2d {
                weights: [0; 32],
                channels: [0; 32],
                kernel: [side; 2],
                stride: [stride; 2],
                padding: [padding; 4],
                dilation: [1, 1],
                groups,
                pad_value: 5,
                requantise: ANY,
            };
            assert!(draft.push(conv, &[0], outputs * groups, &mut rng, 1 << 30));
            let blob = random_batch(&mut rng, &draft.package().unwrap(), 5);
            let what = format!("{side} x {side} of {channels} channels, {groups} groups, {stride} apart, {padding} around");
            let kernel = (self.traits().cores == Cores::Group).then_some(kernel);
            self.batch(&draft, &blob, &Case::alone(kernel, what));
        }
    }

    /// The longest sums of the largest terms, with the largest biases and multipliers: nothing saturates or wraps. Pairs of 127 · 127 are
    /// what 16-bit intermediate sums cannot hold.
    fn the_largest_sums_are_exact(&mut self) {
        const LONGEST: usize = 16_384;
        const BIAS: i32 = (1 << 30) - 1;
        let channels: Vec<(Vec<i8>, i32, i32)> = [127, -127]
            .into_iter()
            .flat_map(|weight| [0, BIAS, -BIAS].map(|bias| (vec![weight; LONGEST], bias, i32::MAX)))
            .chain([(vec![127; LONGEST], 0, 1), (vec![-127; LONGEST], BIAS, 0)])
            .collect();
        for shift in [1, 31, 32, 54, 62] {
            for value in [-128, 127] {
                let what = format!("the longest sums of {value}, shift {shift}");
                self.definition(
                    &product(2, &channels, shift, -3),
                    &[vec![value; 2 * LONGEST]],
                    &Case::alone(None, what),
                );
            }
        }
    }

    /// Both operands at every combination of ends, around zero points at every combination of ends.
    fn the_largest_sums_of_activations_are_exact(&mut self) {
        const DEPTH: u16 = 8_192;
        for zeros in [[0, 0], [-128, 127], [127, -128], [-128, -128], [127, 127]] {
            for ends in [[-128, -128], [-128, 127], [127, 127]] {
                let mut draft = Draft::new(&[Shape::new(1, 2, DEPTH), Shape::new(1, 3, DEPTH)]);
                draft.ops.push(
                    json!({"op": "matmul_act", "name": "op0", "inputs": ["in0", "in1"], "a_zero_point": zeros[0],
                    "b_zero_point": zeros[1], "multiplier": i32::MAX, "shift": 53, "zero_point": 1, "clamp": [-128, 127]}),
                );
                let inputs = [vec![ends[0]; 2 * usize::from(DEPTH)], vec![ends[1]; 3 * usize::from(DEPTH)]];
                let what = format!("the longest sums of {ends:?} around {zeros:?}");
                self.definition(&draft, &inputs, &Case::alone(None, what));
            }
        }
    }

    /// Every half on both sides of zero: up, as an arithmetic shift rounds, and as neither division nor float conversion does.
    fn halves_round_up(&mut self) {
        let pixels = 256;
        let inputs: Vec<i8> = (0..pixels).map(|code| (code as i16 - 128) as i8).collect();
        for (bias, multiplier, shift) in [(0, 1, 1), (1, 1, 1), (0, 1 << 20, 21), (-3, 1 << 29, 31), (0, 3, 2)] {
            let channels = [(vec![1], bias, multiplier), (vec![-1], bias, multiplier)];
            let what = format!("halves, {bias} more, times {multiplier}, shift {shift}");
            self.definition(
                &product(pixels as u16, &channels, shift, 0),
                std::slice::from_ref(&inputs),
                &Case::alone(None, what),
            );
        }
    }
}

/// A product of `pixels` with weights, given as whole channels.
fn product(pixels: u16, channels: &[(Vec<i8>, i32, i32)], shift: u8, zero_point: i8) -> Draft {
    let depth = channels[0].0.len();
    let mut draft = Draft::new(&[Shape::new(1, pixels, depth as u16)]);
    let weights: Vec<i8> = channels.iter().flat_map(|(weights, ..)| weights.clone()).collect();
    draft.i8_tensor("w", &[channels.len(), depth], &weights);
    draft.i32_tensor("b", &channels.iter().map(|(_, bias, _)| *bias).collect::<Vec<_>>());
    draft.i32_tensor("m", &channels.iter().map(|(.., multiplier)| *multiplier).collect::<Vec<_>>());
    draft.ops.push(
        json!({"op": "matmul", "name": "op0", "inputs": ["in0"], "weights": "w", "bias": "b", "multiplier": "m",
        "shift": shift, "zero_point": zero_point, "clamp": [-128, 127]}),
    );
    draft
}
