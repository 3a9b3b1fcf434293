//! Counters and gauges, served in the Prometheus text format.

use crate::Connections;
use axum::{Router, http::header, routing::get};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::net::TcpListener;

/// Declares a daemon's metrics as a struct `Metrics`: a prefix for all names, then the name, kind and help text of each.
#[macro_export]
macro_rules! metrics {
    ($prefix:literal; $($name:ident: $kind:literal, $help:literal;)*) => {
        /// Metrics since the start of this process.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics {
            $(pub $name: $crate::metrics::Metric,)*
        }

        impl $crate::metrics::Page for Metrics {
            fn render(&self) -> String {
                [$($crate::metrics::entry(concat!($prefix, stringify!($name)), $kind, $help, &self.$name),)*].concat()
            }
        }
    };
}

/// Metrics that can be served to Prometheus.
pub trait Page: Send + Sync + 'static {
    /// The metrics in the Prometheus text format.
    fn render(&self) -> String;
}

/// One metric in the Prometheus text format.
#[doc(hidden)]
pub fn entry(name: &str, kind: &str, help: &str, metric: &Metric) -> String {
    let value = metric.get();
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")
}

/// One metric with several values, each with labels such as `gpu="0"`.
pub fn series(name: &str, kind: &str, help: &str, values: impl Iterator<Item = (String, u64)>) -> String {
    let head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    values.fold(head, |page, (labels, value)| format!("{page}{name}{{{labels}}} {value}\n"))
}

/// A counter or gauge, or the age of something.
#[derive(Debug, Default)]
pub struct Metric {
    value: AtomicU64,
    /// Unix time that the age is counted from; 0 if it is not an age.
    since: AtomicU64,
}

impl Metric {
    /// Adds to a counter.
    pub fn add(&self, value: u64) {
        self.value.fetch_add(value, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, value: u64) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// Makes it the seconds since a unix time, by this machine's clock: 0 before that time. They go on even while whoever sets it hangs.
    pub fn set_since(&self, unix: i64) {
        self.since.store(u64::try_from(unix).unwrap_or_default(), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        match self.since.load(Ordering::Relaxed) {
            0 => self.value.load(Ordering::Relaxed),
            since => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                now.as_secs().saturating_sub(since)
            }
        }
    }
}

/// Serves `/metrics` in the background.
pub async fn serve(address: SocketAddr, metrics: Arc<impl Page>) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let page = move || async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()) };
    let app = Router::new().route("/metrics", get(page));
    tokio::spawn(crate::serve(listener, app, Connections::default(), std::future::pending()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    metrics! {
        "ionet_test_";
        units_total: "counter", "Units of work computed.";
    }

    #[test]
    fn the_page_has_help_type_and_value_of_each() {
        let metrics = Metrics::default();
        metrics.units_total.add(3);
        assert_eq!(
            metrics.render(),
            "# HELP ionet_test_units_total Units of work computed.\n# TYPE ionet_test_units_total counter\nionet_test_units_total 3\n"
        );
    }

    #[test]
    fn an_age_grows_by_itself() {
        let (metric, now) = (Metric::default(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let now = now.as_secs() as i64;
        metric.set_since(now - 1_000);
        // The clock may have gone on since.
        assert!((1_000..2_000).contains(&metric.get()));
        metric.set_since(now + 1_000);
        assert_eq!(metric.get(), 0);
    }
}
