//! Answers demands: a part of a revealed result that somebody asks for on the chain must be shown in time, or the bond is lost.
//!
//! This runs beside everything else and waits for nothing: as many demands at once as there are. What an answer is made of follows from the
//! job's input and trace, which the journal keeps until the job has ended, so that neither a crash nor a store can take them away.

use crate::answer::{self, Piece};
use crate::market::demands_of;
use crate::models::Model;
use crate::{Error, Result, Worker};
use bytes::Bytes;
use chain::market::demand::Answerer;
use futures_util::future::OptionFuture;
use futures_util::stream::{BoxStream, FuturesUnordered, StreamExt};
use jobs::{DemandHeader, Job, Status};
use protocol::batch::BatchHeader;
use protocol::blob::TraceBlob;
use protocol::demand::{Item, Kind};
use protocol::hash::Hash;
use solana_account::Account;
use solana_address::Address;
use solana_signer::Signer;
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Searches follow each other at least this fast while new demands are not pushed.
const UNPUSHED: Duration = Duration::from_secs(2);

/// Waits between tries of an answer: doubling from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Below this a key may run dry: a thousand transactions, three times what answers to all demands on a job take.
pub(crate) const LOW_LAMPORTS: u64 = 5_000_000;

/// The unit that was asked for last, so that several questions about it compute it once.
#[derive(Default)]
pub(crate) struct Recomputed(Option<Arc<UnitOf>>);

/// Every op's output of a unit, as it was committed to.
struct UnitOf {
    /// JOB.
    job: Hash,
    number: u32,
    values: Vec<Vec<u8>>,
    /// TENSOR of each, where the trace does not say it.
    tensors: Vec<Hash>,
}

/// A demand that waits for an answer.
struct Open {
    job: Address,
    facts: Job,
    item: Item,
    /// Hashes or bytes of an answer that have come.
    come: u32,
    /// Unix time until which it can be answered without risk.
    deadline: i64,
}

