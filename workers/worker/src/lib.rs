//! The supplier's daemon: finds jobs its models can do, claims them, computes, commits, reveals and waits for the pay.
//!
//! The chain says where a job stands and the next step follows from that alone, so a worker that was killed goes on where the chain is.
//! What the chain cannot tell is on disk: the transactions that may be on their way ([`chain::Pending`]) and the roots of results
//! already computed ([`journal`]).
//!
//! [`Worker`] is the loop, `job` the life of one job, `demands` shows on chain what is asked for, in the pieces that [`answer`] cuts,
//! `presence` answers beacons, `permit` errs where the treasury says, `disk` goes on without one, `admission` decides what to take,
//! `reserve` what SOL that takes, `gpu` where models run, `doctor` says what is wrong with a setup, `bench` what the machine is worth.

mod admission;
pub mod answer;
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
pub mod journal;
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

pub use admission::{Reason, Verdict, blob_sizes};
pub use bench::Bench;
pub use error::{Error, Result};
pub use fault::Fault;
pub use models::{MEASURED_FOR, Model, Models};
pub use reserve::FUND;
pub use selftest::selftest;
pub use settings::Settings;
pub use worker::Worker;
