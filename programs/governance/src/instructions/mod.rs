//! One file each, in folders by who may call.

mod admin;
mod crank;
mod guardian;
mod proposer;
mod voter;

pub use admin::*;
pub use crank::*;
pub use guardian::*;
pub use proposer::*;
pub use voter::*;
