mod convict_bond;
mod lock_bond;
mod pardon;
mod pay_reward;
mod release_bond;
mod slash_bond;

pub use convict_bond::*;
pub use lock_bond::*;
pub use pardon::*;
pub use pay_reward::*;
pub use release_bond::*;
pub use slash_bond::*;
