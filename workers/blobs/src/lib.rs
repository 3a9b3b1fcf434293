//! Content-addressed storage for job inputs and outputs, for the traces that back a worker's results, and for the texts of governance
//! proposals.
//!
//! A blob's address is the root that the chain commits to and is computed from the bytes alone. Anyone who has the address can check the
//! bytes they receive, so a store or server only has to be reachable, not trusted. [`BlobStore`] is one type for a local folder, memory, S3
//! or a remote [`server`], chosen by URL.

mod budget;
mod error;
pub mod server;
mod store;

pub use error::{Error, Result};
pub use store::{BlobStore, MAX_BLOB, first_of, local_folder};

use protocol::{batch::BatchError, blob, hash::Hash};
use sha2::{Digest, Sha256};

/// Port of a server by default, which a local network uses too.
pub const LOCAL_PORT: u16 = 8901;

/// URL of a server on this machine at its default address.
pub const LOCAL_URL: &str = "http://127.0.0.1:8901/blobs";

/// Longest text blob, in bytes: 64 KiB.
pub const MAX_TEXT: usize = 64 << 10;

/// Slowest transfer rate allowed, in bytes per second: half a megabit. Clients and servers both give up on anything slower.
pub const SLOWEST: u64 = 64 << 10;

/// The address of a blob of any kind: see [`protocol::blob`]. The address of a text is its SHA-256, which is what proposals commit to.
pub fn address(bytes: &[u8]) -> std::result::Result<Hash, BatchError> {
    match is_text(bytes) {
        true => Ok(Sha256::digest(bytes).into()),
        false => blob::address(bytes),
    }
}

/// Whether the bytes are a text: UTF-8 without zero bytes, which every other kind of blob has in its header.
fn is_text(bytes: &[u8]) -> bool {
    (1..=MAX_TEXT).contains(&bytes.len()) && !bytes.contains(&0) && str::from_utf8(bytes).is_ok()
}

/// Parses an address as written in URLs, logs and commands: 64 hexadecimal digits.
pub fn parse_address(text: &str) -> Result<Hash> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash).map_err(|_| Error::Address { text: text.to_owned() })?;
    Ok(hash)
}
