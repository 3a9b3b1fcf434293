//! Blobs over HTTP: `GET`, `HEAD` and `PUT` on `/blobs/{address}`.
//!
//! The content of an address never changes, so responses may be cached forever. An upload that does not match its address is refused before
//! it is stored.

use crate::{BlobStore, Error, MAX_BLOB, SLOWEST, budget::Budget, parse_address};
use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{Path, Request, State},
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
use daemon::{Connections, Places, peer};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tower_http::cors::{Any, CorsLayer};

/// How long a browser may cache the answer to a CORS preflight request.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3_600);

/// How much work a server accepts at once. Beyond these limits it answers "busy" instead of queueing, and clients retry.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest upload in bytes.
    pub blob: u64,
    /// Requests in flight. A request counts until its response has been sent in full.
    pub requests: usize,
    /// Requests in flight from one IP address. Behind a proxy all requests share the proxy's address.
    pub peer_requests: usize,
    /// Uploads in flight. Each holds its blob in memory until it is verified.
    pub uploads: usize,
    /// Uploads in flight from one IP address.
    pub peer_uploads: usize,
    /// Bytes that one IP address may upload in an hour.
    pub peer_bytes: u64,
    /// Bytes that uploads leave free on the disk, if the store is a local folder. Uploads in flight may go below by their size.
    pub min_free: u64,
    /// Slowest rate for uploads and downloads, in bytes per second.
    pub rate: u64,
    /// Time an upload may take in addition to what its size needs at that rate.
    pub upload_time: Duration,
    /// Time a response may take in addition to what its size needs at that rate.
    pub answer_time: Duration,
    /// Time the client may take to read one part of a response.
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
            peer_bytes: 16 << 30,
            // As much as all uploads in flight.
            min_free: 1 << 30,
            rate: SLOWEST,
            upload_time: Duration::from_secs(10),
            answer_time: Duration::from_secs(30),
            read_time: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Time that `bytes` take at the slowest rate allowed.
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
    budget: Budget,
    /// Whether the latest upload found the disk full.
    full: Arc<AtomicBool>,
}

impl Shared {
    /// Refuses an upload for which the disk has no room. Logged once, until there is room again.
    fn check_room(&self, bytes: u64) -> Result<(), Refusal> {
        let needed = self.limits.min_free.saturating_add(bytes);
        let full = self.store.free_space().is_some_and(|free| free < needed);
        if full && !self.full.swap(full, Ordering::Relaxed) {
            tracing::warn!(store = %self.store, "the disk is full: uploads are refused; delete old blobs or lower --min-free");
        }
        self.full.store(full, Ordering::Relaxed);
        if full { Err(Refusal::Full) } else { Ok(()) }
    }
}

/// The routes of a blob server over `store`.
pub fn router(store: BlobStore, limits: Limits) -> Router {
    let shared = Shared {
        store: store.with_limit(limits.blob),
        requests: Places::new(limits.requests, limits.peer_requests),
        uploads: Places::new(limits.uploads, limits.peer_uploads),
        budget: Budget::new(limits.peer_bytes),
        full: Arc::default(),
        limits,
    };
    Router::new()
        .route("/blobs/{address}", get(download).put(upload))
        .layer(middleware::from_fn_with_state(shared.clone(), admit))
        .layer(cors())
        .with_state(shared)
}

/// Lets web pages of any origin read and write blobs. This is safe: blobs are addressed by content, and the server uses no cookies.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::PUT])
        .allow_headers(Any)
        .expose_headers(Any)
        .max_age(PREFLIGHT_MAX_AGE)
}

/// Serves `store` on `listener` until `stop` completes, then finishes the responses in flight.
pub async fn serve(listener: TcpListener, store: BlobStore, limits: Limits, stop: impl Future<Output = ()>) {
    // Clients keep idle connections open for later requests.
    let connections = Connections {
        all: limits.requests.saturating_mul(2),
        share: limits.peer_requests.saturating_mul(2),
        ..Connections::default()
    };
    daemon::serve(listener, router(store, limits), connections, stop).await;
}

/// Admits a request if there is a free slot, and holds the slot until the response is sent or the client reads too slowly.
async fn admit(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (method, path, peer) = (request.method().clone(), request.uri().path().to_owned(), peer(&request));
    let place = shared.requests.take(peer);
    let response = match place {
        Some(_) => next.run(request).await,
        None => overloaded(),
    };
    tracing::debug!(?peer, %method, path, status = response.status().as_u16(), "request");
    if place.is_none() || method == Method::HEAD {
        return response;
    }
    response.map(|body| {
        // A separate task sends the body. While the client reads nothing, the connection does not poll the response, so a timeout inside
        // the response itself would never fire.
        let (parts, mut taken) = mpsc::channel(1);
        tokio::spawn(async move {
            let _held = place;
            // After a timeout the body ends short of its content-length, so the client notices.
            send_body(body, parts, shared.limits).await;
        });
        Body::from_stream(stream::poll_fn(move |context| taken.poll_recv(context)))
    })
}

