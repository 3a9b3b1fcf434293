//! The loop: finds jobs, serves them side by side, and stops in order.

use crate::admission::{Limits, Offer, Task, Verdict, assess};
use crate::demands::Recomputed;
use crate::failpoint::unit_computed;
use crate::fault::Fault;
use crate::gpu;
use crate::job::{Assignment, ClaimPlan, JobOutcome};
use crate::journal::{Journal, disk};
use crate::market::{News, audits_of, jobs_on, pushed, subscribe, taken_by};
use crate::metrics::Metrics;
use crate::models::{MEASURED_FOR, Models};
use crate::settings::{Settings, TraceMode};
use crate::{Error, Reason, Result};
use blobs::BlobStore;
use chain::sysvar::{Seed, SlotHashes};
use chain::{Chain, Intent, Outcome, Pending, SendOptions, market};
use futures_util::future::{Fuse, FusedFuture, FutureExt, LocalBoxFuture, OptionFuture, TryFutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jobs::{Audit, Escrow, Job, Status};
use protocol::hash::Hash;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::Device;
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    fs::File,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, SetOnce, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Searches follow each other at least this fast while new jobs are not pushed.
const UNPUSHED: Duration = Duration::from_secs(2);

/// Time to ask, at the end, what is still at stake.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// A supplier's worker for one device.
pub struct Worker {
    pub(crate) settings: Settings,
    pub(crate) chain: Chain,
    pub(crate) key: Keypair,
    pub(crate) device: Address,
    pub(crate) gpu: u16,
    pub(crate) models: Models,
    pub(crate) gpus: Vec<Arc<dyn engine::cuda::Device>>,
    pub(crate) stores: Vec<BlobStore>,
    pub(crate) journal: Journal,
    pub(crate) pending: Pending,
    pub(crate) options: SendOptions,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stop: CancellationToken,
    pub(crate) fault: Option<Fault>,
    pub(crate) silent: bool,
    pub(crate) secret: Option<Hash>,
    pub(crate) recomputed: Recomputed,
    /// Demands that wait for an answer of this worker.
    pub(crate) demands: watch::Sender<usize>,
    /// What an earlier run left is in hand.
    resumed: SetOnce<()>,
    /// The models' times are taken.
    measured: SetOnce<()>,
    /// Something was refused for the times that were taken.
    slow: AtomicBool,
    pub(crate) disk_fails: AtomicBool,
    /// Evidence of the last check-in: its rent comes back.
    pub(crate) evidence: Mutex<Option<Address>>,
    payouts: Mutex<HashSet<Address>>,
    in_hand: Mutex<InHand>,
    _lock: File,
}

/// What is being served, and what is not to be taken up again.
#[derive(Default)]
struct InHand {
    /// Being served, and what the machine has to do for it, as far as that is known.
    busy: HashMap<Address, Option<Task>>,
    /// Whether to err by permit, of those for which that is decided. An error stays when its job has ended: the permit is used then, and a
    /// node which is behind may not tell.
    errs: HashMap<Address, bool>,
    /// Overdue, committed to by somebody else with this key, or convicted.
    dropped: HashSet<Address>,
}

/// Open jobs on models this worker has.
type Board = HashMap<Address, Posting>;

struct Posting {
    job: Job,
    mint: Option<Address>,
    seed: Seed,
    last_reason: Option<Reason>,
    /// Not worth another look before the next search.
    hopeless: bool,
}

impl Worker {
    /// Checks everything and takes over the data folder. Once `stop` is cancelled, no job is taken on.
    // Boxed, so that what it does is compiled once, here, and not in every program that starts a worker.
    pub fn start(settings: Settings, chain: Chain, stop: CancellationToken) -> LocalBoxFuture<'static, Result<Self>> {
        Self::prepared(settings, chain, stop).boxed_local()
    }

    async fn prepared(settings: Settings, chain: Chain, stop: CancellationToken) -> Result<Self> {
        let key = chain::load_keypair(&settings.keypair)?;
        let device = settings.device.unwrap_or_else(|| market::stake::device(&key.pubkey()));
        let folder = settings.data.join(device.to_string());
        let lock = daemon::lock_folder(&folder).map_err(|source| disk(&folder, source))?;
        let lock = lock.ok_or_else(|| Error::Busy { folder: folder.clone() })?;
        let secret = settings.permit.as_deref().map(chain::load_keypair).transpose()?;
        let secret = secret.map(|pair| *pair.secret_bytes());
        let journal = Journal::open(&folder.join("jobs"))?;
        let pending = Pending::open(&folder.join("pending.jsonl"))?;
        let stores = settings
            .blobs
            .iter()
            .map(|place| BlobStore::open(place))
            .collect::<blobs::Result<Vec<_>>>()?;
        let stores = stores.into_iter().map(|store| store.with_limit(settings.max_blob)).collect();

        chain.check(&[staking::ID, jobs::ID]).await?;
        let account = find_device(&chain, &device, &key).await?;
        let gpus = gpu::open(&settings);
        let models = Models::load(&settings.models, settings.threads)?;
        gpu::attach(&settings, &gpus, &models);
        let worker = Self {
            options: SendOptions {
                priority_fee: settings.priority_fee,
                ..SendOptions::default()
            },
            places: Arc::new(Semaphore::new(settings.parallel_jobs)),
            metrics: Arc::default(),
            gpu: account.gpu_model.get(),
            evidence: Mutex::default(),
            payouts: Mutex::default(),
            in_hand: Mutex::default(),
            _lock: lock,
            settings,
            chain,
            key,
            device,
            models,
            gpus,
            stores,
            journal,
            pending,
            stop,
            fault: None,
            silent: false,
            secret,
            recomputed: Recomputed::default(),
            demands: watch::Sender::default(),
            resumed: SetOnce::new(),
            measured: SetOnce::new(),
            slow: AtomicBool::default(),
            disk_fails: AtomicBool::default(),
        };
        if let Some(address) = worker.settings.metrics {
            let counters = gpu::Counters {
                metrics: worker.metrics.clone(),
                models: worker.models.clone(),
            };
            let served = daemon::metrics::serve(address, Arc::new(counters)).await;
            served.map_err(|source| Error::Metrics { address, source })?;
        }
        tracing::info!(event = "started", %device, key = %worker.key.pubkey(), cluster = worker.chain.network().url());
        Ok(worker)
    }

    /// The same worker erring on purpose, in every job it does: it will lose its bonds. For tests and the demo.
    pub fn with_fault(self, fault: Fault) -> Self {
        tracing::warn!(event = "faulty", ?fault, "this worker errs on purpose");
        Self {
            fault: Some(fault),
            ..self
        }
    }

    /// The same worker showing nothing, neither in a store nor in answer to demands: it will lose its bonds to challengers. For tests and
    /// the demo.
    pub fn silenced(self) -> Self {
        tracing::warn!(event = "silent", "this worker shows nothing on purpose");
        Self { silent: true, ..self }
    }

    /// Address of the device.
    pub fn device(&self) -> Address {
        self.device
    }

    /// Serves jobs, answers demands and beacons until stopped, then gives answers and the jobs in hand time to be sent and revealed. Fails
    /// when a model does.
    pub fn run(&self) -> LocalBoxFuture<'_, Result<()>> {
        let work = async {
            tokio::select! {
                biased;
                never = self.answer_demands() => match never {},
                never = self.be_present() => match never {},
                never = self.warn_of_problems() => match never {},
                never = self.resolve() => match never {},
                Err(error) = self.measure() => Err(error),
                () = self.serve_jobs() => Ok(()),
            }
        };
        work.boxed_local()
    }

    async fn serve_jobs(&self) {
        // Nothing is in hand, whatever an earlier call left.
        *self.in_hand() = InHand::default();
        let (sender, mut found) = mpsc::unbounded_channel();
        let mut scout = pin!(self.scout(sender));
        let mut serving = FuturesUnordered::new();
        let serve = |assignment: Assignment| async move {
            let address = assignment.address;
            let begun = !self.journal.steps(&address, &assignment.hash).is_empty();
            let outcome = if assignment.audit {
                self.audit(assignment).await
            } else {
                self.serve(assignment).await
            };
            let outcome = match outcome {
                // What was sent before may have landed, whatever comes of another try: the chain tells.
                JobOutcome::Refused | JobOutcome::Lost if begun => JobOutcome::Left,
                outcome => outcome,
            };
            (address, outcome)
        };
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some((address, outcome)) = serving.next(), if !serving.is_empty() => self.finish_serving(&address, outcome),
                Some(assignment) = found.recv() => serving.push(serve(assignment)),
                never = &mut scout => match never {},
            }
        }
        let mut demands = self.demands.subscribe();
        tracing::info!(event = "stopping", in_hand = serving.len(), demands = *demands.borrow_and_update());
        let drain = async {
            while let Some((address, outcome)) = serving.next().await {
                self.finish_serving(&address, outcome);
            }
            // They are answered beside this. The sender lives as long as the worker.
            let _ = demands.wait_for(|open| *open == 0).await;
        };
        let complete = timeout(self.settings.drain, drain).await.is_ok();
        match timeout(LAST_LOOK, self.exposed()).await {
            Ok(Ok((at_stake, until))) if at_stake > 0 => tracing::warn!(
                event = "stopped",
                complete,
                at_stake,
                until,
                "bonds of jobs and audits are at stake: start the worker again at once, since lateness and silence cost them"
            ),
            _ => tracing::info!(event = "stopped", complete),
        }
    }

    /// How many jobs and audits the device has bonds in, and the last unix time at which something is due of them, as far as that is known:
    /// a replica waits for the others.
    async fn exposed(&self) -> Result<(usize, Option<i64>)> {
        let mut ours: Vec<(Address, Job)> = self.chain.find(&taken_by(&self.device)).await?;
        ours.retain(|(_, job)| job.status != Status::Convicted);
        let audits: Vec<(Address, Audit)> = self.chain.find(&audits_of(&self.device)).await?;
        let known = ours.iter().filter(|(_, job)| !job.awaits_siblings());
        let until = known.map(|(_, job)| job.deadline_at.get()).max();
        Ok((ours.len().saturating_add(audits.len()), until))
    }

    /// Takes the models' times, without which no new work is chosen: once what an earlier run left is computed, which does not wait for
    /// that, and beside which times would be taken wrong.
    async fn measure(&self) -> Result<()> {
        if !self.measured.initialized() {
            self.resumed.wait().await;
            while !self.tasks().iter().all(Task::is_done) {
                sleep(self.settings.poll).await;
            }
            self.models.measure().await?;
            // Only one call of `run` at a time gets here.
            let _ = self.measured.set(());
        }
        Ok(())
    }

    /// Takes the times again when they keep an idle machine from work: they may be those of runs beside others.
    async fn doubt_times(&self, taken: &mut Instant) -> Result<()> {
        let idle = self.measured.initialized() && !self.is_busy();
        if idle && taken.elapsed() >= MEASURED_FOR && self.slow.swap(false, Ordering::Relaxed) {
            *taken = Instant::now();
            self.models.measure().await?;
        }
        Ok(())
    }

    /// Whether new work may be chosen.
    pub(crate) fn is_fit(&self) -> bool {
        self.measured.initialized() && !self.disk_fails()
    }

    fn in_hand(&self) -> MutexGuard<'_, InHand> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any job or audit is being served.
    pub(crate) fn is_busy(&self) -> bool {
        !self.in_hand().busy.is_empty()
    }

    /// Whether a job, or its audit, is being served.
    pub(crate) fn is_in_hand(&self, address: &Address) -> bool {
        self.in_hand().busy.contains_key(address)
    }

    /// What the machine has to do for all that is in hand.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        self.in_hand().busy.values().flatten().cloned().collect()
    }

    /// Units left to compute of what is in hand at an address, to be counted down. What is not in hand counts for itself.
    pub(crate) fn units_left(&self, address: &Address, task: impl FnOnce() -> Task) -> Arc<AtomicU32> {
        match self.in_hand().busy.get_mut(address) {
            Some(known) => known.get_or_insert_with(task).units_left(),
            None => Arc::default(),
        }
    }

    /// Notes that nothing is left to compute of what is in hand at an address.
    pub(crate) fn none_left(&self, address: &Address) {
        if let Some(Some(task)) = self.in_hand().busy.get(address) {
            task.units_left().store(0, Ordering::Relaxed);
        }
    }

    /// What a computation asks after each unit, which it counts: whether to go on. The answer is yes until the guard is dropped.
    pub(crate) fn counting(&self, left: Arc<AtomicU32>) -> (impl Fn() -> bool + use<>, DropGuard) {
        let (metrics, stop) = (self.metrics.clone(), CancellationToken::new());
        let guard = stop.clone().drop_guard();
        let go_on = move || {
            metrics.units_total.add(1);
            left.fetch_sub(1, Ordering::Relaxed);
            unit_computed();
            !stop.is_cancelled()
        };
        (go_on, guard)
    }

    /// Notes what accounts will lock yet for what is in hand at an address.
    pub(crate) fn will_lock(&self, address: &Address, lamports: u64) {
        if let Some(Some(task)) = self.in_hand().busy.get_mut(address) {
            task.locks = lamports;
        }
    }

    /// Decides, once, whether to err by permit in a job: only when every one of these others is known not to be an error, and none is that
    /// a node which is behind does not tell of.
    pub(crate) fn decide_to_err(&self, address: &Address, others: &[Address]) -> bool {
        let errs = &mut self.in_hand().errs;
        let free = !errs.values().any(|errs| *errs) && others.iter().all(|other| errs.contains_key(other));
        *errs.entry(*address).or_insert(free)
    }

    /// Notes an error by permit, which another process may have made: before the permit is used, so that none is made after it.
    pub(crate) fn note_error(&self, address: &Address) {
        self.in_hand().errs.insert(*address, true);
    }

    /// Whether it looks at every value of a job: to show it, or to err, be it in few of them.
    pub(crate) fn observes_ops(&self) -> bool {
        self.settings.trace == TraceMode::Full || self.fault.is_some() || self.secret.is_some()
    }

    /// Learns the fate of transactions that nobody waits for, for ever: an earlier run's, and those of which nobody said in time whether
    /// they landed.
    async fn resolve(&self) -> Infallible {
        let mut left = self.pending.unsettled();
        loop {
            join_all(left.iter().map(|intent| self.resolve_one(intent))).await;
            let known = self.pending.unsettled();
            // Whoever sends one waits for it no longer than this.
            sleep(self.options.timeout).await;
            left = self.pending.unsettled();
            left.retain(|intent| known.contains(intent));
        }
    }

    async fn resolve_one(&self, intent: &Intent) {
        let (purpose, signature) = (&intent.purpose, intent.prepared.signature());
        let fate = match self.chain.resolve(&self.pending, &intent.prepared, &self.options).await {
            Ok(Outcome::Confirmed(_)) => "landed",
            Ok(Outcome::Failed(_)) => "failed",
            Ok(outcome) if outcome.is_final() => "expired",
            Ok(_) => "unknown",
            Err(error) => return tracing::warn!(event = "retry", purpose, %signature, %error, "its fate is not known yet"),
        };
        tracing::info!(event = "resolved", purpose, %signature, fate);
    }

    /// Sees to it that the payout wallet has a token account of `mint`: a job cannot be settled without.
    pub(crate) async fn ensure_payout(&self, mint: &Address) -> Result<()> {
        let device: Device = self.chain.fetch(&self.device).await?;
        let account = market::token_account(&device.payout, mint);
        if self.payouts.lock().unwrap_or_else(PoisonError::into_inner).contains(&account) {
            return Ok(());
        }
        if !self.chain.exists(&account).await? {
            let create = market::create_token_account(&self.key.pubkey(), &device.payout, mint);
            self.chain.send(&[create], &[&self.key], &self.options).await?;
            tracing::info!(event = "payout", %account, %mint, "created the token account of the payout wallet");
        }
        self.payouts.lock().unwrap_or_else(PoisonError::into_inner).insert(account);
        Ok(())
    }

    /// Takes a job or an audit in hand, unless it is.
    fn start_serving(&self, address: Address, task: Option<Task>) -> bool {
        let mut in_hand = self.in_hand();
        let new = !in_hand.busy.contains_key(&address);
        if new {
            in_hand.busy.insert(address, task);
        }
        self.metrics.jobs_in_hand.set(in_hand.busy.len() as u64);
        new
    }

    fn finish_serving(&self, address: &Address, outcome: JobOutcome) {
        {
            let mut in_hand = self.in_hand();
            in_hand.busy.remove(address);
            in_hand.errs.retain(|job, errs| *errs || job != address);
            self.metrics.jobs_in_hand.set(in_hand.busy.len() as u64);
            match outcome {
                JobOutcome::Missed | JobOutcome::Convicted => drop(in_hand.dropped.insert(*address)),
                // A refused job comes back with the next search: its input may have been uploaded by then.
                JobOutcome::Paid
                | JobOutcome::Confessed
                | JobOutcome::Ended
                | JobOutcome::Refused
                | JobOutcome::Lost
                | JobOutcome::Audited
                | JobOutcome::Left => {}
            }
        }
        match outcome {
            JobOutcome::Refused => self.metrics.jobs_refused_total.add(1),
            JobOutcome::Missed => self.metrics.jobs_missed_total.add(1),
            JobOutcome::Convicted => self.metrics.jobs_convicted_total.add(1),
            JobOutcome::Lost => self.metrics.jobs_lost_total.add(1),
            JobOutcome::Paid | JobOutcome::Confessed | JobOutcome::Ended | JobOutcome::Audited | JobOutcome::Left => {}
        }
        if outcome != JobOutcome::Left {
            self.tolerate_disk_error(self.journal.forget(address));
        }
    }

    /// Finds work for ever: pushed by the node, and by searches in between, since nodes lose subscriptions without saying so.
    async fn scout(&self, found: mpsc::UnboundedSender<Assignment>) -> Infallible {
        let mut board = Board::new();
        let (mut news, mut outage): (Option<News>, _) = (None, false);
        let mut subscribing = pin!(Fuse::terminated());
        let mut scan = interval(self.settings.scan);
        let mut look = interval(self.settings.poll);
        let mut taken = Instant::now();
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = OptionFuture::from(news.as_mut().map(StreamExt::next));
            let result = tokio::select! {
                Some(change) = next => {
                    match change.flatten() {
                        Some((address, job)) => add_posting(&mut board, address, job),
                        None => {
                            news = None;
                            scan.reset_after(UNPUSHED);
                        }
                    }
                    self.choose(&mut board, &found).await
                }
                subscribed = &mut subscribing => {
                    news = pushed("jobs", subscribed, &mut outage);
                    if news.is_some() {
                        // So that no job falls between the search and the subscription.
                        scan.reset_immediately();
                    }
                    Ok(())
                }
                _ = scan.tick() => {
                    self.look_at_disk();
                    if news.is_none() {
                        if subscribing.is_terminated() {
                            subscribing.set(subscribe(&self.chain, &self.models, Status::Open).fuse());
                        }
                        scan.reset_after(UNPUSHED.min(self.settings.scan));
                    }
                    match self.search(&mut board, &found).and_then(|()| self.doubt_times(&mut taken)).await {
                        Ok(()) => self.choose(&mut board, &found).await,
                        Err(error) => Err(error),
                    }
                }
                _ = look.tick(), if board.values().any(|posting| !posting.hopeless) => self.choose(&mut board, &found).await,
            };
            if let Err(error) = result {
                self.metrics.errors_total.add(1);
                tracing::warn!(event = "retry", %error, "jobs cannot be searched for; trying again");
                scan.reset_after(UNPUSHED);
                look.reset_after(UNPUSHED);
            }
        }
    }

    /// Reads the whole market: jobs of this device that nobody serves are taken up again, open ones go on the board.
    async fn search(&self, board: &mut Board, found: &mpsc::UnboundedSender<Assignment>) -> Result<()> {
        let ours: Vec<(Address, Job)> = self.chain.find(&taken_by(&self.device)).await?;
        for (address, job) in &ours {
            if self.is_in_hand(address) || self.in_hand().dropped.contains(address) {
                continue;
            }
            let computed = job.status != Status::Assigned || !self.journal.results(address, &job.job_hash).is_empty();
            let left = if computed { 0 } else { job.units.get() };
            let model = self.models.get(&job.model);
            let task = model.map(|model| Task::job(model, left, job.deadline_at.get(), self.observes_ops()));
            if self.start_serving(*address, task) {
                tracing::info!(event = "resumed", job = %address, status = job.status);
                if model.is_none() {
                    let problem = "a job in hand is on a model that is not in `models`: add its package and start the worker again";
                    tracing::error!(event = "problem", check = "models", job = %address, model = %job.model, "{problem}");
                }
                enqueue(found, Assignment::job(*address, job.job_hash, None, None));
            }
        }
        let audits = self.find_audits().await?;
        let is_known =
            |address: &Address| ours.iter().any(|(ours, _)| ours == address) || audits.iter().any(|(audit, _)| audit.address == *address);
        self.in_hand().dropped.retain(is_known);
        for (assignment, task) in audits {
            let dropped = self.in_hand().dropped.contains(&assignment.address);
            if !dropped && self.start_serving(assignment.address, task) {
                enqueue(found, assignment);
            }
        }
        let _ = self.resumed.set(());

        let mut open = HashMap::new();
        for (model, _) in self.models.iter() {
            open.extend(self.chain.find::<Job>(&jobs_on(model, Status::Open)).await?);
        }
        board.retain(|address, _| open.contains_key(address));
        board.values_mut().for_each(|posting| posting.hopeless = false);
        for (address, job) in open {
            add_posting(board, address, job);
        }

        if self.disk_fails() {
            return Ok(());
        }
        // What is left of jobs that ended while this worker was away. A search that does not show a job proves nothing.
        let known = |address: &Address| self.is_in_hand(address) || ours.iter().any(|(ours, _)| ours == address);
        let left: Vec<Address> = self.journal.jobs()?.into_iter().filter(|address| !known(address)).collect();
        let (seen, accounts) = self.chain.network().accounts(&left).await?;
        for (address, account) in left.iter().zip(accounts) {
            // Of a job without a step nothing was sent.
            if chain::made(account.as_ref()).is_none() && self.journal.opened(address).is_none_or(|opened| seen > opened) {
                self.sweep(&market::audit::address(address)).await?;
                self.journal.forget(address)?;
            }
        }
        Ok(())
    }

    /// Decides about every open job, oldest first.
    async fn choose(&self, board: &mut Board, found: &mpsc::UnboundedSender<Assignment>) -> Result<()> {
        board.retain(|address, _| !self.is_in_hand(address));
        let mut waiting: Vec<(Address, &mut Posting)> = board
            .iter_mut()
            .filter(|(_, posting)| !posting.hopeless)
            .map(|(address, posting)| (*address, posting))
            .collect();
        if waiting.is_empty() || !self.is_fit() {
            return Ok(());
        }
        waiting.sort_by_key(|(_, posting)| posting.job.opened_slot.get());
        let view = self.view().await?;
        let free_space = self.journal.free_space()?;
        let mut hashes = None;
        for (address, posting) in waiting {
            let Some(mint) = self.mint(&address, posting).await else {
                continue;
            };
            if posting.seed == Seed::NotYet {
                let known = match &mut hashes {
                    Some(known) => known,
                    None => hashes.insert(SlotHashes::read(&self.chain).await?),
                };
                posting.seed = known.first_after(posting.job.opened_slot.get());
            }
            let Some(model) = self.models.get(&posting.job.model) else {
                continue;
            };
            let limits = Limits {
                accept: &self.settings.accept,
                max_blob: self.settings.max_blob,
                free_space,
                max_window: self.settings.max_window,
                max_bond: self.settings.max_bond,
                priority_fee: self.settings.priority_fee,
                observes_ops: self.observes_ops(),
                in_hand: &self.tasks(),
                device: &self.device,
            };
            let offer = Offer {
                address: &address,
                job: &posting.job,
                mint: &mint,
                model,
                seed: posting.seed,
            };
            match assess(&offer, &view, &limits) {
                Verdict::Take { slot, floor } => {
                    // All places are taken: the job stays on the board.
                    let Ok(permit) = self.places.clone().try_acquire_owned() else {
                        break;
                    };
                    let job = &posting.job;
                    let deadline = view.now.unix.saturating_add(job.run_seconds.get().into());
                    let task = Task::job(model, job.units.get(), deadline, self.observes_ops());
                    if self.start_serving(address, Some(task)) {
                        let claim = ClaimPlan { slot, floor, mint };
                        enqueue(found, Assignment::job(address, job.job_hash, Some(claim), Some(permit)));
                    }
                }
                Verdict::Later(reason) => self.pass_over(&address, posting, reason, false),
                Verdict::Never(reason) => self.pass_over(&address, posting, reason, true),
            }
        }
        Ok(())
    }

    /// What an open job pays in; `None` when its escrow cannot be read, most likely because the job has ended.
    async fn mint(&self, address: &Address, posting: &mut Posting) -> Option<Address> {
        if posting.mint.is_none() {
            match self.chain.fetch::<Escrow>(&posting.job.escrow).await {
                Ok(escrow) => posting.mint = Some(escrow.mint),
                Err(error) => {
                    // If it has not ended, the next search shows it again.
                    tracing::debug!(job = %address, %error, "its escrow cannot be read");
                    posting.hopeless = true;
                }
            }
        }
        posting.mint
    }

    /// Leaves an open job alone, until the next search if it is hopeless, and says why when that is new.
    fn pass_over(&self, address: &Address, posting: &mut Posting, reason: Reason, hopeless: bool) {
        posting.hopeless = hopeless;
        self.slow.fetch_or(reason == Reason::Slow, Ordering::Relaxed);
        if posting.last_reason.replace(reason) == Some(reason) {
            return;
        }
        match reason {
            _ if hopeless => {
                self.metrics.jobs_refused_total.add(1);
                tracing::info!(event = "refused", job = %address, %reason);
            }
            Reason::Poor => tracing::error!(event = "poor", job = %address, %reason),
            // Every job passes through these within seconds.
            Reason::Seed | Reason::Turn => tracing::debug!(event = "waiting", job = %address, %reason),
            _ => tracing::info!(event = "waiting", job = %address, %reason),
        }
    }
}

fn enqueue(found: &mpsc::UnboundedSender<Assignment>, assignment: Assignment) {
    // The receiver lives as long as the scout.
    let _ = found.send(assignment);
}

fn add_posting(board: &mut Board, address: Address, job: Job) {
    if board.get(&address).is_none_or(|known| known.job.job_hash != job.job_hash) {
        board.insert(
            address,
            Posting {
                job,
                mint: None,
                seed: Seed::NotYet,
                last_reason: None,
                hopeless: false,
            },
        );
    }
}

/// The device, if it is registered and `key` is its hot key.
pub(crate) async fn find_device(chain: &Chain, device: &Address, key: &Keypair) -> Result<Device> {
    let cluster = chain.network().url().to_owned();
    let account: Device = chain.try_fetch(device).await?.ok_or(Error::NoDevice { device: *device, cluster })?;
    if account.key != key.pubkey() {
        return Err(Error::WrongKey {
            key: key.pubkey(),
            device: *device,
            expected: account.key,
        });
    }
    Ok(account)
}
