//! The one account, with its transitions and its invariant, and the claim it is held against.

mod claim;
mod evidence;

pub use claim::*;
pub use evidence::*;
