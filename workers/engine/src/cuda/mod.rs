//! Runs packages on GPUs, with the same bits as on the CPU.
//!
//! [`Device`] is all that is asked of one: memory, and kernels launched in order. `params` are the kernels' arguments as C lays them out,
//! and `constants` a package's weights as they read them. `fusion` tells which ops share a launch, `tiles` what a block of a product
//! computes, and `lower` turns a package into launches; `arena` decides beforehand where every value lives. `runner` drives passes over
//! batches of units on one GPU, and `fleet` shares a batch out to several. `work` does the work of calls. `driver` is NVIDIA's driver
//! behind that trait, and `compiler` turns `kernels/` into code for the GPU at hand.

mod arena;
#[cfg(not(target_family = "wasm"))]
mod compiler;
mod constants;
mod device;
#[cfg(not(target_family = "wasm"))]
mod driver;
mod fleet;
mod fusion;
mod lower;
mod params;
mod runner;
mod tiles;
#[cfg(not(target_family = "wasm"))]
mod work;

#[cfg(not(target_family = "wasm"))]
pub use compiler::{Compiler, Image, SOURCES, kernels_of};
pub use device::{Cores, Device, DeviceError, Launch, Memory, Recording, Staging, Traits};
#[cfg(not(target_family = "wasm"))]
pub use driver::{Cuda, count};
pub(crate) use fleet::Fleet;
pub use fleet::Loss;
pub(crate) use runner::{Computed, Unit};
pub use runner::{PassTimes, Resident};
#[cfg(not(target_family = "wasm"))]
pub(crate) use work::{memory as work_memory, work};
