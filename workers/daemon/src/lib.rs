//! What every long-running program here needs: signals that ask for a stop, logs, a last word with an exit code, counters for Prometheus, a
//! folder for itself, and waits between tries.

mod backoff;
mod lock;
pub mod metrics;
mod process;

pub use backoff::Backoff;
pub use lock::take;
pub use process::{LogFormat, log_to_stderr, run, stop_on_signals};
