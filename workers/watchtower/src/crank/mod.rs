//! Permissionless duties: ending jobs past their deadlines for the bounty, calling replicas and confirming their agreement, ending audits,
//! and convicting workers that stay silent. A [`Cranker`] finds what is due and does it. What earns nothing is in `hours`, the hours of
//! rewards, and `upkeep`, everything else.

mod duty;
mod hours;
mod retries;
mod upkeep;

pub use duty::{Duty, end};
pub use retries::Retries;

use crate::dispute::silence;
use crate::{Error, Result};
use chain::market::{audit, demand, job};
use chain::{Chain, Failure, JobEnd, Outcome, SendOptions};
use daemon::Backoff;
use futures_util::stream::{self, StreamExt};
use jobs::{Audit, DemandHeader, Job, Status};
use parking_lot::Mutex;
use protocol::hash::Hash;
use protocol::units::Moment;
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Most transactions in flight for one kind of duty.
const MAX_IN_FLIGHT: usize = 8;

/// How much more rarely than for the rest the market is searched for upkeep, which reads most of it and falls due by the hour.
const UPKEEP: u32 = 12;

/// Longest wait after passes that the node broke off, unless passes are further apart anyway.
const BROKEN: Duration = Duration::from_secs(60);

/// A duty that was done.
#[derive(Clone, Debug, Serialize)]
pub struct Deed {
    /// Name of the duty.
    pub deed: &'static str,
    /// The account concerned: a job, an escrow, a device, an hour's block.
    pub account: String,
    /// Signature of the transaction.
    pub signature: String,
    /// Lamports earned.
    pub bounty: u64,
    /// Lamports spent on token accounts of others.
    pub rent: u64,
    /// Lamports paid in fees.
    pub fee: u64,
    /// Compute units used, if the node told them in time.
    pub compute_units: Option<u64>,
}

/// What a [`Cranker`] reports.
#[derive(Debug)]
pub enum CrankEvent {
    /// A duty was done.
    Did(Deed),
    /// A duty failed. It is tried again, after waits that double, and delays no other.
    Failed {
        /// Name of the duty.
        deed: &'static str,
        /// The account concerned.
        account: Address,
        /// The error.
        error: Error,
        /// Whether it has failed for the same reason before.
        repeated: bool,
    },
    /// A transaction was refused in its block, because somebody else was faster or because it came too early. Its fee is spent.
    Wasted {
        /// Name of the duty.
        deed: &'static str,
        /// The account concerned.
        account: Address,
        /// The refusal.
        failure: Box<Failure>,
    },
    /// A pass was aborted, as the node does not answer.
    Broken(Error),
}

/// Hashes of the jobs that the cranker's owner is about to convict, and therefore does not pay for.
#[derive(Debug, Default)]
pub struct Accused(Mutex<HashSet<Hash>>);

impl Accused {
    /// A case against the job is open.
    pub fn add(&self, job: Hash) {
        self.0.lock().insert(job);
    }

    /// The case against the job is closed, or stuck.
    pub fn remove(&self, job: &Hash) {
        self.0.lock().remove(job);
    }

    pub(crate) fn has(&self, job: &Job) -> bool {
        self.0.lock().contains(&job.job_hash)
    }
}

/// Finds the duties that are due, and does them.
pub struct Cranker<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// Signs, pays the fees and earns the bounties.
    pub key: &'a Keypair,
    /// How transactions are sent.
    pub options: &'a SendOptions,
    /// Also do what earns nothing: sweep fees, burn forfeited stake, keep the hours of rewards going.
    pub sweeps: bool,
    /// Also pay those without a token account, creating it at the key's expense.
    pub create_payouts: bool,
    /// Lamports that the key keeps for evidence: no account is created for others and no hour is opened at their expense.
    pub reserve: u64,
    /// Duties that could not be done.
    pub retries: Retries,
    /// Jobs that must not be paid for.
    pub accused: &'a Accused,
    /// Called for every report.
    pub on_event: &'a dyn Fn(CrankEvent),
}

