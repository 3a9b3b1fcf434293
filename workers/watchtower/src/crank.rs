//! Duties anyone may do: ending jobs whose time is up for their bounty, calling and confirming replicas, ending audits, convicting silence,
//! sweeping fees, burning what was forfeited, and keeping the hours of rewards going. What is due, the transaction that does it, and a pass
//! over everything that is.

use crate::dispute::silence;
use crate::{Error, Result};
use chain::market::{self, audit, demand, job, slash, stake};
use chain::{Chain, NotConfirmed, Outcome, SendOptions};
use jobs::{Audit, AuditStage, Conviction, DemandHeader, Escrow, Job, Status};
use protocol::units::Moment;
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::{Device, Slash};
use std::time::Duration;
use worker::market::{parties, settlement};

/// How a job ends that nobody ends sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Pay for it: its window has passed.
    Settle,
    /// Refund it: nobody took it.
    Expire,
    /// Refund it: its worker is late.
    Timeout,
    /// Pay whoever convicted it: nobody has an earlier seal.
    Award,
    /// Let its worker reveal: no auditor came.
    SkipAudit,
    /// Let its worker reveal: its auditor is late.
    TimeoutAudit,
}

impl Duty {
    /// What becomes of a job in its present state once its deadline has passed.
    pub fn of(job: &Job) -> Self {
        match job.status {
            status if status == Status::Open as u8 => Self::Expire,
            status if status == Status::Revealed as u8 => Self::Settle,
            status if status == Status::Convicted as u8 => Self::Award,
            _ if job.audit == AuditStage::Drawn as u8 => Self::SkipAudit,
            _ if job.audit == AuditStage::Taken as u8 => Self::TimeoutAudit,
            _ => Self::Timeout,
        }
    }

    /// What is due at `now`.
    pub fn due(job: &Job, now: Moment) -> Option<Self> {
        now.reached(job.deadline()).then(|| Self::of(job))
    }

    /// Name of the command that does it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::Expire => "expire",
            Self::Timeout => "timeout",
            Self::Award => "award",
            Self::SkipAudit => "skip audit",
            Self::TimeoutAudit => "time audit out",
        }
    }

    /// Lamports it earns: those of the job it ends.
    pub fn bounty(self, job: &Job) -> u64 {
        match self {
            Self::SkipAudit | Self::TimeoutAudit => 0,
            _ => job.bounty.get().into(),
        }
    }
}

/// A job's end as a transaction.
pub struct End {
    /// What to send.
    pub instructions: Vec<Instruction>,
    /// Whether it creates the payee's token account at the sender's expense, the payee being somebody else.
    pub creates_payout: bool,
}

/// The transaction with which `cranker` ends a job.
pub async fn end(chain: &Chain, cranker: &Address, address: &Address, job: &Job) -> chain::Result<End> {
    let alone = |instruction| End {
        instructions: vec![instruction],
        creates_payout: false,
    };
    match Duty::of(job) {
        Duty::Settle => settle(chain, cranker, address, job).await,
        Duty::Expire => Ok(alone(job::expire_job(cranker, &parties(chain, address, job).await?.0))),
        Duty::Timeout => Ok(alone(job::timeout_job(cranker, &parties(chain, address, job).await?.0))),
        Duty::Award => award(chain, cranker, address).await,
        Duty::SkipAudit => Ok(alone(audit::skip(address))),
        Duty::TimeoutAudit => Ok(alone(audit::timeout(&chain.fetch(&audit::address(address)).await?))),
    }
}

/// The transaction that pays the supplier.
async fn settle(chain: &Chain, cranker: &Address, address: &Address, job: &Job) -> chain::Result<End> {
    let (ending, mint) = parties(chain, address, job).await?;
    let device: Device = chain.fetch(&job.device).await?;
    let payout = market::token_account(&device.payout, &mint);
    let creates_payout = chain.account(&payout).await?.is_none();
    let create = creates_payout.then(|| market::create_token_account(cranker, &device.payout, &mint));
    let settle = settlement(chain, cranker, job, &ending, &mint, &payout).await?;
    Ok(End {
        instructions: create.into_iter().chain(settle).collect(),
        creates_payout,
    })
}

