//! Duties anyone may do: ending jobs whose time is up for their bounty, calling and confirming replicas, ending audits, convicting silence.
//! What is due, the transaction that does it, and a [`Cranker`] that does it for everything there is. The hours of rewards and what else
//! earns nothing are in the modules beside this.

mod duty;
mod hours;
mod upkeep;

pub use duty::{Duty, end};

use crate::dispute::silence;
use crate::{Error, Result};
use chain::market::{audit, demand, job};
use chain::{Chain, NotConfirmed, Outcome, SendOptions};
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

/// Transactions on their way side by side.
const MAX_IN_FLIGHT: usize = 8;

/// A duty done.
#[derive(Clone, Debug, Serialize)]
pub struct Deed {
    /// What was done.
    pub deed: &'static str,
    /// What it was done about: a job, an escrow, a device, an hour's block.
    pub account: String,
    /// The transaction.
    pub signature: String,
    /// Lamports earned by it.
    pub bounty: u64,
    /// Lamports paid for it.
    pub fee: u64,
    /// Compute units it used.
    pub compute_units: u64,
}

/// What a [`Cranker`] tells.
#[derive(Debug)]
pub enum CrankEvent {
    /// A duty done.
    Did(Deed),
    /// A duty that failed. It is tried again, and keeps nothing else waiting.
    Failed {
        /// What was to be done.
        deed: &'static str,
        /// What about.
        account: Address,
        /// Why it was not.
        error: Error,
    },
    /// A look at what is due broke off: without a node nothing can be done.
    Broken(Error),
}

/// Jobs, by their hashes, against which the cranker's own evidence is on its way: it does not pay for what it is about to convict.
#[derive(Debug, Default)]
pub struct Accused(Mutex<HashSet<Hash>>);

impl Accused {
    /// A case against this job is being brought.
    pub fn add(&self, job: Hash) {
        self.0.lock().insert(job);
    }

    /// It has come to an end.
    pub fn remove(&self, job: &Hash) {
        self.0.lock().remove(job);
    }

    fn has(&self, job: &Job) -> bool {
        self.0.lock().contains(&job.job_hash)
    }
}

/// Turns the cranks.
pub struct Cranker<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// Signs, pays the fees and earns the bounties.
    pub key: &'a Keypair,
    /// How transactions are sent.
    pub options: &'a SendOptions,
    /// Also do what earns nothing: sweep fees, burn forfeited stake, keep the hours of rewards going.
    pub sweeps: bool,
    /// Also pay those without a token account, opening one at the key's expense.
    pub create_payouts: bool,
    /// What is not to be paid for.
    pub accused: &'a Accused,
    /// Hears of everything.
    pub on_event: &'a dyn Fn(CrankEvent),
}

