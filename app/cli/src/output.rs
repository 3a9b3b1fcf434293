//! What commands print: one value, shown as text or as JSON.

use crate::config::{Config, Key};
use clap::ValueEnum;
use serde::Serialize;
use std::fmt::{self, Display};

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value; amounts are base units, times unix seconds.
    Json,
}

impl Format {
    /// The format that a config file sets.
    pub fn of(config: &Config) -> Option<Self> {
        Self::from_str(config.get(Key::Output)?, false).ok()
    }

    /// The format set in the user's config file.
    pub fn configured() -> Option<Self> {
        Self::of(&Config::load(&crate::config::default_path()).ok()?)
    }

    /// The format asked for by a command line, which need not be one that can be parsed.
    pub fn typed(arguments: impl Iterator<Item = String>) -> Self {
        let words: Vec<String> = arguments.collect();
        let flag = words
            .iter()
            .enumerate()
            .find_map(|(place, word)| match word.strip_prefix("--output")? {
                "" => words.get(place.saturating_add(1)).cloned(),
                value => value.strip_prefix('=').map(str::to_owned),
            });
        let named = flag.or_else(|| std::env::var("IONET_OUTPUT").ok());
        let named = named.and_then(|name| Self::from_str(&name, false).ok());
        named.or_else(Self::configured).unwrap_or_default()
    }
}

/// An answer in both forms.
#[derive(Clone, Debug)]
pub struct Answer {
    text: String,
    json: serde_json::Value,
    code: u8,
}

impl Answer {
    /// Both forms of a report.
    pub fn new(report: &(impl Serialize + Display)) -> Self {
        Self {
            text: report.to_string(),
            // Reports are plain data with string keys, which always serialises.
            json: serde_json::to_value(report).unwrap_or_default(),
            code: 0,
        }
    }

    /// The same answer with this exit code.
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// The process's exit code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The form asked for, without a trailing line break.
    pub fn show(&self, format: Format) -> String {
        match format {
            Format::Text => self.text.trim_end().to_owned(),
            Format::Json => format!("{:#}", self.json),
        }
    }

    /// The JSON form on one line, for streams of answers.
    pub fn line(&self, format: Format) -> String {
        match format {
            Format::Text => self.show(format),
            Format::Json => self.json.to_string(),
        }
    }
}

/// Width of a standard terminal.
const SCREEN: usize = 80;

/// Rows under a header, each column as wide as its widest cell, numbers right-aligned. If the table does not fit a screen and its first
/// column takes more than half of one, each first cell gets a line of its own.
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these column titles.
    pub fn new(titles: [&str; N]) -> Self {
        Self {
            rows: vec![titles.map(str::to_owned)],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }
}

impl<const N: usize> Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = |index: usize| self.rows.iter().filter_map(move |row| row.get(index));
        let columns: [_; N] = std::array::from_fn(|index| {
            let width = column(index).map(|cell| cell.chars().count()).max().unwrap_or(0);
            (width, column(index).skip(1).all(|cell| is_number(cell)))
        });
        let total = columns
            .iter()
            .fold(0, |total: usize, (width, _)| total.saturating_add(width.saturating_add(2)));
        let first = columns.first().map_or(0, |(width, _)| *width);
        let is_wide = total.saturating_sub(2) > SCREEN && first > SCREEN.div_ceil(2);
        for row in &self.rows {
            let cells = row.iter().zip(columns).map(|(cell, (width, is_number))| match is_number {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            let cells: Vec<String> = cells.collect();
            match cells.split_first() {
                Some((first, rest)) if is_wide => {
                    writeln!(f, "{}", first.trim())?;
                    writeln!(f, "  {}", rest.join("  ").trim_end())?;
                }
                _ => writeln!(f, "{}", cells.join("  ").trim_end())?,
            }
        }
        Ok(())
    }
}

/// Whether a cell is a number, with or without a unit, or the dash that stands for none.
fn is_number(cell: &str) -> bool {
    let mut words = cell.split(' ');
    let number = words.next().unwrap_or_default();
    let counts = number.bytes().all(|byte| byte.is_ascii_digit() || b"./".contains(&byte));
    (counts || number == "–") && words.count() <= 1
}

/// A count with its noun, in the plural unless it is one.
pub fn count(number: impl Into<u64>, thing: &str) -> String {
    match number.into() {
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

/// Writes one labelled line per field.
pub fn fields(f: &mut fmt::Formatter<'_>, fields: &[(&str, String)]) -> fmt::Result {
    let width = fields.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    fields.iter().try_for_each(|(label, value)| writeln!(f, "{label:<width$}  {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["id", "name"]);
        table.row(["1".to_owned(), "a".to_owned()]);
        table.row(["100".to_owned(), "–".to_owned()]);
        assert_eq!(table.to_string(), " id  name\n  1  a\n100  –\n");
    }

    #[test]
    fn numbers_with_a_unit_are_numbers() {
        for cell in ["", "–", "7", "0.5 $IO", "3/0/0", "40.00 %"] {
            assert!(is_number(cell), "{cell}");
        }
        for cell in ["1 × RTX 4090", "13 d 23 h", "7a", "[1, 2]"] {
            assert!(!is_number(cell), "{cell}");
        }
    }

    #[test]
    fn a_wide_table_breaks_after_the_first_column() {
        let wide = "x".repeat(70);
        let mut table = Table::new(["id", "left", "n"]);
        table.row([wide.clone(), "something".to_owned(), "10".to_owned()]);
        assert_eq!(table.to_string(), format!("id\n  left        n\n{wide}\n  something  10\n"));
    }
}
