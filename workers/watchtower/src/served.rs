//! What a worker shows through blob stores.

use crate::locate::{Leaves, Page, Spot, WorkerTrace};
use async_trait::async_trait;
use blobs::BlobStore;
use bytes::Bytes;
use protocol::batch::{BatchHeader, BlobKind};
use protocol::blob::{TensorBlob, TraceBlob};
use protocol::hash::Hash;
use protocol::trace::Checkpoints;

/// The blobs of one revealed result. Stores check that a blob's content matches its address.
#[derive(Clone, Debug)]
pub struct Served<'a> {
    /// Stores to look in, in this order.
    pub stores: &'a [BlobStore],
    /// The revealed batch root of the traces.
    pub traces: Hash,
    /// The revealed batch root of the outputs.
    pub outputs: Hash,
    /// The checkpoints that traces of the job's model commit to.
    pub checkpoints: Checkpoints,
}

impl Served<'_> {
    async fn get(&self, hash: &Hash) -> Option<Bytes> {
        let mut failed = None;
        for store in self.stores {
            match store.get(hash).await {
                Ok(blob) => return Some(blob),
                Err(error) => {
                    tracing::debug!(%error, "not read");
                    // Those that have no such blob, or one that is larger than what is fetched, work as they should.
                    if !matches!(error, blobs::Error::Missing { .. } | blobs::Error::TooLarge { .. }) {
                        failed = Some(error);
                    }
                }
            }
        }
        if let Some(error) = failed {
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
        Some(Page::of_all(TraceBlob::parse(&blob).ok()?.traces().collect()))
    }

    async fn ops(&self, unit: u32) -> Option<Vec<Hash>> {
        let blob = self.get(&self.traces).await?;
        let blob = TraceBlob::parse(&blob).ok()?;
        // A trace of checkpoints does not commit to the ops in between: only an answer on the chain binds the worker to these.
        let all = self.checkpoints.are_all() && blob.checkpoints().are_all();
        blob.unit(unit).filter(|_| all).map(<[Hash]>::to_vec)
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
