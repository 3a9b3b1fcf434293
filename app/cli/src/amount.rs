//! Amounts, shares and durations as people write them.

use crate::error::{Result, refuse};
use solana_address::Address;
use std::{fmt, str::FromStr};

/// Decimals of SOL.
pub const SOL: Unit = Unit {
    name: UnitName::Sol,
    decimals: 9,
};

/// A number as typed, exact, before its unit is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    whole: String,
    fraction: String,
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || text.ends_with('.') || !digits(whole) || !digits(fraction) {
            return Err("give a number such as 12 or 0.5".to_owned());
        }
        Ok(Self {
            whole: whole.to_owned(),
            fraction: fraction.trim_end_matches('0').to_owned(),
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)?;
        if self.fraction.is_empty() {
            Ok(())
        } else {
            write!(f, ".{}", self.fraction)
        }
    }
}

impl Quantity {
    /// The number in base units.
    pub fn base_units(&self, unit: Unit) -> Result<u64> {
        let places = usize::from(unit.decimals);
        if self.fraction.len() > places {
            return refuse(format!(
                "{self} is finer than a base unit: {unit} has {places} decimals; round the amount"
            ));
        }
        let digits = format!("{}{:0<places$}", self.whole, self.fraction);
        digits
            .parse()
            .or_else(|_| refuse(format!("{self} {unit} is more than can exist; give a smaller amount")))
    }
}

/// The unit of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: UnitName,
    /// Decimal places of its base unit.
    pub decimals: u8,
}

/// Name of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitName {
    /// The chain's native coin.
    Sol,
    /// The market's token.
    Io,
    /// Some other token.
    Mint(Address),
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            UnitName::Sol => f.write_str("SOL"),
            UnitName::Io => f.write_str("$IO"),
            UnitName::Mint(mint) => write!(f, "of {mint}"),
        }
    }
}

impl Unit {
    /// An amount with its unit.
    pub fn show(self, base_units: u64) -> String {
        format!("{} {self}", self.number(base_units))
    }

    /// An amount without its unit.
    pub fn number(self, base_units: u64) -> String {
        let places = usize::from(self.decimals);
        let digits = format!("{base_units:0>width$}", width = places.saturating_add(1));
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(places));
        match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        }
    }
}

/// Seconds, typed as `90`, `90s`, `10m`, `2h` or `7d`.
pub fn seconds(text: &str) -> std::result::Result<u32, String> {
    let refused = || "give a time such as 90s, 10m, 2h or 7d".to_owned();
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let typed = units
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (number, factor) = typed.unwrap_or((text, 1));
    let number: u32 = number.parse().map_err(|_| refused())?;
    number.checked_mul(factor).ok_or_else(refused)
}

/// A share above zero, typed in per cent such as `5` or `12.5`; returns basis points.
pub fn share(text: &str) -> std::result::Result<u16, String> {
    let refused = || "give a share in per cent, above 0, at most 100, with at most two decimals".to_owned();
    let percent: Quantity = text.parse().map_err(|_| refused())?;
    let unit = Unit { decimals: 2, ..SOL };
    let bps = percent.base_units(unit).ok().and_then(|bps| u16::try_from(bps).ok());
    bps.filter(|bps| (1..=10_000).contains(bps)).ok_or_else(refused)
}

/// Basis points, shown in per cent.
pub fn percent(bps: u16) -> String {
    format!("{:.2} %", f64::from(bps) / 100.0)
}

/// A time span, by its two largest units.
pub fn span(seconds: i64) -> String {
    parts(seconds, 2)
}

/// A time span, to the second.
pub fn exact_span(seconds: i64) -> String {
    parts(seconds, usize::MAX)
}

fn parts(seconds: i64, most: usize) -> String {
    let seconds = seconds.max(0);
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(most)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if shown.is_empty() { "0 s".to_owned() } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::IO;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_exact() {
        let cases = [
            ("0", 0),
            ("1", 100_000_000),
            ("0.00000001", 1),
            ("12.50", 1_250_000_000),
            ("184467440737.09551615", u64::MAX),
        ];
        for (text, base) in cases {
            assert_eq!(text.parse::<Quantity>().unwrap().base_units(IO).unwrap(), base, "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "1e3", "1,5", "1.2.3", "٣"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
        for text in ["0.000000001", "184467440737.09551616"] {
            assert!(text.parse::<Quantity>().unwrap().base_units(IO).is_err(), "{text}");
        }
        let whole = Unit { decimals: 0, ..IO };
        assert_eq!(
            (whole.number(12), "12".parse::<Quantity>().unwrap().base_units(whole).unwrap()),
            ("12".to_owned(), 12)
        );
    }

    #[test]
    fn shares_are_in_per_cent() {
        for (text, bps) in [("100", 10_000), ("0.01", 1), ("12.5", 1_250)] {
            assert_eq!(share(text), Ok(bps));
        }
        for text in ["0", "100.01", "0.001", "-1", "5%", ""] {
            assert!(share(text).is_err(), "{text}");
        }
        assert_eq!(percent(1_250), "12.50 %");
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in [("5", 5), ("90s", 90), ("10m", 600), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(seconds(text), Ok(expected));
        }
        for text in ["", "s", "-1", "1w", "1.5h", "99999999d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        let shown = [
            (-1, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_661, "1 h 1 min"),
            (1_209_600, "14 d"),
            (1_209_599, "13 d 23 h"),
        ];
        for (seconds, text) in shown {
            assert_eq!(span(seconds), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_typed(base: u64) {
            prop_assert_eq!(IO.number(base).parse::<Quantity>().unwrap().base_units(IO).unwrap(), base);
        }
    }
}
