//! Subscriptions that tell when something has happened.

use crate::PROGRAMS;
use chain::{Network, Result, Subscriptions};
use daemon::Backoff;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use std::{future::pending, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Backoff between attempts to subscribe.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// Subscriptions to all accounts of the programs, one of which changes with every event. Dropping this ends them.
pub struct News {
    /// Sent with all news: whether the subscriptions are believed to stand.
    stand: watch::Receiver<bool>,
    _end: DropGuard,
}

impl News {
    /// Subscribes until `stop`, and again whenever a subscription ends.
    pub fn of(network: Arc<dyn Network>, stop: CancellationToken) -> Self {
        let (sender, stand) = watch::channel(false);
        let ended = stop.clone();
        tokio::spawn(async move { ended.run_until_cancelled(listen(&*network, &sender)).await });
        Self {
            stand,
            _end: stop.drop_guard(),
        }
    }

    /// Waits for news. News since the last wait count, as does a time without subscriptions, when some may have been missed.
    pub async fn come(&mut self) {
        if self.stand.changed().await.is_err() {
            pending().await
        }
    }

    /// Whether the subscriptions are believed to stand.
    pub fn stand(&self) -> bool {
        *self.stand.borrow()
    }
}

async fn listen(network: &dyn Network, stand: &watch::Sender<bool>) {
    let (mut retry, mut subscriptions) = (RETRY, Subscriptions::to("the programs' accounts"));
    loop {
        if let Some(mut changes) = subscriptions.taken(subscribe(network).await) {
            stand.send_replace(true);
            // When one ends, all are renewed, and the follower looks for what came in between.
            while changes.next().await == Some(true) {
                stand.send_replace(true);
            }
            stand.send_replace(false);
            // A node that takes subscriptions only to drop them is asked as seldom as one that refuses them.
            if subscriptions.ended() {
                retry.reset();
            }
        }
        retry.wait().await;
    }
}

/// Yields `true` for each change of a program's account, and `false` when a subscription ends.
async fn subscribe(network: &dyn Network) -> Result<BoxStream<'static, bool>> {
    let mut all = Vec::new();
    for program in PROGRAMS {
        let changes = network.program_changes(&program, &[]).await?.map(|_| true);
        all.push(changes.chain(stream::iter([false])).boxed());
    }
    Ok(stream::select_all(all).boxed())
}