/// The transaction that pays the challenger of a convicted job.
async fn award(chain: &Chain, cranker: &Address, address: &Address) -> chain::Result<End> {
    let conviction: Conviction = chain.fetch(&job::conviction(address)).await?;
    let config: jobs::Config = chain.fetch(&job::config()).await?;
    let challenger = conviction.challenger;
    let rewarded = market::token_account(&challenger, &config.mint);
    let lacking = chain.account(&rewarded).await?.is_none();
    let create = lacking.then(|| market::create_token_account(cranker, &challenger, &config.mint));
    let award = job::award(cranker, address, &conviction, &rewarded);
    Ok(End {
        instructions: create.into_iter().chain([award]).collect(),
        creates_payout: lacking && challenger != *cranker,
    })
}

/// A duty done.
#[derive(Clone, Debug, Serialize)]
pub struct Deed {
    /// What was done.
    pub deed: &'static str,
    /// Job, or escrow that was swept, or device whose forfeited stake was burned.
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

/// Where swept fees go, and what is burned.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// The treasury's wallet.
    pub treasury: Address,
    /// $IO.
    pub mint: Address,
}

impl From<&jobs::Config> for Sweep {
    fn from(config: &jobs::Config) -> Self {
        Self {
            treasury: config.treasury,
            mint: config.mint,
        }
    }
}

/// Hears of what a pass does.
struct Report<D, F> {
    done: D,
    failed: F,
}

impl<D: FnMut(Deed), F: FnMut(Address, Error)> Report<D, F> {
    /// Takes what came of one duty. A failure must not keep the others waiting, unless there is no node that they could be done with.
    fn take(&mut self, job: Address, outcome: Result<Option<Deed>>) -> Result<()> {
        match outcome {
            Ok(deed) => deed.into_iter().for_each(&mut self.done),
            Err(error @ Error::Chain(chain::Error::Unreachable { .. })) => return Err(error),
            Err(error) => (self.failed)(job, error),
        }
        Ok(())
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
    /// The accounts concerned when fees are to be swept and forfeited stake burned; neither earns anything.
    pub sweep: Option<Sweep>,
    /// Also pay suppliers without a token account, creating it at the key's expense.
    pub create_payouts: bool,
}

impl Cranker<'_> {
    /// Does everything that is due now and tells `done` each deed. What is due about one job and fails goes to `failed`: it must not keep
    /// the others waiting. Returns how long nothing more falls due, as far as is known.
    pub async fn pass(&self, done: impl FnMut(Deed), failed: impl FnMut(Address, Error)) -> Result<Duration> {
        let (chain, mut report) = (self.chain, Report { done, failed });
        let (jobs, now): (Vec<(Address, Job)>, _) = (chain.find(&[]).await?, worker::market::now(chain).await?);
        let ends = jobs.iter().filter_map(|(_, job)| until(job.deadline(), now)).min();
        for living in in_groups(&jobs).chunk_by(|(_, one), (_, next)| one.is_sibling(next)) {
            let Some((first, _)) = living.first() else { continue };
            let grouped = self.group(living, &mut report.done).await;
            report.take(*first, grouped.map(|()| None))?;
        }
        self.audits(&jobs, &mut report).await?;
        let answers = self.demands(&jobs, now, &mut report).await?;
        let idle = ends.into_iter().chain(answers).min().unwrap_or(Duration::MAX);
        for (address, job) in jobs {
            let Some(duty) = Duty::due(&job, now) else { continue };
            report.take(address, self.end(duty, address, &job).await)?;
        }
        let Some(Sweep { treasury, mint }) = self.sweep else {
            return Ok(idle);
        };
        let escrows: Vec<(Address, Escrow)> = chain.find(&[]).await?;
        for (address, escrow) in escrows.into_iter().filter(|(_, escrow)| escrow.fees.get() > 0) {
            let account = market::token_account(&treasury, &escrow.mint);
            if chain.account(&account).await?.is_some() {
                let sweep = job::sweep_fees(&address, &escrow.mint, &account);
                report.take(address, self.act("sweep", address, &[sweep], 0).await)?;
            }
        }
        let devices: Vec<(Address, Device)> = chain.find(&[]).await?;
        for (address, _) in devices.iter().filter(|(_, device)| device.forfeited.get() > 0) {
            let burn = stake::burn_forfeited(address, &mint);
            report.take(*address, self.act("burn", *address, &[burn], 0).await)?;
        }
        let slashes: Vec<(Address, Slash)> = chain.find(&[]).await?;
        for (address, about) in &slashes {
            let of = devices.iter().find(|(address, _)| *address == about.device);
            let comes_free = of.is_some_and(|(_, device)| device.unbonded() > 0 || device.open_jobs.is_zero());
            if comes_free && !about.due.is_zero() {
                let collect = slash::collect(&about.device, about.number.get());
                report.take(*address, self.act("collect due", *address, &[collect], 0).await)?;
            }
        }
        let ends = |about: &Slash| about.check_time(now.unix, true).is_ok() && about.clone().uphold().is_ok();
        for (address, about) in slashes.into_iter().filter(|(_, about)| ends(about)) {
            let finish = slash::finish(&about.payer, &about.device, about.number.get());
            report.take(address, self.act("finish slash", address, &[finish], 0).await)?;
        }
        self.hours(now, |about, outcome| report.take(about, outcome)).await?;
        Ok(idle)
    }

