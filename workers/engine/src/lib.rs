//! Runs integer model packages on CPUs and GPUs, bit for bit as `protocol::ops` defines them, and hashes the results.
//!
//! [`Package::load`] reads and checks a package. [`Engine`] packs its constants for this CPU and runs units. The output bytes do not depend
//! on the instruction set, the number of threads, the batch size or the GPU: a worker is slashed if they differ.
//!
//! [`work`] computes proofs of work for calls, which are not tied to a model.
//!
//! The CPU code: `window` lays out the input that an output pixel reads, `layers` prepares each op and cuts it into bands, and `kernels`
//! holds the inner loops with all their `unsafe` code. The GPU code is in [`cuda`].

mod backend;
pub mod bench;
pub mod cuda;
mod engine;
mod error;
#[cfg(not(target_family = "wasm"))]
mod freivalds;
mod hashing;
mod kernels;
mod layers;
mod package;
mod threads;
mod window;
#[cfg(not(target_family = "wasm"))]
pub mod work;

pub use backend::Backend;
pub use engine::{Batch, Engine, Trace};
pub use error::Error;
pub use package::{Constants, GraphInput, MAX_MANIFEST_BYTES, Op, Package};
