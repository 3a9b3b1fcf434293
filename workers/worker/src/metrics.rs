//! Counters, and the page on which Prometheus reads them.

use crate::{Error, Result};
use axum::{Router, http::header, routing::get};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::net::TcpListener;

/// Declares a daemon's counters as a struct `Metrics`: the prefix of their names, then name, kind and help of each.
#[macro_export]
macro_rules! metrics {
    ($prefix:literal; $($name:ident: $kind:literal, $help:literal;)*) => {
        /// What has been done since the start.
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

metrics! {
    "ionet_worker_";
    jobs_in_hand: "gauge", "Jobs being served, those that wait to be settled included.";
    jobs_claimed_total: "counter", "Jobs claimed.";
    jobs_committed_total: "counter", "Commitments posted.";
    jobs_revealed_total: "counter", "Results revealed.";
    audits_proven_total: "counter", "Audits of other devices' results that were proven.";
    jobs_paid_total: "counter", "Jobs settled after this worker revealed them.";
    jobs_lost_total: "counter", "Jobs that another device claimed first.";
    jobs_refused_total: "counter", "Jobs refused.";
    jobs_missed_total: "counter", "Jobs whose deadline passed in hand.";
    jobs_convicted_total: "counter", "Jobs whose result was proved wrong: a fault of this machine.";
    demands_open: "gauge", "Demands that wait for an answer of this worker.";
    demands_answered_total: "counter", "Demands answered.";
    answer_milliseconds_total: "counter", "Time from seeing a demand to the last transaction of its answer.";
    units_total: "counter", "Units of work computed.";
    compute_milliseconds_total: "counter", "Time spent computing.";
    errors_total: "counter", "Steps that failed and were tried again.";
}

/// Counters that can be read by Prometheus.
pub trait Page: Send + Sync + 'static {
    /// The text format of Prometheus.
    fn render(&self) -> String;
}

/// One counter on the page.
#[doc(hidden)]
pub fn entry(name: &str, kind: &str, help: &str, metric: &Metric) -> String {
    let value = metric.0.load(Ordering::Relaxed);
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")
}

/// One counter on the page that has a value for each of several things, told apart by labels such as `gpu="0"`.
pub(crate) fn series(name: &str, kind: &str, help: &str, values: impl Iterator<Item = (String, u64)>) -> String {
    let head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    values.fold(head, |page, (labels, value)| format!("{page}{name}{{{labels}}} {value}\n"))
}

/// A counter or gauge.
#[derive(Debug, Default)]
pub struct Metric(AtomicU64);

impl Metric {
    /// Counts.
    pub fn add(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Starts serving in the background.
pub async fn serve(address: SocketAddr, metrics: Arc<impl Page>) -> Result<()> {
    let failed = |source| Error::Metrics { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let page = move || async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()) };
    let app = Router::new().route("/metrics", get(page));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::warn!(%error, "metrics are no longer served");
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_help_type_and_value_of_each() {
        let metrics = Metrics::default();
        metrics.units_total.add(3);
        let page = metrics.render();
        assert!(page.contains("# TYPE ionet_worker_units_total counter\nionet_worker_units_total 3\n"));
        assert_eq!(page.lines().count() % 3, 0);
    }
}
