//! Pages of rows, and single ones.

use super::{Answer, Refusal};
use crate::{Result, Store};
use axum::{Json, extract::Query, http::StatusCode};
use serde_json::{Map, Value, json};
use solana_address::Address;
use sqlx::{AssertSqlSafe, Column, Row, any::AnyRow};

/// Rows of a page: by default, and at most.
const PAGE: u16 = 50;
const MOST: u16 = 200;
/// Filters that take a word. Those that take neither a word nor a number take an address.
pub const WORDS: [&str; 3] = ["status", "program", "name"];
/// Filters that take a number.
pub const NUMBERS: [&str; 1] = ["number"];
/// Longest word in bytes.
const WORD: usize = 64;

/// A query's parameters.
pub type Asked = std::result::Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>;

/// Names and values of a query's parameters, each of which may be given once.
pub fn understand(asked: Asked) -> std::result::Result<Vec<(String, String)>, Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal::bad(format!("the query is malformed: {}", error.body_text())))?;
    let mut names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    match names.iter().zip(names.iter().skip(1)).find(|(one, next)| one == next) {
        Some((twice, _)) => Err(Refusal::bad(format!("{twice:?} is given twice; give it once"))),
        None => Ok(asked),
    }
}

/// A list of rows.
#[derive(Clone, Copy)]
pub struct List {
    pub table: &'static str,
    /// Column that orders and pages it.
    pub order: &'static str,
    /// Columns that can filter it.
    pub by: &'static [&'static str],
}

impl List {
    pub async fn answer(&self, store: &Store, asked: Asked) -> Answer {
        let (mut limit, mut before) = (PAGE, i64::MAX);
        let (mut filters, mut values) = (Vec::new(), Vec::new());
        for (name, value) in understand(asked)? {
            match name.as_str() {
                "limit" => {
                    let within = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    limit = within.ok_or_else(|| Refusal::bad(format!("limit is 1 to {MOST}, not {value:?}")))?;
                }
                "before" => {
                    let refuse = |_| Refusal::bad(format!("before has to be the `next` of a page, not {value:?}"));
                    before = value.parse().map_err(refuse)?;
                }
                _ => {
                    let column = self.column(&name)?;
                    values.push(Wanted::parse(column, value)?);
                    filters.push(column);
                }
            }
        }
        let sql = self.query(&filters, limit.saturating_add(1));
        let query = values
            .into_iter()
            .fold(sqlx::query(AssertSqlSafe(sql)).bind(before), |query, value| match value {
                Wanted::Text(text) => query.bind(text),
                Wanted::Number(number) => query.bind(number),
            });
        let mut rows: Vec<Map<String, Value>> = store.rows(query).await?.iter().map(object).collect();
        let more = rows.len() > usize::from(limit);
        rows.truncate(limit.into());
        let next = rows.last().filter(|_| more).and_then(|row| row.get(self.order)).cloned();
        Ok(Json(json!({ "rows": rows, "next": next })))
    }

    /// The query for up to `limit` rows before $1 that have the values $2 and so on in these columns. The names in it are this program's own;
    /// values from outside are bound.
    pub(super) fn query(&self, filters: &[&str], limit: u16) -> String {
        // Events that name an address are read off `mentions`, newest first, however many there are. SQLite joins in this order.
        let (from, order) = match (self.table, filters.contains(&"address")) {
            ("events", true) => ("mentions CROSS JOIN events", "mentions.event"),
            _ => (self.table, self.order),
        };
        let mut wheres = vec![format!("{order} < $1")];
        if from != self.table {
            wheres.push("events.id = mentions.event".to_owned());
        }
        wheres.extend(filters.iter().zip(2..).map(|(column, place)| format!("{column} = ${place}")));
        format!(
            "SELECT {}.* FROM {from} WHERE {} ORDER BY {order} DESC LIMIT {limit}",
            self.table,
            wheres.join(" AND ")
        )
    }

