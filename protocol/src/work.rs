//! Work that a call asks for: a product of two seeded int8 matrices, by the arithmetic of jobs ([`crate::requantise`]).
//!
//! The device answers with the root over the product's rows. Later a beacon that nobody knew then draws one element, and the device shows its row: the program
//! computes the element itself. Whoever computed only a part of the product passes for that part of the beacons, and nothing tried at home tells which.
//!
//! No convict and no dispute: what is not right earns nothing, and saying so costs the chain one dot product.

use crate::hash::{Hash, Tag, tagged};
use crate::merkle;
use crate::requantise::Requantise;
use alloc::vec::Vec;

/// Rows of the product, and of the left matrix.
pub const ROWS: usize = 32;
/// Columns of the product, and of the right matrix.
pub const COLUMNS: usize = 32;
/// Length of a dot product.
pub const INNER: usize = 256;
/// Levels of the tree over the rows.
pub const DEPTH: usize = 5;

const _: () = assert!(1 << DEPTH == ROWS);

/// One row of the product.
pub type Row = [i8; COLUMNS];

/// Sums of 256 products of uniform bytes have a standard deviation of 87,400; a 2,048th of it spreads over all of int8.
const SCALE: Requantise = Requantise {
    shift: 11,
    zero_point: 0,
    lo: i8::MIN,
    hi: i8::MAX,
};

// Second byte of every preimage under `Tag::Work`.
const LEFT: u8 = 0;
const RIGHT: u8 = 1;
const SEED: u8 = 2;
const LEAF: u8 = 3;
const DRAW: u8 = 4;

/// What the matrices of a called device come from; of no other device, hour or beacon.
pub fn seed(beacon: &Hash, device: &Hash) -> Hash {
    tagged(Tag::Work, [&[SEED], beacon, device])
}

/// Eight elements of a line each, the first in the lowest byte.
type Line = [u64; INNER / 8];

