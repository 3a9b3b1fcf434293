//! Accounts, each with its transitions and its invariant.

mod block;
mod config;
mod device;
mod device_key;
mod emission;
mod gpu_model;
mod slash;
mod tally;

pub use block::*;
pub use config::*;
pub use device::*;
pub use device_key::*;
pub use emission::*;
pub use gpu_model::*;
pub use slash::*;
pub use tally::*;
