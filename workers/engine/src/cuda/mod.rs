//! Runs packages on a GPU, with the bits of the CPU.
//!
//! [`Device`] is all that is asked of one: memory, and kernels launched in order. `params` are the kernels' arguments as C lays them out,
//! `lower` turns the ops of a package into launches, `arena` decides beforehand where every value lives, and `runner` drives passes over
//! batches of units. `driver` is NVIDIA's driver behind that trait, and `compiler` turns `kernels/` into code for the GPU at hand.

mod arena;
mod compiler;
mod device;
mod driver;
mod lower;
mod params;
mod runner;

pub use compiler::{Compiler, ENTRY_POINTS, SOURCES};
pub use device::{Device, DeviceError, Launch, Memory, Recording, Traits};
pub use driver::{Cuda, count};
pub(crate) use runner::Runner;
pub use runner::{PassTimes, Resident};