impl Worker {
    /// Answers demands for ever: pushed by the node, and found by searches in between.
    pub(crate) async fn answer_demands(&self) -> Infallible {
        let mut news: Option<BoxStream<'static, (Address, Account)>> = None;
        let mut in_hand = HashSet::new();
        let mut answering = FuturesUnordered::new();
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
                    Some((address, _)) => vec![address],
                    None => {
                        news = None;
                        scan.reset_after(UNPUSHED);
                        Vec::new()
                    }
                },
                _ = scan.tick() => {
                    // Subscribing comes first, so that no demand falls between the search and the subscription.
                    if news.is_none() {
                        let subscribing = self.chain.network().program_changes(&jobs::ID, &demands_of(&self.device)).await;
                        news = subscribing.inspect_err(|error| tracing::debug!(%error, "searching instead")).ok();
                    }
                    if news.is_none() {
                        scan.reset_after(UNPUSHED.min(self.settings.scan));
                    }
                    match self.chain.network().program_accounts(&jobs::ID, &demands_of(&self.device)).await {
                        Ok(found) => found.into_iter().map(|(address, _)| address).collect(),
                        Err(error) => {
                            self.metrics.errors_total.add(1);
                            tracing::warn!(event = "retry", %error, "demands cannot be searched for; trying again");
                            scan.reset_after(UNPUSHED);
                            Vec::new()
                        }
                    }
                }
            };
            for address in found {
                if !self.silent && in_hand.insert(address) {
                    answering.push(async move {
                        self.answer(&address).await;
                        address
                    });
                }
            }
            self.metrics.demands_open.set(in_hand.len() as u64);
            if in_hand.is_empty() {
                // A unit's values take the space of all its activations.
                *self.recomputed.lock().await = Recomputed::default();
            }
        }
    }

    /// Answers one demand, however often it takes, until it is answered or its job is over.
    async fn answer(&self, address: &Address) {
        let seen = Instant::now();
        let (mut wait, mut told, mut resume) = (RETRY.0, false, true);
        loop {
            let outcome = match self.open_demand(address).await {
                Ok(None) => return,
                Ok(Some(open)) => {
                    if !told {
                        told = true;
                        tracing::warn!(event = "demanded", job = %open.job, demand = %address, item = ?open.item, deadline = open.deadline);
                    }
                    self.try_answer(&open, resume).await
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(transactions) => {
                    let milliseconds = u64::try_from(seen.elapsed().as_millis()).unwrap_or(u64::MAX);
                    self.metrics.demands_answered_total.add(1);
                    self.metrics.answer_milliseconds_total.add(milliseconds);
                    tracing::info!(event = "answered", demand = %address, transactions, milliseconds);
                    return;
                }
                Err(error) => {
                    // Every other time from the start: what has come so far may not be of this answer.
                    resume = !resume;
                    self.metrics.errors_total.add(1);
                    tracing::warn!(event = "retry", demand = %address, %error, "an answer failed; trying again");
                    self.warn_if_poor().await;
                    sleep(wait).await;
                    wait = wait.saturating_mul(2).min(RETRY.1);
                }
            }
        }
    }

    /// The demand at this address, unless there is nothing to answer any more.
    async fn open_demand(&self, address: &Address) -> Result<Option<Open>> {
        let Some(account) = self.chain.account(address).await? else {
            return Ok(None);
        };
        let demand: DemandHeader = chain::decode(address, &account)?;
        let facts: Option<Job> = self.chain.try_fetch(&demand.job).await?;
        let facts = facts.filter(|job| job.job_hash == demand.job_hash && job.status == Status::Revealed as u8);
        let (Some(facts), Some(item), false) = (facts, demand.item(), demand.answered.get()) else {
            return Ok(None);
        };
        let come = match item.kind {
            Kind::Chunk => chain::market::demand::come(&account.data),
            _ => demand.streamed.get(),
        };
        Ok(Some(Open {
            job: demand.job,
            facts,
            item,
            come,
            deadline: demand.deadline_at.get(),
        }))
    }

    /// Sends what is missing of an answer, or all of it, piece by piece; returns the number of transactions.
    async fn try_answer(&self, open: &Open, resume: bool) -> Result<usize> {
        let pieces = self.pieces(open).await?;
        let first = pieces.iter().position(|piece| resume && piece.offset == open.come).unwrap_or(0);
        let device: staking::Device = self.chain.fetch(&self.device).await?;
        let by = Answerer {
            key: self.key.pubkey(),
            device: self.device,
            payout: device.payout,
        };
        let mut sent = 0usize;
        for piece in pieces.into_iter().skip(first) {
            let instruction = piece.instruction(&by, &open.job, open.item);
            // One that lands twice is refused, for its fee.
            self.chain.send(&[instruction], &[&self.key], &self.options).await?;
            sent = sent.saturating_add(1);
        }
        Ok(sent)
    }

    /// What to send.
    async fn pieces(&self, open: &Open) -> Result<Vec<Piece>> {
        let Open { job, facts, item, .. } = open;
        let unit = item.unit;
        let model = self.models.get(&facts.model).ok_or(Error::UnknownModel { model: facts.model })?;
        let broken = |reason: &str| Error::Compute {
            model: model.name.clone(),
            reason: reason.to_owned(),
        };
        let trace = self.trace(job, facts).await?;
        let trace = TraceBlob::parse(&trace).map_err(|error| broken(&error.to_string()))?;
        let traces = || -> Vec<Hash> { trace.traces().collect() };
        // What a trace of checkpoints does not say takes computing the unit again, like every value.
        let says_all = trace.checkpoints().are_all();
        let computed = match item.kind {
            Kind::Traces | Kind::Outputs => None,
            Kind::Ops if says_all => None,
            Kind::Ops | Kind::Page | Kind::Chunk => Some(self.unit(job, facts, model, unit).await?),
        };
        let tensors = match &computed {
            Some(computed) if !says_all => &computed.tensors,
            _ => trace.unit(unit).ok_or_else(|| broken("the trace has no such unit"))?,
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
                let value = value.ok_or_else(|| broken("the model has no such op"))?;
                let (value_id, shape) = model.op_output(item.op as usize);
                let leaves = shape.layout().leaves(value_id, value);
                match item.kind {
                    Kind::Page => Ok(answer::page(tensors, item.op, shape, &leaves, item.index)),
                    _ => answer::chunk(value_id, shape, value, &leaves, item.index).ok_or_else(|| broken("the value has no such chunk")),
                }
            }
        }
    }

    /// The trace of a revealed job: as kept, from the store, or made again from the input.
    async fn trace(&self, address: &Address, job: &Job) -> Result<Bytes> {
        let right = |blob: &Bytes| TraceBlob::parse(blob).is_ok_and(|trace| trace.root() == job.traces);
        if let Some(blob) = self.journal.kept_trace(address)?.filter(right) {
            return Ok(blob);
        }
        if let Ok(blob) = self.output_store()?.get(&job.traces).await
            && right(&blob)
        {
            return Ok(blob);
        }
        tracing::warn!(event = "recomputing", job = %address, "its trace is lost; the answer takes as long as the job did");
        let roots = self.compute(address, job, &mut None).await?;
        let lost = || Error::ForeignCommitment { job: *address };
        self.journal
            .kept_trace(address)?
            .filter(|_| roots.traces == job.traces)
            .ok_or_else(lost)
    }

    /// Computes a unit again, as it was committed to.
    async fn unit(&self, address: &Address, job: &Job, model: &Arc<Model>, number: u32) -> Result<Arc<UnitOf>> {
        // Questions about the same unit wait for each other, those about others too: the engine keeps all threads busy by itself.
        let mut recomputed = self.recomputed.lock().await;
        if let Recomputed(Some(unit)) = &*recomputed
            && (unit.job, unit.number) == (job.job_hash, number)
        {
            return Ok(unit.clone());
        }
        let blob = self.input(address, job, model).await?;
        let fault = self.forced_fault(job, model.engine().package().checkpoints()).await?.or(self.fault);
        let model = model.clone();
        let (name, hash) = (model.name.clone(), job.job_hash);
        let failed = |reason: String| Error::Compute { model: name, reason };
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
            let engine = model.engine();
            engine.run_seen(&inputs, see).map_err(|error| error.to_string())?;
            let says_all = engine.package().checkpoints().are_all();
            Ok(Arc::new(UnitOf {
                job: hash,
                number,
                tensors: if says_all { Vec::new() } else { engine.tensors(&values) },
                values,
            }))
        });
        let unit = computing.await.unwrap_or_else(|error| Err(error.to_string())).map_err(failed)?;
        recomputed.0 = Some(unit.clone());
        Ok(unit)
    }

    /// The input of a job, as kept or from the stores.
    pub(crate) async fn input(&self, address: &Address, job: &Job, model: &Model) -> Result<Bytes> {
        let right = |blob: &Bytes| protocol::batch::root_of_blob(blob).is_ok_and(|root| root == job.inputs);
        match self.journal.kept_input(address)?.filter(right) {
            Some(blob) => Ok(blob),
            None => model.fetch(&self.stores, job).await,
        }
    }

    /// Logs when the key cannot pay for answers, since no other key can answer.
    pub(crate) async fn warn_if_poor(&self) {
        let key = self.key.pubkey();
        if let Ok(account) = self.chain.account(&key).await {
            let lamports = account.map_or(0, |account| account.lamports);
            if lamports < LOW_LAMPORTS {
                tracing::error!(event = "poor", %key, lamports, "the hot key cannot pay for answers, and silence costs the bond: send it 0.1 SOL now");
            }
        }
    }
}