/// A row of the left matrix or a column of the right one: `H(16 ‖ side ‖ index ‖ seed)` starts four SplitMix64 generators, which take turns.
fn line(seed: &Hash, side: u8, index: u8) -> Line {
    let start = tagged(Tag::Work, [&[side, index], seed]);
    let mut states = [0u64; 4];
    for (state, bytes) in states.iter_mut().zip(start.chunks_exact(8)) {
        *state = bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
    }
    let mut line = [0; INNER / 8];
    for turn in line.chunks_exact_mut(4) {
        for (place, state) in turn.iter_mut().zip(&mut states) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut draw = *state;
            draw = (draw ^ (draw >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            draw = (draw ^ (draw >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *place = draw ^ (draw >> 31);
        }
    }
    line
}

fn element(left: &Line, right: &Line) -> i8 {
    let mut sum = 0i64;
    for (left, right) in left.iter().zip(right) {
        for lower in (0..64).step_by(8) {
            // Moves the byte to the top and back, which copies its sign; |sum| ≤ 256 · 2^14.
            let [a, b] = [*left, *right].map(|word| word.wrapping_shl(56 - lower).cast_signed().wrapping_shr(56));
            sum = sum.wrapping_add(a.wrapping_mul(b));
        }
    }
    SCALE.scale(sum, 1)
}

/// The product.
pub fn product(seed: &Hash) -> Vec<Row> {
    let columns: Vec<_> = (0..COLUMNS as u8).map(|index| line(seed, RIGHT, index)).collect();
    let rows = (0..ROWS as u8).map(|index| {
        let left = line(seed, LEFT, index);
        let mut row = [0; COLUMNS];
        for (place, right) in row.iter_mut().zip(&columns) {
            *place = element(&left, right);
        }
        row
    });
    rows.collect()
}

fn leaf(row: &Row) -> Hash {
    tagged(Tag::Work, [&[LEAF], &row.map(|element| element as u8)])
}

fn leaves(product: &[Row]) -> Vec<Hash> {
    product.iter().map(leaf).collect()
}

/// The answer to a call.
pub fn root(product: &[Row]) -> Hash {
    merkle::root(&leaves(product))
}

/// Row and column of the element that a later beacon draws.
pub fn draw(beacon: &Hash, device: &Hash) -> (u8, u8) {
    let [row, column, ..] = tagged(Tag::Work, [&[DRAW], beacon, device]);
    (row % ROWS as u8, column % COLUMNS as u8)
}

/// A row with its way up to the root.
pub fn show(product: &[Row], row: u8) -> Option<(Row, [Hash; DEPTH])> {
    let path = merkle::path(&leaves(product), row.into());
    Some((*product.get(usize::from(row))?, path.try_into().ok()?))
}

/// Whether a shown row is of the answer, and its drawn element right.
pub fn is_right(seed: &Hash, root: &Hash, (row, column): (u8, u8), shown: &Row, path: &[Hash; DEPTH]) -> bool {
    let own = merkle::root_from_path(leaf(shown), row.into(), DEPTH as u32, path);
    own == Some(*root) && shown.get(usize::from(column)) == Some(&element(&line(seed, LEFT, row), &line(seed, RIGHT, column)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn matrices_are_of_one_device_and_beacon_and_look_uniform() {
        let seeds = [seed(&[1; 32], &[2; 32]), seed(&[1; 32], &[3; 32]), seed(&[4; 32], &[2; 32])];
        let mut lines = BTreeSet::new();
        for seed in &seeds {
            for index in 0..32 {
                assert!(lines.insert(line(seed, LEFT, index)) && lines.insert(line(seed, RIGHT, index)));
            }
        }
        let mut counts = [0u32; 256];
        for byte in lines.iter().flatten().flat_map(|word| word.to_le_bytes()) {
            counts[usize::from(byte)] += 1;
        }
        // 192 expected each of 49,152; six standard deviations are 83.
        assert!(counts.iter().all(|count| count.abs_diff(192) < 83), "{counts:?}");
    }

    #[test]
    fn outputs_use_all_of_int8() {
        let outputs: BTreeSet<i8> = product(&[7; 32]).into_iter().flatten().collect();
        assert!(outputs.len() > 150, "{}", outputs.len());
        assert_eq!((outputs.first(), outputs.last()), (Some(&-128), Some(&127)));
    }

    #[test]
    fn an_element_is_the_definition_of_jobs() {
        let line = |elements: [i8; INNER]| -> Line {
            let words = elements
                .chunks_exact(8)
                .map(|eight| u64::from_le_bytes(core::array::from_fn(|at| eight[at] as u8)));
            words.collect::<Vec<_>>().try_into().unwrap()
        };
        // 256 · 127 · 127 / 2^11 saturates; 16 · 127 · 1 / 2^11 = 0.99 rounds up.
        assert_eq!(element(&line([127; INNER]), &line([127; INNER])), 127);
        assert_eq!(element(&line([-128; INNER]), &line([127; INNER])), -128);
        let mut few = [0; INNER];
        few[..16].fill(1);
        assert_eq!(element(&line([127; INNER]), &line(few)), 1);
        // Any elements, against the sum of products.
        let [a, b] = [7, 9].map(|start: i32| core::array::from_fn(|at| (start * start * (at as i32 + 1) * 37 / 8) as i8));
        let sum: i64 = a.iter().zip(&b).map(|(a, b): (&i8, &i8)| i64::from(*a) * i64::from(*b)).sum();
        assert_eq!(element(&line(a), &line(b)), SCALE.scale(sum, 1));
    }

    proptest! {
        /// Every row of a true product passes, whichever element is drawn; nothing else does.
        #[test]
        fn only_the_truth_passes(seed: [u8; 32], row in 0..ROWS as u8, column in 0..COLUMNS as u8, other in 1..ROWS as u8, change in 1..=255u8) {
            let product = product(&seed);
            let root = root(&product);
            let (shown, path) = show(&product, row).unwrap();
            prop_assert!(is_right(&seed, &root, (row, column), &shown, &path));
            // Another row of it, another seed's root, a path of something else.
            let elsewhere = (row + other) % ROWS as u8;
            prop_assert!(!is_right(&seed, &root, (elsewhere, column), &shown, &path));
            prop_assert!(!is_right(&seed, &[0; 32], (row, column), &shown, &path));
            let (_, wrong) = show(&product, elsewhere).unwrap();
            prop_assert!(!is_right(&seed, &root, (row, column), &shown, &wrong));
            // A tree over a product with one element changed: found when that one is drawn, and only then.
            let mut lie = product.clone();
            let place = &mut lie[usize::from(row)][usize::from(column)];
            *place = (*place as u8).wrapping_add(change) as i8;
            let (shown, path) = show(&lie, row).unwrap();
            let lie = super::root(&lie);
            prop_assert!(!is_right(&seed, &lie, (row, column), &shown, &path));
            prop_assert!(is_right(&seed, &lie, (row, (column + 1) % COLUMNS as u8), &shown, &path));
            // Nor does the change fit the root it was not made for.
            prop_assert!(!is_right(&seed, &root, (row, (column + 1) % COLUMNS as u8), &shown, &path));
        }

        #[test]
        fn draws_are_anywhere_and_of_one_device(beacon: [u8; 32], device: [u8; 32]) {
            let (row, column) = draw(&beacon, &device);
            prop_assert!(usize::from(row) < ROWS && usize::from(column) < COLUMNS);
        }
    }
}
