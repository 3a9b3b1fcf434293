mod add_gpu_model;
mod initialize;
mod set_authorities;
mod set_parameters;
mod set_paused;
mod set_reward_rules;
mod start_emission;
mod update_gpu_model;

pub use crate::state::GpuSpec;
pub use add_gpu_model::*;
pub use initialize::*;
pub use set_authorities::*;
pub use set_parameters::*;
pub use set_paused::*;
pub use set_reward_rules::*;
pub use start_emission::*;
pub use update_gpu_model::*;
