//! Answering demands: a part of a revealed result that someone asks for on chain must be shown in time, or the bond is lost.
//!
//! All demands are answered at the same time, and independently of all other work. An answer follows from the job's input and trace, which
//! the journal keeps until the job has ended, so that neither a crash nor a blob store can lose them.

use crate::answer::{self, Piece};
use crate::job::LOOK;
use crate::journal::Blob;
use crate::market::demands_of;
use crate::models::Model;
use crate::transactions::failed_with;
use crate::{Error, Result, Worker};
use bytes::Bytes;
use chain::Subscriptions;
use chain::market::demand::Answerer;
use daemon::Backoff;
use futures_util::future::{Fuse, FusedFuture, FutureExt, OptionFuture};
use futures_util::stream::{BoxStream, FuturesUnordered, StreamExt};
use jobs::error::JobsError;
use jobs::{DemandHeader, Job, Status};
use parking_lot::{Mutex, MutexGuard};
use protocol::batch::BatchHeader;
use protocol::blob::TraceBlob;
use protocol::demand::{Item, Kind};
use protocol::hash::Hash;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// Longest interval between searches while a demand may come that the node does not push. A subscription that stands may be dead.
const SEARCH: Duration = Duration::from_secs(2);

/// Waits between attempts at an answer.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Demands as the node pushes them.
type News = BoxStream<'static, (Address, Account)>;

/// The unit recomputed last, so that several questions about a unit compute it only once. Units are computed one at a time, for the demand
/// with the earliest deadline first.
#[derive(Default)]
pub(crate) struct Recomputed {
    unit: tokio::sync::Mutex<Option<Arc<UnitOf>>>,
    waiting: Mutex<BTreeSet<Turn>>,
}

/// Deadline and address of a demand that waits for a unit.
type Turn = (i64, Address);

/// Every op's output of a unit, as committed to.
struct UnitOf {
    /// JOB.
    job: Hash,
    number: u32,
    values: Vec<Vec<u8>>,
    /// The TENSOR of each value, if the trace does not have it.
    tensors: Vec<Hash>,
}

impl Recomputed {
    /// The last unit, once it is the one wanted, or once it is this demand's turn to compute another.
    async fn take_turn(&self, turn: Turn, is_wanted: impl Fn(&UnitOf) -> bool) -> tokio::sync::MutexGuard<'_, Option<Arc<UnitOf>>> {
        self.waiting().insert(turn);
        let _guard = TurnGuard { of: self, turn };
        loop {
            // The lock is fair: a more urgent demand gets it before this one gets it again.
            let unit = self.unit.lock().await;
            if unit.as_deref().is_some_and(&is_wanted) || self.waiting().first() == Some(&turn) {
                return unit;
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<Turn>> {
        self.waiting.lock()
    }
}

/// Removes a turn when its wait ends, also if it is cancelled.
struct TurnGuard<'a> {
    of: &'a Recomputed,
    turn: Turn,
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        self.of.waiting().remove(&self.turn);
    }
}

/// A demand that waits for an answer.
struct Open {
    address: Address,
    job: Address,
    facts: Job,
    item: Item,
    /// Hashes or bytes of an answer that have arrived.
    arrived: u32,
    /// Unix time by which it has to be answered.
    deadline: i64,
}

/// What one attempt at an answer leaves to the next.
#[derive(Default)]
struct AnswerProgress {
    /// The pieces to send. Empty until they are known.
    pieces: Vec<Piece>,
    /// Slot of the last failed transaction. The state on chain is read at least as new as this, so that it includes earlier pieces.
    slot: u64,
    /// Whether the pieces on chain belong to a different answer, as the program found at its end.
    mismatch: bool,
}

