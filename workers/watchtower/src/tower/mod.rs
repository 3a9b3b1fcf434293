//! The watchtower: patrols revealed jobs, brings cases, turns cranks, and shuts down cleanly.

mod patrol;
mod prosecute;

use crate::cases::Cases;
use crate::check::lamports_of_evidence;
use crate::crank::{Accused, CrankEvent, Cranker, Retries};
use crate::error::disk;
use crate::question::Purse;
use crate::settings::Settings;
use crate::{Error, Result};
use blobs::BlobStore;
use chain::{Chain, Pending, SendOptions};
use daemon::Backoff;
use futures_util::future::{FutureExt, LocalBoxFuture};
use protocol::units::Moment;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::field::display;
use worker::Models;
use worker::doctor::check_store;

/// Backoff after a step that failed.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));

daemon::metrics! {
    "ionet_watchtower_";
    jobs_waiting: "gauge", "Revealed jobs that wait to be checked.";
    jobs_right_total: "counter", "Jobs checked and found right.";
    jobs_wrong_total: "counter", "Jobs checked and found wrong.";
    jobs_hidden_total: "counter", "Checks of wrong jobs whose workers hid what would prove it.";
    jobs_failed_total: "counter", "Checks that failed, for lack of an input or otherwise.";
    demands_total: "counter", "Demands opened on the chain.";
    units_total: "counter", "Units of work recomputed.";
    convictions_total: "counter", "Jobs convicted by this watchtower's evidence.";
    deeds_total: "counter", "Duties done by the cranks.";
    lamports_earned_total: "counter", "Bounties of cranks, before fees.";
    lamports_wasted_total: "counter", "Fees of cranks that came too late or too early.";
    chain_slot: "gauge", "Newest slot that the node has shown.";
    chain_lag_seconds: "gauge", "Seconds by which the clock of the node's newest state is behind this machine's.";
    errors_total: "counter", "Steps and duties that failed.";
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
    /// Lamports that the longest evidence about any of the models takes.
    reserve: u64,
    purse: Purse,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    /// Requests a pass over overdue jobs at once.
    hurry: Notify,
    _lock: File,
}

