//! Subscriptions, which share one WebSocket connection.

use super::{Live, TIMEOUT};
use crate::{Error, Result};
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use solana_commitment_config::CommitmentConfig;
use solana_pubsub_client::nonblocking::pubsub_client::{PubsubClient, PubsubClientResult};
use solana_rpc_client_api::{
    config::RpcSignatureSubscribeConfig,
    response::{Response, RpcSignatureResult},
};
use solana_signature::Signature;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
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
        let connecting = tokio::time::timeout(TIMEOUT, PubsubClient::new(self.ws.as_str())).await;
        let connected = connecting
            .map_err(|_| self.subscription_failed("no response in time"))
            .and_then(|client| client.map_err(|error| self.subscription_failed(error)));
        socket.failed = connected.is_err().then(Instant::now);
        let client = Arc::new(connected?);
        socket.client = Some(client.clone());
        Ok(client)
    }

    /// Runs `act` on the shared connection, and once more on a new one if that turns out to be broken.
    async fn subscribed<T: Send + 'static, F>(&self, act: impl Fn(Arc<PubsubClient>) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, String>>,
    {
        let mut reason = String::new();
        for _ in 0..2 {
            let client = self.pubsub().await?;
            reason = match tokio::time::timeout(TIMEOUT, act(client.clone())).await {
                Ok(Ok(subscription)) => return Ok(subscription),
                Ok(Err(error)) => error,
                Err(_) => "no response in time".to_owned(),
            };
            tracing::debug!(reason, "subscription failed");
            let mut socket = self.pubsub.lock().await;
            if socket.client.as_ref().is_some_and(|current| Arc::ptr_eq(current, &client)) {
                socket.client = None;
            }
        }
        Err(self.subscription_failed(reason))
    }

    /// Opens a subscription and forwards what `read` returns for its notifications, buffering up to `room` of them. The stream ends when
    /// the subscription breaks; dropping the stream ends the subscription.
    pub(super) async fn forward<N: Send + 'static, T: Send + 'static>(
        &self,
        room: usize,
        open: impl for<'a> Fn(&'a PubsubClient) -> Opening<'a, N> + Clone + Send + Sync + 'static,
        read: fn(N) -> Option<T>,
    ) -> Result<BoxStream<'static, T>> {
        let found = self.subscribed(|client| {
            let open = open.clone();
            async move {
                let (ready, is_ready) = oneshot::channel();
                let (sender, found) = mpsc::channel(room);
                tokio::spawn(async move {
                    let (mut news, unsubscribe) = match open(&client).await {
                        Ok(subscription) => subscription,
                        Err(error) => return drop(ready.send(Err(error.to_string()))),
                    };
                    let _ = ready.send(Ok(()));
                    loop {
                        let new = tokio::select! {
                            // A subscription that has ended must not be unsubscribed.
                            biased;
                            new = news.next() => new,
                            () = sender.closed() => return unsubscribe().await,
                        };
                        let Some(new) = new else { return };
                        if let Some(new) = read(new)
                            && sender.send(new).await.is_err()
                        {
                            return unsubscribe().await;
                        }
                    }
                });
                is_ready.await.map_err(|error| error.to_string())??;
                Ok(found)
            }
        });
        let mut found = found.await?;
        Ok(stream::poll_fn(move |context| found.poll_recv(context)).boxed())
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

/// Whether a transaction that is in a block failed there.
fn failed(result: &RpcSignatureResult) -> bool {
    matches!(result, RpcSignatureResult::ProcessedSignature(result) if result.err.is_some())
}
