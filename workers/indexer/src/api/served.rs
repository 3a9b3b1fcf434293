//! Everything under `/v1`: the one table that the routes and the OpenAPI document are generated from.

use super::{
    figures::{self, Series},
    lists::{List, NUMBERS, One},
    stream,
};
use crate::Store;
use axum::{
    Json,
    extract::{Path, Request, State},
    routing::{MethodRouter, get},
};
use daemon::Places;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

/// Path of the stream of new events.
pub const STREAM: &str = "/v1/stream";
/// Path of the OpenAPI document.
pub const DOCUMENT: &str = "/v1/openapi.json";

/// One path that is served.
pub struct Served {
    pub path: &'static str,
    summary: &'static str,
    answer: Answer,
}

/// What a path answers with.
#[derive(Clone, Copy)]
enum Answer {
    /// The OpenAPI document.
    Document,
    /// Figures of the whole market.
    Network,
    /// Figures by hour.
    Series(Series),
    /// Pages of rows.
    List(List),
    /// The latest row of an address.
    One(One),
    /// New events as they come.
    Stream,
}

const fn list(path: &'static str, summary: &'static str, table: &'static str, order: &'static str, by: &'static [&'static str]) -> Served {
    Served {
        path,
        summary,
        answer: Answer::List(List { table, order, by }),
    }
}

const fn other(path: &'static str, summary: &'static str, answer: Answer) -> Served {
    Served { path, summary, answer }
}

/// All paths.
pub const SERVED: &[Served] = &[
    other(DOCUMENT, "This document", Answer::Document),
    other("/v1/network", "Figures of the whole market", Answer::Network),
    other(
        "/v1/prices",
        "Prices per unit of claimed jobs by hour and GPU model, latest hour first",
        Answer::Series(Series::Prices),
    ),
    other(
        "/v1/throughput",
        "How many jobs ended how, by hour, and the seconds from opening to reveal, latest hour first",
        Answer::Series(Series::Throughput),
    ),
    list(
        "/v1/events",
        "Events, newest first",
        "events",
        "id",
        &["address", "program", "name"],
    ),
    list(
        "/v1/jobs",
        "Jobs, newest first",
        "jobs",
        "opened",
        &["status", "device", "escrow", "address"],
    ),
    other(
        "/v1/jobs/{address}",
        "The latest job at an address, with its events and transactions",
        Answer::One(One {
            table: "jobs",
            order: "opened",
        }),
    ),
    list("/v1/models", "Models, newest first", "models", "id", &["address"]),
    list(
        "/v1/devices",
        "Devices, most recently changed first. A device that changes while you page moves to the front, so start over and read down to \
         the `updated` that came first the time before, until that is on the first page",
        "devices",
        "updated",
        &["owner", "address"],
    ),
    other(
        "/v1/devices/{address}",
        "A device, with its events and transactions",
        Answer::One(One {
            table: "devices",
            order: "updated",
        }),
    ),
    list(
        "/v1/disputes",
        "Convictions of wrong results, newest first",
        "disputes",
        "id",
        &["device", "challenger", "address"],
    ),
    list(
        "/v1/slashes",
        "Slashes decided by people, newest first",
        "slashes",
        "id",
        &["device"],
    ),
    list(
        "/v1/rewards",
        "Hourly rewards of devices, newest first",
        "rewards",
        "id",
        &["device"],
    ),
    list(
        "/v1/claims",
        "Rewards paid out, newest first",
        "claims",
        "id",
        &["device", "holder"],
    ),
    list(
        "/v1/offers",
        "Offers to co-stakers, most recently changed first; page them as devices",
        "offers",
        "updated",
        &["device", "owner", "address"],
    ),
    list(
        "/v1/shares",
        "Hourly rewards shared by offers, newest first",
        "shares",
        "id",
        &["offer"],
    ),
    list("/v1/hours", "Hours of rewards, latest first", "hours", "hour", &[]),
    list("/v1/proposals", "Proposals, latest first", "proposals", "number", &["address"]),
    list(
        "/v1/votes",
        "Votes cast, changed (each change is a row) and taken back (choice 255), newest first",
        "votes",
        "id",
        &["proposal", "number", "voter"],
    ),
    other(
        STREAM,
        "New events, as server-sent events: those after the event that the header names, or from now on",
        Answer::Stream,
    ),
];

