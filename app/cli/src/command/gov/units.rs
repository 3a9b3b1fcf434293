//! Values of settings as people read and write them: shares in per cent, spans in days, amounts in $IO, moments as dates.

use crate::amount::{SOL, Unit, exact_span, percent, span};
use protocol::emission::Hour;
use serde_json::Value;

/// Plain numbers with two decimals.
const HUNDREDTHS: Unit = Unit { decimals: 2, ..SOL };

/// What the number in a setting means.
enum Sense {
    Share,
    Seconds,
    Moment,
    Hour,
    Io,
    Lamports,
    Hundredths,
    Plain,
}

impl Sense {
    /// By the setting's name in its program.
    fn of(name: &str) -> Self {
        // An element of a list means what its list does.
        let name = name.split('.').next().unwrap_or(name);
        match name {
            _ if name.ends_with("_bps") => Self::Share,
            _ if name.ends_with("_seconds") => Self::Seconds,
            "cooldown" | "raise_grace" | "probation" | "appeal" | "wait" | "min_uptime" | "voting" | "timelock" | "expiry" => Self::Seconds,
            "until" => Self::Moment,
            "genesis" => Self::Hour,
            "base_stake" | "min_bond" | "deposit" | "amount" | "jackpot" => Self::Io,
            "bounty" | "demand_fee" => Self::Lamports,
            "multiplier_x100" => Self::Hundredths,
            _ => Self::Plain,
        }
    }
}

/// A value, in words.
pub fn show(name: &str, value: &Value, io: Unit, now: i64) -> String {
    if let Value::Array(list) = value {
        let items: Vec<String> = list.iter().map(|value| show(name, value, io, now)).collect();
        return items.join(", ");
    }
    let number = value.as_i64().unwrap_or_default();
    let unsigned = value.as_u64().unwrap_or_default();
    match (Sense::of(name), value) {
        (Sense::Share, Value::Number(_)) => u16::try_from(unsigned).map_or_else(|_| unsigned.to_string(), percent),
        (Sense::Seconds, Value::Number(_)) => exact_span(number),
        (Sense::Moment, Value::Number(_)) if number > now => format!("in {}", span(number.saturating_sub(now))),
        (Sense::Moment, Value::Number(_)) => "over".to_owned(),
        (Sense::Hour, Value::Number(_)) => date(number).unwrap_or_else(|| number.to_string()),
        (Sense::Io, Value::Number(_)) => io.show(unsigned),
        (Sense::Lamports, Value::Number(_)) => SOL.show(unsigned),
        (Sense::Hundredths, Value::Number(_)) => HUNDREDTHS.number(unsigned),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}

/// Date and time of an hour that begins at `start`; `None` when none does.
fn date(start: i64) -> Option<String> {
    let Hour { month, index, .. } = Hour::of(start)?;
    let (year, month, day, hour) = (1970 + month / 12, month % 12 + 1, index / 24 + 1, index % 24);
    Some(format!("{year}-{month:02}-{day:02} {hour:02}:00 UTC"))
}

/// How to write a value, for the error about one written otherwise.
pub fn form(name: &str) -> &'static str {
    match Sense::of(name) {
        Sense::Share => "a share above 0 and up to 100 %, such as \"7 %\"",
        Sense::Seconds => "a time such as \"90s\", \"10m\", \"2h\" or \"14d\"",
        Sense::Moment => "the time from now, such as \"180d\"",
        Sense::Hour => "the start of an hour in unix seconds",
        Sense::Io => "an amount in $IO, such as \"200\"",
        Sense::Lamports => "an amount in SOL, such as \"0.00001\"",
        Sense::Hundredths => "a number with up to two decimals, such as \"2.5\"",
        Sense::Plain => "a number, true, false or a text",
    }
}

/// Reads a value written in a file: text such as `"7 %"`, `"14d"` or `"1000"` for shares, seconds or tokens; `None` if it cannot be read.
pub fn parse(name: &str, written: &toml::Value, io: Unit, now: i64) -> Option<Value> {
    let amount = |text: &str, unit: Unit| text.parse::<crate::amount::Quantity>().ok()?.base_units(unit).ok().map(Value::from);
    match (written, Sense::of(name)) {
        (toml::Value::Array(list), _) => list.iter().map(|item| parse(name, item, io, now)).collect(),
        (toml::Value::String(text), Sense::Share) => crate::amount::share(text.trim_end_matches('%').trim_end()).ok().map(Value::from),
        (toml::Value::String(text), Sense::Seconds) => crate::amount::seconds(text).ok().map(Value::from),
        (toml::Value::String(text), Sense::Moment) => {
            let term = crate::amount::seconds(text).ok()?;
            Some(Value::from(now.saturating_add(term.into())))
        }
        (toml::Value::String(text), Sense::Io) => amount(text, io),
        (toml::Value::String(text), Sense::Lamports) => amount(text, SOL),
        (toml::Value::String(text), Sense::Hundredths) => amount(text, HUNDREDTHS),
        (toml::Value::String(text), Sense::Plain) => Some(Value::from(text.as_str())),
        (toml::Value::Integer(number), _) => Some(Value::from(*number)),
        (toml::Value::Boolean(yes), _) => Some(Value::from(*yes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::testing::IO;
    use serde_json::json;

    #[test]
    fn what_is_shown_is_what_was_meant() {
        let cases = [
            ("audit_floor_bps", "'7 %'", json!(700), "7.00 %"),
            ("cooldown", "'14d'", json!(1_209_600), "14 d"),
            ("cooldown", "1213199", json!(1_213_199), "14 d 59 min 59 s"),
            ("base_stake", "'200'", json!(20_000_000_000_u64), "200 $IO"),
            ("bounty", "'0.000005'", json!(5_000), "0.000005 SOL"),
            ("until", "'180d'", json!(15_552_100), "in 180 d"),
            ("genesis", "1771160400", json!(1_771_160_400), "2026-02-15 13:00 UTC"),
            ("genesis", "1771160401", json!(1_771_160_401), "1771160401"),
            ("multiplier_x100", "125", json!(125), "1.25"),
            ("multiplier_x100", "'2.5'", json!(250), "2.5"),
            ("paused", "true", json!(true), "true"),
            ("timelock", "['0', '2d']", json!([0, 172_800]), "0 s, 2 d"),
            ("name", "'RTX 4090'", json!("RTX 4090"), "RTX 4090"),
        ];
        for (name, written, value, shown) in cases {
            let table: toml::Table = toml::from_str(&format!("x = {written}")).unwrap();
            assert_eq!(parse(name, &table["x"], IO, 100).unwrap(), value, "{name}");
            assert_eq!(show(name, &value, IO, 100), shown, "{name}");
        }
        for (name, written) in [
            ("audit_floor_bps", "'101'"),
            ("cooldown", "'soon'"),
            ("base_stake", "'-1'"),
            ("cooldown", "1.5"),
        ] {
            let table: toml::Table = toml::from_str(&format!("x = {written}")).unwrap();
            assert_eq!(parse(name, &table["x"], IO, 100), None, "{name}");
        }
    }
}
