//! Answers demands: a part of a revealed result that somebody asks for on the chain must be shown in time, or the bond is lost.
//!
//! This runs beside everything else and waits for nothing: as many demands at once as there are. What an answer is made of follows from the
//! job's input and trace, which the journal keeps until the job has ended, so that neither a crash nor a store can take them away.

use crate::answer::{self, Piece};
use crate::market::{demands_of, pushed};
use crate::models::Model;
use crate::transactions::failed_with;
use crate::{Error, Result, Worker};
use bytes::Bytes;
use chain::market::demand::Answerer;
use daemon::Backoff;
use futures_util::future::{Fuse, FusedFuture, FutureExt, OptionFuture, TryFutureExt};
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
use tokio::time::{MissedTickBehavior, interval};

/// Searches follow each other at least this fast while new demands are not pushed.
const UNPUSHED: Duration = Duration::from_secs(2);

/// Waits between tries of an answer.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Demands as the node pushes them.
type News = BoxStream<'static, (Address, Account)>;

/// The unit that was asked for last, so that several questions about it compute it once. Units are computed one at a time, for the demand
/// with the earliest deadline first.
#[derive(Default)]
pub(crate) struct Recomputed {
    unit: tokio::sync::Mutex<Option<Arc<UnitOf>>>,
    waiting: Mutex<BTreeSet<Turn>>,
}

/// Deadline and address of a demand that waits for a unit.
type Turn = (i64, Address);

/// Every op's output of a unit, as it was committed to.
struct UnitOf {
    /// JOB.
    job: Hash,
    number: u32,
    values: Vec<Vec<u8>>,
    /// TENSOR of each, where the trace does not say it.
    tensors: Vec<Hash>,
}

