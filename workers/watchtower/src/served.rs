//! What a worker shows through blob stores.

use crate::locate::{Leaves, Page, Spot, WorkerTrace};
use async_trait::async_trait;
use blobs::{BlobStore, first_of};
use bytes::Bytes;
use jobs::Job;
use parking_lot::Mutex;
use protocol::batch::{BatchHeader, BlobKind};
use protocol::blob::{TensorBlob, TraceBlob};
use protocol::hash::Hash;
use protocol::trace::Checkpoints;
use std::sync::Arc;

/// The blobs of one revealed result. Stores check that a blob's content matches its address.
#[derive(Clone, Debug)]
pub struct Served<'a> {
    stores: &'a [BlobStore],
    traces: Hash,
    outputs: Hash,
    /// The checkpoints that traces of the job's model commit to.
    pub(crate) checkpoints: Checkpoints,
    /// The trace, from when its units have been read until the ops of one of them are, so that it is not fetched twice.
    trace: Arc<Mutex<Option<Bytes>>>,
}

impl<'a> Served<'a> {
    /// What these stores show of a revealed job, the traces of whose model commit to these checkpoints. Of several stores, the first that
    /// delivers a blob is used.
    pub fn new(stores: &'a [BlobStore], job: &Job, checkpoints: Checkpoints) -> Self {
        Self {
            stores,
            traces: job.traces,
            outputs: job.outputs,
            checkpoints,
            trace: Arc::default(),
        }
    }

    async fn get(&self, hash: &Hash) -> Option<Bytes> {
        let errors = match first_of(self.stores.iter().cloned(), hash).await {
            Ok(blob) => return Some(blob),
            Err(errors) => errors,
        };
        for error in &errors {
            tracing::debug!(%error, "not read");
        }
        // Stores that have no such blob, or one that is larger than what is fetched, work as they should.
        let works = |error: &blobs::Error| matches!(error, blobs::Error::Missing { .. } | blobs::Error::TooLarge { .. });
        if let Some(error) = errors.iter().rfind(|error| !works(error)) {
            tracing::warn!(event = "unread", %error, "a blob counts as not shown");
        }
        None
    }

    /// A value, from its own blob or, if it was delivered, from the outputs.
    async fn value(&self, spot: &Spot) -> Option<(u32, protocol::tensor::Shape, Bytes)> {
        if let Some(blob) = self.get(&spot.root).await
            && let Ok(tensor) = TensorBlob::parse(&blob)
        {
            return Some((tensor.value_id(), tensor.shape(), blob.slice_ref(tensor.codes())));
        }
        let blob = self.get(&self.outputs).await?;
        let (header, units) = BatchHeader::parse(&blob).ok()?;
        let codes = units.get(spot.unit)?;
        let same = header.kind() == BlobKind::Outputs && header.unit_hash(codes) == spot.root;
        same.then(|| {
            (
                header.first_value_id(),
                header.shapes().first().copied().unwrap_or_default(),
                blob.slice_ref(codes),
            )
        })
    }
}

#[async_trait(?Send)]
impl WorkerTrace for Served<'_> {
    async fn traces(&self, _: u32) -> Option<Page> {
        let blob = self.get(&self.traces).await?;
        let page = Page::of_all(TraceBlob::parse(&blob).ok()?.traces().collect());
        *self.trace.lock() = self.checkpoints.are_all().then_some(blob);
        Some(page)
    }

    async fn ops(&self, unit: u32) -> Option<Vec<Hash>> {
        // A trace of checkpoints does not commit to the ops in between: only an answer on the chain binds the worker to these.
        if !self.checkpoints.are_all() {
            return None;
        }
        let kept = self.trace.lock().take();
        let blob = match kept {
            Some(blob) => blob,
            None => self.get(&self.traces).await?,
        };
        let blob = TraceBlob::parse(&blob).ok()?;
        blob.unit(unit).filter(|_| blob.checkpoints().are_all()).map(<[Hash]>::to_vec)
    }

    async fn leaves(&self, spot: &Spot) -> Option<Leaves> {
        let (value_id, shape, codes) = self.value(spot).await?;
        Some(Leaves::of(value_id, shape, &codes))
    }

    async fn chunk(&self, spot: &Spot, index: u32) -> Option<Vec<u8>> {
        let (value_id, shape, codes) = self.value(spot).await?;
        shape.layout().preimage(value_id, index, &codes)
    }

    async fn delivered(&self, _: u32) -> Option<Page> {
        let blob = self.get(&self.outputs).await?;
        let (header, units) = BatchHeader::parse(&blob).ok()?;
        Some(Page::of_all(units.iter().map(|unit| header.unit_hash(unit)).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use anchor_lang::bytemuck::Zeroable;
    use std::time::Duration;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    /// A check takes seconds if the first store takes connections and never answers, and reads the trace once.
    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_holds_up_no_check() {
        let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let places = [
            format!("http://{}/blobs", hanging.local_addr().unwrap()),
            folder.path().display().to_string(),
        ];
        let stores = places.map(|place| BlobStore::open(&place).unwrap());
        let [_, works] = &stores;
        let (checkpoints, tensors) = (Checkpoints::all(3), [[7; 32]; 6]);
        let trace = TraceBlob::new(checkpoints, &tensors).unwrap().encode();
        let job = Job {
            traces: works.put(trace.into()).await.unwrap(),
            ..Job::zeroed()
        };
        let served = Served::new(&stores, &job, checkpoints);
        let page = timeout(Duration::from_secs(10), served.traces(0)).await.unwrap();
        assert_eq!(page.unwrap().hashes.len(), 2);
        let file = folder.path().join(hex::encode(job.traces));
        std::fs::remove_file(file).unwrap();
        assert_eq!(served.ops(1).await.unwrap(), tensors[3..]);
    }
}
