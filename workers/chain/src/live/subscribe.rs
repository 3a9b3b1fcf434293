//! Subscriptions, which share one WebSocket connection.

use super::{Live, TIMEOUT};
use crate::{Error, Result};
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use solana_commitment_config::CommitmentConfig;
use solana_pubsub_client::nonblocking::pubsub_client::{PubsubClient, PubsubClientError, PubsubClientResult};
use solana_rpc_client_api::{
    config::RpcSignatureSubscribeConfig,
    response::{Response, RpcSignatureResult},
};
use solana_signature::Signature;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

/// Pause after a failed connection attempt, during which callers fall back to polling at once.
const RECONNECT: Duration = Duration::from_secs(10);

/// A subscription being opened: its notifications, and what ends it.
type Opening<'a, N> = BoxFuture<'a, PubsubClientResult<(BoxStream<'a, N>, Unsubscribe)>>;
type Unsubscribe = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// The connection for subscriptions.
#[derive(Default)]
pub(super) struct Socket {
    client: Option<Arc<PubsubClient>>,
    failed: Option<Instant>,
}

impl Live {
    fn subscription_failed(&self, error: impl std::fmt::Display) -> Error {
        Error::Unreachable {
            url: self.shown.clone(),
            reason: format!("subscription failed: {error}"),
        }
    }

    async fn pubsub(&self) -> Result<Arc<PubsubClient>> {
        let mut socket = self.pubsub.lock().await;
        if let Some(client) = &socket.client {
            return Ok(client.clone());
        }
        if socket.failed.is_some_and(|failed| failed.elapsed() < RECONNECT) {
            return Err(self.subscription_failed("the connection failed a moment ago"));
        }
        let connecting = timeout(TIMEOUT, PubsubClient::new(self.ws.as_str())).await;
        let connected = connecting
            .map_err(|_| self.subscription_failed("no response in time"))
            .and_then(|client| client.map_err(|error| self.subscription_failed(error)));
        socket.failed = connected.is_err().then(Instant::now);
        let client = Arc::new(connected?);
        socket.client = Some(client.clone());
        Ok(client)
    }

    /// Gives up a connection, and with `pause` the attempt to make another for a while.
    async fn discard(&self, client: &Arc<PubsubClient>, pause: bool) {
        let mut socket = self.pubsub.lock().await;
        if socket.client.as_ref().is_some_and(|current| Arc::ptr_eq(current, client)) {
            *socket = Socket {
                client: None,
                failed: pause.then(Instant::now),
            };
        }
    }

    /// Opens a subscription and forwards what `read` returns for its notifications, buffering up to `room` of them. The stream ends when
    /// the subscription breaks; dropping the stream ends the subscription.
    pub(super) async fn forward<N: Send + 'static, T: Send + 'static>(
        &self,
        room: usize,
        open: impl for<'a> Fn(&'a PubsubClient) -> Opening<'a, N> + Clone + Send + Sync + 'static,
        read: fn(N) -> Option<T>,
    ) -> Result<BoxStream<'static, T>> {
        let mut is_last = false;
        loop {
            let client = self.pubsub().await?;
            let reason = match forwarded(client.clone(), room, open.clone(), read).await {
                Ok(mut found) => return Ok(stream::poll_fn(move |context| found.poll_recv(context)).boxed()),
                Err(Failed::Refused(reason)) => return Err(self.subscription_failed(reason)),
                Err(Failed::Broken(reason)) => reason,
                Err(Failed::Silent) => {
                    is_last = true;
                    "no response in time".to_owned()
                }
            };
            self.discard(&client, is_last).await;
            if is_last {
                return Err(self.subscription_failed(reason));
            }
            // The connection may have been broken for long. Once more, on a new one.
            tracing::debug!(reason, "subscription failed");
            is_last = true;
        }
    }

    /// Subscribes to a transaction. Completes with whether it failed once it has reached this commitment; `None` if the subscription
    /// breaks.
    pub(super) async fn reached(
        &self,
        signature: &Signature,
        commitment: CommitmentConfig,
    ) -> Result<impl Future<Output = Option<bool>> + use<>> {
        let signature = *signature;
        let failed = self.forward(
            1,
            move |client| {
                Box::pin(async move {
                    let config = RpcSignatureSubscribeConfig {
                        commitment: Some(commitment),
                        enable_received_notification: None,
                    };
                    let opened = client.signature_subscribe(&signature, Some(config)).await;
                    // The node ends the subscription itself after its one notification.
                    opened.map(|(news, unsubscribe)| (news.take(1).boxed(), unsubscribe))
                })
            },
            |notification: Response<RpcSignatureResult>| Some(failed(&notification.value)),
        );
        let mut failed = failed.await?;
        Ok(async move { failed.next().await })
    }
}

/// Why a subscription was not opened.
enum Failed {
    /// The node refused it; the connection still serves others.
    Refused(String),
    /// The connection is broken.
    Broken(String),
    /// There was no response.
    Silent,
}