    /// Convicts workers whose time for an answer has passed, whoever asked, and closes what is left of this key's demands. Returns how long
    /// the next one has.
    async fn demands(
        &self,
        jobs: &[(Address, Job)],
        now: Moment,
        report: &mut Report<impl FnMut(Deed), impl FnMut(Address, Error)>,
    ) -> Result<Option<Duration>> {
        let (chain, cranker) = (self.chain, self.key.pubkey());
        let demands: Vec<(Address, DemandHeader)> = chain.find(&[]).await?;
        let unanswered = demands.iter().filter(|(_, about)| !about.answered.get());
        let next = unanswered.filter_map(|(_, about)| until(about.deadline(), now)).min();
        for (address, about) in demands {
            let job = jobs.iter().map(|(_, job)| job).find(|job| job.job_hash == about.job_hash);
            let standing = job.filter(|job| job.status == Status::Revealed as u8);
            let deed = match standing {
                Some(job) if !about.answered.get() && now.reached(about.deadline()) => self.convict_silence(&address, &about, job).await,
                None if about.challenger == cranker && about.check_over(job).is_ok() => {
                    let closing = demand::close(&cranker, &about.job, &address);
                    self.act("close demand", address, &[closing], 0).await
                }
                _ => Ok(None),
            };
            report.take(about.job, deed)?;
        }
        Ok(next)
    }

    async fn convict_silence(&self, address: &Address, about: &DemandHeader, job: &Job) -> Result<Option<Deed>> {
        let instructions = silence(self.chain, &self.key.pubkey(), &about.job, job, address).await?;
        self.act("convict silence", about.job, &instructions, 0).await
    }

    /// Ends one job.
    async fn end(&self, duty: Duty, address: Address, job: &Job) -> Result<Option<Deed>> {
        let end = end(self.chain, &self.key.pubkey(), &address, job).await?;
        if end.creates_payout && !self.create_payouts {
            return Err(Error::NoPayout { job: address });
        }
        self.act(duty.name(), address, &end.instructions, duty.bounty(job)).await
    }

