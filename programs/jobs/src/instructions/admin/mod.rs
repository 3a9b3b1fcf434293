mod close_permit;
mod initialize;
mod issue_permit;
mod set_authorities;
mod set_parameters;
mod set_paused;

pub use close_permit::*;
pub use initialize::*;
pub use issue_permit::*;
pub use set_authorities::*;
pub use set_parameters::*;
pub use set_paused::*;
