//! The search for work: open jobs that fit, audits to take, and whatever an earlier run left in progress.

use crate::admission::{Limits, Offer, Reason, Task, Verdict, assess, suits};
use crate::job::{Assignment, ClaimPlan};
use crate::market::{News, jobs_on, subscribe, taken_by};
use crate::models::Model;
use crate::{Result, Worker};
use chain::sysvar::{Seed, SlotHashes};
use chain::{Subscriptions, market};
use futures_util::future::{Fuse, FusedFuture, FutureExt, OptionFuture, TryFutureExt};
use futures_util::stream::{ReadyChunks, StreamExt};
use jobs::{Escrow, Job, Status};
use solana_address::Address;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Longest interval between searches while the node does not push new jobs.
const UNPUSHED: Duration = Duration::from_secs(2);

/// Most pushed jobs that are judged together.
const TOGETHER: usize = 1_024;

/// Open jobs on models this worker has.
#[derive(Default)]
struct Board {
    postings: HashMap<Address, Posting>,
    /// The mint of each escrow that pays for one of them. The address of an escrow implies its mint.
    mints: HashMap<Address, Address>,
}

struct Posting {
    job: Job,
    seed: Seed,
    last_reason: Option<Reason>,
    /// Not worth considering again before the next search.
    hopeless: bool,
}

impl Worker {
    /// Keeps finding work: pushed by the node, and by regular searches, because nodes lose subscriptions silently.
    pub(crate) async fn scout(&self, found: mpsc::UnboundedSender<Assignment>) -> Infallible {
        let mut board = Board::default();
        let (mut news, mut subscriptions): (Option<ReadyChunks<News>>, _) = (None, Subscriptions::to("jobs"));
        let mut subscribing = pin!(Fuse::terminated());
        let mut scan = interval(self.settings.scan);
        let mut look = interval(self.settings.poll);
        let mut taken = Instant::now();
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = OptionFuture::from(news.as_mut().map(StreamExt::next));
            let result = tokio::select! {
                // Whatever has been pushed by now: choosing reads the chain, so jobs that are opened faster than that would pile up.
                Some(changes) = next => {
                    let changes = changes.unwrap_or_else(|| vec![None]);
                    if changes.iter().any(Option::is_none) {
                        news = None;
                        subscriptions.ended();
                        scan.reset_after(UNPUSHED);
                    }
                    changes.into_iter().flatten().for_each(|(address, job)| board.add(address, job));
                    self.choose(&mut board, &found).await
                }
                subscribed = &mut subscribing => {
                    news = subscriptions.taken(subscribed).map(|news: News| news.ready_chunks(TOGETHER));
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
                _ = look.tick(), if board.postings.values().any(|posting| !posting.hopeless) => self.choose(&mut board, &found).await,
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
        let escrows: HashSet<Address> = open.values().map(|job| job.escrow).collect();
        board.mints.retain(|escrow, _| escrows.contains(escrow));
        board.postings.retain(|address, _| open.contains_key(address));
        board.postings.values_mut().for_each(|posting| posting.hopeless = false);
        for (address, job) in open {
            board.add(address, job);
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
        let Board { postings, mints } = board;
        postings.retain(|address, _| !self.is_in_hand(address));
        let mut waiting: Vec<(Address, &mut Posting, &Arc<Model>)> = postings
            .iter_mut()
            .filter(|(_, posting)| !posting.hopeless)
            .filter_map(|(address, posting)| {
                let model = self.models.get(&posting.job.model)?;
                Some((*address, posting, model))
            })
            .collect();
        if waiting.is_empty() || !self.may_take_work() {
            return Ok(());
        }
        let view = self.view().await?;
        let mut limits = Limits {
            accept: &self.settings.accept,
            max_blob: self.settings.max_blob,
            free_space: self.journal.free_space()?,
            max_window: self.settings.max_window,
            max_bond: self.settings.max_bond,
            priority_fee: self.settings.priority_fee,
            observes_ops: self.observes_ops(),
            in_hand: self.tasks(),
            device: &self.device,
        };
        waiting.retain_mut(|(address, posting, model)| match suits(&posting.job, model, &view, &limits) {
            Ok(()) => true,
            Err(reason) => {
                self.pass_over(address, posting, reason, true);
                false
            }
        });
        let escrows = waiting.iter().map(|(_, posting, _)| posting.job.escrow);
        self.read_mints(escrows, mints).await?;
        waiting.sort_by_key(|(_, posting, _)| posting.job.opened_slot.get());
        let mut hashes = None;
        for (address, posting, model) in waiting {
            let Some(mint) = mints.get(&posting.job.escrow).copied() else {
                // Most likely the job has ended. If not, the next search finds it again.
                posting.hopeless = true;
                continue;
            };
            if posting.seed == Seed::NotYet {
                let known = match &mut hashes {
                    Some(known) => known,
                    None => hashes.insert(SlotHashes::read(&self.chain).await?),
                };
                posting.seed = known.first_after(posting.job.opened_slot.get());
            }
            limits.in_hand = self.tasks();
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

    /// Reads the mints of those escrows that are not known yet and can be read.
    async fn read_mints(&self, escrows: impl Iterator<Item = Address>, mints: &mut HashMap<Address, Address>) -> Result<()> {
        let missing: HashSet<Address> = escrows.filter(|escrow| !mints.contains_key(escrow)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<Address> = missing.into_iter().collect();
        let (_, accounts) = self.chain.network().accounts(&missing).await?;
        for (address, account) in missing.into_iter().zip(accounts) {
            if let Some(escrow) = account.and_then(|account| chain::decode::<Escrow>(&address, &account).ok()) {
                mints.insert(address, escrow.mint);
            }
        }
        Ok(())
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

impl Board {
    fn add(&mut self, address: Address, job: Job) {
        if self.postings.get(&address).is_none_or(|known| known.job.job_hash != job.job_hash) {
            let posting = Posting {
                job,
                seed: Seed::NotYet,
                last_reason: None,
                hopeless: false,
            };
            self.postings.insert(address, posting);
        }
    }
}
