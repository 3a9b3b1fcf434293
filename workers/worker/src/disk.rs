//! A disk that is full or broken. Everything on it can be fetched or computed again, so jobs in hand continue without it, and only new work
//! waits until the disk works again. Large files are read and written on other threads.

use crate::journal::{Journal, disk};
use crate::{Error, Result, Worker};
use solana_address::Address;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;

impl Error {
    /// Whether it says that the data folder could not be written to.
    pub(crate) fn is_disk(&self) -> bool {
        matches!(self, Self::Disk { .. } | Self::Chain(chain::Error::Pending { .. }))
    }
}

impl Worker {
    /// Reads, hashes or writes large files on another thread, so that no answer or deadline waits for it. Goes on to its end even if this
    /// future is dropped, unless the process ends, which is as safe as a crash.
    pub(crate) async fn in_background<T: Send + 'static>(&self, act: impl FnOnce(&Journal) -> Result<T> + Send + 'static) -> Result<T> {
        let journal = self.journal.clone();
        let acting = tokio::task::spawn_blocking(move || act(&journal)).await;
        acting.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down.
            Err(error) => Err(disk(self.journal.folder(), io::Error::other(error))),
        })
    }

    /// Deletes the files of a job that has ended.
    pub(crate) async fn forget(&self, address: &Address) -> Result<()> {
        let at = *address;
        self.in_background(move |journal| journal.forget(&at)).await
    }

    /// Whether the disk has failed and has not worked since.
    pub(crate) fn disk_fails(&self) -> bool {
        self.disk_fails.load(Ordering::Relaxed)
    }

    /// Continues even if a write failed.
    pub(crate) fn tolerate_disk_error(&self, written: Result<()>) {
        if let Err(error) = written {
            self.note_disk_error(&error);
        }
    }

    /// Takes no new work until the disk works again, if the error says that it does not.
    pub(crate) fn note_disk_error(&self, error: &Error) {
        if !error.is_disk() {
            return;
        }
        self.metrics.disk_fails.set(1);
        if !self.disk_fails.swap(true, Ordering::Relaxed) {
            tracing::error!(event = "disk", %error, "no new work until the disk works again; jobs in hand continue without it");
        }
    }

    /// Checks whether a failed disk works again.
    pub(crate) async fn recheck_disk(&self) {
        if self.disk_fails() && self.in_background(Journal::probe).await.is_ok() && self.pending.check().is_ok() {
            self.metrics.disk_fails.set(0);
            self.disk_fails.store(false, Ordering::Relaxed);
            tracing::info!(event = "disk", "the disk works again");
        }
    }
}
