//! The report that is printed and written at the end.

use super::books::Books;
use super::market::{Event, Presence, WEEK};
use super::story::{DAY, Name};
use crate::report::io;
use protocol::units::IO;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The random seed.
    pub seed: u64,
    /// Hours played.
    pub hours: u32,
    /// Transactions sent.
    pub transactions: u64,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// GPUs and hours of each supplier.
    pub suppliers: BTreeMap<Name, (String, Presence)>,
    /// Where every base unit is.
    pub books: Books,
    /// Duration of the run.
    pub seconds: f64,
}

/// $IO, rounded down to two decimals.
pub(super) fn rounded(units: u64) -> String {
    format!("{}.{:02} $IO", units / IO, units % IO / (IO / 100))
}

impl Report {
    fn write_presence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<8} {:<20} {:>14} {:>10} {:>10}",
            "supplier", "GPUs", "hours counted", "paid", "missed"
        )?;
        for (name, (gpus, hours)) in &self.suppliers {
            writeln!(
                f,
                "{name:<8} {gpus:<20} {:>14} {:>10} {:>10}",
                hours.counted, hours.paid, hours.missed
            )?;
        }
        Ok(())
    }

    fn write_weeks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weeks = self.hours.div_ceil(WEEK) as usize;
        write!(f, "{:<8}", "rewards")?;
        for week in 1..=weeks {
            write!(f, " {:>11}", format!("week {week}"))?;
        }
        writeln!(f)?;
        for wallet in &self.books.wallets {
            write!(f, "{:<8}", wallet.of)?;
            for week in 0..weeks {
                let rewards = wallet.rewards.get(week).copied().unwrap_or(0);
                write!(f, " {:>11}", rounded(rewards).trim_end_matches(" $IO"))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_books(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let books = &self.books;
        writeln!(
            f,
            "{:<8} {:>15} {:>15} {:>15} {:>15} {:>15} {:>15} {:>15}",
            "vault of", "own", "co-stake", "cooling", "co-cooling", "set aside", "forfeited", "owed"
        )?;
        for row in &books.devices {
            write!(f, "{:<8}", row.of)?;
            for part in [
                row.own,
                row.co_stake,
                row.cooling,
                row.co_cooling,
                row.set_aside,
                row.forfeited,
                row.owed,
            ] {
                write!(f, " {:>15}", io(part))?;
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "\n{:<8} {:>18} {:>18} {:>18} {:>18}",
            "offer of", "received", "paid", "claimable", "vault"
        )?;
        for row in &books.offers {
            writeln!(
                f,
                "{:<8} {:>18} {:>18} {:>18} {:>18}",
                row.of,
                io(row.received),
                io(row.paid),
                io(row.claimable),
                io(row.vault)
            )?;
        }
        let emission = &books.emission;
        writeln!(f, "\n{:<40} {:>20}", "emission: funded", io(emission.funded))?;
        for (what, amount) in [
            ("brought by the settled hours", emission.emitted),
            ("paid to owners and offers", emission.paid),
            ("owed", emission.owed),
            ("still to come", emission.vault.saturating_sub(emission.owed)),
            ("dust of rounding, owed to nobody", books.dust().map_err(|_| fmt::Error)?),
        ] {
            writeln!(f, "          {what:<30} {:>20}", io(amount))?;
        }
        writeln!(
            f,
            "\n{:<8} {:>18} {:>16} {:>16} {:>18} {:>18} {:>19}",
            "wallet", "before", "staked", "returned", "rewards", "after", "change"
        )?;
        for row in &books.wallets {
            let rewards: u64 = row.rewards.iter().sum();
            writeln!(
                f,
                "{:<8} {:>18} {:>16} {:>16} {:>18} {:>18} {:>19}",
                row.of,
                io(row.before),
                io(row.staked),
                io(row.returned),
                io(rewards),
                io(row.after),
                io(i128::from(row.after) - i128::from(row.before))
            )?;
        }
        Ok(())
    }

    fn write_proof(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let books = &self.books;
        let checks = books.checks().map_err(|_| fmt::Error)?;
        for check in &checks {
            let sign = if check.books == check.there { "=" } else { "≠" };
            writeln!(f, "{:<62} {:>20} {sign} {:>20}", check.what, io(check.books), io(check.there))?;
        }
        let (found, minted) = (books.found().map_err(|_| fmt::Error)?, books.minted().map_err(|_| fmt::Error)?);
        writeln!(
            f,
            "\nΣ = {} = supply of the mint = {} minted − {} burned",
            io(found),
            io(minted),
            io(books.burned)
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_presence(f)?;
        writeln!(f)?;
        self.write_weeks(f)?;
        writeln!(f)?;
        self.write_books(f)?;
        writeln!(f)?;
        self.write_proof(f)?;
        writeln!(
            f,
            "seed {}, {} days, {} transactions, {:.1} s",
            self.seed,
            self.hours / DAY,
            self.transactions,
            self.seconds
        )
    }
}
