//! One instruction, one file, grouped by who may call it.

mod admin;
mod co_staker;
mod crank;
mod owner;

pub use admin::*;
pub use co_staker::*;
pub use crank::*;
pub use owner::*;
