//! Counters, and the page on which Prometheus reads them.

use crate::{Error, Result};
use axum::{Router, http::header, routing::get};
use std::{
    fmt::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::net::TcpListener;

macro_rules! metrics {
    ($($name:ident: $kind:literal, $help:literal;)*) => {
        /// What the worker has done since it started.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics {
            $(pub $name: Metric,)*
        }

        impl Metrics {
            /// The text format of Prometheus.
            pub fn render(&self) -> String {
                let mut text = String::new();
                $(
                    let name = concat!("ionet_worker_", stringify!($name));
                    let value = self.$name.0.load(Ordering::Relaxed);
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {}\n{name} {value}", $help, $kind);
                )*
                text
            }
        }
    };
}

metrics! {
    jobs_in_hand: "gauge", "Jobs being served, those that wait to be settled included.";
    jobs_claimed_total: "counter", "Jobs claimed.";
    jobs_committed_total: "counter", "Commitments posted.";
    jobs_revealed_total: "counter", "Results revealed.";
    jobs_paid_total: "counter", "Jobs settled after this worker revealed them.";
    jobs_lost_total: "counter", "Jobs that another device claimed first.";
    jobs_refused_total: "counter", "Jobs refused.";
    jobs_missed_total: "counter", "Jobs whose deadline passed in hand.";
    units_total: "counter", "Units of work computed.";
    compute_milliseconds_total: "counter", "Time spent computing.";
    errors_total: "counter", "Steps that failed and were tried again.";
}

#[derive(Debug, Default)]
pub(crate) struct Metric(AtomicU64);

impl Metric {
    pub fn add(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Starts serving in the background.
pub(crate) async fn serve(address: SocketAddr, metrics: Arc<Metrics>) -> Result<()> {
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