impl Served {
    /// The path's route. A stream ends with `stop` and takes one of `places`.
    pub fn route(&self, stop: CancellationToken, places: Places) -> MethodRouter<Store> {
        match self.answer {
            Answer::Stream => get(async move |State(store): State<Store>, request: Request| stream::follow(store, stop, &places, &request)),
            Answer::Document => get(async || Json(openapi())),
            Answer::Network => get(figures::network),
            Answer::Series(series) => get(async move |State(store): State<Store>, asked| series.answer(&store, asked).await),
            Answer::List(list) => get(async move |State(store): State<Store>, asked| list.answer(&store, asked).await),
            Answer::One(one) => {
                get(async move |State(store): State<Store>, Path(address): Path<String>| one.answer(&store, &address).await)
            }
        }
    }

    /// The parameters it takes, as OpenAPI describes them.
    fn parameters(&self) -> Vec<Value> {
        let parameter = |name: &str, place: &str, kind: &str| {
            let schema = json!({ "type": kind });
            json!({ "name": name, "in": place, "required": place == "path", "schema": schema })
        };
        match self.answer {
            Answer::Series(_) => vec![parameter("hours", "query", "integer")],
            Answer::One(_) => vec![parameter("address", "path", "string")],
            Answer::List(list) => {
                let kind = |name: &&str| if NUMBERS.contains(name) { "integer" } else { "string" };
                let paging = ["limit", "before"].iter().map(|name| parameter(name, "query", "integer"));
                paging
                    .chain(list.by.iter().map(|name| parameter(name, "query", kind(name))))
                    .collect()
            }
            Answer::Stream => vec![parameter(stream::LAST, "header", "integer")],
            Answer::Document | Answer::Network => Vec::new(),
        }
    }
}

/// The OpenAPI document.
pub fn openapi() -> Value {
    let path = |served: &Served| {
        let get = json!({
            "summary": served.summary,
            "parameters": served.parameters(),
            "responses": {
                "200": { "description": "The answer" },
                "304": { "description": "Nothing has changed since the given ETag" },
                "400": { "description": "The request is not understood; `error` says why" },
                "503": { "description": "Too many requests, or the database does not answer: try again after `Retry-After` seconds" },
            },
        });
        (served.path.to_owned(), json!({ "get": get }))
    };
    json!({
        "openapi": "3.1.0",
        "info": { "title": "ionet indexer", "version": env!("CARGO_PKG_VERSION") },
        "paths": SERVED.iter().map(path).collect::<Map<String, Value>>(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::lists::WORDS;
    use sqlx::{AnyPool, AssertSqlSafe, Row};

    /// An index has the rows of each filter in the list's order, so no list is read as a whole or sorted, whatever is asked. Where there is a
    /// choice, the rows are not those of a word, which may be millions.
    #[tokio::test]
    async fn every_filter_has_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/history.db", dir.path().display());
        Store::open(&url).await.unwrap();
        let database = AnyPool::connect(&url).await.unwrap();
        for served in SERVED {
            let Answer::List(list) = served.answer else { continue };
            for chosen in 0..1 << list.by.len() {
                let filters: Vec<&str> = (0..)
                    .zip(list.by)
                    .filter(|(place, _)| (chosen >> place) & 1 == 1)
                    .map(|(_, by)| *by)
                    .collect();
                let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", list.query(&filters, 51)));
                let plan = sqlx::query(explain).fetch_all(&database).await.unwrap();
                let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
                let told = format!("{} by {filters:?}: {steps:?}", served.path);
                assert!(steps.iter().all(|step| step.starts_with("SEARCH ")), "{told}");
                if !filters.iter().all(|filter| WORDS.contains(filter)) {
                    let by_word = |step: &String| WORDS.iter().any(|word| step.contains(&format!("({word}=? AND {}<", list.order)));
                    assert!(!steps.iter().any(by_word), "{told}");
                }
            }
        }
    }
}
