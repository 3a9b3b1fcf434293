//! Runs integer model packages on the CPU, bit for bit as `protocol::ops` defines them, and hashes what it computed.
//!
//! [`Package::load`] reads and checks a package; [`Engine`] packs its constants for the CPU at hand and runs units. Whatever the
//! instruction set, number of threads or batch, the bytes are the same: that is what a worker is held to.
//!
//! [`work`] does what calls ask for instead of units.
//!
//! Inside: `window` lays out what an output pixel reads, `layers` prepares each op and cuts it into bands, `kernels` holds the inner
//! loops and all that is `unsafe`.

mod backend;
pub mod bench;
pub mod cuda;
mod engine;
mod error;
#[cfg(not(target_family = "wasm"))]
pub mod freivalds;
mod hashing;
mod kernels;
mod layers;
mod package;
mod threads;
mod window;
#[cfg(not(target_family = "wasm"))]
pub mod work;

pub use backend::{Backend, UnknownBackend};
pub use engine::{Batch, Engine, Trace};
pub use error::Error;
pub use package::{Constants, GraphInput, MAX_MANIFEST_BYTES, MAX_TENSORS_BYTES, Op, Package};
