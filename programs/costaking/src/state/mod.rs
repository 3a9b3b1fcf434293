//! Accounts, each with its transitions and its invariant.

mod config;
mod exit;
mod offer;
mod position;

pub use config::*;
pub use exit::*;
pub use offer::*;
pub use position::*;
