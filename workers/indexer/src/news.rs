//! Whether something has happened, as the node pushes it.

use crate::PROGRAMS;
use chain::{Network, Result};
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

/// Waits between attempts to subscribe.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// Subscriptions to all accounts of the programs: whatever a program says, it has changed one. Dropping it ends them.
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
    /// Subscribes, again whenever a subscription ends, until `stop`.
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

    /// Waits for news. Those that came since the last wait count; what may have been missed while no subscription stood is news, too.
    pub async fn come(&self) {
        self.shared.come.notified().await;
    }

    /// Whether the subscriptions stand, as far as is known.
    pub fn stand(&self) -> bool {
        self.shared.stand.load(Ordering::Relaxed)
    }
}

async fn listen(network: &dyn Network, shared: &Shared) {
    let mut retry = RETRY;
    loop {
        match subscribe(network).await {
            Ok(mut changes) => {
                retry.reset();
                shared.stand.store(true, Ordering::Relaxed);
                shared.come.notify_one();
                // One that ends is followed by nothing: all are made anew, and what came between is looked for.
                while changes.next().await == Some(true) {
                    shared.come.notify_one();
                }
                shared.stand.store(false, Ordering::Relaxed);
                shared.come.notify_one();
                tracing::debug!("a subscription has ended; subscribing anew");
            }
            Err(error) => tracing::debug!(%error, "the node has no subscriptions; it is queried instead"),
        }
        retry.wait().await;
    }
}

/// Changes of all programs' accounts; `false` when a subscription ends.
async fn subscribe(network: &dyn Network) -> Result<BoxStream<'static, bool>> {
    let mut all = Vec::new();
    for program in PROGRAMS {
        let changes = network.program_changes(&program, &[]).await?.map(|_| true);
        all.push(changes.chain(stream::iter([false])).boxed());
    }
    Ok(stream::select_all(all).boxed())
}
