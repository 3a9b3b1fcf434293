//! Freivalds' check: verifies a matrix product at a fraction of the cost of computing it.
//!
//! If C = A·Bᵀ, then C·r = A·(Bᵀ·r) for every vector r. Here r is random modulo the prime p = 2^61 − 1, and the check takes
//! m·(k + n) + n·k steps instead of m·n·k. If any sum is wrong by less than p, the two sides differ unless one element of r has one
//! particular value, whose probability is at most 2^−60. So a wrong product passes with probability at most 2^−60, no matter which sums are
//! wrong, or how many.
//!
//! This holds only if whoever computed C could not know r, so every check draws a fresh r from the operating system. The check detects
//! broken hardware; it proves nothing to others.

use crate::error::Error;
use protocol::tensor::from_code;
use rayon::prelude::*;

/// The prime p.
const P: i128 = (1 << 61) - 1;

/// Whether `c` (m × n) is the product of the rows of `a` (m × k) and of `b` (n × k), which are in codes. All are row-major. Right sums
/// always pass; wrong ones pass with probability at most 2^−60. Fails only if the system has no random numbers.
pub(crate) fn agrees(a: &[u8], b: &[u8], c: &[i32], k: usize) -> Result<bool, Error> {
    let k = k.max(1);
    let n = b.len() / k;
    if n == 0 || !a.len().is_multiple_of(k) || !b.len().is_multiple_of(k) || c.len() != a.len() / k * n {
        return Ok(false);
    }
    let r = vector(n)?;
    // |terms| < 2^31 · 2^61, and a tensor has fewer than 2^32 elements in a row: below 2^127.
    let folded = b.par_chunks_exact(k).zip(&r).fold(
        || vec![0; k],
        |mut sums: Vec<i128>, (row, factor)| {
            sums.iter_mut().zip(row).for_each(|(sum, code)| *sum += term(*code, *factor));
            sums
        },
    );
    let folded = folded.reduce(
        || vec![0; k],
        |mut sums, others| {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
            sums
        },
    );
    let folded: Vec<i64> = folded.into_iter().map(residue).collect();
    Ok(a.par_chunks_exact(k).zip(c.par_chunks_exact(n)).all(|(line, sums)| {
        let left: i128 = sums
            .iter()
            .zip(&r)
            .map(|(sum, factor)| i128::from(*sum) * i128::from(*factor))
            .sum();
        let right: i128 = line.iter().zip(&folded).map(|(code, factor)| term(*code, *factor)).sum();
        residue(left) == residue(right)
    }))
}

fn term(code: u8, factor: i64) -> i128 {
    i128::from(from_code(code)) * i128::from(factor)
}

/// The residue modulo p, in 0 … p − 1.
fn residue(sum: i128) -> i64 {
    sum.rem_euclid(P) as i64
}

/// Random 61-bit numbers. Modulo p they are uniform, except that zero is twice as likely as the others: p is zero too.
fn vector(length: usize) -> Result<Vec<i64>, Error> {
    let mut bytes = vec![0; length * 8];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes
        .as_chunks()
        .0
        .iter()
        .map(|bytes| (u64::from_le_bytes(*bytes) >> 3) as i64)
        .collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn product(a: &[u8], b: &[u8], k: usize) -> Vec<i32> {
        let dot = |x: &[u8], y: &[u8]| x.iter().zip(y).map(|(x, y)| (i32::from(*x) - 128) * (i32::from(*y) - 128)).sum();
        a.chunks(k).flat_map(|x| b.chunks(k).map(move |y| dot(x, y))).collect()
    }

    #[test]
    fn true_products_agree_and_one_altered_sum_anywhere_is_found() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..500 {
            let [m, n, k] = [rng.usize(1..12), rng.usize(1..12), rng.usize(1..40)];
            let mut matrix = |rows: usize| -> Vec<u8> { (0..rows * k).map(|_| *rng.choice(&[0, 127, 128, 255, 77]).unwrap()).collect() };
            let (a, b) = (matrix(m), matrix(n));
            let c = product(&a, &b, k);
            assert!(agrees(&a, &b, &c, k).unwrap());
            for at in 0..c.len() {
                let mut wrong = c.clone();
                wrong[at] ^= 1 << rng.u32(..32);
                assert!(!agrees(&a, &b, &wrong, k).unwrap(), "{m} x {k} x {n} at {at}");
            }
        }
    }

    /// Errors whose sum is zero over a row, a column or the whole matrix.
    #[test]
    fn errors_do_not_cancel() {
        let (a, b) = (vec![200; 4 * 8], vec![3; 4 * 8]);
        let c = product(&a, &b, 8);
        for errors in [
            vec![(0, 1), (1, -1)],
            vec![(2, 5), (6, -5)],
            (0..16).map(|at| (at, at as i32 - 8)).collect(),
        ] {
            let mut wrong = c.clone();
            errors.into_iter().for_each(|(at, error)| wrong[at] += error);
            assert!(!agrees(&a, &b, &wrong, 8).unwrap());
        }
    }

    #[test]
    fn the_largest_sums_agree() {
        let k = 4_096;
        for (x, y) in [(0, 0), (0, 255), (255, 255)] {
            let (a, b) = (vec![x; 3 * k], vec![y; 2 * k]);
            assert!(agrees(&a, &b, &product(&a, &b, k), k).unwrap());
        }
        assert!(!agrees(&[0; 4], &[0; 4], &[i32::MAX], 4).unwrap());
        assert!(!agrees(&[128; 4], &[128; 4], &[i32::MIN], 4).unwrap());
    }

    #[test]
    fn other_shapes_do_not_agree() {
        for (a, b, c, k) in [(4, 4, 2, 4), (4, 4, 0, 4), (5, 4, 1, 4), (4, 5, 1, 4), (4, 0, 0, 4), (4, 4, 1, 0)] {
            assert!(!agrees(&vec![128; a], &vec![128; b], &vec![0; c], k).unwrap(), "{a} {b} {c} {k}");
        }
    }

    #[test]
    fn vectors_are_fresh() {
        let (one, other) = (vector(64).unwrap(), vector(64).unwrap());
        assert_ne!(one, other);
        assert!(one.iter().all(|factor| (0..=P).contains(&i128::from(*factor))));
    }
}
