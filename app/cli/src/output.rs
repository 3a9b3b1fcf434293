//! What commands print: one value, shown as text or as JSON.

use crate::config::Config;
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
    /// What a config file says.
    pub fn of(config: &Config) -> Option<Self> {
        Self::from_str(config.output.as_deref()?, false).ok()
    }
}

/// An answer in both forms.
#[derive(Clone, Debug)]
pub struct Answer {
    text: String,
    json: serde_json::Value,
}

impl Answer {
    /// Both forms of a report.
    pub fn new(report: &(impl Serialize + Display)) -> Self {
        Self {
            text: report.to_string(),
            // Reports are plain data with string keys, which always serialises.
            json: serde_json::to_value(report).unwrap_or_default(),
        }
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

/// Rows under a header, each column as wide as its widest cell.
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
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for row in &self.rows {
            let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A number of things, in the singular where it is one.
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
        assert_eq!(table.to_string(), "id   name\n1    a\n100  –\n");
    }
}
