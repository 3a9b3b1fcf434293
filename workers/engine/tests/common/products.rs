//! Compares products on every kernel for them, whatever the number of multiprocessors: tables, extremes and random products.

use super::comparison::{Case, Comparison};
use super::extremes::{Extreme, extremes};
use super::{Draft, random_batch, random_inputs};
use engine::cuda::Cores;
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;

const ANY: Requantise = Requantise {
    shift: 1,
    zero_point: 3,
    lo: -128,
    hi: 127,
};

impl Comparison {
    /// Runs all comparisons below, large values, and random graphs until every kernel of ops has been compared.
    pub fn every_kernel(&mut self, most_macs: u64) {
        self.products_run_on_the_tile_that_fits();
        self.contiguous_rows_are_read_without_a_window();
        for Extreme { draft, inputs, what } in extremes() {
            self.definition(&draft, &inputs, &Case::alone(None, what));
        }
        self.large_values();
        (0..16).for_each(|seed| self.large_product(seed, most_macs));
        // Random graphs use copies and pools of every width eventually.
        let mut seeds = 0..1_000;
        while let Some(seed) = seeds.next().filter(|_| self.goes_on() && !self.missing(false).is_empty()) {
            self.graph(seed, 5, 60_000, seed % 2 == 0);
        }
    }

    /// A table of products with weights and of activations: rows, columns, terms, and the kernel that must be used if one block keeps the
    /// GPU busy. With whole tiles and with a remainder.
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
                // Only products with weights have a tile for few columns.
                let kernel = match activations {
                    true => kernel.replace("gemm", "product").replace("128x32", "64x64"),
                    false => kernel.to_owned(),
                };
                let what = format!("{rows} x {columns} x {terms}, activations: {activations}");
                self.definition(&draft, &inputs, &Case::alone(Some(&kernel), what));
            }
        }
    }

    /// Convolutions of several units. The kernels for contiguous rows are used only if each pixel depends on the pixel in the same place,
    /// and rows consist of whole steps.
    fn contiguous_rows_are_read_without_a_window(&mut self) {
        // Side of the window, channels, groups, stride, padding, output channels per group; Hopper's kernel.
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
}
