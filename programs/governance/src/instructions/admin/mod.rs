mod initialize;
mod set_guardian;
mod set_rules;
mod upgrade_program;

pub use initialize::*;
pub use set_guardian::*;
pub use set_rules::*;
pub use upgrade_program::*;
