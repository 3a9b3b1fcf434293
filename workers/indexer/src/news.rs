//! Subscriptions that tell when something has happened.

use crate::PROGRAMS;
use chain::{Network, Result, Subscriptions};
use daemon::Backoff;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Backoff between attempts to subscribe.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// Subscriptions to all accounts of the programs, one of which changes with every event. Dropping this ends them.
pub struct News {
    shared: Arc<Shared>,
    _end: DropGuard,
}

#[derive(Default)]
struct Shared {
    come: Notify,
    stand: AtomicBool,
}

impl News {
    /// Subscribes until `stop`, and again whenever a subscription ends.
    pub fn of(network: Arc<dyn Network>, stop: CancellationToken) -> Self {
        let shared = Arc::<Shared>::default();
        let (listener, ended) = (shared.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = listen(&*network, &listener) => {}
            }
        });
        Self {
            shared,
            _end: stop.drop_guard(),
        }
    }

    /// Waits for news. News since the last wait count, as does a time without subscriptions, when some may have been missed.
    pub async fn come(&self) {
        self.shared.come.notified().await;
    }

    /// Whether the subscriptions are believed to stand.
    pub fn stand(&self) -> bool {
        self.shared.stand.load(Ordering::Relaxed)
    }
}

async fn listen(network: &dyn Network, shared: &Shared) {
    let (mut retry, mut subscriptions) = (RETRY, Subscriptions::to("the programs' accounts"));
    loop {
        if let Some(mut changes) = subscriptions.taken(subscribe(network).await) {
            shared.stand.store(true, Ordering::Relaxed);
            shared.come.notify_one();
            // When one ends, all are renewed, and the follower looks for what came in between.
            while changes.next().await == Some(true) {
                shared.come.notify_one();
            }
            shared.stand.store(false, Ordering::Relaxed);
            shared.come.notify_one();
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
