//! Content-addressed storage of job inputs and outputs, of the traces by which workers show their work, and of the texts that explain
//! proposals.
//!
//! A blob's address is the root the chain commits to, computed from the bytes alone: whoever holds the address can check what they
//! were given, so a store or server need not be trusted, only reached. One [`BlobStore`] speaks to a local folder, memory, S3 or
//! another [`server`], chosen by its URL.

mod error;
pub mod server;
mod store;

pub use error::{Error, Result};
pub use store::{BlobStore, MAX_BLOB, local_folder};

use protocol::{batch::BatchError, blob, hash::Hash};
use sha2::{Digest, Sha256};

/// Longest text in bytes: 64 KiB.
pub const MAX_TEXT: usize = 64 << 10;

/// Bytes a second at which a blob is moved at least: half a megabit. What is slower is given up, at both ends.
pub const SLOWEST: u64 = 64 << 10;

/// The address of a blob, whatever it carries: see [`protocol::blob`]. That of a text is its SHA-256, as proposals have it.
pub fn address(bytes: &[u8]) -> std::result::Result<Hash, BatchError> {
    match is_text(bytes) {
        true => Ok(Sha256::digest(bytes).into()),
        false => blob::address(bytes),
    }
}

/// Whether these are the bytes of a text: UTF-8 without zeros, which every other blob has in its header.
fn is_text(bytes: &[u8]) -> bool {
    (1..=MAX_TEXT).contains(&bytes.len()) && !bytes.contains(&0) && str::from_utf8(bytes).is_ok()
}

/// Reads an address as written in URLs, logs and commands: 64 hexadecimal digits.
pub fn parse_address(text: &str) -> Result<Hash> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash).map_err(|_| Error::Address { text: text.to_owned() })?;
    Ok(hash)
}
