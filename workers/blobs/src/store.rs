//! One type for every kind of blob store.

use crate::{Error, Result, SLOWEST, address};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryFutureExt, TryStreamExt, stream::FuturesUnordered};
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig, http::HttpBuilder,
    local::LocalFileSystem, path::Path as Key,
};
use protocol::hash::Hash;
use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;

/// Default limit for the size of a blob: enough for a batch of photos.
pub const MAX_BLOB: u64 = 64 << 20;

/// Time a store may take to respond, in addition to the time for transferring the blob.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time after which the next store is asked as well when those before it have neither begun to deliver nor failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes per second that a store which has begun has to deliver, or the next one is asked as well.
const FAIR: u64 = 4 << 20;

/// The blob at `hash` from whichever store is the first to deliver it. Stores are asked in order, and none waits for long for those before
/// it: a store that hangs may take a minute, and one that trickles a quarter of an hour.
///
/// # Errors
/// Those of all stores, in the order in which they failed.
pub async fn first_of(stores: impl IntoIterator<Item = BlobStore>, hash: &Hash) -> std::result::Result<Bytes, Vec<Error>> {
    let size = &AtomicU64::default();
    let (mut stores, mut asked, mut errors) = (stores.into_iter(), FuturesUnordered::new(), Vec::new());
    loop {
        asked.extend(stores.next().map(|store| async move { store.get_telling(hash, size).await }));
        if asked.is_empty() {
            return Err(errors);
        }
        let mut answer = timeout(PATIENCE, asked.select_next_some()).await;
        if answer.is_err() {
            // A store that has begun gets the time for the rest, once.
            let more = Duration::from_secs(size.swap(0, Ordering::Relaxed) / FAIR);
            answer = timeout(more, asked.select_next_some()).await;
        }
        match answer {
            Ok(Ok(blob)) => return Ok(blob),
            Ok(Err(error)) => errors.push(error),
            Err(_) => {}
        }
    }
}

/// The local folder named by a location, if it names one.
pub fn local_folder(location: &str) -> Option<PathBuf> {
    if location.split_once(':').is_none_or(|(scheme, _)| !is_scheme(scheme)) {
        return Some(location.into());
    }
    url(location).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
}

/// A store of blobs.
#[derive(Clone)]
pub struct BlobStore {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    place: String,
    /// Where the blobs lie, if in a local folder.
    folder: Option<PathBuf>,
    limit: u64,
}

