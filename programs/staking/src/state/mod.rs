//! Accounts, each with its transitions and its invariant.

mod config;
mod device;
mod device_key;
mod gpu_model;

pub use config::*;
pub use device::*;
pub use device_key::*;
pub use gpu_model::*;
