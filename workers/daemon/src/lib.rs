//! Shared by the long-running programs: settings, graceful shutdown, logs, exit codes, Prometheus metrics, a locked data folder, retry
//! backoff, and an HTTP server on which no peer can take all the connections.

mod backoff;
mod folder;
pub mod metrics;
mod places;
mod process;
mod serve;
pub mod settings;

pub use backoff::Backoff;
pub use folder::{DRAFT, free_space, lock_folder, sync_folder, write_whole};
pub use places::{Place, Places, host};
pub use process::{LogFormat, end_with_parent, log_to_stderr, run, stop_on_signals, stop_with_parent};
pub use serve::{Connections, peer, serve};
