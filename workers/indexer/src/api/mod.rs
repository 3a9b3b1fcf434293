//! The history over HTTP.
//!
//! Lists are pages of at most 200 rows, the newest first; `before` takes the `next` of the page before. Every answer carries an `ETag` that changes with the
//! newest event, so that asking again costs nothing while nothing happens. What cannot be understood is answered 400 with a sentence.

mod site;

pub use site::site;

use crate::{Error, Result, Store};
use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use solana_address::Address;
use sqlx::{Any, AssertSqlSafe, Column, Row, any::AnyRow};
use std::{convert::Infallible, net::SocketAddr};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::cors::CorsLayer;

/// Rows of a page, unless asked for otherwise, and at most.
const PAGE: u16 = 50;
const MOST: u16 = 200;
/// Longest an answer may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Takes an address to serve on.
///
/// # Errors
/// Another process has it, or it is not of this machine.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| Error::Listen { address, cause })
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let stopped = async move { stop.cancelled().await };
    // It has no end but that: connections that fail are the peers' affair.
    let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
}

/// What is served: everything reads, nothing writes.
pub fn router(store: Store, stop: CancellationToken) -> Router {
    let tagged = Router::new()
        .route("/v1/network", get(network))
        .route("/v1/events", get(events))
        .route("/v1/jobs", get(jobs))
        .route("/v1/jobs/{address}", get(job))
        .route("/v1/devices", get(devices))
        .route("/v1/devices/{address}", get(device))
        .route("/v1/offers", get(offers))
        .route("/v1/hours", get(hours))
        .route("/v1/proposals", get(proposals))
        .route_layer(middleware::from_fn_with_state(store.clone(), tag))
        .with_state(store.clone());
    Router::new()
        .route("/v1/openapi.json", get(async || Json(openapi())))
        .route("/v1/stream", get(async move |State(store): State<Store>| follow(store, stop)))
        .route("/v1/{*unknown}", get(nothing))
        .route("/metrics", get(metrics))
        .with_state(store)
        .merge(tagged)
        .fallback(nothing)
        .layer(CorsLayer::permissive())
        .layer(middleware::from_fn(limit))
}

async fn nothing() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is nothing here; /v1/openapi.json lists what there is")
}

/// An answer that is none.
struct Refusal {
    status: StatusCode,
    sentence: String,
}

impl Refusal {
    fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
        }
    }

    fn bad(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        tracing::warn!(%error, "a question could not be answered");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer; try again")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.sentence }))).into_response()
    }
}

type Answer = std::result::Result<Json<Value>, Refusal>;

async fn limit(request: Request, next: Next) -> Response {
    // A stream has no end.
    if request.uri().path() == "/v1/stream" {
        return next.run(request).await;
    }
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "this took too long; ask for less").into_response(),
    }
}

/// Answers that nothing has changed, when nothing has.
async fn tag(State(store): State<Store>, request: Request, next: Next) -> Response {
    let tag = format!("\"{}\"", *store.watch().borrow());
    let known = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => next.run(request).await,
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}

/// What a list may be asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    limit: Option<u16>,
    before: Option<i64>,
    status: Option<String>,
    device: Option<String>,
    escrow: Option<String>,
    owner: Option<String>,
    address: Option<String>,
    program: Option<String>,
    name: Option<String>,
}

/// A list that can be asked for.
struct List {
    table: &'static str,
    /// Column by which it is ordered and paged.
    order: &'static str,
    /// What it can be narrowed by: column, and what was asked.
    by: &'static [&'static str],
}

/// A question about a list, with a filter on each of these columns.
type Asking = std::result::Result<Query<Asked>, axum::extract::rejection::QueryRejection>;

