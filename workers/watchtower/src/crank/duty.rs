//! How a job ends once its deadline has passed, and the transaction that ends it.

use chain::market::audit;
use chain::{Chain, JobEnd};
use jobs::{AuditStage, Job, Status};
use protocol::units::Moment;
use serde::Serialize;
use solana_address::Address;

/// What is due about a job whose deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Pay for the job, as its challenge window is over.
    Settle,
    /// Refund the job, as nobody claimed it.
    Expire,
    /// Refund the job, as its worker is late.
    Timeout,
    /// Pay the challenger that convicted the job, as nobody has an earlier seal.
    Award,
    /// Let the worker reveal, as no auditor came.
    SkipAudit,
    /// Let the worker reveal, as the auditor is late.
    TimeoutAudit,
}

impl Duty {
    /// What is due about a job in its current state once its deadline has passed.
    pub fn of(job: &Job) -> Self {
        match Status::from_code(job.status) {
            Some(Status::Open) => Self::Expire,
            Some(Status::Revealed) => Self::Settle,
            Some(Status::Convicted) => Self::Award,
            _ if job.audit == AuditStage::Drawn => Self::SkipAudit,
            _ if job.audit == AuditStage::Taken => Self::TimeoutAudit,
            _ => Self::Timeout,
        }
    }

    /// What is due about a job at `now`.
    pub fn due(job: &Job, now: Moment) -> Option<Self> {
        now.reached(job.deadline()).then(|| Self::of(job))
    }

    /// Name of the duty, in logs and in the CLI.
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

    /// Lamports that it earns: the job's bounty, if it ends the job.
    pub fn bounty(self, job: &Job) -> u64 {
        match self {
            Self::SkipAudit | Self::TimeoutAudit => 0,
            _ => job.bounty.get().into(),
        }
    }

    /// Most lamports that it is worth in fees, if it earns nothing but the bounty: an award also pays the challenger and returns rent.
    pub(crate) fn max_fee(self, job: &Job) -> Option<u64> {
        matches!(self, Self::Settle | Self::Expire | Self::Timeout).then(|| self.bounty(job))
    }
}

/// The instructions with which `cranker` does what is due about a job.
pub async fn end(chain: &Chain, cranker: &Address, address: &Address, job: &Job) -> chain::Result<JobEnd> {
    match Duty::of(job) {
        Duty::Settle => JobEnd::settle(chain, cranker, address, job).await,
        Duty::Expire => JobEnd::expire(chain, cranker, address, job).await,
        Duty::Timeout => JobEnd::timeout(chain, cranker, address, job).await,
        Duty::Award => JobEnd::award(chain, cranker, address, job).await,
        Duty::SkipAudit => Ok(audit::skip(address).into()),
        Duty::TimeoutAudit => Ok(audit::timeout(&chain.fetch(&audit::address(address)).await?).into()),
    }
}