    /// Does what is due among the replicas of one job: calls their reveals when all have committed, and ends the windows of those that
    /// agree and pays them. `living` are those in progress, in order.
    async fn group(&self, living: &[(Address, Job)], mut done: impl FnMut(Deed)) -> Result<()> {
        let Some((first, job)) = living.first() else { return Ok(()) };
        let all: Vec<_> = job::replicas_of(job)
            .into_iter()
            .map(|address| (address, living.iter().any(|(living, _)| *living == address)))
            .collect();
        if living.iter().all(|(_, job)| job.awaits_siblings()) {
            let called = self.act("call reveals", *first, &[job::call_reveals(&all)], 0).await?;
            called.into_iter().for_each(&mut done);
            return Ok(());
        }
        let standing: Vec<_> = living.iter().filter(|(_, job)| job.status != Status::Convicted as u8).collect();
        let Some((_, one)) = standing.first() else { return Ok(()) };
        // What is left of a group stands under its windows.
        let agreed = living.len() == all.len()
            && standing.len() > 1
            && standing.iter().all(|(_, job)| {
                job.status == Status::Revealed as u8 && job.open_demands == 0 && (job.traces, job.outputs) == (one.traces, one.outputs)
            });
        if !agreed {
            return Ok(());
        }
        let agreement = self.act("agree", *first, &[job::agree_replicas(&all)], 0).await?;
        agreement.into_iter().for_each(&mut done);
        for (address, job) in standing {
            self.end(Duty::Settle, *address, job).await?.into_iter().for_each(&mut done);
        }
        Ok(())
    }

    /// Frees the bonds of auditors whose jobs are over.
    async fn audits(&self, jobs: &[(Address, Job)], report: &mut Report<impl FnMut(Deed), impl FnMut(Address, Error)>) -> Result<()> {
        let audits: Vec<(Address, Audit)> = self.chain.find(&[]).await?;
        for (address, audit) in audits {
            let job = jobs.iter().find(|(_, job)| job.job_hash == audit.job_hash);
            if audit.check_over(job.map(|(_, job)| job)).is_ok() {
                let closed = self.act("close audit", address, &[audit::close(&audit)], 0).await;
                report.take(audit.job, closed)?;
            }
        }
        Ok(())
    }

