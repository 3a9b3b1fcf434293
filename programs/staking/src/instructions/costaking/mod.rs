mod add_co_stake;
mod collect_shared;
mod cool_co_stake;
mod set_offering;
mod take_forced;
mod withdraw_co_stake;

pub use add_co_stake::*;
pub use collect_shared::*;
pub use cool_co_stake::*;
pub use set_offering::*;
pub use take_forced::*;
pub use withdraw_co_stake::*;
