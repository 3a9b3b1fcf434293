//! The loop over revealed jobs: find them, check the one with the most at stake, and act on what the check found.

use super::{RETRY, Watchtower};
use crate::asking::Asking;
use crate::cases::OpenCase;
use crate::check::{Case, Finding, Opinion, check, examine};
use crate::question::{QuestionEvent, Questioner, Spent};
use crate::queue::{Queue, Skip, devices, held_by_questions, jobs_done, most_worthwhile, reason_to_skip, room_for_questions};
use crate::served::Served;
use crate::{Error, Result};
use bytes::Bytes;
use chain::Subscriptions;
use engine::Batch;
use futures_util::future::{Abortable, Aborted, Fuse, FusedFuture, FutureExt, OptionFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jobs::{Job, Status};
use protocol::hash::Hash;
use protocol::units::Moment;
use solana_address::Address;
use solana_signer::Signer;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};
use worker::MEASURED_FOR;
use worker::market::{News, jobs_on, subscribe};

/// Longest time between searches while the node pushes no new jobs.
const UNPUSHED: Duration = Duration::from_secs(2);

/// Time after which a checked job that a search does not find has ended. Until then, the machine that answered may be behind.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// A recomputed job.
struct Checked {
    finding: Finding,
    inputs: Bytes,
    /// The right result, without its outputs blob.
    computed: Batch,
}

/// The outcome of asking a job's worker; `Err` when the job made way for one with a larger bond.
type Asked = (Address, Job, std::result::Result<Result<Finding>, Aborted>);

/// Which jobs are known, and what has become of them.
struct Patrol<'a> {
    tower: &'a Watchtower,
    /// Takes the cases of jobs found wrong.
    cases: &'a mpsc::UnboundedSender<OpenCase>,
    /// Revealed jobs to check.
    queue: Queue,
    /// Jobs pushed since the last search began, which it may not have seen.
    heard: Queue,
    /// Jobs that need no check, or no further one, and since when.
    checked: HashMap<Hash, Instant>,
    asking: Asking,
    /// Jobs as the node pushes them; `None` while it does not.
    news: Option<News>,
    subscriptions: Subscriptions,
    scan: Interval,
    /// When the models' speed was last measured.
    measured_at: Instant,
    /// Jobs skipped since then because a check would take too long, and when.
    slow: HashMap<Hash, Instant>,
}

impl Watchtower {
    /// Finds revealed jobs and checks them one at a time, as the engine keeps all threads busy with one.
    pub(super) async fn patrol(&self, cases: &mpsc::UnboundedSender<OpenCase>) -> Result<Infallible> {
        let mut patrol = Patrol::new(self, cases)?;
        // Without a measurement nobody knows which checks finish in time. Cases and cranks do not wait for it.
        self.models.measure().await?;
        patrol.measured_at = Instant::now();
        patrol.run().await
    }
}