impl List {
    async fn answer(&self, store: &Store, asked: Asking) -> Answer {
        let Query(asked) = asked.map_err(|error| Refusal::bad(format!("the question is malformed: {}", error.body_text())))?;
        let limit = asked.limit.unwrap_or(PAGE);
        if !(1..=MOST).contains(&limit) {
            return Err(Refusal::bad(format!("limit is 1 to {MOST}, not {limit}")));
        }
        let given = [
            ("status", &asked.status),
            ("device", &asked.device),
            ("escrow", &asked.escrow),
            ("owner", &asked.owner),
            ("address", &asked.address),
            ("program", &asked.program),
            ("name", &asked.name),
        ];
        let (mut wheres, mut values) = (vec![format!("{} < $1", self.order)], Vec::new());
        for (column, value) in given {
            let Some(value) = value else { continue };
            if !self.by.contains(&column) {
                let known = self.by.join(", ");
                return Err(Refusal::bad(format!("this list cannot be narrowed by {column}; it can by {known}")));
            }
            let is_address = ["device", "escrow", "owner", "address"].contains(&column);
            if is_address && value.parse::<Address>().is_err() {
                return Err(Refusal::bad(format!("{column} is not an address")));
            }
            values.push(value.clone());
            let place = values.len().saturating_add(1);
            wheres.push(match (self.table, column) {
                ("events", "address") => format!("id IN (SELECT event FROM mentions WHERE address = ${place})"),
                _ => format!("{column} = ${place}"),
            });
        }
        // Names come from this file alone; what was asked is bound.
        let sql = format!(
            "SELECT * FROM {} WHERE {} ORDER BY {} DESC LIMIT {}",
            self.table,
            wheres.join(" AND "),
            self.order,
            limit.saturating_add(1)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(asked.before.unwrap_or(i64::MAX));
        for value in values {
            query = query.bind(value);
        }
        let mut connection = store.connection().await?;
        let rows = query.fetch_all(&mut *connection).await.map_err(|cause| store.refused(cause))?;
        let mut rows: Vec<Map<String, Value>> = rows.iter().map(object).collect();
        let more = rows.len() > usize::from(limit);
        rows.truncate(limit.into());
        let next = rows.last().filter(|_| more).and_then(|row| row.get(self.order)).cloned();
        Ok(Json(json!({ "rows": rows, "next": next })))
    }
}

/// A row by its columns' names.
fn object(row: &AnyRow) -> Map<String, Value> {
    let value = |index: usize| {
        let number = row
            .try_get::<Option<i64>, _>(index)
            .map(|number| number.map_or(Value::Null, Value::from));
        number.unwrap_or_else(|_| {
            row.try_get::<Option<String>, _>(index)
                .ok()
                .flatten()
                .map_or(Value::Null, Value::from)
        })
    };
    let columns = row.columns().iter().enumerate();
    columns
        .map(|(index, column)| {
            let value = match (column.name(), value(index)) {
                ("data", Value::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
                (_, value) => value,
            };
            (column.name().to_owned(), value)
        })
        .collect()
}

async fn events(State(store): State<Store>, asked: Asking) -> Answer {
    let list = List {
        table: "events",
        order: "id",
        by: &["address", "program", "name"],
    };
    list.answer(&store, asked).await
}

async fn jobs(State(store): State<Store>, asked: Asking) -> Answer {
    let list = List {
        table: "jobs",
        order: "opened",
        by: &["status", "device", "escrow", "address"],
    };
    list.answer(&store, asked).await
}

async fn devices(State(store): State<Store>, asked: Asking) -> Answer {
    let list = List {
        table: "devices",
        order: "updated",
        by: &["owner", "address"],
    };
    list.answer(&store, asked).await
}

async fn offers(State(store): State<Store>, asked: Asking) -> Answer {
    let list = List {
        table: "offers",
        order: "updated",
        by: &["device", "owner", "address"],
    };
    list.answer(&store, asked).await
}

async fn hours(State(store): State<Store>, asked: Asking) -> Answer {
    let list = List {
        table: "hours",
        order: "hour",
        by: &[],
    };
    list.answer(&store, asked).await
}

async fn proposals(State(store): State<Store>, asked: Asking) -> Answer {
    let list = List {
        table: "proposals",
        order: "number",
        by: &["address"],
    };
    list.answer(&store, asked).await
}

async fn job(store: State<Store>, address: Path<String>) -> Answer {
    one(store, address, "jobs", "opened").await
}

async fn device(store: State<Store>, address: Path<String>) -> Answer {
    one(store, address, "devices", "updated").await
}

/// The latest row of an address, with all events that name it.
async fn one(State(store): State<Store>, Path(address): Path<String>, table: &'static str, order: &'static str) -> Answer {
    if address.parse::<Address>().is_err() {
        return Err(Refusal::bad(format!("{address:?} is not an address")));
    }
    let mut connection = store.connection().await?;
    let sql = format!("SELECT * FROM {table} WHERE address = $1 ORDER BY {order} DESC LIMIT 1");
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(&address)
        .fetch_optional(&mut *connection)
        .await;
    let Some(row) = found.map_err(|cause| store.refused(cause))? else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, format!("nothing is known of {address}")));
    };
    let mut row = object(&row);
    let since = row.get("opened").and_then(Value::as_i64).unwrap_or(0);
    let sql = "SELECT * FROM events WHERE id >= $2 AND id IN (SELECT event FROM mentions WHERE address = $1) ORDER BY id LIMIT 1000";
    let events = sqlx::query(sql).bind(&address).bind(since).fetch_all(&mut *connection).await;
    let events: Vec<_> = events.map_err(|cause| store.refused(cause))?.iter().map(object).collect();
    row.insert("events".to_owned(), json!(events));
    Ok(Json(Value::Object(row)))
}