impl Watchtower {
    /// Checks the settings and locks the data folder.
    // Boxed, so that the code is compiled here once and not in every program that starts a watchtower.
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
        };
        if let Some(address) = tower.settings.metrics {
            let served = daemon::metrics::serve(address, tower.metrics.clone()).await;
            served.map_err(|source| Error::Work(worker::Error::Metrics { address, source }))?;
        }
        tracing::info!(event = "started", key = %tower.key.pubkey(), cluster = tower.chain.network().url());
        Ok(tower)
    }

    /// Runs until stopped. Fails only if a model does, or if the disk does at once.
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
            never = self.watch_node() => match never {},
            never = self.chain.keep_resolving(&self.pending, &self.options, |error| self.note_disk_error(&error.into())) => match never {},
            never = self.prosecute(cases) => match never {},
            ended = self.patrol(&sender) => match ended? {},
            never = self.turn_cranks() => match never {},
        }
        tracing::info!(event = "stopped");
        Ok(())
    }

    /// Logs problems with the blob stores and the key's balance, then never returns.
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
                    format!(
                        "{key} has {has} SOL, and evidence may lock {needed}, which returns; until it has more, it asks no worker, \
                         opens no hour and creates no account"
                    ),
                );
            }
            Err(error) => warn("SOL", error.to_string()),
        }
        std::future::pending().await
    }

    async fn watch_node(&self) -> Infallible {
        let report = |newest: Moment| {
            self.metrics.chain_slot.set(newest.slot);
            self.metrics.chain_lag_seconds.set_since(newest.unix);
        };
        self.chain.watch_node(report).await
    }

    fn retry(&self, error: &Error, what: &str) {
        self.metrics.errors_total.add(1);
        tracing::warn!(event = "retry", %error, "{what}; trying again");
    }

    /// Goes on without the disk: if the watchtower stopped, lies would be paid and cranks stand still. What cannot be saved is only needed
    /// after a crash, and then found again, or repeated at the cost of a fee.
    fn note_disk_error(&self, error: &Error) {
        self.metrics.errors_total.add(1);
        tracing::error!(event = "disk", %error, "going on without it");
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
            CrankEvent::Failed {
                deed,
                account,
                error: error @ Error::NoPayout { .. },
                ..
            } => tracing::debug!(event = "crank", deed, %account, %error, "left to others"),
            CrankEvent::Failed {
                deed,
                account,
                error,
                repeated,
            } => {
                self.metrics.errors_total.add(1);
                if repeated {
                    tracing::debug!(event = "crank", deed, %account, %error, "failed again");
                } else {
                    tracing::warn!(event = "crank", deed, %account, %error, "failed; trying again, ever more rarely");
                }
            }
            CrankEvent::Wasted { deed, account, failure } => {
                let receipt = failure.receipt.as_ref();
                let fee = receipt.map_or(0, |receipt| receipt.fee);
                self.metrics.lamports_wasted_total.add(fee);
                let signature = receipt.map(|receipt| display(receipt.signature));
                tracing::info!(
                    event = "crank",
                    deed,
                    %account,
                    error = %failure.explanation,
                    signature,
                    fee,
                    "somebody else was faster, or it was too early; the fee is spent"
                );
            }
            CrankEvent::Broken(error) => self.retry(&error, "cranks cannot be turned"),
        };
        let cranker = Cranker {
            chain: &self.chain,
            key: &self.key,
            options: &self.options,
            sweeps: self.settings.sweep,
            create_payouts: self.settings.create_payouts,
            reserve: self.reserve,
            retries: Retries::default(),
            accused: &self.accused,
            on_event: &on_event,
        };
        cranker.run(every, &self.hurry).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::cases::OpenCase;
    use ::tests::Failure;
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::{Fake, account, instructions};
    use chain::{Landed, PriorityFee, market};
    use daemon::metrics::Page;
    use jobs::error::JobsError;
    use jobs::{Audit, Job, Status};
    use solana_account::Account;
    use solana_address::Address;
    use solana_transaction::versioned::VersionedTransaction;
    use solana_transaction_error::TransactionError;
    use std::path::Path;
    use tempfile::TempDir;
    use tokio::time::timeout;

    pub const JOB: Address = Address::new_from_array([7; 32]);

    /// A chain with the programs, in slot 0.
    pub fn node() -> Arc<Fake> {
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

    /// A watchtower that asks no worker and turns no cranks, and its folder.
    pub async fn tower(node: &Arc<Fake>) -> (TempDir, Watchtower) {
        let folder = tempfile::tempdir().unwrap();
        let tower = tower_in(&folder, node, &Keypair::new()).await;
        (folder, tower)
    }

    /// The same in a given folder, with a given key.
    async fn tower_in(folder: &TempDir, node: &Arc<Fake>, key: &Keypair) -> Watchtower {
        let keypair = folder.path().join("key.json");
        chain::save_keypair(key, &keypair).unwrap();
        let settings = Settings {
            cluster: "localnet".parse().unwrap(),
            keypair,
            blobs: vec!["memory:///".to_owned()],
            models: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/upscale")],
            data: folder.path().join("data"),
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
        let chain = Chain::new(node.clone());
        Watchtower::start(settings, chain, CancellationToken::new()).await.unwrap()
    }

    pub fn model(tower: &Watchtower) -> (Address, &worker::Model) {
        let (address, model) = tower.models.iter().next().unwrap();
        (*address, model)
    }

    #[tokio::test]
    async fn a_failed_duty_is_counted() {
        let node = node();
        let (_folder, mut tower) = tower(&node).await;
        tower.settings.crank = Some(Duration::from_secs(60));
        // It has expired, and its escrow is missing.
        let job = Job {
            replicas: 1,
            ..Job::zeroed()
        };
        node.set_account(JOB, account(&job));
        turn_cranks_until(&tower, "errors_total 1").await;
    }

    #[tokio::test]
    async fn a_wasted_fee_is_counted_apart_from_errors() {
        let node = node();
        let (_folder, mut tower) = tower(&node).await;
        tower.settings.crank = Some(Duration::from_secs(60));
        // Its job is over, and somebody else is faster to close it.
        let audit = Audit {
            job: JOB,
            ..Audit::zeroed()
        };
        node.set_account(market::audit::address(&JOB), account(&audit));
        node.on_send(|_| {
            let Failure(error) = JobsError::WrongStatus.into();
            Some(Landed {
                logs: Some(vec![format!("Program {} failed: {error}", jobs::ID)]),
                error: Some(TransactionError::InstructionError(0, error)),
                fee: 5_000,
                ..Landed::default()
            })
        });
        turn_cranks_until(&tower, "lamports_wasted_total 5000").await;
        assert!(shows(&tower, "errors_total 0"));
    }

    /// A crash in a dispute may leave less time than a transaction takes to expire.
    #[tokio::test]
    async fn a_case_does_not_wait_for_what_an_earlier_run_has_sent() {
        let (node, key, folder) = (node(), Keypair::new(), tempfile::tempdir().unwrap());
        let data = folder.path().join("data").join(key.pubkey().to_string());
        let sent = {
            let pending = Pending::open(&data.join("pending.jsonl")).unwrap();
            let other = market::audit::close(&Audit::zeroed());
            let chain = Chain::new(node.clone());
            let prepared = chain.prepare(&[other], &[&key], &SendOptions::default()).await.unwrap();
            pending.record("another", &prepared).unwrap();
            prepared.signature()
        };
        let job = Job {
            job_hash: [1; 32],
            status: Status::Revealed as u8,
            ..Job::zeroed()
        };
        node.set_account(JOB, account(&job));
        let case = OpenCase {
            job: JOB,
            hash: job.job_hash,
            since: 0,
            evidence: vec![2; 100],
        };
        Cases::open(&data.join("cases")).unwrap().save(&case).unwrap();
        let seals = |transaction: &VersionedTransaction| instructions(transaction).iter().any(|one| one.program_id == referee::ID);
        let both = async {
            let again = |transaction: &VersionedTransaction| transaction.signatures.contains(&sent);
            while !(node.sent().iter().any(seals) && node.sent().iter().any(again)) {
                tokio::task::yield_now().await;
            }
        };
        let soon = Duration::from_secs(60);
        let tower = timeout(soon, tower_in(&folder, &node, &key)).await.unwrap();
        tokio::select! {
            ended = tower.run() => panic!("{ended:?}"),
            sent = timeout(soon, both) => sent.unwrap(),
        }
    }

    async fn turn_cranks_until(tower: &Watchtower, metric: &str) {
        let shown = async {
            while !shows(tower, metric) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            never = tower.turn_cranks() => match never {},
            shown = timeout(Duration::from_secs(60), shown) => shown.unwrap(),
        }
    }

    fn shows(tower: &Watchtower, metric: &str) -> bool {
        tower.metrics.render().contains(&format!("\nionet_watchtower_{metric}\n"))
    }

    /// Models cannot be measured while all blocking threads are busy.
    #[test]
    fn a_case_does_not_wait_for_the_measurement() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build();
        runtime.unwrap().block_on(async {
            let (release, busy) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || busy.recv());
            let soon = Duration::from_secs(60);
            let (_folder, tower) = timeout(soon, tower(&node())).await.unwrap();
            let case = OpenCase {
                job: JOB,
                hash: [1; 32],
                since: 0,
                evidence: vec![2; 100],
            };
            tower.cases.save(&case).unwrap();
            // Its job is gone, so the case has only to be closed.
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
}
