//! The loop over revealed jobs: find them, check the most worthwhile first, and act on what was found.

use super::Watchtower;
use crate::asking::Asking;
use crate::cases::OpenCase;
use crate::check::{Case, Finding, check, examine};
use crate::question::{QuestionEvent, Questioner, Spent};
use crate::queue::{Queue, Skip, held_by_questions, jobs_done, most_worthwhile, reason_to_skip, room_for_questions};
use crate::served::Served;
use crate::{Error, Result};
use bytes::Bytes;
use futures_util::future::{Abortable, OptionFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use jobs::{Job, Status};
use protocol::hash::Hash;
use solana_address::Address;
use solana_signer::Signer;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use worker::MEASURED_FOR;
use worker::market::{News, jobs_on, subscribe};

/// Searches follow each other at least this fast while new jobs are not pushed.
const UNPUSHED: Duration = Duration::from_secs(2);

/// A check, and what goes on from it.
struct Checked {
    finding: Finding,
    inputs: Bytes,
    /// TENSOR of each checkpoint as it is right, unit after unit: all that asking needs of what was computed.
    tensors: Vec<Hash>,
}

impl Watchtower {
    /// Finds revealed jobs for ever and checks them one after the other: an engine keeps all threads busy by itself.
    pub(super) async fn patrol(&self, cases: &mpsc::UnboundedSender<OpenCase>) -> Result<Infallible> {
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::locate::Missing;
    use crate::tower::tests::{JOB, model, node, tower};
    use anchor_lang::bytemuck::Zeroable;
    use protocol::units::Moment;

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
