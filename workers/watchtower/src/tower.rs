//! The loop: follows revealed jobs, checks the most worthwhile first, brings cases, turns cranks, and stops in order.

use crate::asking::Asking;
use crate::cases::{Cases, OpenCase};
use crate::check::{Case, Finding, check, examine, lamports_of_evidence};
use crate::crank::{Accused, CrankEvent, Cranker};
use crate::dispute::{Action, Challenger, Charge};
use crate::error::disk;
use crate::question::{Purse, QuestionEvent, Questioner, Spent};
use crate::queue::{Queue, Skip, held_by_questions, jobs_done, most_worthwhile, reason_to_skip, room_for_questions};
use crate::served::Served;
use crate::settings::Settings;
use crate::{Error, Result};
use blobs::BlobStore;
use bytes::Bytes;
use chain::{Chain, Outcome, Pending, SendOptions};
use daemon::Backoff;
use futures_util::future::{Abortable, FutureExt, LocalBoxFuture, OptionFuture, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jobs::{Job, Status};
use protocol::hash::Hash;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use worker::doctor::check_store;
use worker::market::{News, jobs_on, subscribe};
use worker::{MEASURED_FOR, Models};

/// Searches follow each other at least this fast while new jobs are not pushed.
const UNPUSHED: Duration = Duration::from_secs(2);

/// Waits between tries of a step of a dispute.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));

/// Failures in a row after which a case keeps nobody's payment any more.
const STUCK: u32 = 6;

daemon::metrics! {
    "ionet_watchtower_";
    jobs_waiting: "gauge", "Revealed jobs that wait to be checked.";
    jobs_right_total: "counter", "Jobs checked and found right.";
    jobs_wrong_total: "counter", "Jobs checked and found wrong.";
    jobs_hidden_total: "counter", "Checks of wrong jobs whose workers kept back what would prove it.";
    jobs_failed_total: "counter", "Checks that failed, for want of an input or otherwise.";
    demands_total: "counter", "Demands opened on the chain.";
    units_total: "counter", "Units of work recomputed.";
    convictions_total: "counter", "Jobs convicted by this watchtower's evidence.";
    deeds_total: "counter", "Cranks turned.";
    lamports_earned_total: "counter", "Bounties of cranks, before fees.";
    errors_total: "counter", "Steps that failed and were tried again.";
}

/// A watchtower.
pub struct Watchtower {
    settings: Settings,
    chain: Chain,
    key: Keypair,
    models: Models,
    stores: Vec<BlobStore>,
    pending: Pending,
    options: SendOptions,
    cases: Cases,
    accused: Accused,
    /// Lamports that the longest evidence about its models takes.
    reserve: u64,
    purse: Purse,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    /// A pass over the overdue is wanted now.
    hurry: Notify,
    /// A job was left alone for the times that were taken.
    slow: AtomicBool,
    _lock: File,
}

/// A check, and what goes on from it.
struct Checked {
    finding: Finding,
    inputs: Bytes,
    /// TENSOR of each checkpoint as it is right, unit after unit: all that asking needs of what was computed.
    tensors: Vec<Hash>,
}

impl Watchtower {
    /// Checks everything, takes over the data folder and settles what an earlier run left open.
    // Boxed, so that what it does is compiled once, here, and not in every program that starts a watchtower.
    pub fn start(settings: Settings, chain: Chain, stop: CancellationToken) -> LocalBoxFuture<'static, Result<Self>> {
        Self::prepared(settings, chain, stop).boxed_local()
    }

    async fn prepared(settings: Settings, chain: Chain, stop: CancellationToken) -> Result<Self> {
        let key = chain::load_keypair(&settings.keypair)?;
        let folder = settings.data.join(key.pubkey().to_string());
        let lock = daemon::lock_folder(&folder).map_err(|source| disk(&folder, source))?;
        let lock = lock.ok_or_else(|| Error::Busy { folder: folder.clone() })?;
        let cases = Cases::open(&folder.join("cases"))?;
        let pending = Pending::open(&folder.join("pending.jsonl"))?;
        let stores = settings
            .blobs
            .iter()
            .map(|place| Ok(BlobStore::open(place)?.with_limit(settings.max_blob)))
            .collect::<Result<Vec<_>>>()?;
        chain.check(&[staking::ID, jobs::ID, referee::ID]).await?;
        let models = Models::load(&settings.models, settings.threads)?;
        let evidence = models.iter().map(|(_, model)| lamports_of_evidence(model.engine().package()));
        let reserve = evidence.max().unwrap_or(0);
        let tower = Self {
            options: SendOptions {
                priority_fee: settings.priority_fee,
                ..SendOptions::default()
            },
            metrics: Arc::default(),
            _lock: lock,
            settings,
            chain,
            key,
            models,
            stores,
            pending,
            cases,
            accused: Accused::default(),
            reserve,
            purse: Purse::new(reserve),
            stop,
            hurry: Notify::new(),
            slow: AtomicBool::default(),
        };
        tower.resolve().await?;
        if let Some(address) = tower.settings.metrics {
            let served = daemon::metrics::serve(address, tower.metrics.clone()).await;
            served.map_err(|source| Error::Work(worker::Error::Metrics { address, source }))?;
        }
        tracing::info!(event = "started", key = %tower.key.pubkey(), cluster = tower.chain.network().url());
        Ok(tower)
    }

    /// Watches until stopped. Fails only when the disk or a model does.
    pub fn run(&self) -> LocalBoxFuture<'_, Result<()>> {
        self.watch().boxed_local()
    }

    async fn watch(&self) -> Result<()> {
        let (sender, cases) = mpsc::unbounded_channel();
        for case in self.cases.all()? {
            tracing::info!(event = "resumed", job = %case.job);
            self.accused.add(case.hash);
            // The receiver lives as long as the loops below.
            let _ = sender.send(case);
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            never = self.warn_of_problems() => match never {},
            ended = self.prosecute(cases) => match ended? {},
            ended = self.patrol(&sender) => match ended? {},
            never = self.turn_cranks() => match never {},
        }
        tracing::info!(event = "stopped");
        Ok(())
    }

    /// Logs what keeps this watchtower from its work, as far as it can be seen at once, and is never done.
    async fn warn_of_problems(&self) -> Infallible {
        let warn = |check: &str, problem: String| tracing::warn!(event = "problem", check, "{problem}");
        for store in &self.stores {
            if let Err(problem) = check_store(store).await {
                warn("blob store", problem);
            }
        }
        let key = self.key.pubkey();
        match self
            .chain
            .account(&key)
            .await
            .map(|account| account.map_or(0, |account| account.lamports))
        {
            Ok(lamports) if lamports >= self.reserve => {}
            Ok(lamports) => {
                let [has, needed] = [lamports, self.reserve].map(|lamports| lamports as f64 / 1e9);
                warn(
                    "SOL",
                    format!("{key} has {has} SOL, and evidence may lock {needed}, which returns; send it more, or nothing is asked"),
                );
            }
            Err(error) => warn("SOL", error.to_string()),
        }
        std::future::pending().await
    }

    /// Learns the fate of every transaction an earlier run may have sent.
    async fn resolve(&self) -> Result<()> {
        let unsettled = self.pending.unsettled();
        let resolving = unsettled.iter().map(|intent| async {
            let outcome = self.chain.resolve(&self.pending, &intent.prepared, &self.options).await?;
            let fate = match outcome {
                Outcome::Confirmed(_) => "landed",
                Outcome::Failed(_) => "failed",
                Outcome::Unknown(_) => "expired",
            };
            tracing::info!(event = "resolved", purpose = intent.purpose, signature = %intent.prepared.signature(), fate);
            Ok(())
        });
        join_all(resolving).await.into_iter().collect()
    }

    /// Finds revealed jobs for ever and checks them one after the other: an engine keeps all threads busy by itself.
    async fn patrol(&self, cases: &mpsc::UnboundedSender<OpenCase>) -> Result<Infallible> {
        let mut queue = Queue::new();
        let mut checked: HashSet<Hash> = HashSet::new();
        let mut asking = Asking::new(room_for_questions(&self.models, self.settings.max_blob));
        let mut news: Option<News> = None;
        let (mut checking, mut questioning) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut scan = interval(self.settings.scan);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for case in self.cases.all()? {
            checked.insert(case.hash);
        }
        // Without times nobody knows what can be checked. Cases and cranks do not wait for that.
        self.models.measure().await?;
        let mut taken = Instant::now();
        loop {
            let next = OptionFuture::from(news.as_mut().map(StreamExt::next));
            tokio::select! {
                Some((address, job, outcome)) = checking.next(), if !checking.is_empty() => {
                    let (job, outcome): (Job, Result<Checked>) = (job, outcome);
                    match outcome {
                        Ok(Checked { finding: Finding::Hidden(missing), inputs, tensors }) if self.asks_about(&job) => {
                            match asking.begin(&job, self.held_by_questions(&job)) {
                                Some((registration, spent)) => {
                                    checked.insert(job.job_hash);
                                    tracing::warn!(event = "asking", job = %address, %missing, "wrong; its worker is asked");
                                    questioning.push(async move {
                                        let asked = self.ask_on_chain(&address, &job, inputs, tensors, &spent);
                                        (address, job, Abortable::new(asked, registration).await)
                                    });
                                }
                                None => {
                                    tracing::warn!(event = "postponed", job = %address, %missing, "wrong; it waits for larger bonds");
                                }
                            }
                        }
                        outcome => self.conclude(&address, &job, outcome.map(|done| done.finding), &mut checked, cases)?,
                    }
                }
                Some((address, job, asked)) = questioning.next(), if !questioning.is_empty() => {
                    self.purse.release(&address);
                    match asked {
                        Ok(finding) => {
                            asking.end(&job);
                            self.conclude(&address, &job, finding, &mut checked, cases)?;
                        }
                        // It is checked again then.
                        Err(_) => {
                            tracing::warn!(event = "postponed", job = %address, "wrong; it gives way to a larger bond");
                            checked.remove(&job.job_hash);
                        }
                    }
                }
                Some(change) = next => match change.flatten() {
                    Some((address, job)) => {
                        if job.replicas > 1 {
                            self.hurry.notify_one();
                        }
                        queue.insert(address, job);
                    }
                    None => {
                        news = None;
                        scan.reset_after(UNPUSHED);
                    }
                },
                _ = scan.tick() => {
                    // Subscribing comes first, so that no job falls between the search and the subscription.
                    if news.is_none() {
                        let subscribing = subscribe(&self.chain, &self.models, Status::Revealed).await;
                        news = subscribing.inspect_err(|error| tracing::debug!(%error, "searching instead")).ok();
                    }
                    if news.is_none() {
                        scan.reset_after(UNPUSHED.min(self.settings.scan));
                    }
                    match self.search().await {
                        Ok(found) => queue = found,
                        Err(error) => self.retry(&error, "jobs cannot be searched for"),
                    }
                }
            }
            queue.retain(|_, job| !checked.contains(&job.job_hash) && !asking.waits(job, self.held_by_questions(job)));
            if checking.is_empty() {
                match self.choose(&mut queue).await {
                    // It goes on to its end, since a computation cannot be broken off: the next one would run beside it. Stores have limits
                    // of their own, and a job can be convicted until it is paid.
                    Some((address, job)) => checking.push(async move { (address, job, self.check(&address, &job).await) }),
                    None if questioning.is_empty() => self.doubt_times(&mut taken).await?,
                    None => {}
                }
            }
            self.metrics.jobs_waiting.set(queue.len() as u64);
        }
    }

    fn retry(&self, error: &Error, what: &str) {
        self.metrics.errors_total.add(1);
        tracing::warn!(event = "retry", %error, "{what}; trying again");
    }

    async fn search(&self) -> Result<Queue> {
        let mut found = Queue::new();
        for (model, _) in self.models.iter() {
            found.extend(self.chain.find::<Job>(&jobs_on(model, Status::Revealed)).await?);
        }
        Ok(found)
    }

    /// Takes the times again when they keep an idle machine from checks: they may be those of runs beside others.
    async fn doubt_times(&self, taken: &mut Instant) -> Result<()> {
        if taken.elapsed() >= MEASURED_FOR && self.slow.swap(false, Ordering::Relaxed) {
            self.models.measure().await?;
            *taken = Instant::now();
        }
        Ok(())
    }

    /// Takes the most worthwhile job out of the queue that can still be checked in time.
    async fn choose(&self, queue: &mut Queue) -> Option<(Address, Job)> {
        if queue.is_empty() {
            return None;
        }
        let now = match self.chain.now().await {
            Ok(now) => now,
            Err(error) => {
                self.retry(&error.into(), "the clock cannot be read");
                return None;
            }
        };
        queue.retain(|address, job| {
            let model = self.models.get(&job.model);
            let skip = model.and_then(|model| reason_to_skip(model, job, now, self.settings.min_value, self.settings.max_blob));
            if let Some(reason) = skip {
                self.slow.fetch_or(reason == Skip::Slow, Ordering::Relaxed);
                tracing::info!(event = "skipped", job = %address, "{reason}");
            }
            skip.is_none()
        });
        let jobs_done = jobs_done(&self.chain, queue).await.unwrap_or_else(|error| {
            self.retry(&error, "devices cannot be read");
            HashMap::new()
        });
        let address = most_worthwhile(queue, &jobs_done)?;
        queue.remove(&address).map(|job| (address, job))
    }

    async fn check(&self, address: &Address, job: &Job) -> Result<Checked> {
        let model = self
            .models
            .get(&job.model)
            .ok_or(worker::Error::UnknownModel { model: job.model })?;
        let inputs = model.fetch(&self.stores, job).await?;
        let opinion = check(model, address, job, inputs.clone(), &self.served(model, job)).await?;
        self.metrics.units_total.add(job.units.get().into());
        Ok(Checked {
            finding: opinion.finding,
            inputs,
            tensors: opinion.computed.tensors,
        })
    }

    /// Whether the worker of a wrong job is asked on the chain.
    fn asks_about(&self, job: &Job) -> bool {
        self.settings.demands && job.bond.get() >= self.settings.min_demand_bond
    }

    fn held_by_questions(&self, job: &Job) -> u64 {
        self.models.get(&job.model).map_or(0, |model| held_by_questions(model, job))
    }

    fn served(&self, model: &worker::Model, job: &Job) -> Served<'_> {
        Served {
            stores: &self.stores,
            traces: job.traces,
            outputs: job.outputs,
            checkpoints: model.engine().package().checkpoints(),
        }
    }

    /// Asks on the chain for what a worker's blobs do not show. Silence is convicted with the cranks.
    async fn ask_on_chain(&self, address: &Address, job: &Job, inputs: Bytes, tensors: Vec<Hash>, spent: &Spent) -> Result<Finding> {
        let model = self
            .models
            .get(&job.model)
            .ok_or(worker::Error::UnknownModel { model: job.model })?;
        let on_event = |event: QuestionEvent<'_>| match event {
            QuestionEvent::Asked(item, receipt) => {
                self.metrics.demands_total.add(1);
                tracing::info!(event = "asked", job = %address, ?item, signature = %receipt.signature, fee = receipt.fee);
            }
            QuestionEvent::Shown(item) => tracing::info!(event = "shown", job = %address, ?item),
            QuestionEvent::Silent(item) => {
                tracing::warn!(event = "silent", job = %address, ?item, "its worker did not answer in time, which convicts it");
            }
            QuestionEvent::Convicted(item, receipt) => {
                self.metrics.convictions_total.add(1);
                tracing::warn!(event = "convicted", job = %address, ?item, signature = %receipt.signature);
            }
            QuestionEvent::TooDear(item) => {
                tracing::warn!(event = "too_dear", job = %address, ?item, "asking exceeds `max_demand_lamports`");
            }
            QuestionEvent::Poor(item) => {
                let kept = self.reserve as f64 / 1e9;
                let key = self.key.pubkey();
                tracing::warn!(event = "poor", job = %address, ?item, "{key} keeps {kept} SOL for evidence; send it more");
            }
            QuestionEvent::Failed(error) => self.retry(error, "a question failed"),
        };
        let questioner = Questioner {
            served: self.served(model, job),
            chain: &self.chain,
            key: &self.key,
            options: &self.options,
            address: *address,
            job: *job,
            budget: self.settings.max_demand_lamports,
            purse: &self.purse,
            convicts_silence: self.settings.crank.is_none(),
            on_event: &on_event,
            spent,
            answers: Default::default(),
        };
        examine(model, address, job, inputs, &tensors, &questioner).await
    }

    /// Acts on a check. What could not be checked comes back with the next search.
    fn conclude(
        &self,
        address: &Address,
        job: &Job,
        finding: Result<Finding>,
        checked: &mut HashSet<Hash>,
        cases: &mpsc::UnboundedSender<OpenCase>,
    ) -> Result<()> {
        match finding {
            Ok(Finding::Right) => {
                checked.insert(job.job_hash);
                self.metrics.jobs_right_total.add(1);
                tracing::info!(event = "right", job = %address, units = job.units.get());
            }
            Ok(Finding::Wrong(case)) => {
                checked.insert(job.job_hash);
                self.metrics.jobs_wrong_total.add(1);
                let Case { verdict, evidence, .. } = *case;
                tracing::warn!(event = "wrong", job = %address, ?verdict, bytes = evidence.len());
                let case = OpenCase {
                    job: *address,
                    hash: job.job_hash,
                    since: job.since_slot.get(),
                    evidence,
                };
                self.cases.save(&case)?;
                self.accused.add(case.hash);
                // The receiver lives as long as this.
                let _ = cases.send(case);
            }
            Ok(Finding::Hidden(missing)) => {
                // What lies between checkpoints is said on the chain alone: looking again would bring no more. And nobody may keep this
                // from other checks with a job that is not worth a question.
                let model = self.models.get(&job.model);
                let is_told = model.is_some_and(|model| !model.engine().package().checkpoints().are_all());
                if is_told || self.settings.demands {
                    checked.insert(job.job_hash);
                }
                self.metrics.jobs_hidden_total.add(1);
                tracing::warn!(event = "hidden", job = %address, %missing, "the result is wrong, and its worker keeps back what would prove it");
            }
            Err(error @ Error::Disk { .. }) => return Err(error),
            Err(error) => {
                self.metrics.jobs_failed_total.add(1);
                tracing::warn!(event = "unchecked", job = %address, %error);
            }
        }
        Ok(())
    }

    /// Brings cases side by side for ever.
    async fn prosecute(&self, mut cases: mpsc::UnboundedReceiver<OpenCase>) -> Result<Infallible> {
        let mut trials = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(ended) = trials.next(), if !trials.is_empty() => ended?,
                Some(case) = cases.recv() => trials.push(self.prosecute_one(case)),
            }
        }
    }

    async fn prosecute_one(&self, case: OpenCase) -> Result<()> {
        let challenger = Challenger {
            chain: &self.chain,
            pending: &self.pending,
            key: &self.key,
            options: &self.options,
        };
        let mut charge = Charge {
            job: &case.job,
            hash: &case.hash,
            evidence: &case.evidence,
            since: case.since,
        };
        let (mut retry, mut failures) = (RETRY, 0);
        let ending = loop {
            let done = |action: Action, receipt: &chain::Receipt| {
                failures = 0;
                self.accused.add(case.hash);
                let (signature, fee, units) = (receipt.signature, receipt.fee, receipt.compute_units);
                tracing::info!(event = "sent", job = %case.job, what = action.name(), %signature, fee, units);
                if action == Action::Convict {
                    self.metrics.convictions_total.add(1);
                    tracing::warn!(event = "convicted", job = %case.job, %signature);
                }
            };
            match challenger.bring(&mut charge, done).await {
                Ok(ending) => break ending,
                Err(error @ (Error::Disk { .. } | Error::Chain(chain::Error::Pending { .. }))) => return Err(error),
                Err(error) => {
                    self.retry(&error, "a step of a dispute failed");
                    failures += 1;
                    if failures == STUCK {
                        // Its job may be paid for, rather than wait with all it holds until, say, this key can pay the rent.
                        self.accused.remove(&case.hash);
                    }
                    retry.wait().await;
                }
            }
        };
        self.accused.remove(&case.hash);
        tracing::info!(event = "closed", job = %case.job, ?ending);
        self.cases.remove(&case)
    }

    async fn turn_cranks(&self) -> Infallible {
        let Some(every) = self.settings.crank else {
            return std::future::pending().await;
        };
        let on_event = |event| match event {
            CrankEvent::Did(deed) => {
                self.metrics.deeds_total.add(1);
                self.metrics.lamports_earned_total.add(deed.bounty);
                tracing::info!(
                    event = "crank",
                    deed = deed.deed,
                    account = deed.account,
                    signature = deed.signature,
                    bounty = deed.bounty
                );
            }
            CrankEvent::Failed { deed, account, error } => tracing::info!(event = "crank", deed, %account, %error, "failed"),
            CrankEvent::Broken(error) => self.retry(&error, "cranks cannot be turned"),
        };
        let cranker = Cranker {
            chain: &self.chain,
            key: &self.key,
            options: &self.options,
            sweeps: self.settings.sweep,
            create_payouts: self.settings.create_payouts,
            accused: &self.accused,
            on_event: &on_event,
        };
        // A replica that is revealed may be the last of its group: then the looks at jobs are hurried.
        cranker.run(every, &self.hurry).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::locate::Missing;
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::Fake;
    use chain::{PriorityFee, market};
    use protocol::units::Moment;
    use solana_account::Account;
    use std::path::Path;
    use tokio::time::timeout;

    const JOB: Address = Address::new_from_array([7; 32]);

    /// A chain with the programs, at the beginning of time.
    fn node() -> Arc<Fake> {
        let fake = Fake::default();
        let program = Account {
            lamports: 1,
            executable: true,
            ..Account::default()
        };
        for id in [staking::ID, jobs::ID, referee::ID] {
            fake.set_account(id, program.clone());
        }
        fake.set_clock();
        Arc::new(fake)
    }

    async fn tower(node: &Arc<Fake>, folder: &Path) -> Watchtower {
        let keypair = folder.join("key.json");
        chain::save_keypair(&Keypair::new(), &keypair).unwrap();
        let settings = Settings {
            cluster: "localnet".parse().unwrap(),
            keypair,
            blobs: vec!["memory:///".to_owned()],
            models: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/upscale")],
            data: folder.join("data"),
            threads: 1,
            max_blob: 64 << 20,
            min_value: 0,
            demands: false,
            min_demand_bond: 0,
            max_demand_lamports: 0,
            priority_fee: PriorityFee::default(),
            scan: Duration::from_secs(30),
            crank: None,
            sweep: false,
            create_payouts: false,
            metrics: None,
        };
        let chain = Chain::new(node.clone(), market::errors());
        Watchtower::start(settings, chain, CancellationToken::new()).await.unwrap()
    }

    fn model(tower: &Watchtower) -> (Address, &worker::Model) {
        let (address, model) = tower.models.iter().next().unwrap();
        (*address, model)
    }

    /// Nobody keeps a watchtower from other checks with a job that is not worth a question.
    #[tokio::test]
    async fn who_asks_checks_a_job_that_hides_something_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut tower = tower(&node(), folder.path()).await;
        let (cases, _receiver) = mpsc::unbounded_channel();
        let job = Job {
            model: model(&tower).0,
            job_hash: [1; 32],
            ..Job::zeroed()
        };
        for demands in [false, true] {
            tower.settings.demands = demands;
            let (mut checked, hidden) = (HashSet::new(), Finding::Hidden(Missing::Traces));
            tower.conclude(&JOB, &job, Ok(hidden), &mut checked, &cases).unwrap();
            assert_eq!(checked.contains(&job.job_hash), demands);
        }
    }

    /// A machine whose blocking threads are all busy takes no times.
    #[test]
    fn a_case_waits_for_no_measurement() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build();
        runtime.unwrap().block_on(async {
            let (release, busy) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || busy.recv());
            let (folder, soon) = (tempfile::tempdir().unwrap(), Duration::from_secs(60));
            let tower = timeout(soon, tower(&node(), folder.path())).await.unwrap();
            let case = OpenCase {
                job: JOB,
                hash: [1; 32],
                since: 0,
                evidence: vec![2; 100],
            };
            tower.cases.save(&case).unwrap();
            // Its job is gone: it has only to be closed.
            let closed = async {
                while !tower.cases.all().unwrap().is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                ended = tower.run() => panic!("{ended:?}"),
                closed = timeout(soon, closed) => closed.unwrap(),
            }
            assert_eq!(model(&tower).1.estimate(1), Duration::ZERO, "not measured yet");
            drop(release);
        });
    }

    #[tokio::test]
    async fn times_that_keep_an_idle_machine_from_checks_are_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let tower = tower(&node(), folder.path()).await;
        tower.models.measure().await.unwrap();
        let (address, model) = model(&tower);
        let units = 16;
        let chosen = async |seconds: u64| {
            let end = Moment::default().after(seconds.try_into().unwrap());
            let job = Job {
                model: address,
                units: units.into(),
                status: Status::Revealed as u8,
                deadline_at: end.unix.into(),
                deadline_slot: end.slot.into(),
                ..Job::zeroed()
            };
            let mut queue = Queue::from([(JOB, job)]);
            tower.choose(&mut queue).await.is_some()
        };
        // Something else keeps the machine busy.
        let header = model.inputs(1).unwrap();
        let mut blob = header.encode().to_vec();
        blob.resize(usize::try_from(header.blob_bytes()).unwrap(), 128);
        let slowly = || {
            std::thread::sleep(Duration::from_millis(50));
            true
        };
        model.run(&blob, slowly).unwrap();
        // A conviction takes two seconds at least.
        let first = model.estimate(units);
        assert!(chosen(first.as_secs() + 3).await);
        assert!(!chosen(first.as_secs() + 1).await);
        let mut taken = Instant::now();
        tower.doubt_times(&mut taken).await.unwrap();
        assert_eq!(model.estimate(units), first, "not again so soon");
        taken = taken.checked_sub(MEASURED_FOR).unwrap();
        tower.doubt_times(&mut taken).await.unwrap();
        let second = model.estimate(units);
        assert_ne!(second, first);
        assert!(chosen(second.as_secs() + 3).await);
        assert!(taken.elapsed() < MEASURED_FOR);
    }
}
