//! The watchtower: recomputes revealed jobs, finds the first wrong element, and convicts by it.
//!
//! [`locate`] compares what a worker shows with what is right and has no I/O; [`check`](mod@check) recomputes one job and makes the
//! evidence, of which [`question`] asks for what nobody serves; [`dispute`] takes it to the chain; [`crank`] ends overdue jobs;
//! [`Watchtower`] is the loop around all of it, with `queue`, the order of its checks, `asking`, the jobs in question, and `cases`, what is
//! not brought to an end. `ionet verify` and `ionet watch crank` are the same code, run once or by hand.

mod asking;
mod cases;
pub mod check;
pub mod crank;
pub mod dispute;
mod error;
pub mod locate;
pub mod question;
mod queue;
mod served;
pub mod settings;
mod tower;

pub use check::{Case, Finding, Opinion};
pub use error::{Error, Result};
pub use served::Served;
pub use settings::Settings;
pub use tower::Watchtower;
