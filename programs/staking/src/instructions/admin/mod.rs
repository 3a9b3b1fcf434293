mod add_gpu_model;
mod initialize;
mod set_authorities;
mod set_parameters;
mod set_paused;
mod update_gpu_model;

pub use crate::state::GpuSpec;
pub use add_gpu_model::*;
pub use initialize::*;
pub use set_authorities::*;
pub use set_parameters::*;
pub use set_paused::*;
pub use update_gpu_model::*;
