//! What a worker logs, for tests that wait for it.

use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::subscriber::{DefaultGuard, set_default, set_global_default};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

/// Hears the values of one field of all events of this thread, until the guard is dropped.
pub fn hear(field: &'static str) -> (mpsc::UnboundedReceiver<String>, DefaultGuard) {
    // Without one, an event that a thread nobody hears comes to first may stay off for good. All tests but the first have it already.
    let _ = set_global_default(registry());
    let (sender, heard) = mpsc::unbounded_channel();
    (heard, set_default(registry().with(Hears(field, sender))))
}

struct Hears(&'static str, mpsc::UnboundedSender<String>);

impl<S: tracing::Subscriber> Layer<S> for Hears {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut Values(self));
    }
}

struct Values<'a>(&'a Hears);

impl Visit for Values<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == self.0.0 {
            let _ = self.0.1.send(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, format!("{value:?}").trim_matches('"'));
    }
}
