//! Storing a job's result where its consumer and challengers look for it.

use super::{Computed, JobProgress, RETRY};
use crate::failpoint::failpoint;
use crate::journal::{Journal, Roots};
use crate::{Error, Result, Worker};
use blobs::BlobStore;
use bytes::Bytes;
use jobs::Job;
use protocol::hash::Hash;
use solana_address::Address;
use std::convert::Infallible;

/// A job's result, for what goes on beside its steps.
pub(super) struct JobResult {
    pub job: Job,
    pub roots: Roots,
    /// Itself, where the disk did not take it.
    pub unkept: Option<Computed>,
}

impl Worker {
    /// Has what is made stored, however often that takes.
    pub(super) async fn store_result(&self, address: &Address, progress: &JobProgress) -> Infallible {
        let result = progress.result.wait().await;
        let (mut at_hand, mut retry) = (result.unkept.clone(), RETRY);
        while !self.silent
            && let Err(error) = self.try_store_result(address, result, &mut at_hand).await
        {
            self.metrics.errors_total.add(1);
            tracing::warn!(event = "retry", job = %address, %error, "the result is not stored; trying again");
            retry.wait().await;
        }
        drop(at_hand);
        // It is set here alone.
        let _ = progress.stored.set(());
        std::future::pending().await
    }

    /// Sees to it that the store has output and trace: from what is at hand, as kept, or computed again when they are lost.
    async fn try_store_result(&self, address: &Address, result: &JobResult, at_hand: &mut Option<Computed>) -> Result<()> {
        let store = self.output_store()?;
        type Kept = fn(&Journal, &Address) -> Option<Bytes>;
        type Part = fn(&Computed) -> &Bytes;
        let parts: [(&str, &Hash, Kept, Part); 2] = [
            ("output", &result.roots.outputs, Journal::kept_output, |computed| &computed.output),
            ("trace", &result.roots.traces, Journal::kept_trace, |computed| &computed.trace),
        ];
        for (what, root, kept, part) in parts {
            if !store.contains(root).await? {
                if at_hand.is_none() && !put(store, kept(&self.journal, address), root).await? {
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
            tracing::info!(event = "stored", job = %address, what, root = hex::encode(root), %store);
            failpoint(what, "stored", address).await;
        }
        Ok(())
    }

    pub(crate) fn output_store(&self) -> Result<&BlobStore> {
        self.stores.first().ok_or(Error::NoStore)
    }
}

/// Stores what was kept of a result; false when it is lost or damaged.
async fn put(store: &BlobStore, kept: Option<Bytes>, root: &Hash) -> Result<bool> {
    let Some(blob) = kept else { return Ok(false) };
    match store.put_at(root, blob, "the journal").await {
        Ok(_) => Ok(true),
        Err(blobs::Error::Mismatch { .. } | blobs::Error::Malformed { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
