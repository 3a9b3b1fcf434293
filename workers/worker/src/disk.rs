//! A disk that is full or fails. Whatever a worker keeps can be had again, so what is at stake goes on without it: only new work waits until it takes
//! writes again.

use crate::journal::disk;
use crate::{Error, Result, Worker};
use std::path::Path;
use std::sync::atomic::Ordering;

/// Bytes that files in a folder can still take.
#[cfg(unix)]
pub(crate) fn free_space(folder: &Path) -> Result<u64> {
    let told = rustix::fs::statvfs(folder).map_err(|source| disk(folder, source.into()))?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Elsewhere nothing is known of it.
#[cfg(not(unix))]
pub(crate) fn free_space(_: &Path) -> Result<u64> {
    Ok(u64::MAX)
}

impl Error {
    /// Whether the data folder could not be written to.
    pub(crate) fn is_disk(&self) -> bool {
        matches!(self, Self::Disk { .. } | Self::Chain(chain::Error::Pending { .. }))
    }
}

impl Worker {
    /// Whether the disk has failed and not been seen to work since.
    pub(crate) fn disk_fails(&self) -> bool {
        self.disk_fails.load(Ordering::Relaxed)
    }

    /// Goes on without a write, if it failed.
    pub(crate) fn tolerate_disk_error(&self, written: Result<()>) {
        if let Err(error) = written {
            self.disk_failed(&error);
        }
    }

    /// Takes no new work from now on.
    pub(crate) fn disk_failed(&self, error: &Error) {
        self.metrics.disk_fails.set(1);
        if !self.disk_fails.swap(true, Ordering::Relaxed) {
            tracing::error!(event = "disk", %error, "no new work until the disk takes writes again; what is in hand goes on without it");
        }
    }

    /// Has another look at a disk that failed.
    pub(crate) fn look_at_disk(&self) {
        if self.disk_fails() && self.journal.probe().is_ok() {
            self.metrics.disk_fails.set(0);
            self.disk_fails.store(false, Ordering::Relaxed);
            tracing::info!(event = "disk", "takes writes again");
        }
    }
}
