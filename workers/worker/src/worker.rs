//! The main loop: finds jobs, serves them concurrently, and stops cleanly.

use crate::admission::Task;
use crate::demands::Recomputed;
use crate::fault::Fault;
use crate::gpu;
use crate::in_hand::InHand;
use crate::job::{Assignment, JobOutcome};
use crate::journal::{Journal, disk};
use crate::market::{audits_of, taken_by};
use crate::metrics::Metrics;
use crate::models::{MEASURED_FOR, Models};
use crate::settings::{Settings, TraceMode};
use crate::{Error, Result};
use blobs::BlobStore;
use chain::{Chain, Pending, SendOptions, market};
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jobs::{Audit, Job, Status};
use parking_lot::Mutex;
use protocol::hash::Hash;
use protocol::units::Moment;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::Device;
use std::{
    collections::HashSet,
    convert::Infallible,
    fs::File,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{RwLock, Semaphore, SetOnce, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Time limit for reading what is still at stake when the worker stops.
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
    pub(crate) journal: Arc<Journal>,
    pub(crate) pending: Pending,
    pub(crate) options: SendOptions,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stop: CancellationToken,
    pub(crate) fault: Option<Fault>,
    pub(crate) silent: bool,
    pub(crate) secret: Option<Hash>,
    pub(crate) recomputed: Recomputed,
    /// Number of demands that wait for an answer from this worker.
    pub(crate) demands: watch::Sender<usize>,
    /// Set once everything that an earlier run left is in hand.
    pub(crate) resumed: SetOnce<()>,
    /// Set once all models are timed.
    measured: SetOnce<()>,
    /// Whether work was refused as too slow.
    pub(crate) slow: AtomicBool,
    pub(crate) disk_fails: AtomicBool,
    /// Evidence account of the last check-in, whose rent will return.
    pub(crate) evidence: Mutex<Option<Address>>,
    /// Held shared while a call is answered or an hour checked in to. A stop waits for that.
    pub(crate) presence: RwLock<()>,
    payouts: Mutex<HashSet<Address>>,
    pub(crate) in_hand: Mutex<InHand>,
    _lock: File,
}

impl Worker {
    /// Checks the settings, the chain and the models, and locks the data folder. Cancelling `stop` stops the worker cleanly.
    // Boxed, so that it is compiled once, here, and not in every program that starts a worker.
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
        let journal = Arc::new(Journal::open(&folder.join("jobs"))?);
        let pending = Pending::open(&folder.join("pending.jsonl"))?;
        let open = |place: &String| Ok(BlobStore::open(place)?.with_limit(settings.max_blob));
        let stores = settings.blobs.iter().map(open).collect::<Result<_>>()?;

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
            presence: RwLock::default(),
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
        worker.tolerate_disk_error(worker.pending.check().map_err(Error::from));
        let counts = worker.journal.counts().inspect_err(|error| worker.note_disk_error(error));
        let (jobs, results) = counts.unwrap_or_default();
        let transactions = worker.pending.unsettled().len();
        if jobs > 0 || transactions > 0 {
            tracing::info!(
                event = "recovered",
                jobs,
                results,
                transactions,
                "an earlier run left these on disk; whatever is not over yet continues"
            );
        }
        Ok(worker)
    }

    /// Makes the worker err on purpose in every job, so that it loses its bonds. For tests and the demo.
    pub fn with_fault(self, fault: Fault) -> Self {
        tracing::warn!(event = "faulty", ?fault, "this worker errs on purpose");
        Self {
            fault: Some(fault),
            ..self
        }
    }

    /// Makes the worker upload nothing and answer no demands, so that it loses its bonds to challengers. For tests and the demo.
    pub fn silenced(self) -> Self {
        tracing::warn!(event = "silent", "this worker uploads and answers nothing, on purpose");
        Self { silent: true, ..self }
    }

    /// Address of the device.
    pub fn device(&self) -> Address {
        self.device
    }

    /// Serves jobs and answers demands and beacons until stopped, then leaves time to finish answers and a check-in, and to reveal the jobs
    /// in hand. Fails if a model cannot be timed.
    pub fn run(&self) -> LocalBoxFuture<'_, Result<()>> {
        let work = async {
            tokio::select! {
                biased;
                never = self.answer_demands() => match never {},
                never = self.keep_presence() => match never {},
                never = self.warn_of_problems() => match never {},
                never = self.watch_node() => match never {},
                never = self.chain.keep_resolving(&self.pending, &self.options, |error| self.note_disk_error(&error.into())) => match never {},
                Err(error) = self.measure() => Err(error),
                () = self.serve_jobs() => Ok(()),
            }
        };
        work.boxed_local()
    }

    async fn serve_jobs(&self) {
        // An earlier call may have left something in hand.
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
                // A transaction sent earlier may have landed, even if this attempt failed: the chain decides.
                JobOutcome::Refused | JobOutcome::Lost if begun => JobOutcome::LetGo,
                outcome => outcome,
            };
            if outcome != JobOutcome::LetGo {
                self.tolerate_disk_error(self.forget(&address).await);
            }
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
            // Another task answers them. The sender lives as long as the worker.
            let _ = demands.wait_for(|open| *open == 0).await;
            // So does a call or a check-in. None begins any more.
            let _ended = self.presence.write().await;
        };
        let complete = timeout(self.settings.drain, drain).await.is_ok();
        match timeout(LAST_LOOK, self.exposed()).await {
            Ok(Ok((at_stake, until))) if at_stake > 0 => tracing::warn!(
                event = "stopped",
                complete,
                at_stake,
                until,
                "bonds of jobs and audits are at stake, and late steps or unanswered demands lose them: start the worker again at once"
            ),
            Ok(Ok(_)) => tracing::info!(event = "stopped", complete),
            unknown => {
                let reason = match unknown {
                    Ok(Err(error)) => error.to_string(),
                    _ => "the node does not answer".to_owned(),
                };
                tracing::warn!(
                    event = "stopped",
                    complete,
                    reason,
                    "could not find out whether bonds are at stake: start the worker again, unless it had no jobs in hand"
                );
            }
        }
    }

    async fn watch_node(&self) -> Infallible {
        let report = |newest: Moment| {
            self.metrics.chain_slot.set(newest.slot);
            self.metrics.chain_lag_seconds.set_since(newest.unix);
        };
        self.chain.watch_node(report).await
    }

    /// Number of jobs and audits that hold bonds of the device, and the latest unix time at which one of them is due. Leaves out replicas
    /// that wait for others, as their deadlines are not known yet.
    async fn exposed(&self) -> Result<(usize, Option<i64>)> {
        let mut ours: Vec<(Address, Job)> = self.chain.find(&taken_by(&self.device)).await?;
        ours.retain(|(_, job)| job.status != Status::Convicted);
        let audits: Vec<(Address, Audit)> = self.chain.find(&audits_of(&self.device)).await?;
        let known = ours.iter().filter(|(_, job)| !job.awaits_siblings());
        let until = known.map(|(_, job)| job.deadline_at.get()).max();
        Ok((ours.len().saturating_add(audits.len()), until))
    }

    /// Times all models, which has to be done before new work is chosen. Waits until everything that an earlier run left is computed: those
    /// jobs cannot wait, and would falsify the measurement.
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

    /// Times the models again if the machine is idle because work was refused as too slow: the last times may be of runs that competed for
    /// it.
    pub(crate) async fn measure_again(&self, taken: &mut Instant) -> Result<()> {
        let idle = self.measured.initialized() && !self.is_busy();
        if idle && taken.elapsed() >= MEASURED_FOR && self.slow.swap(false, Ordering::Relaxed) {
            *taken = Instant::now();
            self.models.measure().await?;
        }
        Ok(())
    }

    /// Whether the worker may take new work.
    pub(crate) fn may_take_work(&self) -> bool {
        self.measured.initialized() && !self.disk_fails()
    }

    /// Whether jobs are run with every intermediate value visible: to upload it, or to alter it on purpose.
    pub(crate) fn observes_ops(&self) -> bool {
        self.settings.trace == TraceMode::Full || self.fault.is_some() || self.secret.is_some()
    }

    /// Creates the token account of the payout wallet for `mint` if it is missing: without it a job cannot be settled. Fails if nobody could
    /// move what is paid there.
    pub(crate) async fn ensure_payout(&self, mint: &Address) -> Result<()> {
        let device: Device = self.chain.fetch(&self.device).await?;
        let account = market::token_account(&device.payout, mint);
        if self.payouts.lock().contains(&account) {
            return Ok(());
        }
        check_payout(&self.chain, &self.device, &device).await?;
        if !self.chain.exists(&account).await? {
            let create = market::create_token_account(&self.key.pubkey(), &device.payout, mint);
            self.chain.send(&[create], &[&self.key], &self.options).await?;
            tracing::info!(event = "payout", %account, %mint, "created the token account of the payout wallet");
        }
        self.payouts.lock().insert(account);
        Ok(())
    }
}

/// Reads the device. Fails unless it is registered and `key` is its hot key.
pub(crate) async fn find_device(chain: &Chain, device: &Address, key: &Keypair) -> Result<Device> {
    let absent = || {
        let (device, key, cluster) = (*device, key.pubkey(), chain.network().url().to_owned());
        match device == market::stake::device(&key) {
            true => Error::Unregistered { key, cluster },
            false => Error::NoDevice { device, cluster },
        }
    };
    let account: Device = chain.try_fetch(device).await?.ok_or_else(absent)?;
    if account.key != key.pubkey() {
        return Err(Error::WrongKey {
            key: key.pubkey(),
            device: *device,
            expected: account.key,
        });
    }
    Ok(account)
}

/// Fails if the payout wallet of the device at `address` is a token account or a mint, from whose own token account nobody could move
/// anything. A reason to take no new work, but no reason to abandon work in hand, whose bonds would be lost.
pub(crate) async fn check_payout(chain: &Chain, address: &Address, device: &Device) -> Result<()> {
    match chain.is_token_account(&device.payout).await? {
        true => Err(Error::Payout {
            device: *address,
            payout: device.payout,
        }),
        false => Ok(()),
    }
}