impl fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStore")
            .field("place", &self.place)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl BlobStore {
    /// Opens a folder (created if missing) or a `file://`, `memory:`, `http(s)://` or `s3://` URL.
    ///
    /// Credentials for cloud stores are read from the environment variables that the providers' own tools use.
    pub fn open(location: &str) -> Result<Self> {
        if let Some(folder) = local_folder(location) {
            return Self::folder(&folder).map_err(|error| Error::Location {
                location: location.to_owned(),
                reason: error.to_string(),
            });
        }
        // What comes before the last `@` may be a password, even if the text is no URL.
        let refused = |reason: String| Error::Location {
            location: location.rsplit('@').next().unwrap_or_default().to_owned(),
            reason,
        };
        let url = url(location).map_err(refused)?;
        if url.scheme() == "file" {
            return Err(refused("it names no local path".to_owned()));
        }
        let place = shown(url.clone());
        if place.contains('@') {
            // Its beginning would be taken for the host, and the rest shown as the path.
            return Err(refused("write a `/` in a password as %2F, and an `@` elsewhere as %40".to_owned()));
        }
        let refused = |error: object_store::Error| Error::Location {
            location: place.clone(),
            reason: error.to_string().replace(url.as_str(), &place),
        };
        let (store, prefix) = match url.scheme() {
            "http" | "https" => (http(&url).map_err(refused)?, Key::default()),
            _ => {
                let environment = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
                let (store, prefix) = object_store::parse_url_opts(&url, environment).map_err(refused)?;
                (store.into(), prefix)
            }
        };
        Ok(Self {
            store,
            prefix,
            place,
            folder: None,
            limit: MAX_BLOB,
        })
    }

    /// A store in a local folder. Writes are synced to disk before they are acknowledged, because the chain may commit to them next.
    fn folder(path: &Path) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        std::fs::create_dir_all(path)?;
        let store = LocalFileSystem::new_with_prefix(path)?.with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            prefix: Key::default(),
            place: path.display().to_string(),
            folder: Some(path.to_owned()),
            limit: MAX_BLOB,
        })
    }

    /// The same store with a limit of `bytes` on every blob read or written.
    pub fn with_limit(self, bytes: u64) -> Self {
        Self { limit: bytes, ..self }
    }

    /// Free bytes on the disk of a local folder; `None` for other stores, and where the system does not say.
    pub fn free_space(&self) -> Option<u64> {
        daemon::free_space(self.folder.as_deref()?).ok().flatten()
    }

    /// Stores `bytes` and returns their address. Storing the same bytes again changes nothing.
    pub async fn put(&self, bytes: Bytes) -> Result<Hash> {
        self.check_size(bytes.len() as u64)?;
        let hash = address_of(&bytes, "the caller").await?;
        if !self.contains(&hash).await? {
            self.write(&hash, bytes).await?;
        }
        Ok(hash)
    }

    /// Stores the bytes from `sender` if they are the blob at `expected`. Returns whether the blob is new.
    pub async fn put_at(&self, expected: &Hash, bytes: Bytes, sender: &str) -> Result<bool> {
        self.check_size(bytes.len() as u64)?;
        let actual = address_of(&bytes, sender).await?;
        if actual != *expected {
            return Err(Error::Mismatch {
                expected: *expected,
                actual,
                place: sender.to_owned(),
            });
        }
        if self.contains(expected).await? {
            return Ok(false);
        }
        self.write(expected, bytes).await?;
        Ok(true)
    }

    /// Reads a blob and verifies it against its address.
    pub async fn get(&self, hash: &Hash) -> Result<Bytes> {
        self.get_telling(hash, &AtomicU64::default()).await
    }

    /// Like [`Self::get`]. Sets `begun` to the blob's size when the store begins to deliver it.
    async fn get_telling(&self, hash: &Hash, begun: &AtomicU64) -> Result<Bytes> {
        let (size, mut stream) = self.stream(hash, None).await?;
        self.check_size(size)?;
        begun.store(size, Ordering::Relaxed);
        let reading = async {
            let mut bytes = BytesMut::with_capacity(size as usize);
            // A connection that goes quiet times out sooner than the transfer as a whole.
            while let Some(part) = self.in_time(0, "reading", hash, stream.try_next()).await? {
                self.check_size((bytes.len() + part.len()) as u64)?;
                bytes.extend_from_slice(&part);
            }
            Ok(bytes.freeze())
        };
        let bytes = self.in_time(size, "reading", hash, reading).await?;
        let actual = address_of(&bytes, &self.place).await?;
        if actual != *hash {
            return Err(Error::Mismatch {
                expected: *hash,
                actual,
                place: self.place.clone(),
            });
        }
        Ok(bytes)
    }

    /// Whether the store claims to have the blob.
    pub async fn contains(&self, hash: &Hash) -> Result<bool> {
        match self.size(hash).await {
            Ok(_) => Ok(true),
            Err(Error::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Size of a blob in bytes, as reported by the store.
    pub async fn size(&self, hash: &Hash) -> Result<u64> {
        let key = self.key(hash);
        let finding = self.store.head(&key).map_err(|source| self.failed("finding", hash, source));
        Ok(self.in_time(0, "finding", hash, finding).await?.size)
    }

    /// Streams a blob, or a part of it, without verifying it: for passing it on to a client that does. Also returns the blob's size.
    pub async fn stream(
        &self,
        hash: &Hash,
        part: Option<Range<u64>>,
    ) -> Result<(u64, impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static)> {
        let options = GetOptions {
            range: part.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let key = self.key(hash);
        let asking = self
            .store
            .get_opts(&key, options)
            .map_err(|source| self.failed("reading", hash, source));
        let result = self.in_time(0, "reading", hash, asking).await?;
        let (size, store, hash) = (result.meta.size, self.clone(), *hash);
        let parts = result.into_stream().map_err(move |source| store.failed("reading", &hash, source));
        Ok((size, parts))
    }

    async fn write(&self, hash: &Hash, bytes: Bytes) -> Result<()> {
        let (key, size) = (self.key(hash), bytes.len() as u64);
        let writing = self
            .store
            .put(&key, bytes.into())
            .map_err(|source| self.failed("writing", hash, source));
        self.in_time(size, "writing", hash, writing).await.map(|_| ())
    }

    /// Runs `act` with a timeout that allows for transferring `bytes`.
    async fn in_time<T>(&self, bytes: u64, action: &'static str, hash: &Hash, act: impl Future<Output = Result<T>>) -> Result<T> {
        let time = RESPONSE_TIMEOUT + Duration::from_secs(bytes / SLOWEST);
        let late = |_| Error::Store {
            action,
            hash: *hash,
            place: self.place.clone(),
            reason: format!("it took longer than {} seconds", time.as_secs()),
        };
        timeout(time, act).await.map_err(late)?
    }

    fn key(&self, hash: &Hash) -> Key {
        self.prefix.clone().join(hex::encode(hash))
    }

    fn check_size(&self, size: u64) -> Result<()> {
        if size > self.limit {
            return Err(Error::TooLarge {
                size,
                limit: self.limit,
                place: self.place.clone(),
            });
        }
        Ok(())
    }

    fn failed(&self, action: &'static str, hash: &Hash, source: object_store::Error) -> Error {
        match source {
            object_store::Error::NotFound { .. } => Error::Missing {
                hash: *hash,
                place: self.place.clone(),
            },
            source => Error::Store {
                action,
                hash: *hash,
                place: self.place.clone(),
                reason: cause(&source),
            },
        }
    }
}

/// A store behind a [`crate::server`], or behind any server that supports `GET`, `HEAD` and `PUT` under `url`.
fn http(url: &url::Url) -> object_store::Result<Arc<dyn ObjectStore>> {
    // Retries are short: a worker has deadlines, and its own queue tries again later. Each request has its own timeout, which depends on
    // the size of the blob (`in_time`).
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 4,
        retry_timeout: Duration::from_secs(20),
    };
    let options = ClientOptions::new().with_allow_http(true).with_timeout_disabled();
    let builder = HttpBuilder::new().with_url(url.as_str()).with_client_options(options);
    Ok(Arc::new(builder.with_retry(retry).build()?))
}

/// The root cause of an error. The outer layers only add how often the request was retried and their own names for the failure.
fn cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .unwrap_or(error)
        .to_string()
}

/// Address of the bytes from `sender`. Hashing 64 MiB would stall other tasks, so it runs on a blocking thread.
async fn address_of(bytes: &Bytes, sender: &str) -> Result<Hash> {
    let copy = bytes.clone();
    let hashed = tokio::task::spawn_blocking(move || address(&copy)).await;
    let failed = |error: tokio::task::JoinError| Error::Unhashed {
        place: sender.to_owned(),
        reason: error.to_string(),
    };
    hashed.map_err(failed)?.map_err(|reason| Error::Malformed {
        place: sender.to_owned(),
        reason,
    })
}

/// Whether the text is a URL scheme. It needs at least two letters, so that `C:\blobs` is a path.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// The URL without credentials, for errors and logs.
fn shown(mut url: url::Url) -> String {
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.to_string()
}

fn url(text: &str) -> std::result::Result<url::Url, String> {
    url::Url::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};
    use protocol::{batch::BatchHeader, tensor::Shape};
    use tokio::time::Instant;

    /// 8 MiB take two seconds at a fair rate.
    #[tokio::test(start_paused = true)]
    async fn the_next_store_is_asked_if_one_hangs_or_trickles() {
        let header = BatchHeader::outputs(8, 0, Shape::new(1024, 1024, 1)).unwrap();
        let blob = Bytes::from([&header.encode()[..], &vec![7; 8 << 20]].concat());
        let prompt = BlobStore::open("memory:").unwrap();
        let hash = prompt.put(blob.clone()).await.unwrap();
        // How long the first store takes to begin, and for each byte; and in which second the blob is there.
        let (hour, none) = (Duration::from_secs(3_600), Duration::ZERO);
        for (what, begin, byte, second) in [
            ("delivers steadily", none, Duration::from_nanos(400), 3),
            ("hangs", hour, none, 2),
            ("trickles", none, Duration::from_micros(4), 4),
        ] {
            let config = ThrottleConfig {
                wait_get_per_call: begin,
                wait_get_per_byte: byte,
                ..ThrottleConfig::default()
            };
            let first = BlobStore {
                store: Arc::new(ThrottledStore::new(prompt.store.clone(), config)),
                ..prompt.clone()
            };
            let asked = Instant::now();
            assert_eq!(first_of([first, prompt.clone()], &hash).await.unwrap(), blob);
            assert_eq!(asked.elapsed().as_secs(), second, "a store that {what}");
        }
    }
}