impl Cranker<'_> {
    /// Does everything that is due, once.
    pub async fn pass(&self) -> Result<()> {
        if self.sweeps {
            self.hours().await?;
        }
        self.ends().await?;
        if self.sweeps {
            self.upkeep().await?;
        }
        Ok(())
    }

    /// Does what is due for ever, looking at most `every` apart, and at jobs as soon as `hurry` asks for it. Hours, whose beacons are
    /// forgotten within minutes, wait neither for jobs nor for the upkeep, however much there is of either.
    pub async fn run(&self, every: Duration, hurry: &Notify) -> Infallible {
        tokio::select! {
            never = self.end_for_ever(every, hurry) => never,
            never = self.repeat_every(every, || self.hours()), if self.sweeps => never,
            never = self.repeat_every(every, || self.upkeep()), if self.sweeps => never,
        }
    }

    async fn end_for_ever(&self, every: Duration, hurry: &Notify) -> Infallible {
        loop {
            let idle = self.ends().await.unwrap_or_else(|error| {
                (self.on_event)(CrankEvent::Broken(error));
                every
            });
            tokio::select! {
                () = sleep(idle.min(every)) => {}
                () = hurry.notified() => {}
            }
        }
    }

    async fn repeat_every<F: Future<Output = Result<()>>>(&self, every: Duration, look: impl Fn() -> F) -> Infallible {
        loop {
            look().await.unwrap_or_else(|error| (self.on_event)(CrankEvent::Broken(error)));
            sleep(every).await;
        }
    }

    /// Does what is due about jobs. Returns how long nothing more falls due, as far as is known.
    async fn ends(&self) -> Result<Duration> {
        let (jobs, now): (Vec<(Address, Job)>, _) = (self.chain.find(&[]).await?, self.chain.now().await?);
        let answers = self.demands(&jobs, now).await?;
        let replicas = in_groups(&jobs);
        let groups = replicas.chunk_by(|(_, one), (_, next)| one.is_sibling(next));
        for_each_bounded(groups, |living| self.group(living)).await?;
        self.audits(&jobs).await?;
        let ends = jobs.iter().filter_map(|(_, job)| time_left(job.deadline(), now)).min();
        let due = jobs.iter().filter_map(|(address, job)| Some((address, job, Duty::due(job, now)?)));
        let due = due.filter(|(_, job, duty)| *duty != Duty::Settle || !self.accused.has(job));
        for_each_bounded(due, |(address, job, duty)| self.end(duty, *address, job)).await?;
        Ok(ends.into_iter().chain(answers).min().unwrap_or(Duration::MAX))
    }

    /// Convicts workers whose time for an answer has passed, whoever asked, and closes what is left of this key's demands. Returns how long
    /// the next one has.
    async fn demands(&self, jobs: &[(Address, Job)], now: Moment) -> Result<Option<Duration>> {
        let demands: Vec<(Address, DemandHeader)> = self.chain.find(&[]).await?;
        let unanswered = demands.iter().filter(|(_, about)| !about.answered.get());
        let next = unanswered.filter_map(|(_, about)| time_left(about.deadline(), now)).min();
        // Of one job's, one after the other: what convicts it once makes an end to the others.
        let mut of_jobs: HashMap<Hash, Vec<&(Address, DemandHeader)>> = HashMap::new();
        for demand in &demands {
            of_jobs.entry(demand.1.job_hash).or_default().push(demand);
        }
        for_each_bounded(of_jobs, async |(hash, demands)| {
            let job = jobs.iter().map(|(_, job)| job).find(|job| job.job_hash == hash);
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

    /// Convicts the worker of a job for an answer that has not come in time.
    async fn convict_silence(&self, address: &Address, about: &DemandHeader, job: &Job, now: Moment) -> Result<Option<Deed>> {
        let key = self.key.pubkey();
        let due = !about.answered.get() && now.reached(about.deadline());
        // A conviction for the silence that another has found would take the reward from the evidence that is on its way.
        if !due || (about.challenger != key && self.accused.has(job)) {
            return Ok(None);
        }
        let instructions = silence(self.chain, &key, &about.job, job, address).await?;
        self.send("convict silence", about.job, &instructions, 0).await
    }

    /// Closes what is left of this key's demand once its job needs it no more.
    async fn close_demand(&self, address: &Address, about: &DemandHeader, job: Option<&Job>) -> Result<()> {
        let key = self.key.pubkey();
        if about.challenger != key || about.check_over(job).is_err() {
            return Ok(());
        }
        self.send_and_report("close demand", *address, &[demand::close(&key, &about.job, address)])
            .await
    }

    /// Ends one job.
    async fn end(&self, duty: Duty, address: Address, job: &Job) -> Result<()> {
        let ended = async {
            let end = end(self.chain, &self.key.pubkey(), &address, job).await?;
            if end.opens_accounts && !self.create_payouts {
                return Err(Error::NoPayout { job: address });
            }
            self.send(duty.name(), address, &end.instructions, duty.bounty(job)).await
        };
        self.report(duty.name(), address, ended.await)
    }

    /// Does what is due among the replicas of one job: calls their reveals when all have committed, and ends the windows of those that
    /// agree and pays them. `living` are those in progress, in order.
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
        // What is left of a group stands under its windows.
        let agreed = living.len() == all.len()
            && standing.len() > 1
            && standing.iter().all(|(_, job)| {
                job.status == Status::Revealed && job.open_demands == 0 && (job.traces, job.outputs) == (one.traces, one.outputs)
            });
        // Windows that their agreement has ended are not ended again, for a fee, where somebody cannot be paid.
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

    /// Frees the bonds of auditors whose jobs are over.
    async fn audits(&self, jobs: &[(Address, Job)]) -> Result<()> {
        let audits: Vec<(Address, Audit)> = self.chain.find(&[]).await?;
        let over = audits.iter().filter(|(_, audit)| {
            let job = jobs.iter().find(|(_, job)| job.job_hash == audit.job_hash);
            audit.check_over(job.map(|(_, job)| job)).is_ok()
        });
        for_each_bounded(over, async |(address, audit)| {
            self.send_and_report("close audit", *address, &[audit::close(audit)]).await
        })
        .await
    }

    /// Does something that earns nothing about an account, and tells of it.
    pub(crate) async fn send_and_report(&self, deed: &'static str, account: Address, instructions: &[Instruction]) -> Result<()> {
        self.report(deed, account, self.send(deed, account, instructions, 0).await)
    }

    /// Tells what came of one duty. A failure must not keep the others waiting, unless there is no node that they could be done with.
    fn report(&self, deed: &'static str, account: Address, outcome: Result<Option<Deed>>) -> Result<()> {
        match outcome {
            Ok(deed) => deed.into_iter().map(CrankEvent::Did).for_each(self.on_event),
            Err(error @ Error::Chain(chain::Error::Unreachable { .. })) => return Err(error),
            Err(error) => (self.on_event)(CrankEvent::Failed { deed, account, error }),
        }
        Ok(())
    }

    /// Sends one transaction. Being late, or early by a slot, is no error: somebody else was faster, or the next look does it.
    async fn send(&self, deed: &'static str, account: Address, instructions: &[Instruction], bounty: u64) -> Result<Option<Deed>> {
        let prepared = match self.chain.prepare(instructions, &[self.key as &dyn Signer], self.options).await {
            Ok(prepared) => prepared,
            Err(chain::Error::Transaction(cause)) if is_race(&cause) => {
                tracing::debug!(deed, %account, %cause, "somebody else was faster, or it was too early");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let receipt = match self.chain.submit(&prepared, self.options).await {
            Outcome::Failed(_) => return Ok(None),
            outcome => outcome.confirmed()?,
        };
        Ok(Some(Deed {
            deed,
            account: account.to_string(),
            signature: receipt.signature.to_string(),
            bounty,
            fee: receipt.fee,
            compute_units: receipt.compute_units,
        }))
    }
}

/// Does something about each of these, several side by side. After a failure nothing more is begun, and what is on its way goes on to its
/// end: a transaction that is no longer followed would be sent again.
pub(crate) async fn for_each_bounded<T, F: Future<Output = Result<()>>>(
    all: impl IntoIterator<Item = T>,
    about: impl Fn(T) -> F,
) -> Result<()> {
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

/// Time until shortly before a deadline, or a short while when it is as near as the chain's clock can tell; `None` once it is reached.
fn time_left(deadline: Moment, now: Moment) -> Option<Duration> {
    const NEAR: Duration = Duration::from_secs(1);
    const SHORT: Duration = Duration::from_millis(200);
    let left = Duration::from_secs(deadline.seconds_past(now).into());
    (!now.reached(deadline)).then(|| left.checked_sub(NEAR).filter(|left| *left > SHORT).unwrap_or(SHORT))
}

/// The replicas among these jobs, those of one job beside each other and in order. Ids alone would not do: that of one which has ended may
/// belong to another job by now.
fn in_groups(jobs: &[(Address, Job)]) -> Vec<(Address, Job)> {
    let mut replicas: Vec<(Address, Job)> = jobs.iter().filter(|(_, job)| job.replicas > 1).copied().collect();
    replicas.sort_by_key(|(_, job)| (job.group(), job.replica));
    replicas
}

/// Programs whose refusals tell how things stand with what a duty is about: it is done, or not yet to be done.
const PROGRAMS: [&str; 4] = ["jobs", "staking", "costaking", "referee"];

/// Whether a simulation failed because of where the chain is, as opposed to, say, a wallet without SOL.
fn is_race(cause: &NotConfirmed) -> bool {
    let NotConfirmed::Failed(failure) = cause else { return false };
    let refusal = &failure.explanation;
    // What somebody else has opened cannot be opened again.
    refusal.program.as_deref().is_some_and(|program| PROGRAMS.contains(&program)) || refusal.name == "AccountAlreadyInUse"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use ::tests::Failure;
    use anchor_lang::bytemuck::Zeroable;
    use chain::Simulation;
    use chain::fake::{Fake, account, gift};
    use chain::market;
    use jobs::Escrow;
    use jobs::error::JobsError;
    use solana_account::Account;
    use solana_transaction_error::TransactionError;
    use staking::Device;
    use staking::error::StakingError;
    use std::cell::RefCell;
    use std::sync::Arc;

    #[test]
    fn a_pass_comes_again_when_the_next_deadline_is_near() {
        let now = Moment { unix: 100, slot: 250 };
        let at = |seconds| time_left(now.after(seconds), now).map(|left| left.as_millis());
        assert_eq!((at(0), at(1), at(2), at(61)), (None, Some(200), Some(1_000), Some(60_000)));
        // The clock that lags decides.
        let lagging = Moment { unix: 0, slot: 500 };
        assert_eq!(time_left(lagging, now), Some(Duration::from_secs(99)));
        let never = Moment {
            unix: i64::MAX,
            slot: u64::MAX,
        };
        assert!(time_left(never, now) > Some(Duration::from_secs(1 << 30)));
    }

    /// A chain on which replicas are to be called, an audit is over, a demand is left over, a job has expired and its escrow owes fees, and no
    /// transaction can be paid for; what is to be done, and about which account.
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
        // The treasury has none for this mint, whatever lamports somebody sends to where it would be.
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
    fn replicas_of_one_job_are_beside_each_other_and_in_order() {
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
        // The middle one of the first three has ended, and its id belongs to another job; that of the last three was opened with other times.
        assert_eq!(groups, [vec![5, 1], vec![2], vec![6, 4], vec![7, 9], vec![8]]);
    }

    /// Without a node nothing more is begun, but a transaction on its way is followed.
    #[tokio::test]
    async fn what_is_on_its_way_goes_on_to_its_end() {
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

    #[tokio::test]
    async fn what_one_duty_fails_with_keeps_no_other_waiting() {
        let key = Keypair::new();
        let (fake, due) = stuck(&key.pubkey());
        let fake = Arc::new(fake);
        let chain = Chain::new(fake.clone(), market::errors());
        let failed = RefCell::new(Vec::new());
        let on_event = |event| match event {
            CrankEvent::Failed { deed, account, .. } => failed.borrow_mut().push((deed, account)),
            other => panic!("{other:?}"),
        };
        let cranker = Cranker {
            chain: &chain,
            key: &key,
            options: &SendOptions::default(),
            sweeps: true,
            create_payouts: false,
            accused: &Accused::default(),
            on_event: &on_event,
        };
        cranker.pass().await.unwrap();
        let mut all = failed.take();
        all.sort();
        assert_eq!(all, due);
        // Somebody else has done all that meanwhile, and burned what a device has forfeited: no program has anything left to do.
        let device = Device {
            forfeited: 1.into(),
            ..Device::zeroed()
        };
        fake.set_account(Address::new_from_array([7; 32]), account(&device));
        let refusals = [
            (jobs::ID, JobsError::WrongStatus.into()),
            (staking::ID, StakingError::NothingForfeited.into()),
            (costaking::ID, Failure::GONE),
            (Address::default(), Failure::ALREADY_IN_USE),
        ];
        for (program, Failure(error)) in refusals {
            fake.set_simulation(Simulation {
                logs: vec![format!("Program {program} failed: {error}")],
                error: Some(TransactionError::InstructionError(0, error)),
                ..Simulation::default()
            });
            cranker.pass().await.unwrap();
            assert_eq!(failed.take(), [], "{program}");
        }
        // Nothing can be done about a node that does not answer.
        fake.set_unreachable(true);
        cranker.pass().await.unwrap_err();
        assert!(failed.take().is_empty());
    }
}
