//! What every long-running program here needs: settings, signals that ask for a stop, logs, a last word with an exit code, counters for
//! Prometheus, a folder for itself, waits between tries, and an HTTP server whose places no peer holds alone.

mod backoff;
mod folder;
pub mod metrics;
mod places;
mod process;
mod serve;
pub mod settings;

pub use backoff::Backoff;
pub use folder::{DRAFT, lock_folder, sync_folder, write_whole};
pub use places::{Place, Places};
pub use process::{LogFormat, log_to_stderr, run, stop_on_signals};
pub use serve::{Connections, serve};