    /// Sends one transaction. Being late, or early by a slot, is no error: somebody else was faster, or the next pass does it.
    pub(crate) async fn act(
        &self,
        deed: &'static str,
        account: Address,
        instructions: &[Instruction],
        bounty: u64,
    ) -> Result<Option<Deed>> {
        let prepared = match self.chain.prepare(instructions, &[self.key as &dyn Signer], self.options).await {
            Ok(prepared) => prepared,
            Err(chain::Error::Transaction(cause)) if is_race(&cause) => return Ok(None),
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

/// Time until shortly before a deadline, or a short while when it is as near as the chain's clock can tell; `None` once it is reached.
fn until(deadline: Moment, now: Moment) -> Option<Duration> {
    const NEAR: Duration = Duration::from_secs(1);
    const SHORT: Duration = Duration::from_millis(200);
    let left = Duration::from_secs(deadline.seconds_past(now).into());
    (!now.reached(deadline)).then(|| left.checked_sub(NEAR).filter(|left| *left > SHORT).unwrap_or(SHORT))
}

/// The replicas among these jobs, those of one job beside each other and in order. Ids alone would not do: that of one which has ended may
/// belong to another job by now.
fn in_groups(jobs: &[(Address, Job)]) -> Vec<(Address, Job)> {
    let mut replicas: Vec<(Address, Job)> = jobs.iter().filter(|(_, job)| job.replicas > 1).copied().collect();
    replicas.sort_by_key(|(_, job)| {
        let of = (job.escrow, job.first_id(), job.opened_slot.get());
        (of, job.model, job.inputs, job.units.get(), job.replicas, job.replica)
    });
    replicas
}

/// Whether a simulation failed because of the job's state, as opposed to, say, a wallet without SOL.
fn is_race(cause: &NotConfirmed) -> bool {
    matches!(cause, NotConfirmed::Failed(failure) if failure.explanation.program.as_deref() == Some("jobs"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use anchor_lang::Discriminator;
    use anchor_lang::bytemuck::{Pod, Zeroable, bytes_of};
    use chain::Simulation;
    use chain::fake::Fake;
    use solana_account::Account;
    use solana_transaction_error::TransactionError;
    use std::sync::Arc;

    #[test]
    fn a_pass_comes_again_when_the_next_deadline_is_near() {
        let now = Moment { unix: 100, slot: 250 };
        let at = |seconds| until(now.after(seconds), now).map(|left| left.as_millis());
        assert_eq!((at(0), at(1), at(2), at(61)), (None, Some(200), Some(1_000), Some(60_000)));
        // The clock that lags decides.
        let lagging = Moment { unix: 0, slot: 500 };
        assert_eq!(until(lagging, now), Some(Duration::from_secs(99)));
        let never = Moment {
            unix: i64::MAX,
            slot: u64::MAX,
        };
        assert!(until(never, now) > Some(Duration::from_secs(1 << 30)));
    }

    /// An account of the jobs program.
    fn account<T: Discriminator + Pod>(content: T) -> Account {
        Account {
            lamports: 1,
            data: [T::DISCRIMINATOR, bytes_of(&content)].concat(),
            owner: jobs::ID,
            ..Account::default()
        }
    }

    /// A chain on which replicas are to be called, an audit is over, a demand is left over and a job has expired, and no transaction can be
    /// paid for.
    fn stuck(cranker: &Address) -> (Fake, [Address; 4]) {
        let [grouped, audited, demanded, expired, escrow, demand] = [1, 2, 3, 4, 5, 6].map(|at| Address::new_from_array([at; 32]));
        let fake = Fake::default();
        let clock = Account {
            lamports: 1,
            data: vec![0; 40],
            ..Account::default()
        };
        fake.set_account(Address::from_str_const("SysvarC1ock11111111111111111111111111111111"), clock);
        let replica = Job {
            job_hash: [1; 32],
            replicas: 2,
            status: Status::Committed as u8,
            deadline_at: i64::MAX.into(),
            deadline_slot: u64::MAX.into(),
            ..Job::zeroed()
        };
        fake.set_account(grouped, account(replica));
        let audit = Audit {
            job: audited,
            job_hash: [2; 32],
            ..Audit::zeroed()
        };
        fake.set_account(audit::address(&audited), account(audit));
        let left = DemandHeader {
            job: demanded,
            job_hash: [3; 32],
            challenger: *cranker,
            ..DemandHeader::zeroed()
        };
        fake.set_account(demand, account(left));
        let job = Job {
            job_hash: [4; 32],
            replicas: 1,
            escrow,
            ..Job::zeroed()
        };
        fake.set_account(expired, account(job));
        fake.set_account(escrow, account(Escrow::zeroed()));
        fake.set_simulation(Simulation {
            error: Some(TransactionError::InsufficientFundsForFee),
            ..Simulation::default()
        });
        (fake, [grouped, audited, demanded, expired])
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
        let jobs = [
            job(1, 5, 12, 2, 3),
            job(2, 9, 11, 1, 2),
            job(3, 5, 13, 0, 1),
            job(4, 7, 21, 1, 2),
            job(5, 5, 10, 0, 3),
            job(6, 7, 20, 0, 2),
        ];
        let sorted = in_groups(&jobs);
        let groups = sorted.chunk_by(|(_, one), (_, next)| one.is_sibling(next));
        let groups: Vec<Vec<u8>> = groups
            .map(|group| group.iter().map(|(address, _)| address.as_array()[0]).collect())
            .collect();
        // The middle one of the three has ended, and its id belongs to another job.
        assert_eq!(groups, [vec![5, 1], vec![2], vec![6, 4]]);
    }

    #[tokio::test]
    async fn what_one_duty_fails_with_keeps_no_other_waiting() {
        let key = Keypair::new();
        let (fake, concerned) = stuck(&key.pubkey());
        let fake = Arc::new(fake);
        let chain = Chain::new(fake.clone(), market::errors());
        let cranker = Cranker {
            chain: &chain,
            key: &key,
            options: &SendOptions::default(),
            sweep: None,
            create_payouts: false,
        };
        let mut failed = Vec::new();
        cranker.pass(|_| {}, |about, _| failed.push(about)).await.unwrap();
        assert_eq!(failed, concerned);
        // Nothing can be done about a node that does not answer.
        fake.set_unreachable(true);
        cranker.pass(|_| {}, |about, _| panic!("{about} was tried")).await.unwrap_err();
    }
}