impl Cranker<'_> {
    /// Does everything that is due, once. If the node breaks off one kind of duty, the others are tried all the same.
    pub async fn pass(&self) -> Result<()> {
        let hours = if self.sweeps { self.hours().await } else { Ok(()) };
        let ends = self.ends().await;
        let upkeep = if self.sweeps { self.upkeep().await } else { Ok(()) };
        hours.and(ends).and(upkeep)
    }

    /// Does what is due, in passes at most `every` apart, or twelve times that for upkeep; a notification through `hurry` starts a pass over
    /// jobs at once. Hours have passes of their own: the chain forgets their beacons within minutes, so they must not wait for jobs or
    /// upkeep. While the node breaks passes off, they come more and more rarely: repeating all requests at once would be refused again.
    pub async fn run(&self, every: Duration, hurry: &Notify) -> Infallible {
        let (nothing, rarely) = (Notify::new(), every.saturating_mul(UPKEEP));
        let hours = async || self.hours().await.map(|()| every);
        let upkeep = async || self.upkeep().await.map(|()| rarely);
        let ends = async || self.ends().await.map(|idle| idle.min(every));
        tokio::select! {
            never = self.repeat(ends, Backoff::new(every, BROKEN), hurry) => never,
            never = self.repeat(hours, Backoff::new(every, BROKEN / 2), &nothing), if self.sweeps => never,
            never = self.repeat(upkeep, Backoff::new(rarely, BROKEN), &nothing), if self.sweeps => never,
        }
    }

    /// Makes one pass after another, each of which tells when the next is due, unless a notification comes first.
    async fn repeat(&self, pass: impl AsyncFn() -> Result<Duration>, mut broken: Backoff, hurry: &Notify) -> Infallible {
        loop {
            match pass().await {
                Ok(idle) => {
                    broken.reset();
                    tokio::select! {
                        () = sleep(idle) => {}
                        () = hurry.notified() => {}
                    }
                }
                Err(error) => {
                    (self.on_event)(CrankEvent::Broken(error));
                    broken.wait().await;
                }
            }
        }
    }

    /// Does what is due about jobs. Returns the time until something else falls due, as far as is known. If the node breaks off one kind of
    /// duty, the others are tried all the same.
    async fn ends(&self) -> Result<Duration> {
        let (jobs, now): (Vec<(Address, Job)>, _) = (self.chain.find(&[]).await?, self.chain.now().await?);
        let by_hash = jobs.iter().map(|(_, job)| (job.job_hash, job)).collect();
        let answers = self.demands(&by_hash, now).await;
        let replicas = in_groups(&jobs);
        let groups = replicas.chunk_by(|(_, one), (_, next)| one.is_sibling(next));
        let grouped = for_each_bounded(groups, |living| self.group(living)).await;
        let audited = self.audits(&by_hash).await;
        let ends = jobs.iter().filter_map(|(_, job)| time_left(job.deadline(), now)).min();
        let due = jobs.iter().filter_map(|(address, job)| Some((address, job, Duty::due(job, now)?)));
        let mut due: Vec<_> = due.collect();
        // What has failed may fail again, so everything else comes first.
        due.sort_by_key(|(address, _, duty)| self.retries.knows(duty.name(), address));
        let ended = for_each_bounded(due, |(address, job, duty)| self.end(duty, *address, job)).await;
        grouped.and(audited).and(ended)?;
        Ok(ends.into_iter().chain(answers?).min().unwrap_or(Duration::MAX))
    }

    /// Convicts workers that have missed the deadline of any demand, and closes this key's demands that are over. Returns the time until
    /// the next deadline.
    async fn demands(&self, jobs: &HashMap<Hash, &Job>, now: Moment) -> Result<Option<Duration>> {
        let demands: Vec<(Address, DemandHeader)> = self.chain.find(&[]).await?;
        let unanswered = demands.iter().filter(|(_, about)| !about.answered.get());
        let next = unanswered.filter_map(|(_, about)| time_left(about.deadline(), now)).min();
        // Demands about one job are handled one after the other, since one conviction is enough.
        let mut of_jobs: HashMap<Hash, Vec<&(Address, DemandHeader)>> = HashMap::new();
        for demand in &demands {
            of_jobs.entry(demand.1.job_hash).or_default().push(demand);
        }
        for_each_bounded(of_jobs, async |(hash, demands)| {
            let job = jobs.get(&hash).copied();
            for (address, about) in demands {
                let Some(job) = job.filter(|job| job.status == Status::Revealed) else {
                    self.close_demand(address, about, job).await?;
                    continue;
                };
                let convicted = self.convict_silence(address, about, job, now).await;
                let is_over = matches!(convicted, Ok(Some(_)));
                self.report("convict silence", about.job, convicted)?;
                if is_over {
                    break;
                }
            }
            Ok(())
        })
        .await?;
        Ok(next)
    }

    /// Convicts the worker of a job if it has missed the deadline of this demand. Never put off, as the job may be paid soon.
    async fn convict_silence(&self, address: &Address, about: &DemandHeader, job: &Job, now: Moment) -> Result<Option<Deed>> {
        let key = self.key.pubkey();
        let due = !about.answered.get() && now.reached(about.deadline());
        // If this key has evidence in flight, convicting for somebody else's demand would give the reward away.
        if !due || (about.challenger != key && self.accused.has(job)) {
            return Ok(None);
        }
        let JobEnd { instructions, rent } = silence(self.chain, &key, &about.job, job, address).await?;
        let deed = self.send("convict silence", about.job, &instructions, self.options).await?;
        Ok(deed.map(|deed| Deed { rent, ..deed }))
    }

    /// Closes a demand of this key that is over.
    async fn close_demand(&self, address: &Address, about: &DemandHeader, job: Option<&Job>) -> Result<()> {
        let key = self.key.pubkey();
        if about.challenger != key || about.check_over(job).is_err() {
            return Ok(());
        }
        self.send_and_report("close demand", *address, &[demand::close(&key, &about.job, address)])
            .await
    }

    /// Does what is due about one job.
    async fn end(&self, duty: Duty, address: Address, job: &Job) -> Result<()> {
        // Seen when its turn comes: it may have been accused since the pass began.
        let is_accused = duty == Duty::Settle && self.accused.has(job);
        if is_accused || self.retries.waits(duty.name(), &address) {
            return Ok(());
        }
        let ended = async {
            let JobEnd { instructions, rent } = end(self.chain, &self.key.pubkey(), &address, job).await?;
            if rent > 0 && !(self.create_payouts && self.can_spare(rent).await?) {
                return Err(Error::NoPayout { job: address });
            }
            let options = SendOptions {
                max_fee: duty.max_fee(job),
                ..*self.options
            };
            let deed = self.send(duty.name(), address, &instructions, &options).await?;
            let bounty = duty.bounty(job);
            Ok(deed.map(|deed| Deed { bounty, rent, ..deed }))
        };
        self.report(duty.name(), address, ended.await)
    }

    /// Does what is due about the replicas of one job: calls their reveals once all have committed, and if they agree, ends their windows
    /// and pays them. `living` are the replicas in progress, in order.
    async fn group(&self, living: &[(Address, Job)]) -> Result<()> {
        let Some((first, job)) = living.first() else { return Ok(()) };
        let all: Vec<_> = job::replicas_of(job)
            .into_iter()
            .map(|address| (address, living.iter().any(|(living, _)| *living == address)))
            .collect();
        if living.iter().all(|(_, job)| job.awaits_siblings()) {
            return self.send_and_report("call reveals", *first, &[job::call_reveals(&all)]).await;
        }
        let standing: Vec<_> = living.iter().filter(|(_, job)| job.status != Status::Convicted).collect();
        let Some((_, one)) = standing.first() else { return Ok(()) };
        // If some replicas have ended, the others keep their windows. So do those with a value at risk.
        let agreed = living.len() == all.len()
            && standing.len() > 1
            && standing.iter().all(|(_, job)| {
                job.status == Status::Revealed
                    && job.open_demands == 0
                    && job.value_at_risk.is_zero()
                    && (job.traces, job.outputs) == (one.traces, one.outputs)
            });
        // An agreement stays in force when somebody cannot be paid: repeating it would only cost a fee.
        let open = standing.iter().any(|(_, job)| job.deadline().slot > job.since_slot.get());
        if !agreed || !open || living.iter().any(|(_, job)| self.accused.has(job)) {
            return Ok(());
        }
        self.send_and_report("agree", *first, &[job::agree_replicas(&all)]).await?;
        for (address, job) in standing {
            self.end(Duty::Settle, *address, job).await?;
        }
        Ok(())
    }

    /// Closes the audits of jobs that are over, which frees the auditors' bonds.
    async fn audits(&self, jobs: &HashMap<Hash, &Job>) -> Result<()> {
        let audits: Vec<(Address, Audit)> = self.chain.find(&[]).await?;
        let over = audits
            .iter()
            .filter(|(_, audit)| audit.check_over(jobs.get(&audit.job_hash).copied()).is_ok());
        self.send_each("close audit", over.map(|(address, audit)| (*address, audit::close(audit))))
            .await
    }

    /// Sends a transaction of one instruction for each account of which it is due, and reports the outcomes.
    async fn send_each(&self, deed: &'static str, due: impl IntoIterator<Item = (Address, Instruction)>) -> Result<()> {
        for_each_bounded(due, async |(account, instruction)| {
            self.send_and_report(deed, account, &[instruction]).await
        })
        .await
    }

    /// Sends a duty that earns nothing, unless it has just failed, and reports the outcome.
    async fn send_and_report(&self, deed: &'static str, account: Address, instructions: &[Instruction]) -> Result<()> {
        if self.retries.waits(deed, &account) {
            return Ok(());
        }
        self.report(deed, account, self.send(deed, account, instructions, self.options).await)
    }

    /// Reports the outcome of one duty. Only an unreachable node is an error, as it would fail all other duties too.
    fn report(&self, deed: &'static str, account: Address, outcome: Result<Option<Deed>>) -> Result<()> {
        match outcome {
            Ok(None) => {}
            Ok(Some(done)) => {
                self.retries.forget(deed, account);
                (self.on_event)(CrankEvent::Did(done));
            }
            Err(error @ Error::Chain(chain::Error::Unreachable { .. })) => return Err(error),
            Err(error) => {
                let repeated = self.retries.put_off(deed, account, error.to_string());
                (self.on_event)(CrankEvent::Failed {
                    deed,
                    account,
                    error,
                    repeated,
                });
            }
        }
        Ok(())
    }

    /// Whether the key can spend so many lamports and keep its reserve, even if as much is spent on everything in flight.
    async fn can_spare(&self, lamports: u64) -> Result<bool> {
        if self.reserve == 0 {
            return Ok(true);
        }
        let has = self.chain.account(&self.key.pubkey()).await?.map_or(0, |key| key.lamports);
        Ok(has >= self.reserve.saturating_add(lamports.saturating_mul(MAX_IN_FLIGHT as u64)))
    }

    /// Sends one transaction. A refusal because it came too late or too early is no error: somebody else was faster, or a later pass will
    /// do it. Nor is a price above `max_fee`, which may fall until then.
    async fn send(
        &self,
        deed: &'static str,
        account: Address,
        instructions: &[Instruction],
        options: &SendOptions,
    ) -> Result<Option<Deed>> {
        let prepared = match self.chain.prepare(instructions, &[self.key as &dyn Signer], options).await {
            Ok(prepared) => prepared,
            Err(error @ chain::Error::TooDear { .. }) => {
                tracing::debug!(deed, %account, %error, "not sent");
                self.retries.put_off(deed, account, error.to_string());
                return Ok(None);
            }
            Err(error) if error.failure().is_some_and(is_race) => {
                tracing::debug!(deed, %account, %error, "somebody else was faster, or it was too early");
                self.retries.put_off(deed, account, error.to_string());
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let receipt = match self.chain.submit(&prepared, options).await {
            Outcome::Failed(failure) if is_race(&failure) => {
                self.retries.put_off(deed, account, failure.explanation.to_string());
                let failure = Box::new(failure);
                (self.on_event)(CrankEvent::Wasted { deed, account, failure });
                return Ok(None);
            }
            outcome => outcome.confirmed()?,
        };
        Ok(Some(Deed {
            deed,
            account: account.to_string(),
            signature: receipt.signature.to_string(),
            bounty: 0,
            rent: 0,
            fee: receipt.fee,
            compute_units: receipt.compute_units,
        }))
    }
}

/// Runs `about` for each item, several concurrently. After a failure no more are started, but those in flight run to their end: a
/// transaction that is no longer followed would be sent again.
async fn for_each_bounded<T, F: Future<Output = Result<()>>>(all: impl IntoIterator<Item = T>, about: impl Fn(T) -> F) -> Result<()> {
    let failed = Cell::new(false);
    let begun = all.into_iter().take_while(|_| !failed.get()).map(about);
    let mut ends = stream::iter(begun).buffer_unordered(MAX_IN_FLIGHT);
    let mut outcome = Ok(());
    while let Some(end) = ends.next().await {
        failed.set(failed.get() || end.is_err());
        outcome = outcome.and(end);
    }
    outcome
}

/// Time until shortly before a deadline, but at least a short while, as the chain's clock is coarse; `None` once it is reached.
fn time_left(deadline: Moment, now: Moment) -> Option<Duration> {
    const NEAR: Duration = Duration::from_secs(1);
    const SHORT: Duration = Duration::from_millis(200);
    let left = Duration::from_secs(deadline.seconds_past(now).into());
    (!now.reached(deadline)).then(|| left.checked_sub(NEAR).filter(|left| *left > SHORT).unwrap_or(SHORT))
}

/// The replicas among these jobs, sorted so that those of one job are adjacent and in order. Ids alone do not tell, as that of an ended
/// replica can be used again.
fn in_groups(jobs: &[(Address, Job)]) -> Vec<(Address, Job)> {
    let mut replicas: Vec<(Address, Job)> = jobs.iter().filter(|(_, job)| job.replicas > 1).copied().collect();
    replicas.sort_by_key(|(_, job)| (job.group(), job.replica));
    replicas
}

/// Programs whose refusals mean that a duty is already done, or not due yet.
const PROGRAMS: [&str; 4] = ["jobs", "staking", "costaking", "referee"];

/// The first error code of the programs' own. Those below are of the framework they are written with, for accounts that do not fit.
const OWN_CODES: u32 = 6_000;

/// Whether a transaction failed because somebody else was faster or it came too early, as opposed to, say, a wallet without SOL or a lack of
/// compute units.
fn is_race(failure: &Failure) -> bool {
    let refusal = &failure.explanation;
    let is_of_market = refusal.program.as_deref().is_some_and(|program| PROGRAMS.contains(&program));
    let is_refused = refusal.code.is_some_and(|code| code >= OWN_CODES);
    // Somebody else has closed an account that the transaction writes, or only reads.
    let is_gone = ["AccountDataTooSmall", "UninitializedAccount"].contains(&refusal.name.as_str());
    // Or has created one.
    is_of_market && (is_refused || is_gone) || refusal.name == "AccountAlreadyInUse"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;
    use ::tests::Failure;
    use anchor_lang::Discriminator;
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::{Fake, account, gift, instructions};
    use chain::market::{self, reward};
    use chain::{Landed, Simulation};
    use jobs::Escrow;
    use jobs::error::JobsError;
    use jobs::instruction::ExpireJob;
    use solana_account::Account;
    use solana_instruction::error::InstructionError;
    use solana_transaction_error::TransactionError;
    use staking::error::StakingError;
    use staking::{Device, Emission};
    use std::cell::RefCell;
    use std::sync::{Arc, LazyLock};

    #[test]
    fn the_next_pass_comes_when_a_deadline_is_near() {
        let now = Moment { unix: 100, slot: 250 };
        let at = |seconds| time_left(now.after(seconds), now).map(|left| left.as_millis());
        assert_eq!((at(0), at(1), at(2), at(61)), (None, Some(200), Some(1_000), Some(60_000)));
        // Of seconds and slots, the one further from the deadline decides.
        let lagging = Moment { unix: 0, slot: 500 };
        assert_eq!(time_left(lagging, now), Some(Duration::from_secs(99)));
        let never = Moment {
            unix: i64::MAX,
            slot: u64::MAX,
        };
        assert!(time_left(never, now) > Some(Duration::from_secs(1 << 30)));
    }

    /// A chain on which replicas wait to be called, an audit and a demand are over, a job has expired and its escrow owes fees, but no
    /// transaction can be paid for. Also returns the duties that are due, with their accounts.
    fn stuck(cranker: &Address) -> (Fake, [(&'static str, Address); 5]) {
        let [grouped, audited, demanded, expired, escrow, demand] = [1, 2, 3, 4, 5, 6].map(|at| Address::new_from_array([at; 32]));
        let fake = Fake::default();
        fake.set_clock();
        let replica = Job {
            job_hash: [1; 32],
            replicas: 2,
            status: Status::Committed as u8,
            deadline_at: i64::MAX.into(),
            deadline_slot: u64::MAX.into(),
            ..Job::zeroed()
        };
        fake.set_account(grouped, account(&replica));
        let audit = Audit {
            job: audited,
            job_hash: [2; 32],
            ..Audit::zeroed()
        };
        fake.set_account(audit::address(&audited), account(&audit));
        let left = DemandHeader {
            job: demanded,
            job_hash: [3; 32],
            challenger: *cranker,
            ..DemandHeader::zeroed()
        };
        fake.set_account(demand, account(&left));
        let job = Job {
            job_hash: [4; 32],
            replicas: 1,
            escrow,
            bounty: 10_000.into(),
            ..Job::zeroed()
        };
        fake.set_account(expired, account(&job));
        let owing = Escrow {
            fees: 1.into(),
            ..Escrow::zeroed()
        };
        fake.set_account(escrow, account(&owing));
        let config = jobs::Config::zeroed();
        fake.set_account(
            market::token_account(&config.treasury, &owing.mint),
            Account {
                lamports: 1,
                owner: spl_token_interface::ID,
                ..Account::default()
            },
        );
        // The treasury has no account for this mint, though somebody sent lamports to its address.
        let kept = Escrow {
            mint: Address::new_from_array([8; 32]),
            ..owing
        };
        fake.set_account(Address::new_from_array([9; 32]), account(&kept));
        fake.set_account(market::token_account(&config.treasury, &kept.mint), gift());
        fake.set_account(job::config(), account(&config));
        fake.set_simulation(Simulation {
            error: Some(TransactionError::InsufficientFundsForFee),
            ..Simulation::default()
        });
        let due = [
            ("call reveals", grouped),
            ("close audit", audit::address(&audited)),
            ("close demand", demand),
            ("expire", expired),
            ("sweep", escrow),
        ];
        (fake, due)
    }

    #[test]
    fn replicas_of_one_job_are_adjacent_and_in_order() {
        let job = |at: u8, slot: u64, id: u64, replica: u8, replicas: u8| {
            let job = Job {
                id: id.into(),
                opened_slot: slot.into(),
                replica,
                replicas,
                ..Job::zeroed()
            };
            (Address::new_from_array([at; 32]), job)
        };
        let mut jobs = [
            job(1, 5, 12, 2, 3),
            job(2, 9, 11, 1, 2),
            job(3, 5, 13, 0, 1),
            job(4, 7, 21, 1, 2),
            job(5, 5, 10, 0, 3),
            job(6, 7, 20, 0, 2),
            job(7, 8, 30, 0, 3),
            job(8, 8, 31, 1, 3),
            job(9, 8, 32, 2, 3),
        ];
        jobs[7].1.run_seconds = 60.into();
        let sorted = in_groups(&jobs);
        let groups = sorted.chunk_by(|(_, one), (_, next)| one.is_sibling(next));
        let groups: Vec<Vec<u8>> = groups
            .map(|group| group.iter().map(|(address, _)| address.as_array()[0]).collect())
            .collect();
        // The second of the first three has ended, and its id belongs to another job; the second of the last three has other terms.
        assert_eq!(groups, [vec![5, 1], vec![2], vec![6, 4], vec![7, 9], vec![8]]);
    }

    /// After a failure nothing more is started, but transactions in flight are followed.
    #[tokio::test]
    async fn after_a_failure_those_in_flight_run_to_their_end() {
        let ended = RefCell::new(Vec::new());
        let outcome = for_each_bounded(0..20, async |at| {
            if at == 0 {
                return Err(Error::NoPayout { job: Address::default() });
            }
            tokio::task::yield_now().await;
            ended.borrow_mut().push(at);
            Ok(())
        });
        outcome.await.unwrap_err();
        let mut ended = ended.into_inner();
        ended.sort_unstable();
        assert_eq!(ended, (1..MAX_IN_FLIGHT).collect::<Vec<_>>());
    }

    fn cranker<'a>(chain: &'a Chain, key: &'a Keypair, on_event: &'a dyn Fn(CrankEvent)) -> Cranker<'a> {
        static OPTIONS: LazyLock<SendOptions> = LazyLock::new(SendOptions::default);
        static ACCUSED: LazyLock<Accused> = LazyLock::new(Accused::default);
        Cranker {
            chain,
            key,
            options: &OPTIONS,
            sweeps: true,
            create_payouts: false,
            reserve: 0,
            retries: Retries::default(),
            accused: &ACCUSED,
            on_event,
        }
    }

    fn funds(lamports: u64) -> Account {
        Account {
            lamports,
            ..Account::default()
        }
    }

    async fn pass(chain: &Chain, key: &Keypair, on_event: &dyn Fn(CrankEvent)) -> Result<()> {
        cranker(chain, key, on_event).pass().await
    }

    #[tokio::test]
    async fn a_failed_duty_delays_no_other() {
        let key = Keypair::new();
        let (fake, due) = stuck(&key.pubkey());
        let fake = Arc::new(fake);
        let chain = Chain::new(fake.clone());
        let failed = RefCell::new(Vec::new());
        let on_event = |event| match event {
            CrankEvent::Failed { deed, account, .. } => failed.borrow_mut().push((deed, account)),
            other => panic!("{other:?}"),
        };
        pass(&chain, &key, &on_event).await.unwrap();
        let mut all = failed.take();
        all.sort();
        assert_eq!(all, due);
        // Somebody else has done everything meanwhile, and burned a device's forfeited stake: the programs refuse to do it again.
        let device = Device {
            forfeited: 1.into(),
            ..Device::zeroed()
        };
        fake.set_account(Address::new_from_array([7; 32]), account(&device));
        let refusals = [
            (jobs::ID, JobsError::WrongStatus.into()),
            (staking::ID, StakingError::NothingForfeited.into()),
            (costaking::ID, Failure::GONE),
            (jobs::ID, InstructionError::UninitializedAccount.into()),
            (Address::default(), Failure::ALREADY_IN_USE),
        ];
        for (program, Failure(error)) in refusals {
            fake.set_simulation(Simulation {
                logs: vec![format!("Program {program} failed: {error}")],
                error: Some(TransactionError::InstructionError(0, error)),
                ..Simulation::default()
            });
            pass(&chain, &key, &on_event).await.unwrap();
            assert_eq!(failed.take(), [], "{program}");
        }
        // If the node does not answer, the pass fails.
        fake.set_unreachable(true);
        pass(&chain, &key, &on_event).await.unwrap_err();
        assert!(failed.take().is_empty());
    }

    /// A duty that always fails is tried ever more rarely, and what is new comes before it.
    #[tokio::test(start_paused = true)]
    async fn a_duty_that_fails_for_ever_is_tried_rarely_and_last() {
        let (fake, key) = (Arc::new(Fake::default()), Keypair::new());
        fake.set_clock();
        let expired = |at: u8| {
            let job = Job {
                job_hash: [at; 32],
                replicas: 1,
                ..Job::zeroed()
            };
            fake.set_account(Address::new_from_array([at; 32]), account(&job));
        };
        fake.set_account(job::config(), account(&jobs::Config::zeroed()));
        fake.set_account(Address::default(), account(&Escrow::zeroed()));
        fake.set_simulation(Simulation {
            error: Some(TransactionError::ProgramAccountNotFound),
            ..Simulation::default()
        });
        let (chain, failed) = (Chain::new(fake.clone()), RefCell::new(Vec::new()));
        let on_event = |event| match event {
            CrankEvent::Failed { account, repeated, .. } => failed.borrow_mut().push((account.as_array()[0], repeated)),
            other => panic!("{other:?}"),
        };
        let cranker = cranker(&chain, &key, &on_event);
        expired(1);
        for _ in 0..20 {
            cranker.pass().await.unwrap();
            sleep(Duration::from_secs(5)).await;
        }
        let tries = failed.take();
        assert_eq!((tries.len(), tries[0]), (7, (1, false)));
        assert!(tries[1..].iter().all(|repeated| *repeated == (1, true)));
        sleep(Duration::from_secs(60)).await;
        (2..10).for_each(expired);
        cranker.pass().await.unwrap();
        assert_eq!(failed.take().last(), Some(&(1, true)));
        // For another reason.
        fake.set_simulation(Simulation {
            error: Some(TransactionError::InsufficientFundsForFee),
            ..Simulation::default()
        });
        sleep(Duration::from_secs(200)).await;
        cranker.pass().await.unwrap();
        let all = failed.take();
        assert!(all.len() == 9 && all.iter().all(|(_, repeated)| !repeated), "{all:?}");
    }

    /// A pass that is broken off is not repeated at once, and upkeep is rare: it reads most of the market.
    #[tokio::test(start_paused = true)]
    async fn a_node_that_refuses_requests_is_asked_ever_more_rarely() {
        const PASSES: u32 = 120;
        let (fake, key) = (Arc::new(Fake::default()), Keypair::new());
        fake.set_clock();
        fake.set_account(job::config(), account(&jobs::Config::zeroed()));
        let (chain, broken) = (Chain::new(fake.clone()), Cell::new(0));
        let on_event = |event| match event {
            CrankEvent::Broken(_) => broken.set(broken.get() + 1),
            other => panic!("{other:?}"),
        };
        let cranker = cranker(&chain, &key, &on_event);
        // Jobs, demands and audits; and in one of twelve passes blocks, tallies, devices, offers, positions, exits, escrows and slashes.
        for (fails_every, most) in [(usize::MAX, 120 * 3 + 10 * 8), (2, 100)] {
            fake.set_failing_every(fails_every);
            let before = fake.searches();
            let (every, hurry) = (Duration::from_secs(5), Notify::new());
            tokio::select! {
                never = cranker.run(every, &hurry) => match never {},
                () = sleep(every * PASSES - Duration::from_millis(1)) => {}
            }
            let searches = fake.searches() - before;
            assert!(searches <= most, "{searches} searches, one of {fails_every} requests fails");
        }
        assert!(broken.get() > 10);
    }

    #[tokio::test]
    async fn upkeep_that_the_node_breaks_off_delays_no_other() {
        let (fake, key) = (Arc::new(Fake::default()), Keypair::new());
        fake.set_clock();
        let config = jobs::Config::zeroed();
        fake.set_account(job::config(), account(&config));
        let owing = Escrow {
            fees: 1.into(),
            ..Escrow::zeroed()
        };
        for at in 1..=20 {
            fake.set_account(Address::new_from_array([at; 32]), account(&owing));
        }
        let treasury = Account {
            lamports: 1,
            data: vec![0],
            owner: spl_token_interface::ID,
            ..Account::default()
        };
        fake.set_account(market::token_account(&config.treasury, &owing.mint), treasury);
        let device = Device {
            forfeited: 1.into(),
            ..Device::zeroed()
        };
        fake.set_account(Address::new_from_array([99; 32]), account(&device));
        fake.on_send(|_| Some(Landed::default()));
        // Once the first escrows are swept, the treasury's account cannot be read for the rest.
        fake.set_mute_once_sent(true);
        let (chain, done) = (Chain::new(fake.clone()), RefCell::new(Vec::new()));
        let on_event = |event| match event {
            CrankEvent::Did(deed) => done.borrow_mut().push(deed.deed),
            other => panic!("{other:?}"),
        };
        pass(&chain, &key, &on_event).await.unwrap_err();
        assert!(done.take().ends_with(&["sweep", "burn"]));
    }

    #[tokio::test]
    async fn hours_that_cannot_be_read_delay_no_other() {
        let key = Keypair::new();
        let (fake, due) = stuck(&key.pubkey());
        fake.set_account(reward::emission(), account(&jobs::Config::zeroed()));
        let (chain, failed) = (Chain::new(Arc::new(fake)), Cell::new(0));
        let on_event = |event| match event {
            CrankEvent::Failed { .. } => failed.set(failed.get() + 1),
            other => panic!("{other:?}"),
        };
        pass(&chain, &key, &on_event).await.unwrap_err();
        assert_eq!(failed.get(), due.len());
    }

    /// Evidence may be found while others are paid.
    #[tokio::test]
    async fn a_job_accused_during_a_pass_is_not_paid_for() {
        let (fake, key, accused) = (Arc::new(Fake::default()), Keypair::new(), Arc::new(Accused::default()));
        fake.set_clock();
        let jobs = (1..=20).map(|at: u8| Job {
            job_hash: [at; 32],
            replicas: 1,
            status: Status::Revealed as u8,
            bounty: 10_000.into(),
            device: Address::new_from_array([98; 32]),
            escrow: Address::new_from_array([99; 32]),
            ..Job::zeroed()
        });
        for job in jobs {
            fake.set_account(Address::new_from_array(job.job_hash), account(&job));
            fake.set_account(job.device, account(&Device::zeroed()));
            fake.set_account(job.escrow, account(&Escrow::zeroed()));
        }
        let accuses = accused.clone();
        fake.on_send(move |_| {
            (1..=20).for_each(|at| accuses.add([at; 32]));
            Some(Landed::default())
        });
        let (chain, done) = (Chain::new(fake), Cell::new(0));
        let on_event = |event| match event {
            CrankEvent::Did(_) => done.set(done.get() + 1),
            other => panic!("{other:?}"),
        };
        let cranker = Cranker {
            sweeps: false,
            create_payouts: true,
            accused: &accused,
            ..cranker(&chain, &key, &on_event)
        };
        cranker.pass().await.unwrap();
        assert!((1..=MAX_IN_FLIGHT).contains(&done.get()), "{} were paid", done.get());
    }

    /// What is kept for evidence is not spent on accounts of others: those who close theirs would drain the key.
    #[tokio::test]
    async fn the_reserve_opens_no_account_for_others() {
        let (fake, key) = (Arc::new(Fake::default()), Keypair::new());
        fake.set_clock();
        fake.on_send(|_| Some(Landed::default()));
        let revealed = Job {
            replicas: 1,
            status: Status::Revealed as u8,
            bounty: 10_000.into(),
            device: Address::new_from_array([2; 32]),
            escrow: Address::new_from_array([3; 32]),
            ..Job::zeroed()
        };
        let job = Address::new_from_array([1; 32]);
        fake.set_account(job, account(&revealed));
        fake.set_account(revealed.device, account(&Device::zeroed()));
        fake.set_account(revealed.escrow, account(&Escrow::zeroed()));
        let chain = Chain::new(fake.clone());
        let (done, failed) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let on_event = |event| match event {
            CrankEvent::Did(deed) => done.borrow_mut().push((deed.bounty, deed.rent)),
            CrankEvent::Failed { error, .. } => failed.borrow_mut().push(error),
            other => panic!("{other:?}"),
        };
        const RENT: u64 = 2_039_280;
        const RESERVE: u64 = 340_000_000;
        const ENOUGH: u64 = RESERVE + RENT * MAX_IN_FLIGHT as u64;
        for (lamports, create_payouts) in [(RESERVE, true), (ENOUGH - 1, true), (ENOUGH, false), (ENOUGH, true)] {
            fake.set_account(key.pubkey(), funds(lamports));
            let cranker = Cranker {
                reserve: RESERVE,
                create_payouts,
                sweeps: false,
                ..cranker(&chain, &key, &on_event)
            };
            cranker.pass().await.unwrap();
            if (lamports, create_payouts) == (ENOUGH, true) {
                assert_eq!((done.take(), failed.take().len()), (vec![(10_000, RENT)], 0));
            } else {
                assert!(matches!(failed.take().as_slice(), [Error::NoPayout { job: at }] if *at == job));
                assert!(fake.sent().is_empty());
            }
        }
    }

    /// No hour is opened from what is kept for evidence.
    #[tokio::test]
    async fn the_reserve_opens_no_hour() {
        let (fake, key) = (Arc::new(Fake::default()), Keypair::new());
        fake.set_clock();
        fake.on_send(|_| Some(Landed::default()));
        fake.set_account(job::config(), account(&jobs::Config::zeroed()));
        let emission = Emission {
            shards: 1,
            ..Emission::zeroed()
        };
        fake.set_account(reward::emission(), account(&emission));
        let chain = Chain::new(fake.clone());
        let (done, failed) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let on_event = |event| match event {
            CrankEvent::Did(deed) => done.borrow_mut().push(deed.deed),
            CrankEvent::Failed { deed, error, .. } => failed.borrow_mut().push((deed, error)),
            other => panic!("{other:?}"),
        };
        const RESERVE: u64 = 340_000_000;
        for lamports in [RESERVE, 2 * RESERVE] {
            fake.set_account(key.pubkey(), funds(lamports));
            let cranker = Cranker {
                reserve: RESERVE,
                ..cranker(&chain, &key, &on_event)
            };
            cranker.pass().await.unwrap();
            if lamports == RESERVE {
                assert!(matches!(
                    failed.take().as_slice(),
                    [("open hour", Error::Reserved { kept: RESERVE })]
                ));
                assert!(fake.sent().is_empty());
            }
        }
        assert_eq!((done.take(), failed.take().len()), (vec!["open hour"], 0));
    }

    /// If others pay more than a bounty allows, the crank waits, and holds up no other; duties without one are paid for like everything else.
    #[tokio::test]
    async fn no_crank_is_turned_at_a_loss() {
        let key = Keypair::new();
        let (fake, due) = stuck(&key.pubkey());
        let (fake, units) = (Arc::new(fake), 11_800_u32);
        fake.set_simulation(Simulation {
            compute_units: 9_000,
            ..Simulation::default()
        });
        fake.set_recent_fees(&[1_000_000]);
        fake.on_send(|_| Some(Landed::default()));
        let chain = Chain::new(fake.clone());
        let done = RefCell::new(Vec::new());
        let on_event = |event| match event {
            CrankEvent::Did(deed) => done.borrow_mut().push(deed.signature),
            other => panic!("{other:?}"),
        };
        pass(&chain, &key, &on_event).await.unwrap();
        assert_eq!(done.take().len(), due.len() - 1);
        let sent = fake.sent();
        for transaction in &sent {
            let [limit, price, duty] = instructions(transaction).try_into().unwrap();
            assert!(limit.data.ends_with(&units.to_le_bytes()) && price.data.ends_with(&1_000_000_u64.to_le_bytes()));
            assert!(!duty.data.starts_with(ExpireJob::DISCRIMINATOR));
        }
        // What the bounty leaves after the base fee.
        let affordable = 5_000 * 1_000_000 / u64::from(units);
        fake.set_recent_fees(&[affordable]);
        pass(&chain, &key, &on_event).await.unwrap();
        assert_eq!(done.take().len(), due.len());
        let again = fake.sent().split_off(sent.len());
        let ends = again
            .iter()
            .map(instructions)
            .filter(|all| all[2].data.starts_with(ExpireJob::DISCRIMINATOR));
        assert_eq!(ends.count(), 1);
    }

    #[test]
    fn a_bounty_limits_the_fees_of_what_earns_nothing_else() {
        let job = Job {
            bounty: 7.into(),
            ..Job::zeroed()
        };
        let all = [
            Duty::Settle,
            Duty::Expire,
            Duty::Timeout,
            Duty::Award,
            Duty::SkipAudit,
            Duty::TimeoutAudit,
        ];
        assert_eq!(all.map(|duty| duty.bounty(&job)), [7, 7, 7, 7, 0, 0]);
        assert_eq!(all.map(|duty| duty.max_fee(&job)), [Some(7), Some(7), Some(7), None, None, None]);
    }

    /// A transaction that lands in vain is reported: as a failure only if somebody else's being faster does not explain it.
    #[tokio::test]
    async fn a_fee_paid_for_nothing_is_reported() {
        let key = Keypair::new();
        let (fake, due) = stuck(&key.pubkey());
        let fake = Arc::new(fake);
        fake.set_simulation(Simulation::default());
        let chain = Chain::new(fake.clone());
        let (wasted, failed) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let on_event = |event| match event {
            CrankEvent::Wasted { deed, account, failure } => {
                assert_eq!(failure.receipt.unwrap().fee, 5_000);
                wasted.borrow_mut().push((deed, account));
            }
            CrankEvent::Failed { deed, account, .. } => failed.borrow_mut().push((deed, account)),
            other => panic!("{other:?}"),
        };
        let refusals = [
            (jobs::ID, JobsError::WrongStatus.into(), &wasted),
            (spl_token_interface::ID, JobsError::WrongStatus.into(), &failed),
            (jobs::ID, Failure::NOT_WRITABLE, &failed),
            (jobs::ID, InstructionError::ComputationalBudgetExceeded.into(), &failed),
        ];
        for (program, Failure(error), reports) in refusals {
            let named = format!("{program}: {error}");
            fake.on_send(move |_| {
                Some(Landed {
                    error: Some(TransactionError::InstructionError(0, error.clone())),
                    fee: 5_000,
                    logs: Some(vec![format!("Program {program} failed: {error}")]),
                    ..Landed::default()
                })
            });
            pass(&chain, &key, &on_event).await.unwrap();
            let mut all = reports.take();
            all.sort();
            assert_eq!(all, due, "{named}");
            assert!(wasted.take().is_empty() && failed.take().is_empty());
        }
    }
}
