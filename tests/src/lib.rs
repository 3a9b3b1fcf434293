//! Kit of the programs' tests: a [`World`] runs the programs in LiteSVM and audits all books and tokens after each transaction.
//!
//! It is deterministic: keys derive from names, and time moves only when a test says so. A test that fails once always fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod audit;
mod costakers;
mod demands;
mod dump;
mod evidence;
mod failure;
mod golden;
mod govern;
mod parties;
mod replay;
mod rewards;
mod sweep;
mod world;

pub use audit::Books;
pub use costakers::{CoStaker, OFFER, Stake};
pub use demands::answers;
pub use evidence::claim;
pub use failure::Failure;
pub use golden::{golden, golden_within, thousands};
pub use govern::{Proposer, title};
pub use parties::{
    Consumer, GPU, GPU_MINIMUM, GPU_UNLISTED, GPU_WITHOUT_MULTIPLIER, Work, Worker, add_gpu_table, ending, gpu_spec, revealing, terms,
    tiny_graph, tiny_model, tiny_run,
};
pub use rewards::{LARGEST_CHECK_IN, LARGEST_EVIDENCE, RULES};
pub use sweep::{Fault, signer_cleared, substituted};
pub use world::{CLUSTER, Entry, PARAMETERS, Receipt, World, key, slot_hash};

use anchor_lang::{AccountDeserialize, Discriminator};

/// An account of zeros, for tests that need no chain.
pub fn zeroed<T: AccountDeserialize + Discriminator>() -> T {
    let mut bytes = vec![0; 8 + size_of::<T>()];
    bytes[..8].copy_from_slice(T::DISCRIMINATOR);
    T::try_deserialize(&mut bytes.as_slice()).expect("zeros are an account")
}
