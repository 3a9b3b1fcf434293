mod approve_slash;
mod drop_slash;
mod propose_slash;

pub use approve_slash::*;
pub use drop_slash::*;
pub use propose_slash::*;
