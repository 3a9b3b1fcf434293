//! The watchtower: recomputes revealed jobs, finds the first wrong element, and convicts the job with it.
//!
//! [`locate`] compares what a worker shows with the right result, without I/O. [`check`](mod@check) recomputes one job and builds the
//! evidence; [`question`] asks on the chain for the parts that no blob store serves. [`dispute`] takes the evidence to the chain, and
//! [`crank`] ends overdue jobs. [`Watchtower`] is the loop around it all: `queue` orders the checks, `asking` limits the jobs that are
//! asked about, `cases` keeps open cases on disk. `ionet verify` and `ionet watch crank` run the same code once, by hand.

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
