//! What a consumer pays for a job and what its supplier earns (rules I2, I3, I16).

use crate::units::{Amount, Bps};

/// One settled price, split to the base unit: `consumer_pays = supplier_gets + fees`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Taken from the consumer's escrow.
    pub consumer_pays: Amount,
    /// Paid to the supplier.
    pub supplier_gets: Amount,
    /// Kept for the treasury and the burn.
    pub fees: Amount,
}

/// Splits `base` (price per unit times units). Each side pays `fee`, plus `surcharge` when the mint is not $IO; both are shares of the
/// base, rounded up in the pool's favour. The supplier's side is capped at the base itself, so that if a price has a quote, every lower
/// price has one too: no job can be priced into a split that settlement refuses. `None` when the consumer's part overflows.
pub fn quote(base: Amount, fee: Bps, surcharge: Bps) -> Option<Quote> {
    let side = base.share_ceil(fee).checked_add(base.share_ceil(surcharge))?;
    let consumer_pays = base.checked_add(side)?;
    let supplier_gets = base.saturating_sub(side);
    Some(Quote {
        consumer_pays,
        supplier_gets,
        fees: consumer_pays.checked_sub(supplier_gets)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::IO;
    use proptest::prelude::*;

    const FEE: Bps = Bps::saturating(25);
    const NO_SURCHARGE: Bps = Bps::saturating(0);
    const SURCHARGE: Bps = Bps::saturating(200);

    #[test]
    fn published_examples() {
        // I2: 517.83 → 529.48 in another mint, 519.12 in $IO (published to the cent).
        let base = Amount(51_783_000_000);
        assert_eq!(quote(base, FEE, SURCHARGE).unwrap().consumer_pays, Amount(52_948_117_500));
        assert_eq!(quote(base, FEE, NO_SURCHARGE).unwrap().consumer_pays, Amount(51_912_457_500));
        // I3: 100 IO → 99.75, 100 USDC → 97.75.
        assert_eq!(
            quote(Amount(100 * IO), FEE, NO_SURCHARGE).unwrap().supplier_gets,
            Amount(9_975_000_000)
        );
        assert_eq!(
            quote(Amount(100 * IO), FEE, SURCHARGE).unwrap().supplier_gets,
            Amount(9_775_000_000)
        );
    }

    #[test]
    fn a_single_base_unit_is_all_fee_and_overflow_is_refused() {
        let one = quote(Amount(1), FEE, NO_SURCHARGE).unwrap();
        assert_eq!((one.consumer_pays, one.supplier_gets, one.fees), (Amount(2), Amount(0), Amount(2)));
        let one = quote(Amount(1), FEE, SURCHARGE).unwrap();
        assert_eq!((one.consumer_pays, one.supplier_gets, one.fees), (Amount(3), Amount(0), Amount(3)));
        assert_eq!(quote(Amount(u64::MAX), FEE, NO_SURCHARGE), None);
    }

    proptest! {
        #[test]
        fn a_lower_price_always_has_a_quote_that_costs_no_more(max: u64, base: u64, fee in 0u16..=10_000, surcharge in 0u16..=10_000) {
            let (fee, surcharge) = (Bps::saturating(fee), Bps::saturating(surcharge));
            if let Some(highest) = quote(Amount(max), fee, surcharge) {
                let lower = quote(Amount(base.min(max)), fee, surcharge).unwrap();
                prop_assert!(lower.consumer_pays <= highest.consumer_pays);
            }
        }

        #[test]
        fn parts_make_the_whole(base in 0u64..1 << 60, fee in 0u16..2_000, surcharge in 0u16..2_000) {
            if let Some(q) = quote(Amount(base), Bps::saturating(fee), Bps::saturating(surcharge)) {
                prop_assert_eq!(q.supplier_gets.checked_add(q.fees), Some(q.consumer_pays));
                prop_assert!(q.supplier_gets.0 <= base && base <= q.consumer_pays.0);
            }
        }
    }
}