/// A figure of the whole market and the question that answers it; each thing is counted once.
const FIGURES: [(&str, &str); 9] = [
    ("devices", "SELECT COUNT(*) FROM devices WHERE active = 1"),
    ("gpus", "SELECT COALESCE(SUM(quantity), 0) FROM devices WHERE active = 1"),
    (
        "gpus_staked",
        "SELECT COALESCE(SUM(quantity), 0) FROM devices WHERE active = 1 AND own_stake > 0",
    ),
    ("gpus_busy", "SELECT COALESCE(SUM(quantity), 0) FROM devices WHERE open_jobs > 0"),
    ("staked", "SELECT COALESCE(SUM(own_stake + co_stake), 0) FROM devices"),
    ("jobs", "SELECT COALESCE(SUM(value), 0) FROM counters WHERE name = 'jobs'"),
    (
        "jobs_settled",
        "SELECT COALESCE(SUM(value), 0) FROM counters WHERE name = 'jobs_settled'",
    ),
    (
        "jobs_convicted",
        "SELECT COALESCE(SUM(value), 0) FROM counters WHERE name = 'jobs_convicted'",
    ),
    (
        "paid_to_suppliers",
        "SELECT COALESCE(SUM(value), 0) FROM counters WHERE name = 'paid_to_suppliers'",
    ),
];

/// Computes the figures, unless nothing has come since the last time.
async fn figures(store: &Store) -> Result<Vec<(&'static str, i64)>> {
    let newest = *store.watch().borrow();
    let mut known = store.figures().lock().await;
    if known.first() == Some(&("events", newest)) {
        return Ok(known.clone());
    }
    let mut connection = store.connection().await?;
    let mut all = vec![("events", newest)];
    for (name, question) in FIGURES {
        let row = sqlx::query::<Any>(question).fetch_one(&mut *connection).await;
        // A sum is an integer in one database and a decimal, which reads as text, in the other.
        let row = row.map_err(|cause| store.refused(cause))?;
        let number = row
            .try_get::<i64, _>(0)
            .or_else(|_| row.try_get::<String, _>(0).map(|text| text.parse().unwrap_or(0)));
        all.push((name, number.map_err(|cause| store.refused(cause))?));
    }
    known.clone_from(&all);
    Ok(all)
}