impl<'a> Patrol<'a> {
    fn new(tower: &'a Watchtower, cases: &'a mpsc::UnboundedSender<OpenCase>) -> Result<Self> {
        let mut scan = interval(tower.settings.scan);
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            tower,
            cases,
            queue: Queue::new(),
            heard: Queue::new(),
            checked: tower.cases.all()?.into_iter().map(|case| (case.hash, Instant::now())).collect(),
            asking: Asking::new(room_for_questions(&tower.models, tower.settings.max_blob)),
            news: None,
            subscriptions: Subscriptions::to("jobs"),
            scan,
            measured_at: Instant::now(),
            slow: HashMap::new(),
        })
    }

    async fn run(mut self) -> Result<Infallible> {
        let tower = self.tower;
        let (mut checking, mut questioning) = (FuturesUnordered::new(), FuturesUnordered::new());
        // The node may be slow, and answers have to be read while they arrive, so nothing else waits for these.
        let mut subscribing = pin!(Fuse::terminated());
        let mut searching = pin!(Fuse::terminated());
        let mut surveying = pin!(Fuse::terminated());
        loop {
            let next = OptionFuture::from(self.news.as_mut().map(StreamExt::next));
            tokio::select! {
                Some((address, job, outcome)) = checking.next(), if !checking.is_empty() => {
                    questioning.extend(self.act_on_check(address, job, outcome));
                }
                Some(asked) = questioning.next(), if !questioning.is_empty() => self.act_on_answers(asked),
                Some(change) = next => self.hear(change.flatten()),
                subscribed = &mut subscribing => {
                    self.news = self.subscriptions.taken(subscribed);
                    if self.news.is_some() {
                        // A job may have been revealed between the last search and the subscription.
                        self.scan.reset_immediately();
                    }
                }
                found = &mut searching => self.take_in(found),
                (now, jobs_done) = &mut surveying => {
                    // A computation cannot be aborted, and the next one would compete with it for the threads, so a check always runs to
                    // its end. Blob stores have timeouts of their own, and a job can be convicted until it is paid.
                    let chosen = self.choose(now, &jobs_done);
                    checking.extend(chosen.map(|(address, job)| async move { (address, job, tower.check(&address, &job).await) }));
                }
                _ = self.scan.tick(), if searching.is_terminated() => {
                    if self.news.is_none() && subscribing.is_terminated() {
                        subscribing.set(subscribe(&tower.chain, &tower.models, Status::Revealed).fuse());
                    }
                    self.heard.clear();
                    searching.set(tower.revealed().fuse());
                }
            }
            let (checked, asking) = (&self.checked, &self.asking);
            self.queue
                .retain(|_, job| !checked.contains_key(&job.job_hash) && !asking.waits(job, tower.held_by_questions(job)));
            if checking.is_empty() && surveying.is_terminated() {
                if !self.queue.is_empty() {
                    surveying.set(tower.survey(devices(&self.queue)).fuse());
                } else if questioning.is_empty() {
                    self.measure_again().await?;
                }
            }
            tower.metrics.jobs_waiting.set(self.queue.len() as u64);
        }
    }

    /// Takes in a job that the node pushed, or `None` at the end of the subscription.
    fn hear(&mut self, change: Option<(Address, Job)>) {
        match change {
            Some((address, job)) => {
                // It may be the last replica of its group to be revealed.
                if job.replicas > 1 {
                    self.tower.hurry.notify_one();
                }
                self.queue.insert(address, job);
                self.heard.insert(address, job);
            }
            None => {
                self.news = None;
                self.subscriptions.ended();
                self.scan.reset_after(UNPUSHED);
            }
        }
    }

    /// Replaces the queue by all revealed jobs, which a search has found or the node has pushed meanwhile, and forgets those that have
    /// ended.
    fn take_in(&mut self, found: Result<Queue>) {
        if self.news.is_none() || found.is_err() {
            self.scan.reset_after(UNPUSHED.min(self.tower.settings.scan));
        }
        match found {
            Ok(found) => {
                let revealed: HashSet<&Hash> = found.values().map(|job| &job.job_hash).collect();
                let lives = |hash: &Hash, since: &Instant| since.elapsed() < REMEMBERED || revealed.contains(hash);
                self.checked.retain(|hash, since| lives(hash, since));
                self.slow.retain(|hash, since| lives(hash, since));
                self.asking.forget_unless(lives);
                self.queue = found;
                self.queue.extend(self.heard.drain());
            }
            Err(error) => self.tower.retry(&error, "jobs cannot be searched for"),
        }
    }

    /// Takes the most worthwhile job out of the queue that can still be checked in time, given how many jobs devices have done.
    fn choose(&mut self, now: Moment, jobs_done: &HashMap<Address, u32>) -> Option<(Address, Job)> {
        let tower = self.tower;
        let (min_value, max_blob) = (tower.settings.min_value, tower.settings.max_blob);
        self.queue.retain(|address, job| {
            let model = tower.models.get(&job.model);
            let skip = model.and_then(|model| reason_to_skip(model, job, now, min_value, max_blob));
            if let Some(reason) = skip {
                let skipped = match reason {
                    Skip::Small | Skip::Large => &mut self.checked,
                    // The machine may be fast enough after the next measurement.
                    Skip::Slow => &mut self.slow,
                };
                // Every search finds it again.
                if skipped.insert(job.job_hash, Instant::now()).is_none() {
                    tracing::info!(event = "skipped", job = %address, "{reason}");
                }
            }
            skip.is_none()
        });
        let address = most_worthwhile(&self.queue, jobs_done)?;
        self.queue.remove_entry(&address)
    }

    /// Measures the models again when their measured speed keeps an idle machine from checks: something else may have slowed it down then.
    async fn measure_again(&mut self) -> Result<()> {
        if self.measured_at.elapsed() >= MEASURED_FOR && !std::mem::take(&mut self.slow).is_empty() {
            self.tower.models.measure().await?;
            self.measured_at = Instant::now();
        }
        Ok(())
    }

    /// Acts on a check. Returns the questions to the worker, if it hides what would prove the result wrong and may be asked for it now.
    fn act_on_check(&mut self, address: Address, job: Job, outcome: Result<Checked>) -> Option<impl Future<Output = Asked> + use<'a>> {
        let tower = self.tower;
        let (missing, inputs, computed) = match outcome {
            Ok(Checked {
                finding: Finding::Hidden(missing),
                inputs,
                computed,
            }) if tower.asks_about(&job) => (missing, inputs, computed),
            outcome => {
                self.conclude(&address, &job, outcome.map(|checked| checked.finding));
                return None;
            }
        };
        let Some((registration, spent)) = self.asking.begin(&job, tower.held_by_questions(&job)) else {
            tracing::warn!(event = "postponed", job = %address, %missing, "wrong; questions about larger bonds come first");
            return None;
        };
        self.checked.insert(job.job_hash, Instant::now());
        tracing::warn!(event = "asking", job = %address, %missing, "wrong; asking its worker");
        Some(async move {
            let asking = tower.ask_on_chain(&address, &job, inputs, &computed, &spent);
            (address, job, Abortable::new(asking, registration).await)
        })
    }

    fn act_on_answers(&mut self, (address, job, outcome): Asked) {
        self.tower.purse.release(&address);
        match outcome {
            Ok(finding) => {
                self.asking.end(&job);
                self.conclude(&address, &job, finding);
            }
            Err(Aborted) => {
                tracing::warn!(event = "postponed", job = %address, "wrong; makes way for a larger bond");
                // Once there is room again, a new check resumes the questions.
                self.checked.remove(&job.job_hash);
            }
        }
    }

    /// Acts on a finding. A job that could not be fetched is checked again after the next search.
    fn conclude(&mut self, address: &Address, job: &Job, finding: Result<Finding>) {
        let tower = self.tower;
        match finding {
            Ok(Finding::Right) => {
                self.checked.insert(job.job_hash, Instant::now());
                tower.metrics.jobs_right_total.add(1);
                tracing::info!(event = "right", job = %address, units = job.units.get());
            }
            Ok(Finding::Wrong(case)) => {
                self.checked.insert(job.job_hash, Instant::now());
                tower.metrics.jobs_wrong_total.add(1);
                let Case { verdict, evidence, .. } = *case;
                tracing::warn!(event = "wrong", job = %address, ?verdict, bytes = evidence.len());
                let case = OpenCase {
                    job: *address,
                    hash: job.job_hash,
                    since: job.since_slot.get(),
                    evidence,
                };
                if let Err(error) = tower.cases.save(&case) {
                    tower.note_disk_error(&error);
                }
                tower.accused.add(case.hash);
                // The receiver lives as long as the patrol.
                let _ = self.cases.send(case);
            }
            Ok(Finding::Hidden(missing)) => {
                // Without demands the job is checked again, as its blobs may turn up. With them, a job that is not worth a question must
                // not keep the watchtower from other checks. And no blob binds a worker to what lies between checkpoints.
                let model = tower.models.get(&job.model);
                let binds_on_chain_only = model.is_some_and(|model| !model.engine().package().checkpoints().are_all());
                if binds_on_chain_only || tower.settings.demands {
                    self.checked.insert(job.job_hash, Instant::now());
                }
                tower.metrics.jobs_hidden_total.add(1);
                tracing::warn!(event = "hidden", job = %address, %missing, "wrong, but its worker hides what would prove it");
            }
            Err(error) => {
                if matches!(error, Error::Compute { .. } | Error::Unconvincing { .. }) {
                    // The same check would fail again, and keep the machine from others.
                    self.checked.insert(job.job_hash, Instant::now());
                }
                tower.metrics.jobs_failed_total.add(1);
                tracing::warn!(event = "unchecked", job = %address, %error);
            }
        }
    }
}