/// Sends a response body part by part. Gives up when the client does not take a part in time, or when the whole takes too long.
async fn send_body(body: Body, parts: mpsc::Sender<Result<Bytes, axum::Error>>, limits: Limits) {
    let (begun, mut body, mut taken) = (Instant::now(), body.into_data_stream(), 0);
    loop {
        let allowed = limits.answer_time + limits.time_of(taken);
        let step = async {
            let Some(part) = body.next().await else {
                // The channel has room again once the last part has been taken.
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
        .map_err(|_| Error::Address { text: address })?;
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
    let part = match range {
        Some(TypedHeader(range)) => part_of(&range, size)?,
        None => None,
    };
    let (mut status, mut length) = (StatusCode::OK, size);
    if let Some(part) = &part {
        headers.typed_insert(ContentRange::bytes(part.clone(), size).map_err(|_| Refusal::Range(size))?);
        (status, length) = (StatusCode::PARTIAL_CONTENT, part.end - part.start);
    }
    headers.insert(header::CONTENT_LENGTH, length.into());
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let (_, stream) = shared.store.stream(&hash, part).await?;
        // The head of the response has been sent by then, so all that the client sees is that the body ends early.
        Body::from_stream(stream.inspect_err(|error| tracing::warn!(%error, "the store failed")))
    };
    Ok((status, headers, body).into_response())
}

/// The part of a blob of `size` bytes that a `Range` header asks for; `None` if it asks for several, which may be answered with the whole.
fn part_of(range: &Range, size: u64) -> Result<Option<std::ops::Range<u64>>, Refusal> {
    let mut ranges = range.satisfiable_ranges(size);
    let (start, end) = ranges.next().ok_or(Refusal::Range(size))?;
    if ranges.next().is_some() {
        return Ok(None);
    }
    let start = match start {
        Bound::Included(start) => start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match end {
        Bound::Included(end) => end.saturating_add(1).min(size),
        Bound::Excluded(end) => end.min(size),
        Bound::Unbounded => size,
    };
    match start < end {
        true => Ok(Some(start..end)),
        false => Err(Refusal::Range(size)),
    }
}

async fn upload(State(shared): State<Shared>, Path(address): Path<String>, request: Request) -> Result<Response, Refusal> {
    let hash = parse_address(&address)?;
    let peer = peer(&request);
    let Some(_place) = shared.uploads.take(peer) else {
        return Ok(overloaded());
    };
    let body = request.into_body();
    let most = shared.limits.blob;
    let size = body.size_hint().upper().map_or(most, |size| size.min(most));
    shared.check_room(size)?;
    shared.budget.take(peer, size).map_err(Refusal::Spent)?;
    let bytes = receive(body, &shared.limits).await?;
    let sender = peer.map_or_else(|| "the client".to_owned(), |peer| peer.ip().to_string());
    let new = shared.store.put_at(&hash, bytes, &sender).await?;
    Ok(if new { StatusCode::CREATED } else { StatusCode::OK }.into_response())
}

/// Reads an upload to its end. Refuses one that breaks off, is too large or too slow.
async fn receive(body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let (begun, mut parts, mut bytes) = (Instant::now(), body.into_data_stream(), BytesMut::new());
    loop {
        let arrived = bytes.len() as u64;
        let allowed = limits.upload_time + limits.time_of(arrived);
        match timeout_at(begun + allowed, parts.next()).await.map_err(|_| Refusal::Slow)? {
            None => return Ok(bytes.freeze()),
            Some(Ok(part)) if arrived + part.len() as u64 <= limits.blob => bytes.extend_from_slice(&part),
            Some(Ok(_)) => return Err(Refusal::TooLarge(limits.blob)),
            Some(Err(_)) => return Err(Refusal::BrokenOff),
        }
    }
}

/// Why a request is refused; maps to an HTTP status.
enum Refusal {
    Blob(Error),
    Range(u64),
    TooLarge(u64),
    BrokenOff,
    Slow,
    /// The peer has to wait for so long.
    Spent(Duration),
    Full,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            // Strangers are not told where the store is.
            Error::Missing { hash, .. } => {
                let place = "this server".to_owned();
                Self::Blob(Error::Missing { hash, place })
            }
            error => Self::Blob(error),
        }
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
                if status.is_server_error() {
                    tracing::warn!(%error, "the store failed");
                    (status, "the server's store failed; try again later".to_owned())
                } else {
                    (status, error.to_string())
                }
            }
            Self::Range(size) => {
                let shown = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
                return (
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    shown,
                    format!("the blob has {size} bytes; request a range of them\n"),
                )
                    .into_response();
            }
            Self::Spent(left) => {
                let after = [(header::RETRY_AFTER, left.as_secs().saturating_add(1).to_string())];
                let text = "your address has uploaded as much as it may in an hour; try again later, or use another server\n";
                return (StatusCode::TOO_MANY_REQUESTS, after, text).into_response();
            }
            Self::Full => (
                StatusCode::INSUFFICIENT_STORAGE,
                "the server's disk is full; use another server".to_owned(),
            ),
            Self::TooLarge(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the upload is over the limit of {limit} bytes; split the job into smaller batches"),
            ),
            Self::BrokenOff => (StatusCode::BAD_REQUEST, "the upload broke off; send it again".to_owned()),
            Self::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                "the upload is too slow; send it again over a faster connection".to_owned(),
            ),
        };
        (status, format!("{text}\n")).into_response()
    }
}