async fn network(State(store): State<Store>) -> Answer {
    let figures = figures(&store).await?;
    let figures: Map<String, Value> = figures.into_iter().map(|(name, number)| (name.to_owned(), number.into())).collect();
    Ok(Json(Value::Object(figures)))
}

async fn metrics(State(store): State<Store>) -> std::result::Result<String, Refusal> {
    let lines = figures(&store)
        .await?
        .into_iter()
        .map(|(name, number)| format!("# TYPE ionet_indexer_{name} gauge\nionet_indexer_{name} {number}\n"));
    Ok(lines.collect())
}

/// New events as they come, from now on.
fn follow(store: Store, stop: CancellationToken) -> Sse<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    let watch = store.watch();
    let last = *watch.borrow();
    let events = stream::unfold((store, watch, last, stop), async |(store, mut watch, last, stop)| {
        loop {
            if let Ok(new) = after(&store, last).await
                && let Some(newest) = new.last().and_then(|row| row.get("id")).and_then(Value::as_i64)
            {
                let event = Event::default().id(newest.to_string()).json_data(new).unwrap_or_default();
                return Some((Ok(event), (store, watch, newest, stop)));
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                changed = watch.changed() => changed.ok()?,
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn after(store: &Store, last: i64) -> Result<Vec<Map<String, Value>>> {
    let mut connection = store.connection().await?;
    let rows = sqlx::query("SELECT * FROM events WHERE id > $1 ORDER BY id LIMIT 200")
        .bind(last)
        .fetch_all(&mut *connection)
        .await;
    Ok(rows.map_err(|cause| store.refused(cause))?.iter().map(object).collect())
}

/// One thing that is served.
#[derive(Serialize)]
struct Served {
    path: &'static str,
    says: &'static str,
    by: &'static [&'static str],
}

/// Everything that is served under `/v1`.
const SERVED: [Served; 10] = [
    Served {
        path: "/v1/network",
        says: "Figures of the whole market",
        by: &[],
    },
    Served {
        path: "/v1/events",
        says: "Events, the newest first",
        by: &["limit", "before", "address", "program", "name"],
    },
    Served {
        path: "/v1/jobs",
        says: "Jobs, the newest first",
        by: &["limit", "before", "status", "device", "escrow", "address"],
    },
    Served {
        path: "/v1/jobs/{address}",
        says: "A job with all its events",
        by: &[],
    },
    Served {
        path: "/v1/devices",
        says: "Devices, those that changed last first",
        by: &["limit", "before", "owner", "address"],
    },
    Served {
        path: "/v1/devices/{address}",
        says: "A device with all its events",
        by: &[],
    },
    Served {
        path: "/v1/offers",
        says: "Offers to co-stakers, those that changed last first",
        by: &["limit", "before", "device", "owner", "address"],
    },
    Served {
        path: "/v1/hours",
        says: "Hours of rewards, the latest first",
        by: &["limit", "before"],
    },
    Served {
        path: "/v1/proposals",
        says: "Proposals, the latest first",
        by: &["limit", "before", "address"],
    },
    Served {
        path: "/v1/stream",
        says: "New events, as server-sent events",
        by: &[],
    },
];

/// The OpenAPI document.
fn openapi() -> Value {
    let parameter = |name: &str, place: &str| {
        let kind = if ["limit", "before"].contains(&name) { "integer" } else { "string" };
        json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": kind } })
    };
    let paths: Map<String, Value> = SERVED
        .iter()
        .map(|served| {
            let mut parameters: Vec<Value> = served.by.iter().map(|name| parameter(name, "query")).collect();
            if served.path.contains("{address}") {
                parameters.push(parameter("address", "path"));
            }
            let get = json!({
                "summary": served.says,
                "parameters": parameters,
                "responses": {
                    "200": { "description": "As asked" },
                    "304": { "description": "Nothing has changed since the ETag given" },
                    "400": { "description": "Not understood; `error` says why" },
                },
            });
            (served.path.to_owned(), json!({ "get": get }))
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": "ionet indexer", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
    })
}
