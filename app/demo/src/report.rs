//! The report of the demo, as it is printed and written.

use crate::books::{Balances, Transaction};
use crate::picture::Quality;
use anyhow::{Context, Result};
use protocol::units::{IO, IO_DECIMALS};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// The report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Duration of the run.
    pub seconds: f64,
    /// What the consumer's `ionet job submit` printed.
    pub job: Value,
    /// $IO base units by place, before the first instruction.
    pub before: Balances,
    /// The same after the last.
    pub after: Balances,
    /// Every transaction, oldest first.
    pub transactions: Vec<Transaction>,
    /// How good the picture is, if its original is known.
    pub quality: Option<Quality>,
}

impl Report {
    /// Base units that were burned: by how much the supply fell.
    pub fn burned(&self) -> Result<u64> {
        self.before
            .supply
            .checked_sub(self.after.supply)
            .context("there is more $IO than before")
    }
}

/// $IO with all its decimals.
pub(crate) fn io(units: impl Into<i128>) -> String {
    let units = units.into();
    let sign = if units < 0 { "-" } else { "" };
    let (units, whole) = (units.unsigned_abs(), u128::from(IO));
    let places = usize::from(IO_DECIMALS);
    format!("{sign}{}.{:0places$}", units / whole, units % whole)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_balances(f, &self.before, &self.after)?;
        writeln!(f)?;
        write_transactions(f, &self.transactions)?;
        if let Some(quality) = &self.quality {
            let (model, bicubic) = (quality.model_db, quality.bicubic_db);
            writeln!(
                f,
                "\nPSNR against the original: {model:.2} dB, bicubic {bicubic:.2} dB ({:+.2} dB)",
                model - bicubic
            )?;
        }
        writeln!(f, "whole run: {:.1} s", self.seconds)
    }
}

/// Where every $IO base unit was and is.
pub(crate) fn write_balances(f: &mut fmt::Formatter<'_>, before: &Balances, after: &Balances) -> fmt::Result {
    writeln!(f, "{:<28} {:>22} {:>22} {:>18}", "$IO", "before", "after", "change")?;
    let mut row = |place: &str, before: u64, after: u64| {
        let (before, after) = (i128::from(before), i128::from(after));
        writeln!(f, "{place:<28} {:>22} {:>22} {:>18}", io(before), io(after), io(after - before))
    };
    for (place, before) in &before.places {
        row(place, *before, after.places.get(place).copied().unwrap_or(0))?;
    }
    // Each sum was checked against the mint when it was read; the difference was burned.
    row("sum = supply of the mint", before.supply, after.supply)
}

/// Every transaction with its costs.
pub(crate) fn write_transactions(f: &mut fmt::Formatter<'_>, transactions: &[Transaction]) -> fmt::Result {
    writeln!(f, "{:<44} {:>9} {:>9} {:>13}  signature", "transaction", "CU", "fee", "lamports")?;
    for transaction in transactions {
        let names = summary(&transaction.instructions);
        let short: String = transaction.signature.chars().take(12).collect();
        writeln!(
            f,
            "{names:<44} {:>9} {:>9} {:>13}  {short}…",
            transaction.compute_units, transaction.fee, transaction.lamports
        )?;
    }
    Ok(())
}

/// `AddGpuModel × 8` rather than eight times the name.
fn summary(names: &[String]) -> String {
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for name in names {
        match groups.last_mut() {
            Some((last, count)) if last == name => *count += 1,
            _ => groups.push((name, 1)),
        }
    }
    let shown = groups.into_iter().map(|(name, count)| match count {
        1 => name.to_owned(),
        _ => format!("{name} × {count}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}
