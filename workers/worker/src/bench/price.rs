//! The price per unit at which an hour at full load earns a target income.

use super::measure::Measurement;
use protocol::units::IO;
use serde::Serialize;
use std::str::FromStr;

/// Target income per hour, in base units of $IO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Income(u64);

impl Income {
    pub(super) fn io(self) -> f64 {
        self.0 as f64 / IO as f64
    }
}

impl FromStr for Income {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let io: f64 = text.parse().map_err(|_| format!("'{text}' is not an amount of $IO"))?;
        let units = io * IO as f64;
        // Up to here, floats represent every whole number exactly.
        if (1.0..=(1u64 << 53) as f64).contains(&units) {
            Ok(Self(units.ceil() as u64))
        } else {
            Err("give between 0.00000001 and 90,000,000 $IO per hour".to_owned())
        }
    }
}

/// A suggested price for a model.
#[derive(Debug, Serialize)]
pub struct Price {
    /// Name and version.
    pub model: String,
    /// Where its units were measured.
    pub place: String,
    /// Units per second there.
    pub units_per_second: f64,
    /// $IO per unit.
    pub io_per_unit: f64,
    /// The same in base units, as `accept` takes it.
    pub base_units_per_unit: u64,
}

impl Price {
    /// The price at which the measured speed earns the income. `None` if the speed is zero.
    pub(super) fn of(measured: &Measurement, income: Income) -> Option<Self> {
        let units_per_second = measured.figures.units_per_second;
        let base_units_per_unit = per_unit(income, units_per_second)?;
        Some(Self {
            model: measured.network.clone(),
            place: measured.place.clone(),
            units_per_second,
            io_per_unit: base_units_per_unit as f64 / IO as f64,
            base_units_per_unit,
        })
    }
}

/// Base units per unit, rounded up so that the income is reached. `None` without a speed.
fn per_unit(income: Income, units_per_second: f64) -> Option<u64> {
    let price = (income.0 as f64 / (units_per_second * 3600.0)).ceil();
    (price.is_finite() && price >= 1.0).then_some(price as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_price_earns_the_income_and_one_base_unit_less_would_not() {
        let price = |income: &str, speed| per_unit(income.parse().unwrap(), speed);
        assert_eq!(price("1", 1.0), Some(27_778), "10^8 / 3,600, rounded up");
        assert_eq!(price("3.6", 100.0), Some(1_000), "exactly");
        assert_eq!(price("3.60000001", 100.0), Some(1_001));
        assert_eq!(price("0.00000001", 1e9), Some(1), "never for nothing");
        assert_eq!(price("90000000", 1e-3), Some(2_500_000_000_000_000));
        for speed in [0.37, 2.0, 91.7, 12_345.6] {
            let price = price("2.5", speed).unwrap();
            let hour = |price: u64| price as f64 * speed * 3600.0;
            assert!(hour(price) >= 2.5e8 && hour(price - 1) < 2.5e8, "{speed}");
        }
        assert_eq!(price("1", 0.0), None);
        assert_eq!(price("1", f64::NAN), None);
    }

    #[test]
    fn an_income_is_a_positive_amount() {
        let income = |text: &str| text.parse::<Income>().map(|income| income.0);
        assert_eq!(income("1"), Ok(IO));
        assert_eq!(income("0.5"), Ok(IO / 2));
        assert_eq!(income("0.00000001"), Ok(1));
        for wrong in ["0", "-1", "nan", "inf", "1e300", "much", ""] {
            assert!(income(wrong).is_err(), "{wrong}");
        }
    }
}
