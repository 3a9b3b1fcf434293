mod set_tier;

pub use set_tier::*;
