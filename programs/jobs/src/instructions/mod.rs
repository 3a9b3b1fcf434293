//! One instruction, one file, grouped by who may call it.

mod admin;
mod auditor;
mod challenger;
mod consumer;
mod crank;
mod registrar;
mod worker;

pub use admin::*;
pub use auditor::*;
pub use challenger::*;
pub use consumer::*;
pub use crank::*;
pub use registrar::*;
pub use worker::*;