impl Recomputed {
    /// The last unit, when it is the one wanted or it is this demand's turn to compute another.
    async fn take_turn(&self, turn: Turn, is_wanted: impl Fn(&UnitOf) -> bool) -> tokio::sync::MutexGuard<'_, Option<Arc<UnitOf>>> {
        self.waiting().insert(turn);
        let _guard = TurnGuard { of: self, turn };
        loop {
            // The lock goes round in order of asking, so that who is more urgent has it before this demand has it again.
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

/// Ends a wait, whatever ends it.
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
    /// Hashes or bytes of an answer that have come.
    come: u32,
    /// Unix time until which it can be answered without risk.
    deadline: i64,
}

/// What one try of an answer leaves to the next.
#[derive(Default)]
struct AnswerProgress {
    /// What to send, once that is known: at least one.
    pieces: Vec<Piece>,
    /// Slot of the last transaction that failed, after those that succeeded: what the chain says is read from a state as new.
    slot: u64,
    /// What has come is not of this answer, as the program found at the end of it.
    mismatch: bool,
}

impl Worker {
    /// Answers demands for ever: pushed by the node, and found by searches in between.
    pub(crate) async fn answer_demands(&self) -> Infallible {
        let (network, filters) = (self.chain.network(), demands_of(&self.device));
        let (mut news, mut outage): (Option<News>, _) = (None, false);
        let mut in_hand = HashSet::new();
        let mut answering = FuturesUnordered::new();
        let mut subscribing = pin!(Fuse::terminated());
        let mut search = pin!(Fuse::terminated());
        let mut scan = interval(self.settings.scan);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                        scan.reset_after(UNPUSHED);
                        Vec::new()
                    }
                },
                subscribed = &mut subscribing => {
                    news = pushed("demands", subscribed, &mut outage);
                    if news.is_some() {
                        // So that no demand falls between the search and the subscription.
                        scan.reset_immediately();
                    }
                    Vec::new()
                }
                searched = &mut search => {
                    if news.is_none() {
                        scan.reset_after(UNPUSHED.min(self.settings.scan));
                    }
                    let found: chain::Result<Vec<(Address, Account)>> = searched;
                    found.unwrap_or_else(|error| {
                        self.metrics.errors_total.add(1);
                        tracing::warn!(event = "retry", %error, "demands cannot be searched for; trying again");
                        scan.reset_after(UNPUSHED);
                        Vec::new()
                    })
                }
                // The node may be slow to answer: nothing else waits for that.
                _ = scan.tick(), if search.is_terminated() => {
                    if news.is_none() && subscribing.is_terminated() {
                        let changes = network.program_changes(&jobs::ID, &filters);
                        subscribing.set(changes.map_err(Error::from).fuse());
                    }
                    search.set(network.program_accounts(&jobs::ID, &filters).fuse());
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
                // A unit's values take the space of all its activations.
                *self.recomputed.unit.lock().await = None;
            }
        }
    }

    /// Answers one demand, however often it takes, until it is answered or its job is over.
    async fn answer(&self, address: &Address, found: &Account) {
        let seen = Instant::now();
        let (mut retry, mut logged, mut progress) = (RETRY, false, AnswerProgress::default());
        loop {
            let outcome = match self.open_demand(address, found, progress.slot).await {
                Ok(None) => return,
                Ok(Some(open)) => {
                    if !logged {
                        logged = true;
                        tracing::warn!(event = "demanded", job = %open.job, demand = %address, item = ?open.item, deadline = open.deadline);
                    }
                    self.try_answer(&open, &mut progress).await
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(transactions) => {
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

    /// The demand that was found at this address, by a state at least as new as `slot`, unless there is nothing to answer any more.
    async fn open_demand(&self, address: &Address, found: &Account, slot: u64) -> Result<Option<Open>> {
        let found: DemandHeader = chain::decode(address, found)?;
        // Who pushed it may be ahead of who is asked.
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
        let come = match item.kind {
            Kind::Chunk => chain::market::demand::come(&account.data),
            _ => demand.streamed.get(),
        };
        Ok(Some(Open {
            address: *address,
            job: demand.job,
            facts,
            item,
            come,
            deadline: demand.deadline_at.get(),
        }))
    }

    /// Sends what is missing of an answer, or all of it, piece by piece; returns the number of transactions.
    async fn try_answer(&self, open: &Open, progress: &mut AnswerProgress) -> Result<usize> {
        if progress.pieces.is_empty() {
            progress.pieces = self.pieces(open).await?;
        }
        let goes_on = |piece: &Piece| piece.offset == open.come && !progress.mismatch;
        let first = progress.pieces.iter().position(goes_on).unwrap_or(0);
        let device: staking::Device = self.chain.fetch(&self.device).await?;
        let by = Answerer {
            key: self.key.pubkey(),
            device: self.device,
            payout: device.payout,
        };
        let missing = progress.pieces.iter().skip(first).cloned();
        let missing: Vec<Instruction> = missing.map(|piece| piece.instruction(&by, &open.job, open.item)).collect();
        self.chain.send_in_order(&missing, &[&self.key], &self.options).await?;
        Ok(missing.len())
    }

    /// What to send.
    async fn pieces(&self, open: &Open) -> Result<Vec<Piece>> {
        let Open { job, facts, item, .. } = open;
        let unit = item.unit;
        let model = self.models.get(&facts.model).ok_or(Error::UnknownModel { model: facts.model })?;
        let trace = self.trace(job, facts).await?;
        let trace = TraceBlob::parse(&trace).map_err(|error| model.failed(error))?;
        let traces = || -> Vec<Hash> { trace.traces().collect() };
        // What a trace of checkpoints does not say takes computing the unit again, like every value.
        let says_all = trace.checkpoints().are_all();
        let computed = match item.kind {
            Kind::Traces | Kind::Outputs => None,
            Kind::Ops if says_all => None,
            Kind::Ops | Kind::Page | Kind::Chunk => Some(self.unit(open, model).await?),
        };
        let tensors = match &computed {
            Some(computed) if !says_all => &computed.tensors,
            _ => trace.unit(unit).ok_or_else(|| model.failed("the trace has no such unit"))?,
        };
        match item.kind {
            Kind::Traces => Ok(answer::units(&traces(), item.index)),
            Kind::Outputs => {
                let outputs: Vec<Hash> = trace.all().filter_map(|unit| unit.last().copied()).collect();
                Ok(answer::units(&outputs, item.index))
            }
            Kind::Ops => Ok(answer::ops(&traces(), unit, tensors)),
            Kind::Page | Kind::Chunk => {
                let value = computed.as_ref().and_then(|computed| computed.values.get(item.op as usize));
                let value = value.ok_or_else(|| model.failed("the model has no such op"))?;
                let (value_id, shape) = model.op_output(item.op as usize);
                let leaves = shape.layout().leaves(value_id, value);
                match item.kind {
                    Kind::Page => Ok(answer::page(tensors, item.op, shape, &leaves, item.index)),
                    _ => answer::chunk(value_id, shape, value, &leaves, item.index)
                        .ok_or_else(|| model.failed("the value has no such chunk")),
                }
            }
        }
    }

    /// The trace of a revealed job: as kept, from the store, or made again from the input.
    async fn trace(&self, address: &Address, job: &Job) -> Result<Bytes> {
        let right = |blob: &Bytes| TraceBlob::parse(blob).is_ok_and(|trace| trace.root() == job.traces);
        if let Some(blob) = self.journal.kept_trace(address).filter(right) {
            return Ok(blob);
        }
        if let Ok(blob) = self.output_store()?.get(&job.traces).await
            && right(&blob)
        {
            return Ok(blob);
        }
        tracing::warn!(event = "recomputing", job = %address, "its trace is lost; the answer takes as long as the job did");
        let computed = self.compute(address, job, &mut None).await?;
        match computed.roots.traces == job.traces {
            true => Ok(computed.trace),
            false => Err(Error::ForeignCommitment { job: *address }),
        }
    }

    /// Computes the unit that a demand is about again, as it was committed to.
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

    /// The input of a job, as kept or from the stores, and kept then.
    pub(crate) async fn input(&self, address: &Address, job: &Job, model: &Model) -> Result<Bytes> {
        let (blob, kept) = self.find_input(address, job, model).await?;
        self.tolerate_disk_error(kept);
        Ok(blob)
    }

    /// The same, and whether the disk has it.
    pub(crate) async fn find_input(&self, address: &Address, job: &Job, model: &Model) -> Result<(Bytes, Result<()>)> {
        // It may be that of an earlier job at this address.
        if let Some(blob) = self.journal.kept_input(address).filter(|blob| model.is_input(blob, job)) {
            return Ok((blob, Ok(())));
        }
        let blob = model.fetch(&self.stores, job).await?;
        let kept = self.journal.keep_input(address, &blob);
        Ok((blob, kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::cell::RefCell;

    #[tokio::test]
    async fn who_has_the_least_time_left_computes_next() {
        let recomputed = Recomputed::default();
        let (turns, order) = (&recomputed, RefCell::new(Vec::new()));
        let held = recomputed.unit.lock().await;
        let wait = async |deadline| {
            let _unit = turns.take_turn((deadline, Address::default()), |_| false).await;
            order.borrow_mut().push(deadline);
        };
        let mut all = pin!(join_all([300, 30, 200, 100].map(wait)));
        // A wait that nobody follows any more keeps nobody waiting.
        assert!(turns.take_turn((10, Address::default()), |_| false).now_or_never().is_none());
        assert!(all.as_mut().now_or_never().is_none());
        drop(held);
        all.await;
        assert_eq!(order.take(), [30, 100, 200, 300]);
    }
}
