//! Errors of blob operations. Each message is one sentence that names the store and the address.

use protocol::{batch::BatchError, hash::Hash};

/// Result of a blob operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not an address.
    #[error("'{text}' is not a blob address: give 64 hexadecimal digits")]
    Address {
        /// The rejected text.
        text: String,
    },
    /// The location does not name a store.
    #[error("'{location}' cannot hold blobs ({reason}); give a folder, or a file://, memory:, http(s):// or s3:// URL")]
    Location {
        /// The rejected location.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store has no such blob.
    #[error("{place} has no blob {}; ask its owner to upload it again", hex::encode(.hash))]
    Missing {
        /// The requested address.
        hash: Hash,
        /// The store that was asked.
        place: String,
    },
    /// The bytes do not match the address.
    #[error(
        "the bytes from {place} are not blob {}, as they hash to {}; upload them to that address, or download from another server",
        hex::encode(.expected), hex::encode(.actual)
    )]
    Mismatch {
        /// The requested address.
        expected: Hash,
        /// Address of the bytes received.
        actual: Hash,
        /// The store or client that sent them.
        place: String,
    },
    /// The bytes are not a blob at all.
    #[error("{place} sent bytes that are not a blob of the market ({reason}); send one made by this software, or use another server")]
    Malformed {
        /// The store or client that sent them.
        place: String,
        /// What is wrong with them.
        reason: BatchError,
    },
    /// Hashing the bytes was interrupted.
    #[error("hashing the bytes from {place} was interrupted ({reason}); try again, or use another server")]
    Unhashed {
        /// The store or client that sent them.
        place: String,
        /// What interrupted it.
        reason: String,
    },
    /// The blob is larger than this store handles.
    #[error("a blob of {size} bytes is over the limit of {limit} bytes at {place}; split the job into smaller batches")]
    TooLarge {
        /// Size of the blob, or the number of bytes read so far.
        size: u64,
        /// Largest size accepted.
        limit: u64,
        /// Store that refused it.
        place: String,
    },
    /// The store could not be reached, or the transfer failed.
    #[error("{action} blob {} at {place} failed ({reason}); check that the store is up and try again", hex::encode(.hash))]
    Store {
        /// The operation that failed, such as "reading".
        action: &'static str,
        /// Address of the blob.
        hash: Hash,
        /// The store.
        place: String,
        /// The root cause: a refused connection, a full disk.
        reason: String,
    },
}
