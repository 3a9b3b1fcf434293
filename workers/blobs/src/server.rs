//! Blobs over HTTP: `GET`, `HEAD` and `PUT` on `/blobs/{address}`.
//!
//! Whatever is under an address never changes, so answers may be cached for ever, and a lying upload is refused before it is stored.

use crate::{BlobStore, Error, MAX_BLOB, SLOWEST, parse_address};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use axum_extra::{
    TypedHeader,
    headers::{ContentRange, ETag, HeaderMapExt, IfNoneMatch, IfRange, Range},
};
use bytes::BytesMut;
use daemon::{Connections, Places};
use futures_util::{StreamExt, stream};
use std::{net::SocketAddr, ops::Bound, time::Duration};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tower_http::cors::{Any, CorsLayer};

/// How long a browser remembers what pages of other origins may do: an hour.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// How much a server takes on at once. Beyond that it says so instead of queueing: clients know to come back.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest upload in bytes.
    pub blob: u64,
    /// Requests in flight, from their heads to the ends of their answers.
    pub requests: usize,
    /// Those of one peer. Behind a proxy all have its address.
    pub peer_requests: usize,
    /// Uploads in flight; each holds its blob in memory until it is checked.
    pub uploads: usize,
    /// Those of one peer.
    pub peer_uploads: usize,
    /// Bytes a second that an upload has to arrive at, and an answer to be read at.
    pub rate: u64,
    /// Time an upload may take beyond that.
    pub upload_time: Duration,
    /// Time an answer may take beyond that.
    pub answer_time: Duration,
    /// Time a part of an answer may wait for its reader to take the one before it.
    pub read_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blob: MAX_BLOB,
            requests: 256,
            peer_requests: 64,
            uploads: 16,
            peer_uploads: 4,
            rate: SLOWEST,
            upload_time: Duration::from_secs(10),
            answer_time: Duration::from_secs(30),
            read_time: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// The longest that so many bytes may take.
    fn time_of(&self, bytes: u64) -> Duration {
        Duration::from_secs(bytes / self.rate.max(1))
    }
}

#[derive(Clone)]
struct Shared {
    store: BlobStore,
    limits: Limits,
    requests: Places,
    uploads: Places,
}

/// The routes of a blob server over `store`.
pub fn router(store: BlobStore, limits: Limits) -> Router {
    let shared = Shared {
        store: store.with_limit(limits.blob),
        requests: Places::new(limits.requests, limits.peer_requests),
        uploads: Places::new(limits.uploads, limits.peer_uploads),
        limits,
    };
    Router::new()
        .route("/blobs/{address}", get(download).put(upload))
        .layer(middleware::from_fn_with_state(shared.clone(), admit))
        .layer(cors())
        .with_state(shared)
}

/// Lets pages of any origin read and write: blobs are addressed by their content, and the server uses no cookies.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::PUT])
        .allow_headers(Any)
        .expose_headers(Any)
        .max_age(REMEMBERED)
}

/// Serves `store` on `listener` until `stop` completes, then finishes the answers in flight.
pub async fn serve(listener: TcpListener, store: BlobStore, limits: Limits, stop: impl Future<Output = ()>) {
    // A client keeps connections for requests to come.
    let connections = Connections {
        all: limits.requests.saturating_mul(2),
        share: limits.peer_requests.saturating_mul(2),
        ..Connections::default()
    };
    daemon::serve(listener, router(store, limits), connections, stop).await;
}

/// Admits a request while a place is free and holds the place until its answer is sent, or its reader is too slow.
async fn admit(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Some(place) = shared.requests.take(peer(&request)) else {
        return overloaded();
    };
    let head = request.method() == Method::HEAD;
    let response = next.run(request).await;
    if head {
        return response;
    }
    response.map(|body| {
        // Handed out by a task of its own: while a connection's reader reads nothing, its answer is not asked for more, and could not give
        // up.
        let (parts, mut taken) = mpsc::channel(1);
        tokio::spawn(async move {
            let _held = place;
            // An answer that is cut off is shorter than it said, which its reader notices.
            hand_out(body, parts, shared.limits).await;
        });
        Body::from_stream(stream::poll_fn(move |context| taken.poll_recv(context)))
    })
}

/// Hands out the parts of an answer, until one is not taken in time or all take too long.
async fn hand_out(body: Body, parts: mpsc::Sender<Result<Bytes, axum::Error>>, limits: Limits) {
    let (begun, mut body, mut taken) = (Instant::now(), body.into_data_stream(), 0);
    loop {
        let allowed = limits.answer_time + limits.time_of(taken);
        let step = async {
            let Some(part) = body.next().await else {
                // The last one is on its way when there is room for another.
                let _ = parts.reserve().await;
                return None;
            };
            let bytes = part.as_ref().map_or(0, |part| part.len() as u64);
            parts.send(part).await.ok().map(|()| bytes)
        };
        let end = (begun + allowed).min(Instant::now() + limits.read_time);
        let Ok(Some(bytes)) = timeout_at(end, step).await else {
            return;
        };
        taken += bytes;
    }
}