impl Worker {
    /// Keeps answering demands: pushed by the node, and found by regular searches.
    pub(crate) async fn answer_demands(&self) -> Infallible {
        let (network, filters) = (self.chain.network(), demands_of(&self.device));
        let (mut news, mut subscriptions): (Option<News>, _) = (None, Subscriptions::to("demands"));
        let mut in_hand = HashSet::new();
        let mut answering = FuturesUnordered::new();
        let mut subscribing = pin!(Fuse::terminated());
        let mut search = pin!(Fuse::terminated());
        // When the last search began that has not failed. `None` asks for another.
        let mut searched: Option<Instant> = None;
        let mut look = interval(SEARCH.min(self.settings.scan));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = OptionFuture::from(news.as_mut().map(StreamExt::next));
            let found = tokio::select! {
                biased;
                Some(address) = answering.next(), if !answering.is_empty() => {
                    in_hand.remove(&address);
                    Vec::new()
                }
                Some(change) = next => match change {
                    Some(pushed) => vec![pushed],
                    None => {
                        news = None;
                        subscriptions.ended();
                        Vec::new()
                    }
                },
                subscribed = &mut subscribing => {
                    news = subscriptions.taken(subscribed);
                    if news.is_some() {
                        // A demand may have been opened between the last search and the subscription.
                        searched = None;
                        look.reset_immediately();
                    }
                    Vec::new()
                }
                outcome = &mut search => {
                    let found: chain::Result<Vec<(Address, Account)>> = outcome;
                    found.unwrap_or_else(|error| {
                        self.metrics.errors_total.add(1);
                        tracing::warn!(event = "retry", %error, "the search for demands failed; trying again");
                        searched = None;
                        Vec::new()
                    })
                }
                // The node may be slow, so nothing else waits for the search.
                _ = look.tick(), if search.is_terminated() => {
                    if news.is_none() && subscribing.is_terminated() {
                        let changes = network.program_changes(&jobs::ID, &filters);
                        subscribing.set(changes.fuse());
                    }
                    let scan = self.settings.scan;
                    if news.is_none() || self.may_be_asked() || searched.is_none_or(|begun| begun.elapsed() >= scan) {
                        searched = Some(Instant::now());
                        search.set(network.program_accounts(&jobs::ID, &filters).fuse());
                    }
                    Vec::new()
                }
            };
            for (address, account) in found {
                if !self.silent && in_hand.insert(address) {
                    answering.push(async move {
                        self.answer(&address, &account).await;
                        address
                    });
                }
            }
            self.metrics.demands_open.set(in_hand.len() as u64);
            self.demands.send_replace(in_hand.len());
            if in_hand.is_empty() {
                // The values of a unit take as much memory as all its activations.
                *self.recomputed.unit.lock().await = None;
            }
        }
    }

    /// Whether anybody may ask about a result of this device, as far as is known: it has something in hand, or has not looked yet, or has
    /// let go of it because it stops.
    fn may_be_asked(&self) -> bool {
        self.is_busy() || !self.resumed.initialized() || self.stop.is_cancelled()
    }

    /// Answers one demand, and retries until it is answered or nobody waits for it any more.
    async fn answer(&self, address: &Address, found: &Account) {
        let seen = Instant::now();
        let (mut retry, mut logged, mut progress) = (RETRY, false, AnswerProgress::default());
        loop {
            let outcome = match self.open_demand(address, found, progress.slot).await {
                Ok(None) => Ok(None),
                Ok(Some(open)) => {
                    if !logged {
                        logged = true;
                        tracing::warn!(event = "demanded", job = %open.job, demand = %address, item = ?open.item, deadline = open.deadline);
                    }
                    self.try_answer(&open, found, &mut progress).await
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(None) => {
                    if logged {
                        tracing::info!(event = "lapsed", demand = %address, "nobody waits for this answer any more");
                    }
                    return;
                }
                Ok(Some(transactions)) => {
                    let milliseconds = u64::try_from(seen.elapsed().as_millis()).unwrap_or(u64::MAX);
                    self.metrics.demands_answered_total.add(1);
                    self.metrics.answer_milliseconds_total.add(milliseconds);
                    tracing::info!(event = "answered", demand = %address, transactions, milliseconds);
                    self.warn_if_poor().await;
                    return;
                }
                Err(error) => {
                    if let Error::Chain(error) = &error
                        && let Some(receipt) = error.failure().and_then(|failure| failure.receipt.as_ref())
                    {
                        progress.slot = receipt.slot;
                    }
                    progress.mismatch = failed_with(&error, JobsError::AnswerMismatch);
                    self.metrics.errors_total.add(1);
                    tracing::warn!(event = "retry", demand = %address, %error, "an answer failed; trying again");
                    self.warn_if_poor().await;
                    retry.wait().await;
                }
            }
        }
    }

    /// The demand found at this address, in a state at least as new as `slot`. `None` if there is nothing to answer any more.
    async fn open_demand(&self, address: &Address, found: &Account, slot: u64) -> Result<Option<Open>> {
        let found: DemandHeader = chain::decode(address, found)?;
        // The node that pushed it may be ahead of the one that is asked now.
        let slot = slot.max(found.opened_slot.get());
        let accounts = self.accounts_since(&[*address, found.job], slot).await?;
        let [account, job] = accounts.as_slice() else {
            return Ok(None);
        };
        let (Some(account), Some(job)) = (chain::made(account.as_ref()), chain::made(job.as_ref())) else {
            return Ok(None);
        };
        let (demand, facts): (DemandHeader, Job) = (chain::decode(address, account)?, chain::decode(&found.job, job)?);
        let same = [demand.job_hash, facts.job_hash] == [found.job_hash; 2];
        let stands = same && facts.status == Status::Revealed && !demand.answered.get();
        let Some(item) = demand.item().filter(|_| stands) else {
            return Ok(None);
        };
        let arrived = match item.kind {
            Kind::Chunk => chain::market::demand::come(&account.data),
            _ => demand.streamed.get(),
        };
        Ok(Some(Open {
            address: *address,
            job: demand.job,
            facts,
            item,
            arrived,
            deadline: demand.deadline_at.get(),
        }))
    }

    /// Sends the missing pieces of an answer, or all of them. Returns the number of transactions, or `None` if nobody waits for the answer
    /// any more.
    async fn try_answer(&self, open: &Open, found: &Account, progress: &mut AnswerProgress) -> Result<Option<usize>> {
        if progress.pieces.is_empty() {
            progress.pieces = tokio::select! {
                biased;
                pieces = self.pieces(open) => pieces?,
                () = self.demand_lapses(open, found, progress.slot) => {
                    // If the trace was being recomputed, that ends here.
                    self.none_left(&open.job);
                    return Ok(None);
                }
            };
        }
        let continues = |piece: &Piece| piece.offset == open.arrived && !progress.mismatch;
        let first = progress.pieces.iter().position(continues).unwrap_or(0);
        let device: staking::Device = self.chain.fetch(&self.device).await?;
        let options = self.chain.by(open.deadline, &self.options).await;
        let by = Answerer {
            key: self.key.pubkey(),
            device: self.device,
            payout: device.payout,
        };
        let missing = progress.pieces.iter().skip(first).cloned();
        let missing: Vec<Instruction> = missing.map(|piece| piece.instruction(&by, &open.job, open.item)).collect();
        self.chain.send_in_order(&missing, &[&self.key], &options).await?;
        Ok(Some(missing.len()))
    }

    /// Completes once a demand is answered by another process, or its job is over.
    async fn demand_lapses(&self, open: &Open, found: &Account, slot: u64) {
        loop {
            sleep(LOOK.min(self.settings.scan)).await;
            if let Ok(None) = self.open_demand(&open.address, found, slot).await {
                return;
            }
        }
    }

    /// The pieces of an answer.
    async fn pieces(&self, open: &Open) -> Result<Vec<Piece>> {
        let Open { job, facts, item, .. } = open;
        let model = self.models.get(&facts.model).ok_or(Error::UnknownModel { model: facts.model })?;
        let trace = self.trace(job, facts).await?;
        let parsed = TraceBlob::parse(&trace).map_err(|error| model.failed(error))?;
        // Values, and hashes that a trace of checkpoints does not have, are only known by recomputing the unit.
        let computed = match item.kind {
            Kind::Traces | Kind::Outputs => None,
            Kind::Ops if parsed.checkpoints().are_all() => None,
            Kind::Ops | Kind::Page | Kind::Chunk => Some(self.unit(open, model).await?),
        };
        let (of, item) = (model.clone(), *item);
        let cutting = tokio::task::spawn_blocking(move || pieces_of(&of, item, &trace, computed.as_deref()));
        cutting.await.map_err(|error| model.failed(error))?
    }

    /// The trace of a revealed job: from disk, from the store, or recomputed from the input.
    async fn trace(&self, address: &Address, job: &Job) -> Result<Bytes> {
        let (at, root) = (*address, job.traces);
        let is_right = move |blob: &Bytes| TraceBlob::parse(blob).is_ok_and(|trace| trace.root() == root);
        let kept = self.in_background(move |journal| Ok(journal.kept(&at, Blob::Trace).filter(is_right)));
        if let Some(blob) = kept.await? {
            return Ok(blob);
        }
        // The store has checked it against its address.
        if let Ok(blob) = self.output_store()?.get(&root).await
            && TraceBlob::parse(&blob).is_ok()
        {
            return Ok(blob);
        }
        tracing::warn!(event = "recomputing", job = %address, "the trace is lost; the answer will take as long as the job did");
        let computed = self.compute(address, job, &mut None).await?;
        match computed.roots.traces == job.traces {
            true => Ok(computed.trace),
            false => Err(Error::ForeignCommitment { job: *address }),
        }
    }

    /// Recomputes the unit that a demand is about, as committed to.
    async fn unit(&self, open: &Open, model: &Arc<Model>) -> Result<Arc<UnitOf>> {
        let Open { job, facts, .. } = open;
        let (hash, number) = (facts.job_hash, open.item.unit);
        let is_wanted = |unit: &UnitOf| (unit.job, unit.number) == (hash, number);
        let mut recomputed = self.recomputed.take_turn((open.deadline, open.address), is_wanted).await;
        if let Some(unit) = recomputed.as_ref().filter(|unit| is_wanted(unit)) {
            return Ok(unit.clone());
        }
        let blob = self.input(job, facts, model).await?;
        let fault = self
            .forced_fault(job, facts, model.engine().package().checkpoints())
            .await?
            .or(self.fault);
        let answering = model.clone();
        let computing = tokio::task::spawn_blocking(move || {
            let (header, units) = BatchHeader::parse(&blob).map_err(|error| error.to_string())?;
            let inputs: Vec<&[u8]> = header
                .tensors(units.get(number).unwrap_or_default())
                .map(|(_, codes)| codes)
                .collect();
            let mut values = Vec::new();
            let see = |op: usize, codes: &mut [u8]| {
                if let Some(fault) = fault {
                    fault.strike(number, op, codes);
                }
                values.push(codes.to_vec());
            };
            let engine = answering.answering();
            engine.run_seen(&inputs, see).map_err(|error| error.to_string())?;
            let says_all = engine.package().checkpoints().are_all();
            Ok(Arc::new(UnitOf {
                job: hash,
                number,
                tensors: if says_all { Vec::new() } else { engine.tensors(&values) },
                values,
            }))
        });
        let unit = computing.await.unwrap_or_else(|error| Err(error.to_string()));
        let unit = unit.map_err(|reason| model.failed(reason))?;
        *recomputed = Some(unit.clone());
        Ok(unit)
    }

    /// The input of a job, from disk or from the stores, which is then kept on disk if possible.
    pub(crate) async fn input(&self, address: &Address, job: &Job, model: &Arc<Model>) -> Result<Bytes> {
        let (blob, kept) = self.find_input(address, job, model).await?;
        self.tolerate_disk_error(kept);
        Ok(blob)
    }

    /// Like [`input`](Self::input), and says whether the input could be kept.
    pub(crate) async fn find_input(&self, address: &Address, job: &Job, model: &Arc<Model>) -> Result<(Bytes, Result<()>)> {
        let (at, wanted, of) = (*address, *job, model.clone());
        // The file may be of an earlier job at this address.
        let is_right = move |blob: &Bytes| of.is_input(blob, &wanted);
        let kept = self.in_background(move |journal| Ok(journal.kept(&at, Blob::Input).filter(is_right)));
        if let Some(blob) = kept.await? {
            return Ok((blob, Ok(())));
        }
        let blob = model.fetch(&self.stores, job).await?;
        let (fetched, given_up) = (blob.clone(), CancellationToken::new());
        let _guard = given_up.clone().drop_guard();
        let keeping = self.in_background(move |journal| journal.keep(&at, &[(Blob::Input, &fetched)], &given_up));
        let kept = keeping.await;
        Ok((blob, kept))
    }
}

