//! The supplier's daemon: finds jobs for its models, claims them, computes, commits, reveals and waits to be paid.
//!
//! The chain says where a job stands, and the next step follows from that alone, so a killed worker resumes from the state on chain. On
//! disk is what the chain cannot tell: the transactions that may be in flight ([`chain::Pending`]) and the results already computed
//! (`journal`).
//!
//! | about | modules |
//! |---|---|
//! | the main loop | [`Worker`], `in_hand`, `metrics` |
//! | which work to take | `scout`, `admission`, `reserve` (SOL to keep) |
//! | one job | `job`, `permit` (deliberate errors) |
//! | audits of other devices | `audits` |
//! | demands about results | `demands`, `answer` (the pieces of an answer) |
//! | hours of rewards | `presence`, `work` |
//! | the chain, the disk, the GPUs | [`market`], `transactions`, `journal`, `disk`, [`gpu`], `models` |
//! | commands | [`doctor`], `selftest`, `bench` |

mod admission;
mod answer;
mod audits;
mod bench;
mod demands;
mod disk;
pub mod doctor;
mod error;
mod failpoint;
mod fault;
pub mod gpu;
mod in_hand;
mod job;
mod journal;
pub mod market;
mod metrics;
mod models;
mod permit;
mod presence;
mod reserve;
mod scout;
mod selftest;
pub mod settings;
mod transactions;
mod work;
mod worker;

pub use admission::blob_sizes;
pub use bench::Bench;
pub use error::{Error, Result};
pub use fault::Fault;
pub use models::{MEASURED_FOR, Model, Models};
pub use reserve::FUND;
pub use selftest::selftest;
pub use settings::Settings;
pub use worker::Worker;
