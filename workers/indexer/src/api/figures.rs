//! Figures: of the whole market, and by hour.

use super::{
    Answer, Refusal,
    lists::{Asked, object, understand},
};
use crate::{Result, Store};
use axum::{Json, extract::State};
use protocol::emission::{self, BLOCK_SECONDS};
use serde_json::{Map, Value, json};
use sqlx::{Any, Row};
use std::collections::BTreeMap;

/// Hours of a series: by default a week, at most a quarter.
const HOURS: i64 = 168;
const MOST: i64 = 2_160;

/// Figures of the whole market and the queries that compute them. Sums are cast, as PostgreSQL's are wider.
const FIGURES: [(&str, &str); 9] = [
    ("devices", "SELECT COUNT(*) FROM devices WHERE active = 1"),
    (
        "gpus",
        "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM devices WHERE active = 1",
    ),
    ("gpus_registered", "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM devices"),
    (
        "gpus_verified",
        "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM devices \
         WHERE active = 1 AND checked_in >= (SELECT MAX(checked_in) FROM devices) - 3600",
    ),
    (
        "gpus_staked",
        "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM devices WHERE active = 1 AND own_stake > 0",
    ),
    (
        "gpus_busy",
        "SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM devices WHERE open_jobs > 0",
    ),
    (
        "staked",
        "SELECT CAST(COALESCE(SUM(own_stake + co_stake), 0) AS BIGINT) FROM devices",
    ),
    (
        "last_slot",
        "SELECT COALESCE((SELECT slot FROM events ORDER BY id DESC LIMIT 1), 0)",
    ),
    ("last_time", NEWEST),
];
/// When the newest event happened, unix seconds; 0 before the first.
const NEWEST: &str = "SELECT COALESCE((SELECT time FROM events WHERE time IS NOT NULL ORDER BY id DESC LIMIT 1), 0)";
/// Figures that the books count as events come.
const COUNTERS: [&str; 8] = [
    "jobs",
    "jobs_settled",
    "jobs_refunded",
    "jobs_convicted",
    "paid_to_suppliers",
    "challengers_paid",
    "burned",
    "log_cuts",
];

/// The number that a query without parameters returns.
async fn number(store: &Store, question: &'static str) -> Result<i64> {
    let mut connection = store.connection().await?;
    let row = sqlx::query::<Any>(question).fetch_one(&mut *connection).await;
    row.and_then(|row| row.try_get(0)).map_err(|cause| store.refused(cause))
}

/// The figures, computed again if an event has come since the last time.
async fn figures(store: &Store) -> Result<Vec<(&'static str, i64)>> {
    let newest = *store.watch().borrow();
    let mut known = store.figures().lock().await;
    if known.first() == Some(&("events", newest)) {
        return Ok(known.clone());
    }
    let mut all = vec![("events", newest)];
    for (name, question) in FIGURES {
        all.push((name, number(store, question).await?));
    }
    let mut connection = store.connection().await?;
    let counted = sqlx::query("SELECT name, value FROM counters").fetch_all(&mut *connection).await;
    let counted: BTreeMap<String, i64> = counted
        .map_err(|cause| store.refused(cause))?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    all.extend(COUNTERS.map(|name| (name, counted.get(name).copied().unwrap_or(0))));
    known.clone_from(&all);
    Ok(all)
}

pub async fn network(State(store): State<Store>) -> Answer {
    let figures = figures(&store).await?;
    let figures: Map<String, Value> = figures.into_iter().map(|(name, number)| (name.to_owned(), number.into())).collect();
    Ok(Json(Value::Object(figures)))
}

pub async fn metrics(State(store): State<Store>) -> std::result::Result<String, Refusal> {
    let lines = figures(&store)
        .await?
        .into_iter()
        .map(|(name, number)| format!("# TYPE ionet_indexer_{name} gauge\nionet_indexer_{name} {number}\n"));
    Ok(lines.collect())
}

/// Figures by hour, up to the hour of the newest event.
#[derive(Clone, Copy)]
pub enum Series {
    Prices,
    Throughput,
}

impl Series {
    pub async fn answer(self, store: &Store, asked: Asked) -> Answer {
        let mut hours = HOURS;
        for (name, value) in understand(asked)? {
            if name != "hours" {
                return Err(Refusal::bad(format!("these figures take only hours as a parameter, not {name:?}")));
            }
            let within = value.parse().ok().filter(|hours| (1..=MOST).contains(hours));
            hours = within.ok_or_else(|| Refusal::bad(format!("hours is 1 to {MOST}, not {value:?}")))?;
        }
        let newest = number(store, NEWEST).await?;
        let since = emission::start_of(newest).saturating_sub(hours.saturating_sub(1).saturating_mul(BLOCK_SECONDS));
        let rows = match self {
            Self::Prices => prices(store, since).await?,
            Self::Throughput => throughput(store, since).await?,
        };
        Ok(Json(json!({ "rows": rows })))
    }
}

type Rows = Vec<Map<String, Value>>;

async fn rows(store: &Store, sql: &'static str, since: i64) -> Result<Rows> {
    let mut connection = store.connection().await?;
    let rows = sqlx::query(sql).bind(since).fetch_all(&mut *connection).await;
    Ok(rows.map_err(|cause| store.refused(cause))?.iter().map(object).collect())
}

async fn prices(store: &Store, since: i64) -> Result<Rows> {
    let sql =
        "SELECT hour, gpu_model, jobs, units, low, paid / units AS mean, high FROM prices WHERE hour >= $1 ORDER BY hour DESC, gpu_model";
    rows(store, sql, since).await
}

async fn throughput(store: &Store, since: i64) -> Result<Rows> {
    let mut hours = rows(store, "SELECT * FROM throughput WHERE hour >= $1 ORDER BY hour DESC", since).await?;
    let sql = "SELECT hour, seconds, jobs FROM latencies WHERE hour >= $1 ORDER BY hour, seconds";
    let mut latencies: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    for row in rows(store, sql, since).await? {
        let of = |name| row.get(name).and_then(Value::as_i64).unwrap_or(0);
        latencies.entry(of("hour")).or_default().push((of("seconds"), of("jobs")));
    }
    for row in &mut hours {
        let hour = row.get("hour").and_then(Value::as_i64).unwrap_or(0);
        let known = latencies.remove(&hour).unwrap_or_default();
        for (name, percent) in [("p50", 50), ("p95", 95), ("p99", 99)] {
            row.insert(name.to_owned(), percentile(&known, percent).into());
        }
    }
    Ok(hours)
}

/// The nearest-rank percentile of `values`, which are sorted pairs of a value and its count.
fn percentile(values: &[(i64, i64)], percent: i64) -> Option<i64> {
    let count: i64 = values.iter().map(|(_, count)| count).sum();
    let rank = count.saturating_mul(percent).saturating_add(99) / 100;
    let mut seen: i64 = 0;
    values
        .iter()
        .find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        })
        .map(|(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_among_the_values() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[(7, 1)], 99), Some(7));
        let hundred: Vec<(i64, i64)> = (1..=100).map(|value| (value, 1)).collect();
        assert_eq!(
            [50, 95, 99].map(|percent| percentile(&hundred, percent)),
            [Some(50), Some(95), Some(99)]
        );
        // Nearest rank: of ten, the fifth and the tenth.
        let ten = [(1, 4), (2, 1), (3, 5)];
        assert_eq!([50, 51, 95].map(|percent| percentile(&ten, percent)), [Some(2), Some(3), Some(3)]);
    }
}
