mod close_device;
mod register_device;
mod rotate_device_key;
mod set_payout;
mod stake;
mod terminate_device;
mod unstake;
mod withdraw;
mod withdraw_overflow;

pub use close_device::*;
pub use register_device::*;
pub use rotate_device_key::*;
pub use set_payout::*;
pub use stake::*;
pub use terminate_device::*;
pub use unstake::*;
pub use withdraw::*;
pub use withdraw_overflow::*;
