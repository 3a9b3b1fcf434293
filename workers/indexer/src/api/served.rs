//! Everything under `/v1`: the one table that routes and the OpenAPI document are made of.

use super::{
    figures::{self, Series},
    lists::{List, NUMBERS, One},
    stream,
};
use crate::Store;
use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
    routing::{MethodRouter, get},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Where new events are told.
pub const STREAM: &str = "/v1/stream";
/// Where all that is served is described.
pub const DOCUMENT: &str = "/v1/openapi.json";

/// One thing that is served.
pub struct Served {
    pub path: &'static str,
    says: &'static str,
    answer: Answer,
}

/// How it is answered.
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

const fn list(path: &'static str, says: &'static str, table: &'static str, order: &'static str, by: &'static [&'static str]) -> Served {
    Served {
        path,
        says,
        answer: Answer::List(List { table, order, by }),
    }
}

const fn other(path: &'static str, says: &'static str, answer: Answer) -> Served {
    Served { path, says, answer }
}

/// Everything that is served.
pub const SERVED: &[Served] = &[
    other(DOCUMENT, "This document", Answer::Document),
    other("/v1/network", "Figures of the whole market", Answer::Network),
    other(
        "/v1/prices",
        "Prices per unit of claimed jobs by hour and GPU model, the latest hour first",
        Answer::Series(Series::Prices),
    ),
    other(
        "/v1/throughput",
        "What became of jobs by hour, and the seconds from opened to revealed, the latest hour first",
        Answer::Series(Series::Throughput),
    ),
    list(
        "/v1/events",
        "Events, the newest first",
        "events",
        "id",
        &["address", "program", "name"],
    ),
    list(
        "/v1/jobs",
        "Jobs, the newest first",
        "jobs",
        "opened",
        &["status", "device", "escrow", "address"],
    ),
    other(
        "/v1/jobs/{address}",
        "The latest job of an address with its events and transactions",
        Answer::One(One {
            table: "jobs",
            order: "opened",
        }),
    ),
    list("/v1/models", "Models, the newest first", "models", "id", &["address"]),
    list(
        "/v1/devices",
        "Devices, those that changed last first: one that changes while pages are read moves to the front, so read from the start again, \
         down to the `updated` that was first the time before, until that is on the first page",
        "devices",
        "updated",
        &["owner", "address"],
    ),
    other(
        "/v1/devices/{address}",
        "A device with its events and transactions",
        Answer::One(One {
            table: "devices",
            order: "updated",
        }),
    ),
    list(
        "/v1/disputes",
        "Convictions of wrong results, the newest first",
        "disputes",
        "id",
        &["device", "challenger", "address"],
    ),
    list(
        "/v1/slashes",
        "Slashes that people decide, the newest first",
        "slashes",
        "id",
        &["device"],
    ),
    list(
        "/v1/rewards",
        "Rewards of devices' hours, the newest first",
        "rewards",
        "id",
        &["device"],
    ),
    list(
        "/v1/claims",
        "Rewards that were paid out, the newest first",
        "claims",
        "id",
        &["device", "holder"],
    ),
    list(
        "/v1/offers",
        "Offers to co-stakers, those that changed last first: they are paged as devices are",
        "offers",
        "updated",
        &["device", "owner", "address"],
    ),
    list(
        "/v1/shares",
        "Hours' rewards that offers shared, the newest first",
        "shares",
        "id",
        &["offer"],
    ),
    list("/v1/hours", "Hours of rewards, the latest first", "hours", "hour", &[]),
    list("/v1/proposals", "Proposals, the latest first", "proposals", "number", &["address"]),
    list(
        "/v1/votes",
        "Votes as they were cast, changed (again a row) and taken back (choice 255), the newest first",
        "votes",
        "id",
        &["proposal", "number", "voter"],
    ),
    other(
        STREAM,
        "New events, as server-sent events: from now on, or after the one that the header names",
        Answer::Stream,
    ),
];

impl Served {
    /// Its route; a stream ends with `stop` and takes one of `places`.
    pub fn route(&self, stop: CancellationToken, places: Arc<Semaphore>) -> MethodRouter<Store> {
        match self.answer {
            Answer::Stream => get(async move |State(store): State<Store>, asked: HeaderMap| stream::follow(store, stop, places, &asked)),
            Answer::Document => get(async || Json(openapi())),
            Answer::Network => get(figures::network),
            Answer::Series(series) => get(async move |State(store): State<Store>, asked| series.answer(&store, asked).await),
            Answer::List(list) => get(async move |State(store): State<Store>, asked| list.answer(&store, asked).await),
            Answer::One(one) => {
                get(async move |State(store): State<Store>, Path(address): Path<String>| one.answer(&store, &address).await)
            }
        }
    }

    /// What it can be asked with: name and type of each.
    fn parameters(&self) -> Vec<Value> {
        let parameter = |name: &str, place: &str, kind: &str| json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": kind } });
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
            "summary": served.says,
            "parameters": served.parameters(),
            "responses": {
                "200": { "description": "As asked" },
                "304": { "description": "Nothing has changed since the ETag given" },
                "400": { "description": "Not understood; `error` says why" },
                "503": { "description": "Too much at once, or the database does not answer: try again after `Retry-After` seconds" },
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
