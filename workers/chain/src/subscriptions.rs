//! What the log says about subscriptions.

use std::{fmt::Display, mem, time::Duration};
use tokio::time::Instant;

/// A subscription that stood for this long was a good one.
const STEADY: Duration = Duration::from_secs(60);

/// Subscriptions to one kind of account, renewed whenever they end. Logs a warning when the node first refuses one and a message when it
/// takes one again, however often it is tried in between, and a message when it ends one, but not for each of a row that end at once.
#[derive(Debug)]
pub struct Subscriptions {
    to: &'static str,
    refused: bool,
    /// When the node last took one.
    since: Instant,
    /// Whether the last one to end was not steady.
    unsteady: bool,
}

impl Subscriptions {
    /// Subscriptions to these accounts, such as "jobs".
    pub fn to(accounts: &'static str) -> Self {
        Self {
            to: accounts,
            refused: false,
            since: Instant::now(),
            unsteady: false,
        }
    }

    /// The subscription, if the node took it.
    pub fn taken<T>(&mut self, subscribed: Result<T, impl Display>) -> Option<T> {
        let (what, was_refused) = (self.to, mem::replace(&mut self.refused, subscribed.is_err()));
        match subscribed {
            Ok(subscription) => {
                self.since = Instant::now();
                if was_refused {
                    tracing::info!(event = "pushed", what, "the node pushes changes again");
                }
                Some(subscription)
            }
            Err(error) => {
                if !was_refused {
                    tracing::warn!(event = "unpushed", what, %error, "the node pushes no changes, so it is polled instead; see `ws`");
                }
                None
            }
        }
    }

    /// Notes that the node has ended the subscription. Returns whether that had stood for a minute.
    pub fn ended(&mut self) -> bool {
        let steady = self.since.elapsed() >= STEADY;
        let was_unsteady = mem::replace(&mut self.unsteady, !steady);
        if steady || !was_unsteady {
            tracing::info!(
                event = "unsubscribed",
                what = self.to,
                "the node ended a subscription; subscribing again"
            );
        }
        steady
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    use tracing::{Event, Metadata, Subscriber, span, subscriber};

    /// Counts the lines of the log.
    pub(crate) struct Lines(pub Arc<AtomicUsize>);

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("chain")
        }
        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_drops_what_it_takes_does_not_fill_the_log() {
        let lines = Arc::<AtomicUsize>::default();
        let _heard = subscriber::set_default(Lines(lines.clone()));
        let mut subscriptions = Subscriptions::to("jobs");
        let mut ended_after = async |seconds| {
            let _ = subscriptions.taken(Ok::<_, String>(()));
            tokio::time::advance(Duration::from_secs(seconds)).await;
            (subscriptions.ended(), lines.swap(0, Ordering::Relaxed))
        };
        assert_eq!(ended_after(60).await, (true, 1));
        assert_eq!(ended_after(1).await, (false, 1));
        assert_eq!(ended_after(59).await, (false, 0));
        assert_eq!(ended_after(0).await, (false, 0));
        assert_eq!(ended_after(60).await, (true, 1));
    }
}
