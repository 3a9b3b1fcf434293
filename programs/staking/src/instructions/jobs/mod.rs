mod lock_bond;
mod settle_bond;

pub use lock_bond::*;
pub use settle_bond::*;
