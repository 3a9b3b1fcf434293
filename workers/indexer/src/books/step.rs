//! Access to an event's fields, and to the tables.

use super::Outcome;
use chain::idl::Values;
use protocol::emission;
use serde_json::Value;
use sqlx::{Any, Transaction, any::AnyRow};

/// Runs a statement, with values bound.
macro_rules! run {
    ($step:expr, $sql:expr, $($value:expr),* $(,)?) => {{
        let values = [$($crate::books::step::Bound::from($value)),*];
        $step.execute($sql, &values).await
    }};
}

/// Fetches a row, if there is one, with values bound.
macro_rules! ask {
    ($step:expr, $sql:expr, $($value:expr),* $(,)?) => {{
        let values = [$($crate::books::step::Bound::from($value)),*];
        $step.fetch($sql, &values).await
    }};
}

/// An event that is being applied to the books.
pub struct Step<'a, 'c> {
    pub work: &'a mut Transaction<'c, Any>,
    /// Fields of the event.
    pub values: &'a Values,
    /// Number of the event.
    pub id: i64,
    /// Time of its block, unix seconds, if known.
    pub time: Option<i64>,
    /// Signature of its transaction.
    pub signature: &'a str,
}

impl<'a> Step<'a, '_> {
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub fn text(&self, name: &str) -> &'a str {
        text(self.values.get(name))
    }

    pub fn text_within(&self, name: &str, inner: &str) -> &'a str {
        text(self.values.get(name).and_then(|value| value.get(inner)))
    }

    /// A number, capped at what a column holds: prices in mints other than $IO have no limit of their own.
    pub fn number(&self, name: &str) -> i64 {
        number(self.values.get(name))
    }

    pub fn within(&self, name: &str, inner: &str) -> i64 {
        number(self.values.get(name).and_then(|value| value.get(inner)))
    }

    pub fn at(&self, name: &str, index: usize) -> i64 {
        number(self.values.get(name).and_then(|value| value.get(index)))
    }

    /// Start of the hour in which the event happened.
    pub fn hour(&self) -> Option<i64> {
        self.time.map(emission::start_of)
    }

    /// Adds to a counter, which is capped at what a column holds.
    pub async fn add(&mut self, name: &str, by: i64) -> Outcome {
        run!(
            self,
            "INSERT INTO counters (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = \
             CASE WHEN counters.value > 9223372036854775807 - excluded.value THEN 9223372036854775807 \
             ELSE counters.value + excluded.value END",
            name,
            by,
        )
    }

    /// Runs a statement; use `run!`.
    pub async fn execute(&mut self, sql: &'static str, values: &[Bound<'_>]) -> Outcome {
        bind(sql, values).execute(&mut **self.work).await.map(drop)
    }

    /// Fetches a row, if there is one; use `ask!`.
    pub async fn fetch(&mut self, sql: &'static str, values: &[Bound<'_>]) -> Result<Option<AnyRow>, sqlx::Error> {
        bind(sql, values).fetch_optional(&mut **self.work).await
    }
}

fn bind<'q>(sql: &'static str, values: &[Bound<'_>]) -> sqlx::query::Query<'q, Any, sqlx::any::AnyArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Bound::Number(number) => query.bind(*number),
        Bound::Text(text) => query.bind((*text).to_owned()),
    })
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn number(value: Option<&Value>) -> i64 {
    let value = value.unwrap_or(&Value::Null);
    value
        .as_i64()
        .or_else(|| value.as_bool().map(i64::from))
        .unwrap_or(i64::from(value.is_u64()) * i64::MAX)
}

/// A value to bind.
pub enum Bound<'a> {
    Number(Option<i64>),
    Text(&'a str),
}

impl From<i64> for Bound<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Bound<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Bound<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}
