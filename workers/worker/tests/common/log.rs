//! What a worker logs, for tests that wait for it.

use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

/// Hears the values of one field of all events.
pub struct Hears(pub &'static str, pub mpsc::UnboundedSender<String>);

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
