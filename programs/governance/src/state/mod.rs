//! Accounts, each with its transitions and its invariant.

mod ballot;
mod config;
mod delegation;
mod payload;
mod proposal;

pub use ballot::*;
pub use config::*;
pub use delegation::*;
pub use payload::*;
pub use proposal::*;
