//! One instruction, one file, grouped by who may call it.

mod anyone;
mod challenger;

pub use anyone::*;
pub use challenger::*;
