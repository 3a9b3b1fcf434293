//! The search for work: open jobs that fit, audits to take, and whatever an earlier run left in progress.

use crate::admission::{Limits, Offer, Reason, Task, Verdict, assess};
use crate::job::{Assignment, ClaimPlan};
use crate::market::{News, jobs_on, subscribe, taken_by};
use crate::{Result, Worker};
use chain::sysvar::{Seed, SlotHashes};
use chain::{Subscriptions, market};
use futures_util::future::{Fuse, FusedFuture, FutureExt, OptionFuture, TryFutureExt};
use futures_util::stream::StreamExt;
use jobs::{Escrow, Job, Status};
use solana_address::Address;
use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Longest interval between searches while the node does not push new jobs.
const UNPUSHED: Duration = Duration::from_secs(2);

/// Open jobs on models this worker has.
type Board = HashMap<Address, Posting>;

struct Posting {
    job: Job,
    mint: Option<Address>,
    seed: Seed,
    last_reason: Option<Reason>,
    /// Not worth considering again before the next search.
    hopeless: bool,
}

impl Worker {
    /// Keeps finding work: pushed by the node, and by regular searches, because nodes lose subscriptions silently.
    pub(crate) async fn scout(&self, found: mpsc::UnboundedSender<Assignment>) -> Infallible {
        let mut board = Board::new();
        let (mut news, mut subscriptions): (Option<News>, _) = (None, Subscriptions::to("jobs"));
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
                            subscriptions.ended();
                            scan.reset_after(UNPUSHED);
                        }
                    }
                    self.choose(&mut board, &found).await
                }
                subscribed = &mut subscribing => {
                    news = subscriptions.taken(subscribed);
                    if news.is_some() {
                        // A job may have been opened between the last search and the subscription.
                        scan.reset_immediately();
                    }
                    Ok(())
                }
                _ = scan.tick() => {
                    self.recheck_disk().await;
                    if news.is_none() {
                        if subscribing.is_terminated() {
                            subscribing.set(subscribe(&self.chain, &self.models, Status::Open).fuse());
                        }
                        scan.reset_after(UNPUSHED.min(self.settings.scan));
                    }
                    match self.search(&mut board, &found).and_then(|()| self.measure_again(&mut taken)).await {
                        Ok(()) => self.choose(&mut board, &found).await,
                        Err(error) => Err(error),
                    }
                }
                _ = look.tick(), if board.values().any(|posting| !posting.hopeless) => self.choose(&mut board, &found).await,
            };
            if let Err(error) = result {
                self.note_disk_error(&error);
                self.metrics.errors_total.add(1);
                tracing::warn!(event = "retry", %error, "the search for jobs failed; trying again");
                scan.reset_after(UNPUSHED);
                look.reset_after(UNPUSHED);
            }
        }
    }

    /// Reads the whole market: resumes this device's jobs and audits, and puts open jobs on the board.
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
        // Files of jobs that ended while this worker was away. That a search does not list a job proves nothing.
        let known = |address: &Address| self.is_in_hand(address) || ours.iter().any(|(ours, _)| ours == address);
        let left: Vec<Address> = self.journal.jobs()?.into_iter().filter(|address| !known(address)).collect();
        let (seen, accounts) = self.chain.network().accounts(&left).await?;
        for (address, account) in left.iter().zip(accounts) {
            // Without a recorded step, any state will do: whatever is kept can be fetched or computed again.
            if chain::made(account.as_ref()).is_none() && self.journal.opened(address).is_none_or(|opened| seen > opened) {
                self.sweep(&market::audit::address(address)).await?;
                self.forget(address).await?;
            }
        }
        Ok(())
    }

    /// Decides about every open job, the oldest first.
    async fn choose(&self, board: &mut Board, found: &mpsc::UnboundedSender<Assignment>) -> Result<()> {
        board.retain(|address, _| !self.is_in_hand(address));
        let mut waiting: Vec<(Address, &mut Posting)> = board
            .iter_mut()
            .filter(|(_, posting)| !posting.hopeless)
            .map(|(address, posting)| (*address, posting))
            .collect();
        if waiting.is_empty() || !self.may_take_work() {
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
                    // No place is free: the job stays on the board.
                    let Ok(place) = self.places.clone().try_acquire_owned() else {
                        break;
                    };
                    let job = &posting.job;
                    let deadline = view.now.unix.saturating_add(job.run_seconds.get().into());
                    let task = Task::job(model, job.units.get(), deadline, self.observes_ops());
                    if self.start_serving(address, Some(task)) {
                        let claim = ClaimPlan { slot, floor, mint };
                        enqueue(found, Assignment::job(address, job.job_hash, Some(claim), Some(place)));
                    }
                }
                Verdict::Later(reason) => self.pass_over(&address, posting, reason, false),
                Verdict::Never(reason) => self.pass_over(&address, posting, reason, true),
            }
        }
        Ok(())
    }

    /// The mint that an open job pays in. `None` if its escrow cannot be read, most likely because the job has ended.
    async fn mint(&self, address: &Address, posting: &mut Posting) -> Option<Address> {
        if posting.mint.is_none() {
            match self.chain.fetch::<Escrow>(&posting.job.escrow).await {
                Ok(escrow) => posting.mint = Some(escrow.mint),
                Err(error) => {
                    // If the job has not ended, the next search finds it again.
                    tracing::debug!(job = %address, %error, "the escrow cannot be read");
                    posting.hopeless = true;
                }
            }
        }
        posting.mint
    }

    /// Leaves an open job alone, until the next search if it is hopeless. Logs the reason if it is new.
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
            // Every job goes through these within seconds.
            Reason::Seed | Reason::Turn => tracing::debug!(event = "waiting", job = %address, %reason),
            _ => tracing::info!(event = "waiting", job = %address, %reason),
        }
    }
}

fn enqueue(found: &mpsc::UnboundedSender<Assignment>, assignment: Assignment) {
    // The receiver lives as long as the scout does.
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
