//! One instruction, one file, grouped by who may call it.

mod admin;
mod costaking;
mod crank;
mod jobs;
mod judge;
mod supplier;
mod verifier;
mod worker;

pub use admin::*;
pub use costaking::*;
pub use crank::*;
pub use jobs::*;
pub use judge::*;
pub use supplier::*;
pub use verifier::*;
pub use worker::*;
