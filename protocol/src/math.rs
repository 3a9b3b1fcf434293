//! Checked 64-bit arithmetic on 32-bit limbs.
//!
//! The chain's virtual machine has no wide multiply or divide, so both are written out here in operations that it has. Every function is
//! tested against `u128`. Roundings are named; callers choose the one that favours the pool.

const LOW: u64 = 0xffff_ffff;

/// Full product of two 64-bit numbers as `(high, low)`.
pub const fn widening_mul(a: u64, b: u64) -> (u64, u64) {
    let (a1, a0) = (a >> 32, a & LOW);
    let (b1, b0) = (b >> 32, b & LOW);
    // Each partial product is at most (2^32 − 1)^2, and the carries stay below 2^34: nothing here can wrap.
    let p00 = a0.wrapping_mul(b0);
    let p01 = a0.wrapping_mul(b1);
    let p10 = a1.wrapping_mul(b0);
    let p11 = a1.wrapping_mul(b1);
    let middle = (p00 >> 32).wrapping_add(p01 & LOW).wrapping_add(p10 & LOW);
    let low = (middle << 32) | (p00 & LOW);
    let high = p11.wrapping_add(p01 >> 32).wrapping_add(p10 >> 32).wrapping_add(middle >> 32);
    (high, low)
}

/// `a · b`, or `None` when it does not fit 64 bits.
pub const fn checked_mul(a: u64, b: u64) -> Option<u64> {
    match widening_mul(a, b) {
        (0, low) => Some(low),
        _ => None,
    }
}

/// Quotient and remainder of `a · b / d`; `None` when `d` is 0 or the quotient does not fit 64 bits.
const fn mul_div_rem(a: u64, b: u64, d: u64) -> Option<(u64, u64)> {
    let (high, low) = widening_mul(a, b);
    if high >= d {
        // Also d == 0, since high ≥ 0.
        return None;
    }
    if high == 0 {
        return Some((low / d, low % d));
    }
    // Knuth's algorithm D (TAOCP 4.3.1) with two 32-bit quotient digits; `d > high ≥ 1`, so normalising is defined.
    let shift = d.leading_zeros();
    let v = d << shift;
    let (v1, v0) = (v >> 32, v & LOW);
    let u32_ = if shift == 0 {
        high
    } else {
        (high << shift) | (low >> (64 - shift))
    };
    let u10 = low << shift;
    let (q1, rest) = digit(u32_, u10 >> 32, v, v1, v0);
    let (q0, rest) = digit(rest, u10 & LOW, v, v1, v0);
    Some(((q1 << 32) | q0, rest >> shift))
}

/// One quotient digit of `(u · 2^32 + next) / v` and its remainder, for normalised `v = v1 · 2^32 + v0` and `u < v`.
const fn digit(u: u64, next: u64, v: u64, v1: u64, v0: u64) -> (u64, u64) {
    let mut q = u / v1;
    let mut r = u.wrapping_sub(q.wrapping_mul(v1));
    while q > LOW || q.wrapping_mul(v0) > (r << 32 | next) {
        q = q.wrapping_sub(1);
        r = r.wrapping_add(v1);
        if r > LOW {
            break;
        }
    }
    (q, (u << 32 | next).wrapping_sub(q.wrapping_mul(v)))
}

/// `⌊a · b / d⌋` with a 128-bit product; `None` when `d` is 0 or the quotient does not fit.
pub const fn mul_div_floor(a: u64, b: u64, d: u64) -> Option<u64> {
    match mul_div_rem(a, b, d) {
        Some((quotient, _)) => Some(quotient),
        None => None,
    }
}

/// `⌈a · b / d⌉` with a 128-bit product; `None` when `d` is 0 or the quotient does not fit.
pub const fn mul_div_ceil(a: u64, b: u64, d: u64) -> Option<u64> {
    match mul_div_rem(a, b, d) {
        Some((quotient, 0)) => Some(quotient),
        Some((quotient, _)) => quotient.checked_add(1),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Edges that random numbers miss: limb boundaries and the ends of the range.
    fn edgy() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            (0u32..64, -2i64..3).prop_map(|(bit, off)| (1u64 << bit).wrapping_add(off as u64)),
            Just(0),
            Just(1),
            Just(u64::MAX),
            any::<u32>().prop_map(u64::from),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn equals_u128(a in edgy(), b in edgy(), d in edgy()) {
            let product = u128::from(a) * u128::from(b);
            let (high, low) = widening_mul(a, b);
            prop_assert_eq!(u128::from(high) << 64 | u128::from(low), product);
            prop_assert_eq!(checked_mul(a, b), a.checked_mul(b));
            let exact = |n: u128| u64::try_from(n).ok();
            let floor = product.checked_div(u128::from(d)).and_then(exact);
            let ceil = if d == 0 { None } else { exact(product.div_ceil(u128::from(d))) };
            prop_assert_eq!(mul_div_floor(a, b, d), floor);
            // A quotient of which only the ceiling overflows has a floor of 2^64 − 1.
            prop_assert_eq!(mul_div_ceil(a, b, d), ceil);
        }
    }
}
