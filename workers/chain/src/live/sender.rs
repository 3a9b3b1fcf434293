//! Requests over HTTP.

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use solana_rpc_client::{
    http_sender::HttpSender,
    rpc_sender::{RpcSender, RpcTransportStats},
};
use solana_rpc_client_api::{
    client_error::{Error, ErrorKind, Result},
    request::{RpcError, RpcRequest, RpcResponseErrorData},
};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Time without a refusal after which the next one is worth another line in the log.
const SPELL: Duration = Duration::from_secs(60);

/// Sends requests, with a limit on the time that each takes. The library's own limit is per attempt, and when a node refuses a request as
/// one too many, it tries again for as long as the node asks it to wait, up to ten minutes, without a word.
pub(super) struct Sender {
    http: HttpSender,
    /// URL to show.
    url: String,
    limit: Duration,
    refusals: Mutex<Refusals>,
}

#[derive(Default)]
struct Refusals {
    /// Time that all requests together have waited for the node to take them.
    waited: Duration,
    last: Option<Instant>,
}

impl Sender {
    /// A sender to `rpc`, shown as `url`. Since `limit` is longer than an attempt may take, one that reaches it has been refused.
    pub(super) fn new(rpc: &str, url: String, attempt: Duration, limit: Duration) -> Self {
        Self {
            http: HttpSender::new_with_timeout(rpc, attempt),
            url,
            limit,
            refusals: Mutex::default(),
        }
    }

    /// Logs that the node refuses requests, once for each spell of it.
    fn note(&self, refused: bool) {
        let waited = self.http.get_transport_stats().rate_limited_time;
        let mut refusals = self.refusals.lock();
        let had_waited = std::mem::replace(&mut refusals.waited, waited);
        if !refused && waited <= had_waited {
            return;
        }
        let last = refusals.last.replace(Instant::now());
        if last.is_none_or(|last| last.elapsed() >= SPELL) {
            tracing::warn!(
                event = "problem",
                check = "node",
                url = self.url,
                "the node refuses requests for now (429), so they take longer or fail; use one with a higher limit if this goes on"
            );
        }
    }
}

/// Whether the node refused a request as one too many.
pub(super) fn is_too_many(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Reqwest(error) => error.status().is_some_and(|status| status == 429),
        ErrorKind::RpcError(RpcError::RpcResponseError { code, .. }) => *code == 429,
        _ => false,
    }
}

fn too_many() -> Error {
    let refusal = RpcError::RpcResponseError {
        code: 429,
        message: "too many requests".to_owned(),
        data: RpcResponseErrorData::Empty,
    };
    refusal.into()
}

#[async_trait]
impl RpcSender for Sender {
    async fn send(&self, request: RpcRequest, params: Value) -> Result<Value> {
        let sent = timeout(self.limit, self.http.send(request, params)).await;
        let answer = sent.unwrap_or_else(|_| Err(too_many()));
        self.note(answer.as_ref().is_err_and(is_too_many));
        answer
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        self.http.get_transport_stats()
    }

    fn url(&self) -> String {
        self.http.url()
    }
}