    /// The column that a filter names.
    fn column(&self, name: &str) -> std::result::Result<&'static str, Refusal> {
        let found = self.by.iter().find(|column| **column == name);
        found.copied().ok_or_else(|| {
            let hint = match self.by {
                [] => "only be paged, with limit and before".to_owned(),
                by => format!("be filtered by {}", by.join(", ")),
            };
            Refusal::bad(format!("this list cannot be filtered by {name:?}; it can {hint}"))
        })
    }
}

/// A filter's value, with the type of its column, as PostgreSQL does not compare numbers with text.
enum Wanted {
    Text(String),
    Number(i64),
}

impl Wanted {
    fn parse(column: &str, value: String) -> std::result::Result<Self, Refusal> {
        if NUMBERS.contains(&column) {
            let number = value.parse();
            return number
                .map(Self::Number)
                .map_err(|_| Refusal::bad(format!("{column} is not a number")));
        }
        // PostgreSQL refuses zero bytes in text.
        let is_word = value.len() <= WORD && !value.contains('\0');
        match WORDS.contains(&column) {
            true if !is_word => Err(Refusal::bad(format!("{column} is a word of up to {WORD} characters"))),
            false if value.parse::<Address>().is_err() => Err(Refusal::bad(format!("{column} is not an address"))),
            _ => Ok(Self::Text(value)),
        }
    }
}

/// The latest row of an address, with the newest thousand events that name it and their transactions.
#[derive(Clone, Copy)]
pub struct One {
    pub table: &'static str,
    /// Column whose greatest value marks the latest row.
    pub order: &'static str,
}

impl One {
    pub async fn answer(&self, store: &Store, address: &str) -> Answer {
        if address.parse::<Address>().is_err() {
            return Err(Refusal::bad(format!("{address:?} is not an address")));
        }
        let sql = format!(
            "SELECT * FROM {} WHERE address = $1 ORDER BY {} DESC LIMIT 1",
            self.table, self.order
        );
        let found = store.rows(sqlx::query(AssertSqlSafe(sql)).bind(address)).await?;
        let Some(mut row) = found.first().map(object) else {
            return Err(Refusal::new(StatusCode::NOT_FOUND, format!("nothing is known about {address}")));
        };
        let since = row.get("opened").and_then(Value::as_i64).unwrap_or(0);
        let events = "SELECT events.* FROM mentions CROSS JOIN events WHERE mentions.address = $1 AND mentions.event >= $2 \
                      AND events.id = mentions.event ORDER BY mentions.event DESC LIMIT 1000";
        let transactions = format!(
            "SELECT transactions.* FROM transactions JOIN (SELECT signature AS of, MIN(id) AS id FROM ({events}) AS newest \
             GROUP BY signature) AS first ON transactions.signature = first.of ORDER BY first.id DESC"
        );
        for (name, sql) in [("events", events.to_owned()), ("transactions", transactions)] {
            let found = store.rows(sqlx::query(AssertSqlSafe(sql)).bind(address).bind(since)).await?;
            // Oldest first.
            let rows: Vec<_> = found.iter().rev().map(object).collect();
            row.insert(name.to_owned(), json!(rows));
        }
        Ok(Json(Value::Object(row)))
    }
}

/// A row as a JSON object.
pub fn object(row: &AnyRow) -> Map<String, Value> {
    let field = |index: usize, name: &str| {
        let number = row.try_get::<Option<i64>, _>(index).map(Value::from);
        let value = number.unwrap_or_else(|_| match row.try_get::<Option<String>, _>(index) {
            Ok(Some(text)) if name == "data" => serde_json::from_str(&text).unwrap_or_default(),
            text => text.unwrap_or_default().into(),
        });
        (name.to_owned(), value)
    };
    row.columns().iter().map(|column| field(column.ordinal(), column.name())).collect()
}

/// The next events after the one with this number, oldest first.
pub async fn events_after(store: &Store, last: i64) -> Result<Vec<Map<String, Value>>> {
    let next = sqlx::query("SELECT * FROM events WHERE id > $1 ORDER BY id LIMIT 200").bind(last);
    Ok(store.rows(next).await?.iter().map(object).collect())
}
