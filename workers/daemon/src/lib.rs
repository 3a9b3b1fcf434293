//! What every long-running program here needs: signals that ask for a stop, logs, a last word with an exit code, and counters for Prometheus.

pub mod metrics;
mod process;

pub use process::{LogFormat, log_to_stderr, run, stop_on_signals};
