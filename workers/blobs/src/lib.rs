//! Content-addressed storage of job inputs and outputs, and of the traces by which workers show their work.
//!
//! A blob's address is the root the chain commits to, computed from the bytes alone: whoever holds the address can check what they
//! were given, so a store or server need not be trusted, only reached. One [`BlobStore`] speaks to a local folder, memory, S3 or
//! another [`server`], chosen by its URL.

mod error;
pub mod server;
mod store;

pub use error::{Error, Result};
pub use store::{BlobStore, MAX_BLOB};

use protocol::{batch::BatchError, blob, hash::Hash};

/// The address of a blob, whatever it carries: see [`protocol::blob`].
pub fn address(bytes: &[u8]) -> std::result::Result<Hash, BatchError> {
    blob::address(bytes)
}

/// Reads an address as written in URLs, logs and commands: 64 hexadecimal digits.
pub fn parse_address(text: &str) -> Result<Hash> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash).map_err(|_| Error::Address { text: text.to_owned() })?;
    Ok(hash)
}