impl Watchtower {
    /// All revealed jobs on this watchtower's models.
    async fn revealed(&self) -> Result<Queue> {
        let mut found = Queue::new();
        for (model, _) in self.models.iter() {
            found.extend(self.chain.find::<Job>(&jobs_on(model, Status::Revealed)).await?);
        }
        Ok(found)
    }

    /// The chain's time, and how many jobs each of these devices has done.
    async fn survey(&self, devices: HashSet<Address>) -> (Moment, HashMap<Address, u32>) {
        // Only the order of checks depends on the devices, but nobody knows without the time which checks finish. It is read last, as
        // reading devices may take long.
        let jobs_done = jobs_done(&self.chain, &devices).await.unwrap_or_else(|error| {
            self.metrics.errors_total.add(1);
            tracing::warn!(event = "unread", %error, "devices count as new");
            HashMap::new()
        });
        let mut retry = RETRY;
        loop {
            match self.chain.now().await {
                Ok(now) => return (now, jobs_done),
                Err(error) => self.retry(&error.into(), "the clock cannot be read"),
            }
            retry.wait().await;
        }
    }

    async fn check(&self, address: &Address, job: &Job) -> Result<Checked> {
        let model = self
            .models
            .get(&job.model)
            .ok_or(worker::Error::UnknownModel { model: job.model })?;
        let inputs = model.fetch(&self.stores, job).await?;
        let Opinion { finding, mut computed } = check(model, address, job, inputs.clone(), &self.served(model, job)).await?;
        computed.outputs = Vec::new();
        self.metrics.units_total.add(job.units.get().into());
        Ok(Checked { finding, inputs, computed })
    }

