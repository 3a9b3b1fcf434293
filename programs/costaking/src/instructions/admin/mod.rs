mod initialize;
mod set_authorities;
mod set_parameters;
mod set_paused;

pub use initialize::*;
pub use set_authorities::*;
pub use set_parameters::*;
pub use set_paused::*;
