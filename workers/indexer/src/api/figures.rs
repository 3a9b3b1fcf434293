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

/// The figures, computed again if events have come since the last time. Requests that came meanwhile share them.
async fn figures(store: &Store) -> Result<Vec<(&'static str, i64)>> {
    let newest = *store.watch().borrow();
    let mut known = store.figures().lock().await;
    if known.first().is_some_and(|(_, events)| *events >= newest) {
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
    // The nearest-rank percentiles: of the latencies whose rank is at least that share of the jobs, the shortest. The database computes
    // them, as an hour may have a row for each of thousands of seconds.
    let sql = "SELECT throughput.*, p50, p95, p99 FROM throughput LEFT JOIN ( \
               SELECT hour, MIN(CASE WHEN rank * 100 >= total * 50 THEN seconds END) AS p50, \
               MIN(CASE WHEN rank * 100 >= total * 95 THEN seconds END) AS p95, \
               MIN(CASE WHEN rank * 100 >= total * 99 THEN seconds END) AS p99 FROM ( \
               SELECT hour, seconds, SUM(jobs) OVER (PARTITION BY hour ORDER BY seconds) AS rank, \
               SUM(jobs) OVER (PARTITION BY hour) AS total FROM latencies WHERE hour >= $1) AS ranked GROUP BY hour) AS percentiles \
               ON percentiles.hour = throughput.hour WHERE throughput.hour >= $1 ORDER BY throughput.hour DESC";
    rows(store, sql, since).await
}