/// Opens a subscription in a task of its own, which forwards its notifications.
async fn forwarded<N: Send + 'static, T: Send + 'static>(
    client: Arc<PubsubClient>,
    room: usize,
    open: impl for<'a> Fn(&'a PubsubClient) -> Opening<'a, N> + Send + Sync + 'static,
    read: fn(N) -> Option<T>,
) -> std::result::Result<mpsc::Receiver<T>, Failed> {
    let (ready, is_ready) = oneshot::channel();
    let (sender, found) = mpsc::channel(room);
    tokio::spawn(async move {
        // It waits for the response even if the caller no longer does: the library drops a connection whose response nobody waits for.
        // But it does not wait for ever, since it holds the connection.
        let (mut news, unsubscribe) = match timeout(TIMEOUT, open(&client)).await {
            Ok(Ok(subscription)) => subscription,
            Ok(Err(PubsubClientError::SubscribeFailed { reason, .. })) => return drop(ready.send(Err(Failed::Refused(reason)))),
            Ok(Err(error)) => return drop(ready.send(Err(Failed::Broken(error.to_string())))),
            Err(_) => return drop(ready.send(Err(Failed::Silent))),
        };
        let _ = ready.send(Ok(()));
        loop {
            let new = tokio::select! {
                // A subscription that has ended must not be unsubscribed.
                biased;
                new = news.next() => new,
                () = sender.closed() => break,
            };
            let Some(new) = new else { return };
            if let Some(new) = read(new)
                && sender.send(new).await.is_err()
            {
                break;
            }
        }
        let _ = timeout(TIMEOUT, unsubscribe()).await;
    });
    is_ready.await.unwrap_or_else(|error| Err(Failed::Broken(error.to_string())))?;
    Ok(found)
}

/// Whether a transaction that is in a block failed there.
fn failed(result: &RpcSignatureResult) -> bool {
    matches!(result, RpcSignatureResult::ProcessedSignature(result) if result.err.is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Network;
    use futures_util::SinkExt;
    use serde_json::{Value, json};
    use std::net::Ipv4Addr;
    use tokio::sync::mpsc::UnboundedReceiver;
    use tokio_tungstenite::{accept_async, tungstenite::Message};

    /// What a node sees of its clients.
    #[derive(Debug, PartialEq, Eq)]
    enum Seen {
        Connected,
        Asked,
        Gone,
    }

    /// A node that answers every request to subscribe with this error, or with nothing at all.
    async fn node(error: Option<&'static str>) -> (Live, UnboundedReceiver<Seen>) {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sees, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut socket = accept_async(stream).await.unwrap();
                let sees = sees.clone();
                tokio::spawn(async move {
                    sees.send(Seen::Connected).unwrap();
                    while let Some(Ok(message)) = socket.next().await {
                        let Message::Text(text) = message else { continue };
                        sees.send(Seen::Asked).unwrap();
                        if let Some(message) = error {
                            let question: Value = serde_json::from_str(&text).unwrap();
                            let error = json!({ "code": -32_600, "message": message });
                            let answer = json!({ "jsonrpc": "2.0", "id": question.get("id"), "error": error });
                            socket.send(Message::text(answer.to_string())).await.unwrap();
                        }
                    }
                    let _ = sees.send(Seen::Gone);
                });
            }
        });
        let mut live = Live::new(&format!("http://{address}").parse().unwrap());
        live.ws = format!("ws://{address}");
        (live, seen)
    }

    /// Lets time pass in no time.
    async fn pass(time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    #[tokio::test]
    async fn a_node_that_answers_no_subscription_is_left_with_no_connection() {
        let (live, mut seen) = node(None).await;
        let signature = Signature::default();
        for _ in 0..3 {
            let waiting = async {
                assert_eq!(seen.recv().await, Some(Seen::Connected));
                assert_eq!(seen.recv().await, Some(Seen::Asked));
                pass(TIMEOUT).await;
            };
            let (subscribed, ()) = tokio::join!(live.signature_seen(&signature), waiting);
            assert!(subscribed.is_err());
            assert_eq!(seen.recv().await, Some(Seen::Gone));
            assert!(live.signature_seen(&signature).await.is_err());
            pass(RECONNECT).await;
        }
    }

    /// A node that limits the number of subscriptions.
    #[tokio::test]
    async fn a_refused_subscription_leaves_the_connection_to_others() {
        let (live, mut seen) = node(Some("too many subscriptions")).await;
        for _ in 0..3 {
            let refusal = live.signature_seen(&Signature::default()).await.err().unwrap();
            assert!(refusal.to_string().contains("too many subscriptions"), "{refusal}");
        }
        let mut all = Vec::new();
        while let Ok(next) = seen.try_recv() {
            all.push(next);
        }
        assert_eq!(all, [Seen::Connected, Seen::Asked, Seen::Asked, Seen::Asked]);
    }
}
