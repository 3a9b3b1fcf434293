//! Ending jobs whose time is up: what is due, and the transaction that does it.

use crate::{
    context::Context,
    error::{Result, refuse},
};
use chain::market::{self, job};
use jobs::{Escrow, Job, Status};
use protocol::units::Moment;
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use staking::Device;

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
}

impl Duty {
    /// How a job in its present state ends once its deadline has passed.
    pub fn of(job: &Job) -> Self {
        match job.status {
            status if status == Status::Open as u8 => Self::Expire,
            status if status == Status::Revealed as u8 => Self::Settle,
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
        }
    }
}

/// A job's end as a transaction.
pub struct End {
    /// What to send.
    pub instructions: Vec<Instruction>,
    /// Whether it creates the supplier's token account, at the sender's expense.
    pub creates_payout: bool,
}

/// The transaction with which `cranker` ends a job.
pub async fn end(context: &Context, cranker: &Address, address: &Address, job: &Job) -> Result<End> {
    let escrow: Escrow = context.chain.fetch(&job.escrow).await?;
    let ending = job::Ending {
        job: *address,
        escrow: job.escrow,
        consumer: escrow.owner,
        device: job.device,
    };
    let alone = |instruction| End {
        instructions: vec![instruction],
        creates_payout: false,
    };
    Ok(match Duty::of(job) {
        Duty::Expire => alone(job::expire_job(cranker, &ending)),
        Duty::Timeout => alone(job::timeout_job(cranker, &ending)),
        Duty::Settle => {
            let device: Device = context.chain.fetch(&job.device).await?;
            let payout = market::token_account(&device.payout, &escrow.mint);
            let creates_payout = context.chain.account(&payout).await?.is_none();
            let create = creates_payout.then(|| market::create_token_account(cranker, &device.payout, &escrow.mint));
            let settle = job::settle_job(cranker, &ending, &payout);
            End {
                instructions: create.into_iter().chain([settle]).collect(),
                creates_payout,
            }
        }
    })
}

/// The account of a job that goes on, or why there is none.
pub async fn live(context: &Context, address: &Address) -> Result<Job> {
    match context.chain.try_fetch(address).await? {
        Some(job) => Ok(job),
        None => refuse(format!(
            "job {address} has ended or never was; `ionet job show {address}` tells which"
        )),
    }
}