/// The pieces of an answer, from the trace blob of the job and, where it takes values, from the recomputed unit.
fn pieces_of(model: &Model, item: Item, trace: &[u8], computed: Option<&UnitOf>) -> Result<Vec<Piece>> {
    let trace = TraceBlob::parse(trace).map_err(|error| model.failed(error))?;
    let traces = || -> Vec<Hash> { trace.traces().collect() };
    let tensors = match computed {
        Some(computed) if !trace.checkpoints().are_all() => &computed.tensors,
        _ => trace.unit(item.unit).ok_or_else(|| model.failed("the trace has no such unit"))?,
    };
    match item.kind {
        Kind::Traces => Ok(answer::units(&traces(), item.index)),
        Kind::Outputs => {
            let outputs: Vec<Hash> = trace.all().filter_map(|unit| unit.last().copied()).collect();
            Ok(answer::units(&outputs, item.index))
        }
        Kind::Ops => Ok(answer::ops(&traces(), item.unit, tensors)),
        Kind::Page | Kind::Chunk => {
            let value = computed.and_then(|computed| computed.values.get(item.op as usize));
            let value = value.ok_or_else(|| model.failed("the model has no such op"))?;
            let (value_id, shape) = model.op_output(item.op as usize);
            let leaves = shape.layout().leaves(value_id, value);
            match item.kind {
                Kind::Page => Ok(answer::page(tensors, item.op, shape, &leaves, item.index)),
                _ => answer::chunk(value_id, shape, value, &leaves, item.index).ok_or_else(|| model.failed("the value has no such chunk")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::cell::RefCell;

    #[tokio::test]
    async fn the_demand_with_the_earliest_deadline_computes_next() {
        let recomputed = Recomputed::default();
        let (turns, order) = (&recomputed, RefCell::new(Vec::new()));
        let held = recomputed.unit.lock().await;
        let wait = async |deadline| {
            let _unit = turns.take_turn((deadline, Address::default()), |_| false).await;
            order.borrow_mut().push(deadline);
        };
        let mut all = pin!(join_all([300, 30, 200, 100].map(wait)));
        // A cancelled wait does not block the others.
        assert!(turns.take_turn((10, Address::default()), |_| false).now_or_never().is_none());
        assert!(all.as_mut().now_or_never().is_none());
        drop(held);
        all.await;
        assert_eq!(order.take(), [30, 100, 200, 300]);
    }
}
