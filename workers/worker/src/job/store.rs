//! Uploading a job's result to the blob store.

use super::{Computed, JobProgress, RETRY};
use crate::failpoint::failpoint;
use crate::journal::{Blob, Roots};
use crate::{Error, Result, Worker};
use blobs::BlobStore;
use bytes::Bytes;
use jobs::Job;
use parking_lot::Mutex;
use protocol::hash::Hash;
use solana_address::Address;
use std::convert::Infallible;

/// A job's result, as the upload needs it.
pub(super) struct JobResult {
    pub job: Job,
    pub roots: Roots,
    /// The result itself, if it could not be written to disk.
    pub unkept: Mutex<Option<Computed>>,
}

impl Worker {
    /// Stores the result once there is one, and retries until that succeeds.
    pub(super) async fn store_result(&self, address: &Address, progress: &JobProgress) -> Infallible {
        let result = progress.result.wait().await;
        let (mut at_hand, mut retry) = (result.unkept.lock().take(), RETRY);
        while !self.silent
            && let Err(error) = self.try_store_result(address, result, &mut at_hand).await
        {
            self.metrics.errors_total.add(1);
            if let Error::ForeignCommitment { .. } = error {
                tracing::error!(
                    event = "unstored",
                    job = %address,
                    %error,
                    "the result is lost, and computing it gives another; its upload is given up until the worker is started again"
                );
                break;
            }
            tracing::warn!(event = "retry", job = %address, %error, "the result could not be stored; trying again");
            retry.wait().await;
        }
        drop(at_hand);
        // Nothing else sets it.
        let _ = progress.stored.set(());
        std::future::pending().await
    }

    /// Makes sure that the store has output and trace: from memory, from disk, or by computing them again if they are lost.
    async fn try_store_result(&self, address: &Address, result: &JobResult, at_hand: &mut Option<Computed>) -> Result<()> {
        let store = self.output_store()?;
        type Part = fn(&Computed) -> &Bytes;
        let parts: [(Blob, &Hash, Part); 2] = [
            (Blob::Output, &result.roots.outputs, |computed| &computed.output),
            (Blob::Trace, &result.roots.traces, |computed| &computed.trace),
        ];
        for (blob, root, part) in parts {
            if !store.contains(root).await? {
                let at = *address;
                let read = self.in_background(move |journal| Ok(journal.kept(&at, blob)));
                if at_hand.is_none() && !put(store, read.await?, root).await? {
                    let _place = self.places.acquire().await;
                    let computed = self.compute(address, &result.job, &mut None).await?;
                    if computed.roots.traces != result.roots.traces {
                        return Err(Error::ForeignCommitment { job: *address });
                    }
                    *at_hand = Some(computed);
                }
                if let Some(computed) = at_hand {
                    store.put_at(root, part(computed).clone(), "this worker").await?;
                }
            }
            let what = blob.name();
            tracing::info!(event = "stored", job = %address, what, root = hex::encode(root), %store);
            failpoint(what, "stored", address).await;
        }
        Ok(())
    }

    pub(crate) fn output_store(&self) -> Result<&BlobStore> {
        self.stores.first().ok_or(Error::NoStore)
    }
}

/// Stores a blob from the journal. Returns false if it is lost or damaged.
async fn put(store: &BlobStore, kept: Option<Bytes>, root: &Hash) -> Result<bool> {
    let Some(blob) = kept else { return Ok(false) };
    match store.put_at(root, blob, "the journal").await {
        Ok(_) => Ok(true),
        Err(blobs::Error::Mismatch { .. } | blobs::Error::Malformed { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
