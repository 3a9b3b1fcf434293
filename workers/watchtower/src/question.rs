//! What a worker shows of its work when it is asked on the chain, step by step, because silence would cost it the bond.
//!
//! Answers bind the worker that gave them; their hashes are read in the transactions that brought them and checked against what the program
//! accepted. Demands are one for all challengers: what others have asked is not asked again, and nothing has to be remembered across a
//! crash.

use crate::Result;
use crate::dispute::silence;
use crate::locate::{Leaves, Spot, WorkerTrace};
use crate::served::Served;
use async_trait::async_trait;
use chain::market::answers::{self, Answer};
use chain::market::{self, demand};
use chain::{Chain, SendOptions};
use daemon::Backoff;
use jobs::{DemandHeader, Job, Status};
use protocol::batch::unit_leaves;
use protocol::demand::{Item, Kind, PAGE, chunks_of_head, cost, leaf_of_chunk, ops_of_page, page_depth, root_of_page};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::trace::op_leaves;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// Time between looks at a demand that waits for its answer.
const LOOK: Duration = Duration::from_millis(400);

/// Waits between tries of a step that failed.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));

/// Wait before a node that does not remember an answer is asked for it again.
const ASK_AGAIN: Duration = Duration::from_secs(8);

/// A worker that is asked for whatever its blobs do not show.
pub struct Questioner<'a> {
    /// What its blobs show.
    pub served: Served<'a>,
    /// The chain.
    pub chain: &'a Chain,
    /// Asks: pays fees, and rent that returns.
    pub key: &'a Keypair,
    /// How transactions are sent.
    pub options: &'a SendOptions,
    /// The job.
    pub address: Address,
    /// As it was revealed.
    pub job: Job,
    /// Most lamports that its demands may cost and hold.
    pub budget: u64,
    /// Whether to convict silence as well, where nobody turns that crank.
    pub convicts_silence: bool,
    /// Hears of every step.
    pub on_event: &'a (dyn Fn(QuestionEvent<'_>) + Send + Sync),
    /// What the demands opened here hold and have cost.
    pub spent: AtomicU64,
}

