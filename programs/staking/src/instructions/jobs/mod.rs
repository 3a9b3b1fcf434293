mod convict_bond;
mod lock_bond;
mod pardon;
mod pay_reward;
mod settle_bond;

pub use convict_bond::*;
pub use lock_bond::*;
pub use pardon::*;
pub use pay_reward::*;
pub use settle_bond::*;
