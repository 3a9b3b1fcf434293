//! How a job ends once its time is up, and the transaction that ends it.

use chain::market::audit;
use chain::{Chain, JobEnd};
use jobs::{AuditStage, Job, Status};
use protocol::units::Moment;
use serde::Serialize;
use solana_address::Address;

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
        match Status::from_code(job.status) {
            Some(Status::Open) => Self::Expire,
            Some(Status::Revealed) => Self::Settle,
            Some(Status::Convicted) => Self::Award,
            _ if job.audit == AuditStage::Drawn => Self::SkipAudit,
            _ if job.audit == AuditStage::Taken => Self::TimeoutAudit,
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

/// The transaction with which `cranker` ends a job.
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