/// A step of the questioning.
#[derive(Clone, Debug)]
pub enum QuestionEvent<'a> {
    /// It was asked for this.
    Asked(Item, &'a chain::Receipt),
    /// It has shown this.
    Shown(Item),
    /// It has not answered in time. What it says before somebody convicts it counts all the same.
    Silent(Item),
    /// It was convicted for that.
    Convicted(Item, &'a chain::Receipt),
    /// The next question would exceed what may be spent.
    TooDear(Item),
    /// A step failed and is tried again.
    Failed(&'a crate::Error),
}

/// Where a demand stands.
enum Standing {
    Shown(Answer),
    Waits(Duration),
    Silent,
    Never,
}

impl Questioner<'_> {
    /// The answer to a demand for this item, which is opened unless somebody else did; `None` when there is none to be had.
    async fn answer(&self, item: Item) -> Option<Answer> {
        let (mut retry, mut silent) = (RETRY, false);
        loop {
            let mut step = self.step(item).await;
            if let Ok(Standing::Silent) = step {
                if !silent {
                    (self.on_event)(QuestionEvent::Silent(item));
                }
                silent = true;
                if self.convicts_silence {
                    // It may have answered at the last moment, or somebody else was faster: the next look tells.
                    step = self.convict(item).await;
                }
            }
            match step {
                Ok(Standing::Shown(answer)) => {
                    (self.on_event)(QuestionEvent::Shown(item));
                    return Some(answer);
                }
                Ok(Standing::Never) => return None,
                Ok(Standing::Waits(time)) => sleep(time).await,
                Ok(Standing::Silent) => sleep(LOOK).await,
                Err(error) => {
                    (self.on_event)(QuestionEvent::Failed(&error));
                    retry.wait().await;
                }
            }
        }
    }

    /// Takes the one step that follows from where the chain is.
    async fn step(&self, item: Item) -> Result<Standing> {
        let (address, challenger) = (demand::address(&self.address, item), self.key.pubkey());
        let job: Option<Job> = self.chain.try_fetch(&self.address).await?;
        let Some(job) = job.filter(|job| job.job_hash == self.job.job_hash && job.status == Status::Revealed as u8) else {
            return Ok(Standing::Never);
        };
        let Some(account) = self.chain.account(&address).await? else {
            return self.open(&job, item, &challenger).await;
        };
        let header: DemandHeader = chain::decode(&address, &account)?;
        if header.job_hash != job.job_hash {
            // Left of an earlier job at this address: it is in the way until it is closed.
            let closing = demand::close(&header.challenger, &self.address, &address);
            self.chain.send(&[closing], &[self.key], self.options).await?;
            return Ok(Standing::Waits(Duration::ZERO));
        }
        if header.answered.get() {
            let answer = answers::read(self.chain, &address).await?;
            return Ok(match answer.filter(|answer| holds(&header, item, answer)) {
                Some(answer) => Standing::Shown(answer),
                None => Standing::Waits(ASK_AGAIN),
            });
        }
        if self.chain.now().await?.reached(header.deadline()) {
            return Ok(Standing::Silent);
        }
        Ok(Standing::Waits(LOOK))
    }

    async fn convict(&self, item: Item) -> Result<Standing> {
        let demand = demand::address(&self.address, item);
        let instructions = silence(self.chain, &self.key.pubkey(), &self.address, &self.job, &demand).await?;
        let receipt = self.chain.send(&instructions, &[self.key], self.options).await?;
        (self.on_event)(QuestionEvent::Convicted(item, &receipt));
        Ok(Standing::Waits(Duration::ZERO))
    }

    async fn open(&self, job: &Job, item: Item, challenger: &Address) -> Result<Standing> {
        if self.chain.now().await?.reached(job.deadline()) {
            return Ok(Standing::Never);
        }
        let config: jobs::Config = self.chain.fetch(&market::job::config()).await?;
        let most = cost(config.demand_fee.get().into(), job.demanded).unwrap_or(u64::MAX);
        let after = self.spent.load(Ordering::Relaxed).saturating_add(most).saturating_add(RENT);
        if after > self.budget {
            (self.on_event)(QuestionEvent::TooDear(item));
            return Ok(Standing::Never);
        }
        let opening = demand::open(challenger, &self.address, job, &config.treasury, item, most);
        let receipt = self.chain.send(&[opening], &[self.key], self.options).await?;
        self.spent.store(after, Ordering::Relaxed);
        (self.on_event)(QuestionEvent::Asked(item, &receipt));
        Ok(Standing::Waits(LOOK))
    }

    /// The hashes of all units, page by page.
    async fn units(&self, page: fn(u32) -> Item) -> Option<Vec<Hash>> {
        let mut all = Vec::new();
        for index in 0..self.job.units.get().div_ceil(PAGE) {
            all.extend(self.answer(page(index)).await?.hashes);
        }
        Some(all)
    }
}

/// Most rent of a demand: of one with the bytes of a chunk.
const RENT: u64 = 10_000_000;

/// Whether an answer as it was read is the one that the program accepted.
fn holds(header: &DemandHeader, item: Item, answer: &Answer) -> bool {
    let first = item.index.saturating_mul(PAGE);
    let leaves: Vec<Hash> = match item.kind {
        Kind::Traces | Kind::Outputs => unit_leaves(first, &answer.hashes),
        Kind::Ops => op_leaves(&answer.hashes),
        Kind::Page => answer.hashes.clone(),
        Kind::Chunk => return leaf_of_chunk(&answer.bytes) == header.shown,
    };
    let depth = match item.kind {
        Kind::Traces | Kind::Outputs => page_depth(header.units.get()),
        Kind::Ops => merkle::depth(header.n_ops.get()),
        _ => page_depth(header.n_chunks.get()),
    };
    let root = merkle::padded_root(&leaves, depth);
    let same = root == header.shown && leaves.len() == header.streamed.get() as usize;
    match (item.kind, &answer.end) {
        (Kind::Page, None) => false,
        (Kind::Page, Some(end)) => {
            same && ops_of_page(&item, header.n_ops.get(), &root, &end.head, &end.above, &end.path) == Some(header.above)
        }
        _ => same,
    }
}

#[async_trait(?Send)]
impl WorkerTrace for Questioner<'_> {
    async fn traces(&self) -> Option<Vec<Hash>> {
        match self.served.traces().await {
            Some(traces) => Some(traces),
            // The only unit's TRACE follows from its ops, which will be asked for next.
            None if self.job.units.get() == 1 => {
                let (ops, checkpoints) = (self.ops(0).await?, self.served.checkpoints);
                let committed: Vec<Hash> = checkpoints.of(&ops).copied().collect();
                Some(vec![checkpoints.trace(&committed)])
            }
            None => self.units(Item::traces).await,
        }
    }

    async fn ops(&self, unit: u32) -> Option<Vec<Hash>> {
        if let Some(ops) = self.served.ops(unit).await {
            return Some(ops);
        }
        Some(self.answer(Item::ops(unit)).await?.hashes)
    }

    async fn leaves(&self, spot: &Spot) -> Option<Leaves> {
        if let Some(leaves) = self.served.leaves(spot).await {
            return Some(leaves);
        }
        let (unit, op) = (spot.unit, spot.op);
        if self.served.checkpoints.are_all() {
            // They may have come out of a blob, and the program lets nobody ask for a page before its unit's ops.
            self.answer(Item::ops(unit)).await?;
        }
        let page = |index| Item::page(unit, op, index);
        let first = self.answer(page(0)).await?;
        let end = first.end?;
        let (total, mut chunks) = (chunks_of_head(&end.head), first.hashes);
        let layout = spot.shape.layout();
        if end.head != layout.head(layout.chunks()?) {
            // Its head is all it takes to convict, and the first page leads to the root that goes with it.
            let page_root = merkle::padded_root(&chunks, page_depth(total));
            return Some(Leaves {
                head: end.head,
                root: root_of_page(total, 0, &page_root, &end.above)?,
                chunks: Vec::new(),
            });
        }
        for index in 1..total.div_ceil(PAGE) {
            chunks.extend(self.answer(page(index)).await?.hashes);
        }
        Some(Leaves {
            head: end.head,
            root: merkle::root(&chunks),
            chunks,
        })
    }

    async fn chunk(&self, spot: &Spot, index: u32) -> Option<Vec<u8>> {
        if let Some(chunk) = self.served.chunk(spot, index).await {
            return Some(chunk);
        }
        let answer = self.answer(Item::chunk(spot.unit, spot.op, index)).await?;
        Some(answer.bytes)
    }

    async fn delivered(&self) -> Option<Vec<Hash>> {
        match self.served.delivered().await {
            Some(outputs) => Some(outputs),
            None => self.units(Item::outputs).await,
        }
    }
}