    /// Whether the worker of a wrong job may be asked on the chain.
    fn asks_about(&self, job: &Job) -> bool {
        self.settings.demands && job.bond.get() >= self.settings.min_demand_bond
    }

    fn held_by_questions(&self, job: &Job) -> u64 {
        self.models.get(&job.model).map_or(0, |model| held_by_questions(model, job))
    }

    fn served(&self, model: &worker::Model, job: &Job) -> Served<'_> {
        Served::new(&self.stores, job, model.engine().package().checkpoints())
    }

    /// Asks on the chain for what a worker's blobs do not show. The cranks convict a worker that stays silent.
    async fn ask_on_chain(&self, address: &Address, job: &Job, inputs: Bytes, computed: &Batch, spent: &Spent) -> Result<Finding> {
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
                tracing::warn!(event = "too_dear", job = %address, ?item, "asking would exceed `max_demand_lamports`");
            }
            QuestionEvent::Poor(item) => {
                let kept = self.reserve as f64 / 1e9;
                let key = self.key.pubkey();
                let problem = format!("{key} has too little SOL beyond the {kept} kept for evidence; send it more");
                tracing::warn!(event = "poor", job = %address, ?item, "{problem}");
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
        examine(model, address, job, inputs, computed, &questioner).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::locate::Missing;
    use crate::tower::tests::{JOB, model, node, tower};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::account;
    use staking::Device;
    use tokio::time::timeout;

    /// A job that is not worth a question must not keep a watchtower from other checks.
    #[tokio::test]
    async fn a_job_that_hides_something_is_checked_once_where_workers_are_asked() {
        let (_folder, mut tower) = tower(&node()).await;
        let (cases, _receiver) = mpsc::unbounded_channel();
        let job = Job {
            model: model(&tower).0,
            job_hash: [1; 32],
            ..Job::zeroed()
        };
        for demands in [false, true] {
            tower.settings.demands = demands;
            let mut patrol = Patrol::new(&tower, &cases).unwrap();
            patrol.conclude(&JOB, &job, Ok(Finding::Hidden(Missing::Traces)));
            assert_eq!(patrol.checked.contains_key(&job.job_hash), demands);
        }
    }

    #[tokio::test]
    async fn a_job_that_is_too_small_is_skipped_once() {
        let (_folder, mut tower) = tower(&node()).await;
        tower.settings.min_value = 1;
        let (cases, _receiver) = mpsc::unbounded_channel();
        let mut patrol = Patrol::new(&tower, &cases).unwrap();
        let job = Job {
            model: model(&tower).0,
            job_hash: [1; 32],
            ..Job::zeroed()
        };
        patrol.queue = Queue::from([(JOB, job)]);
        assert!(patrol.choose(Moment::default(), &HashMap::new()).is_none());
        assert!(patrol.queue.is_empty() && patrol.checked.contains_key(&job.job_hash));
    }

    #[tokio::test]
    async fn a_job_pushed_during_a_search_is_in_the_queue_before_and_after_it_ends() {
        let (_folder, tower) = tower(&node()).await;
        let (cases, _receiver) = mpsc::unbounded_channel();
        let mut patrol = Patrol::new(&tower, &cases).unwrap();
        patrol.hear(Some((JOB, Job::zeroed())));
        assert!(patrol.queue.contains_key(&JOB));
        patrol.take_in(Ok(Queue::new()));
        assert!(patrol.queue.contains_key(&JOB));
        patrol.take_in(Ok(Queue::new()));
        assert!(patrol.queue.is_empty(), "the next search would have found it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_that_fails_is_soon_repeated() {
        let (_folder, tower) = tower(&node()).await;
        let (cases, _receiver) = mpsc::unbounded_channel();
        let mut patrol = Patrol::new(&tower, &cases).unwrap();
        patrol.news = Some(News::new());
        patrol.scan.tick().await;
        let fails = Err(Error::NoPayout { job: JOB });
        for (found, pause) in [(Ok(Queue::new()), tower.settings.scan), (fails, UNPUSHED)] {
            let before = tokio::time::Instant::now();
            patrol.take_in(found);
            patrol.scan.tick().await;
            assert_eq!(before.elapsed(), pause);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn checks_wait_for_the_clock_but_not_for_devices() {
        let node = node();
        let (_folder, tower) = tower(&node).await;
        node.set_account(JOB, account(&Device::zeroed()));
        let devices = || HashSet::from([JOB]);
        assert_eq!(tower.survey(devices()).await, (Moment::default(), HashMap::from([(JOB, 0)])));
        node.set_refusing(true);
        let mut survey = pin!(tower.survey(devices()));
        timeout(Duration::from_secs(60), &mut survey).await.unwrap_err();
        node.set_refusing(false);
        assert_eq!(survey.await, (Moment::default(), HashMap::new()));
    }

    /// A check that would fail again must not keep the machine from others.
    #[tokio::test]
    async fn a_check_that_failed_is_repeated_if_it_may_end_otherwise() {
        let (_folder, tower) = tower(&node()).await;
        let (cases, _receiver) = mpsc::unbounded_channel();
        let reason = String::new();
        let failures = [
            (Error::Work(worker::Error::UnknownModel { model: JOB }), true),
            (
                Error::Compute {
                    job: JOB,
                    reason: reason.clone(),
                },
                false,
            ),
            (Error::Unconvincing { job: JOB, reason }, false),
        ];
        for (failure, again) in failures {
            let mut patrol = Patrol::new(&tower, &cases).unwrap();
            patrol.conclude(&JOB, &Job::zeroed(), Err(failure));
            assert_eq!(patrol.checked.is_empty(), again);
        }
    }

    #[tokio::test]
    async fn a_checked_job_is_forgotten_once_it_has_ended() {
        let (_folder, tower) = tower(&node()).await;
        let (cases, _receiver) = mpsc::unbounded_channel();
        let mut patrol = Patrol::new(&tower, &cases).unwrap();
        let (now, long_ago) = (Instant::now(), Instant::now().checked_sub(REMEMBERED).unwrap());
        let [open, ended, recent] = [1, 2, 3].map(|hash| [hash; 32]);
        patrol.checked = HashMap::from([(open, long_ago), (ended, long_ago), (recent, now)]);
        patrol.slow = patrol.checked.clone();
        let job = Job {
            job_hash: open,
            ..Job::zeroed()
        };
        patrol.take_in(Ok(Queue::from([(JOB, job)])));
        for left in [patrol.checked, patrol.slow] {
            let mut left: Vec<Hash> = left.into_keys().collect();
            left.sort_unstable();
            assert_eq!(left, [open, recent]);
        }
    }

    #[tokio::test]
    async fn a_speed_that_keeps_an_idle_machine_from_checks_is_measured_again() {
        let (_folder, tower) = tower(&node()).await;
        tower.models.measure().await.unwrap();
        let (address, model) = model(&tower);
        let units = 16;
        let (cases, _receiver) = mpsc::unbounded_channel();
        let mut patrol = Patrol::new(&tower, &cases).unwrap();
        let chosen = |patrol: &mut Patrol<'_>, seconds: u64| {
            let end = Moment::default().after(seconds.try_into().unwrap());
            let job = Job {
                model: address,
                units: units.into(),
                status: Status::Revealed as u8,
                deadline_at: end.unix.into(),
                deadline_slot: end.slot.into(),
                ..Job::zeroed()
            };
            patrol.queue = Queue::from([(JOB, job)]);
            patrol.choose(Moment::default(), &HashMap::new()).is_some()
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
        // A conviction takes at least two seconds.
        let first = model.estimate(units);
        assert!(chosen(&mut patrol, first.as_secs() + 3));
        assert!(!chosen(&mut patrol, first.as_secs() + 1));
        patrol.measured_at = Instant::now();
        patrol.measure_again().await.unwrap();
        assert_eq!(model.estimate(units), first, "not again so soon");
        patrol.measured_at = patrol.measured_at.checked_sub(MEASURED_FOR).unwrap();
        patrol.measure_again().await.unwrap();
        let second = model.estimate(units);
        assert_ne!(second, first);
        assert!(chosen(&mut patrol, second.as_secs() + 3));
        assert!(patrol.measured_at.elapsed() < MEASURED_FOR);
    }
}
