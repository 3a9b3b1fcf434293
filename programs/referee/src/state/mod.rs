//! The evidence account, with its transitions and its invariant, and the claim that it is about.

mod claim;
mod evidence;

pub use claim::*;
pub use evidence::*;
