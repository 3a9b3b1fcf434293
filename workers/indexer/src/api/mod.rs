//! The history over HTTP.
//!
//! Lists are pages of at most 200 rows, newest first; `before` takes the `next` of the previous page. Every answer carries an `ETag` that
//! changes with the newest event and with this program's version, so that repeating a request costs nothing while nothing happens. A
//! request that is not understood is answered 400 with a sentence, one too many 503.

mod figures;
mod lists;
mod served;
mod site;
mod stream;

pub(crate) use lists::events_after;
pub use site::{chain_of, site};

use crate::{Error, Result, Store, store};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use daemon::{Connections, Places, peer};
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{net::SocketAddr, sync::LazyLock, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::cors::CorsLayer;

/// `ETag` of the OpenAPI document, which changes only with this program.
static DOCUMENT_TAG: LazyLock<String> = LazyLock::new(|| format!("\"{}\"", hex::encode(Sha256::digest(served::openapi().to_string()))));
/// The part of an `ETag` that changes with this program and the books: another version may answer differently after the same event.
static VERSION: LazyLock<String> = LazyLock::new(|| format!("{}-{}", env!("CARGO_PKG_VERSION"), store::version()));
/// Timeout of an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest path and query in bytes: enough for five addresses with room to spare.
const LINE: usize = 1_024;

/// How many requests are served at a time, at most half of them to one peer: behind a proxy that is everybody. Those beyond are refused at
/// once, so that clients come back later.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Answers in progress. One peer's half is eight times the database's connections, so that a burst waits and a flood is turned away.
    pub answers: usize,
    /// Open streams: half the connections, so that streams never take them all.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answers: 128,
            streams: 256,
        }
    }
}

/// Places of which one peer gets half.
fn places(all: usize) -> Places {
    Places::new(all, all.div_ceil(2))
}

/// Binds the address to serve on.
///
/// # Errors
/// Another process has it, or it does not belong to this machine.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| Error::Listen { address, cause })
}

/// Serves until `stop`.
// Boxed, so that the server is compiled here once and not in every program that runs one.
pub fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> BoxFuture<'static, ()> {
    daemon::serve(listener, router, Connections::default(), stop.cancelled_owned()).boxed()
}

/// The API, which only reads. Streams end with `stop`.
pub fn router(store: Store, stop: CancellationToken) -> Router {
    router_within(store, stop, Limits::default())
}

/// [`router`] with other limits.
pub fn router_within(store: Store, stop: CancellationToken, limits: Limits) -> Router {
    let streams = places(limits.streams);
    let mut router = Router::new();
    for served in served::SERVED {
        let route = served.route(stop.clone(), streams.clone());
        let route = match served.path {
            served::STREAM => route,
            served::DOCUMENT => route.route_layer(middleware::from_fn(tag_document)),
            _ => route.route_layer(middleware::from_fn_with_state(store.clone(), tag_by_event)),
        };
        router = router.route(served.path, route);
    }
    router
        .route("/v1/{*unknown}", get(nothing))
        .route("/metrics", get(figures::metrics))
        .with_state(store)
        .fallback(nothing)
        .layer(CorsLayer::permissive())
        .layer(middleware::from_fn_with_state(places(limits.answers), limit))
}

async fn nothing() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is nothing here; see /v1/openapi.json for all paths")
}

/// An error answer: a status and a sentence.
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

    fn busy(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        tracing::warn!(%error, "a request could not be answered");
        Self::busy("the database does not answer; try again")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let later = (self.status == StatusCode::SERVICE_UNAVAILABLE).then_some([(header::RETRY_AFTER, "1")]);
        (self.status, later, Json(json!({ "error": self.sentence }))).into_response()
    }
}

type Answer = std::result::Result<Json<Value>, Refusal>;

/// Refuses requests that are too long, too many or take too long.
async fn limit(State(answers): State<Places>, request: Request, next: Next) -> Response {
    let line = request.uri().path_and_query().map_or(0, |line| line.as_str().len());
    if line > LINE {
        let sentence = format!("the path and query have {line} bytes, of at most {LINE}; ask for less");
        return Refusal::new(StatusCode::URI_TOO_LONG, sentence).into_response();
    }
    // A stream has no end: it has a limit of its own.
    if request.uri().path() == served::STREAM {
        return next.run(request).await;
    }
    let Some(_place) = answers.take(peer(&request)) else {
        return Refusal::busy("too many requests at once; try again in a second").into_response();
    };
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::busy("this took too long; ask for less").into_response(),
    }
}

/// Answers 304 while no new event has come.
async fn tag_by_event(State(store): State<Store>, request: Request, next: Next) -> Response {
    let newest = *store.watch().borrow();
    tagged(&format!("\"{}-{newest}\"", *VERSION), request, next).await
}

/// Answers 304, as the document never changes while this program runs.
async fn tag_document(request: Request, next: Next) -> Response {
    tagged(&DOCUMENT_TAG, request, next).await
}

async fn tagged(tag: &str, request: Request, next: Next) -> Response {
    let (caching, tag_of_answer) = ([(header::CACHE_CONTROL, "no-cache")], [(header::ETAG, tag)]);
    if request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known == tag) {
        return (StatusCode::NOT_MODIFIED, caching, tag_of_answer).into_response();
    }
    let response = next.run(request).await;
    // Repeating a request that failed may well help.
    let tag_of_answer = response.status().is_success().then_some(tag_of_answer);
    (caching, tag_of_answer, response).into_response()
}
