//! Runs packages on GPUs, with the same bits as on the CPU.
//!
//! [`Device`] is the interface to a GPU: memory, and kernels that are launched in order. `driver` implements it for NVIDIA's driver, and
//! `compiler` compiles `kernels/` for a GPU.
//!
//! `lower` turns a package into launches: `fusion` decides which ops share a launch, `tiles` chooses the tile of a product, and `arena`
//! assigns every value a place in memory ahead of time. `constants` lays out a package's weights for the kernels, and `params` has the
//! kernels' arguments in C layout.
//!
//! `runner` runs passes over units on one GPU, and `fleet` divides a batch among several. `work` does the work of calls.

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
pub use compiler::{Compiler, SOURCES, kernels_of};
pub use device::{Cores, Device, DeviceError, Launch, Memory, Recording, Staging, Traits};
#[cfg(not(target_family = "wasm"))]
pub use driver::{Cuda, count};
pub(crate) use fleet::Fleet;
pub use fleet::Loss;
pub use lower::HASHES_BESIDE;
pub(crate) use runner::{Computed, Unit};
pub use runner::{PassTimes, Resident};
#[cfg(not(target_family = "wasm"))]
pub(crate) use work::{memory as work_memory, work};
