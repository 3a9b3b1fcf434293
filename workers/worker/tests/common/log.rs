//! The events that a worker logs, for tests that wait for them.

use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::subscriber::{DefaultGuard, set_default, set_global_default};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

/// Receives the values of a field, or of several separated by spaces, from all events of this thread, until the guard is dropped.
pub fn hear(fields: &'static str) -> (mpsc::UnboundedReceiver<String>, DefaultGuard) {
    // Without a global subscriber, an event first reached by a thread without one may stay disabled. Fails in all tests but the first.
    let _ = set_global_default(registry());
    let (sender, heard) = mpsc::unbounded_channel();
    (heard, set_default(registry().with(Hears(fields, sender))))
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
        if self.0.0.split(' ').any(|name| name == field.name()) {
            let _ = self.0.1.send(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, format!("{value:?}").trim_matches('"'));
    }
}