/// The address that a request comes from.
fn peer(request: &Request) -> Option<SocketAddr> {
    request.extensions().get().map(|ConnectInfo(peer)| *peer)
}

fn overloaded() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::RETRY_AFTER, "1")],
        "the blob server is busy; try again in a second\n",
    )
        .into_response()
}

async fn download(
    State(shared): State<Shared>,
    Path(address): Path<String>,
    method: Method,
    range: Option<TypedHeader<Range>>,
    if_range: Option<TypedHeader<IfRange>>,
    if_none_match: Option<TypedHeader<IfNoneMatch>>,
) -> Result<Response, Refusal> {
    let hash = parse_address(&address)?;
    let size = shared.store.size(&hash).await?;
    let tag: ETag = format!("\"{}\"", hex::encode(hash))
        .parse()
        .map_err(|_| Refusal::Address(address))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.typed_insert(tag.clone());
    if if_none_match.is_some_and(|TypedHeader(condition)| !condition.precondition_passes(&tag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));

    let range = range.filter(|_| !if_range.is_some_and(|TypedHeader(condition)| condition.is_modified(Some(&tag), None)));
    let (status, part) = match range.map(|TypedHeader(range)| single(&range, size)) {
        None | Some(Asked::Whole) => (StatusCode::OK, None),
        Some(Asked::Part(part)) => {
            let shown = ContentRange::bytes(part.clone(), size).map_err(|_| Refusal::Range(size))?;
            headers.typed_insert(shown);
            (StatusCode::PARTIAL_CONTENT, Some(part))
        }
        Some(Asked::Nothing) => return Err(Refusal::Range(size)),
    };
    let length = part.as_ref().map_or(size, |part| part.end - part.start);
    headers.insert(header::CONTENT_LENGTH, length.into());
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let (_, stream) = shared.store.stream(&hash, part).await?;
        Body::from_stream(stream)
    };
    Ok((status, headers, body).into_response())
}

/// What a `Range` header asks for.
enum Asked {
    /// Several ranges, which a server may answer with the whole.
    Whole,
    Part(std::ops::Range<u64>),
    /// No byte of the blob.
    Nothing,
}

fn single(range: &Range, size: u64) -> Asked {
    let mut ranges = range.satisfiable_ranges(size);
    let (first, second) = (ranges.next(), ranges.next());
    let (Some((start, end)), None) = (first, second) else {
        return if first.is_some() { Asked::Whole } else { Asked::Nothing };
    };
    let start = match start {
        Bound::Included(start) => start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match end {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => end,
        Bound::Unbounded => size,
    };
    if start < end.min(size) {
        Asked::Part(start..end.min(size))
    } else {
        Asked::Nothing
    }
}

async fn upload(State(shared): State<Shared>, Path(address): Path<String>, request: Request) -> Result<Response, Refusal> {
    let hash = parse_address(&address)?;
    let peer = peer(&request);
    let Some(_place) = shared.uploads.take(peer) else {
        return Ok(overloaded());
    };
    let bytes = arrive(request.into_body(), &shared.limits).await?;
    let sender = peer.map_or_else(|| "the sender".to_owned(), |peer| peer.ip().to_string());
    let new = shared.store.put_at(&hash, bytes, &sender).await?;
    Ok(if new { StatusCode::CREATED } else { StatusCode::OK }.into_response())
}

/// The whole of an upload, unless it is too large or arrives too slowly.
async fn arrive(body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let (begun, mut parts, mut bytes) = (Instant::now(), body.into_data_stream(), BytesMut::new());
    loop {
        let arrived = bytes.len() as u64;
        let allowed = limits.upload_time + limits.time_of(arrived);
        match timeout_at(begun + allowed, parts.next()).await.map_err(|_| Refusal::Slow)? {
            None => return Ok(bytes.freeze()),
            Some(Ok(part)) if arrived + part.len() as u64 <= limits.blob => bytes.extend_from_slice(&part),
            Some(_) => return Err(Refusal::Body(limits.blob)),
        }
    }
}

/// Why a request is refused, in HTTP's terms.
enum Refusal {
    Blob(Error),
    Address(String),
    Range(u64),
    Body(u64),
    Slow,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Blob(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Blob(error) => {
                let status = match error {
                    Error::Address { .. } => StatusCode::BAD_REQUEST,
                    Error::Missing { .. } => StatusCode::NOT_FOUND,
                    Error::Mismatch { .. } | Error::Malformed { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                    Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                    Error::Location { .. } | Error::Store { .. } => StatusCode::BAD_GATEWAY,
                    Error::Unhashed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
                };
                (status, error.to_string())
            }
            Self::Address(text) => (StatusCode::BAD_REQUEST, Error::Address { text }.to_string()),
            Self::Range(size) => {
                let shown = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
                return (
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    shown,
                    format!("the blob has {size} bytes; request a range of them\n"),
                )
                    .into_response();
            }
            Self::Body(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the upload is over the limit of {limit} bytes or broke off"),
            ),
            Self::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                "the upload arrives too slowly; send it again over a faster connection".to_owned(),
            ),
        };
        (status, format!("{text}\n")).into_response()
    }
}
