//! Figures: of the whole market, and by hour.

use super::{
    Answer, Refusal,
    lists::{Asked, object, understand},
};
use crate::{Result, Store};
use axum::{Json, extract::State};
use protocol::emission::{self, BLOCK_SECONDS};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Column, Row};
use std::collections::BTreeMap;

/// Hours of a series: by default a week, at most a quarter.
const HOURS: i64 = 168;
const MOST: i64 = 2_160;

/// Figures of the whole market, as columns of one pass over the devices. Sums are cast, as PostgreSQL's are wider.
const FIGURES: &str = "COUNT(CASE WHEN active = 1 THEN 1 END) AS devices, \
    CAST(COALESCE(SUM(CASE WHEN active = 1 THEN quantity END), 0) AS BIGINT) AS gpus, \
    CAST(COALESCE(SUM(quantity), 0) AS BIGINT) AS gpus_registered, \
    CAST(COALESCE(SUM(CASE WHEN active = 1 AND checked_in >= (SELECT MAX(checked_in) FROM devices) - 3600 THEN quantity END), 0) \
    AS BIGINT) AS gpus_verified, \
    CAST(COALESCE(SUM(CASE WHEN active = 1 AND own_stake > 0 THEN quantity END), 0) AS BIGINT) AS gpus_staked, \
    CAST(COALESCE(SUM(CASE WHEN open_jobs > 0 THEN quantity END), 0) AS BIGINT) AS gpus_busy, \
    CAST(COALESCE(SUM(own_stake + co_stake), 0) AS BIGINT) AS staked, \
    COALESCE((SELECT slot FROM events ORDER BY id DESC LIMIT 1), 0) AS last_slot";
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

/// When the newest event happened.
async fn newest(store: &Store) -> Result<i64> {
    let rows = store.rows(sqlx::query(NEWEST)).await?;
    let time = rows.first().map_or(Ok(0), |row| row.try_get(0));
    time.map_err(|cause| store.failed(cause))
}

/// The figures, computed again if events have come since the last time. Requests that came meanwhile share them.
async fn figures(store: &Store) -> Result<Vec<(String, i64)>> {
    let asked = *store.watch().borrow();
    let mut known = store.figures().lock().await;
    if known.first().is_some_and(|(_, events)| *events >= asked) {
        return Ok(known.clone());
    }
    // More may have come while another request computed.
    let newest = *store.watch().borrow();
    let question = AssertSqlSafe(format!("SELECT {FIGURES}, ({NEWEST}) AS last_time FROM devices"));
    let failed = |cause| store.failed(cause);
    let mut all = vec![("events".to_owned(), newest)];
    for row in store.rows(sqlx::query(question)).await? {
        for column in row.columns() {
            all.push((column.name().to_owned(), row.try_get(column.ordinal()).map_err(failed)?));
        }
    }
    let counted = store.rows(sqlx::query("SELECT name, value FROM counters")).await?;
    let counted = counted.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let counted: BTreeMap<String, i64> = counted.collect::<sqlx::Result<_>>().map_err(failed)?;
    all.extend(COUNTERS.map(|name| (name.to_owned(), counted.get(name).copied().unwrap_or(0))));
    known.clone_from(&all);
    Ok(all)
}

pub async fn network(State(store): State<Store>) -> Answer {
    let figures = figures(&store).await?;
    let figures: Map<String, Value> = figures.into_iter().map(|(name, number)| (name, number.into())).collect();
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
        let since = emission::start_of(newest(store).await?).saturating_sub(hours.saturating_sub(1).saturating_mul(BLOCK_SECONDS));
        let rows = match self {
            Self::Prices => prices(store, since).await?,
            Self::Throughput => throughput(store, since).await?,
        };
        Ok(Json(json!({ "rows": rows })))
    }
}

type Rows = Vec<Map<String, Value>>;

async fn rows(store: &Store, sql: &'static str, since: i64) -> Result<Rows> {
    Ok(store.rows(sqlx::query(sql).bind(since)).await?.iter().map(object).collect())
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
