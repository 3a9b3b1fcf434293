//! Accounts, each with its transitions and its invariant, and what instructions pass to them.

mod audit;
mod config;
mod conviction;
mod demand;
mod draft;
mod escrow;
mod job;
mod model;
mod permit;
mod terms;

pub use audit::*;
pub use config::*;
pub use conviction::*;
pub use demand::*;
pub use draft::*;
pub use escrow::*;
pub use job::*;
pub use model::*;
pub use permit::*;
pub use terms::*;
