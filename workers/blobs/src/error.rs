//! What can go wrong with a blob, each in one sentence that names the place and the address.

use protocol::{batch::BatchError, hash::Hash};

/// Result of a blob operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not an address.
    #[error("'{text}' is not a blob address: give 64 hexadecimal digits")]
    Address {
        /// What was given.
        text: String,
    },
    /// The text names no place blobs can be kept in.
    #[error("'{location}' cannot hold blobs ({reason}); give a folder, or a file://, memory:, http(s):// or s3:// URL")]
    Location {
        /// What was given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The place has no such blob.
    #[error("{place} has no blob {}; ask its owner to upload it again", hex::encode(.hash))]
    Missing {
        /// Address asked for.
        hash: Hash,
        /// Where it was sought.
        place: String,
    },
    /// The bytes are not those the address promises.
    #[error(
        "{place} answered with wrong bytes for blob {}: they hash to {}; use another server",
        hex::encode(.expected), hex::encode(.actual)
    )]
    Mismatch {
        /// Address asked for.
        expected: Hash,
        /// Address of what came.
        actual: Hash,
        /// Who answered.
        place: String,
    },
    /// The bytes are not a blob at all.
    #[error("{place} gave bytes that are not a blob of the market ({reason}); send one made by this software, or use another server")]
    Malformed {
        /// Who gave them.
        place: String,
        /// What is wrong with them.
        reason: BatchError,
    },
    /// Hashing the bytes was cut short.
    #[error("what {place} gave was not hashed ({reason}); try again, or use another server")]
    Unhashed {
        /// Who gave them.
        place: String,
        /// What cut it short.
        reason: String,
    },
    /// The blob is larger than this store handles.
    #[error("a blob of {size} bytes is over the limit of {limit} bytes at {place}; split the job into smaller batches")]
    TooLarge {
        /// Size of the blob, or as much of it as was read.
        size: u64,
        /// Largest size accepted.
        limit: u64,
        /// Store that refused it.
        place: String,
    },
    /// The place could not be reached or broke off.
    #[error("{action} blob {} at {place} failed ({reason}); check that the store is up and try again", hex::encode(.hash))]
    Store {
        /// What was being done.
        action: &'static str,
        /// Address concerned.
        hash: Hash,
        /// Where.
        place: String,
        /// What lies at the bottom of it: a refused connection, a full disk.
        reason: String,
    },
}
