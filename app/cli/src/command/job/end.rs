//! Jobs ended or extended by hand.

use crate::{
    amount::{SOL, span},
    context::Context,
    effect::Watched,
    error::{Result, refuse},
    output::Answer,
    send::Sent,
};
use chain::market;
use jobs::{Escrow, Job, Status};
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::fmt;
use watchtower::crank::{self, Duty};

#[derive(Serialize)]
struct Done {
    job: String,
    done: &'static str,
    /// Lamports earned before the fee.
    bounty: u64,
    /// The new end of a job that was extended.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<i64>,
    /// Seconds until then.
    #[serde(skip)]
    left: i64,
    #[serde(flatten)]
    sent: Sent,
}

impl Done {
    fn new(job: Address, done: &'static str, sent: Sent) -> Self {
        Self {
            job: job.to_string(),
            done,
            bounty: 0,
            deadline: None,
            left: 0,
            sent,
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "job {}: {}", self.job, self.done)?;
        if self.deadline.is_some() {
            writeln!(f, "its deadline is in {}", span(self.left))?;
        }
        if self.bounty > 0 {
            writeln!(f, "earned a bounty of {}", SOL.show(self.bounty))?;
        }
        write!(f, "{}", self.sent)
    }
}

/// Cancels an unclaimed job.
pub async fn cancel(context: &Context, address: Address) -> Result<Answer> {
    let job = context.live(&address).await?;
    if job.status != Status::Open {
        return refuse(format!(
            "job {address} was claimed by device {} and cannot be cancelled; wait for its result",
            job.device
        ));
    }
    let cancel = market::job::cancel_job(&context.wallet()?.pubkey(), &job.escrow, &address);
    let sent = send(context, &job, &format!("cancel job {address}"), &[cancel]).await?;
    Ok(Answer::new(&Done::new(address, "cancelled", sent)))
}

/// Moves a job's deadline.
pub async fn extend(context: &Context, address: Address, by: u32) -> Result<Answer> {
    let job = context.live(&address).await?;
    if job.replicas > 1 {
        return refuse(format!(
            "job {address} is one of several replicas, which wait for each other and cannot be extended"
        ));
    }
    if job.status > Status::Assigned {
        return refuse(format!(
            "job {address} is {}, so it cannot be extended; only a job that waits for a claim or a commitment can",
            crate::story::status(&job)
        ));
    }
    let extend = market::job::extend_job(&context.wallet()?.pubkey(), &job.escrow, &address, by);
    let what = format!("give job {address} {} more", span(by.into()));
    let sent = send(context, &job, &what, &[extend]).await?;
    // The transaction is confirmed: a node that fails from here on is no error.
    let (deadline, left) = end_of(context, &address).await.ok().unzip();
    Ok(Answer::new(&Done {
        deadline,
        left: left.unwrap_or_default(),
        ..Done::new(address, "extended", sent)
    }))
}

/// Ends an overdue job.
pub async fn end(context: &Context, address: Address, duty: Duty) -> Result<Answer> {
    let job = context.live(&address).await?;
    let now = context.now().await?;
    let next = Duty::of(&job);
    // An audit that no auditor has taken is timed out like a worker.
    let command = match next {
        Duty::SkipAudit | Duty::TimeoutAudit => Duty::Timeout,
        ending => ending,
    };
    if command != duty {
        return refuse(format!(
            "job {address} is {}, so only `ionet job {}` can end it next",
            crate::story::status(&job),
            command.name()
        ));
    }
    if Duty::due(&job, now).is_none() {
        let deadline = job.deadline();
        let left = deadline.unix.saturating_sub(now.unix);
        let slots = deadline.slot.saturating_sub(now.slot);
        return refuse(format!(
            "job {address} is not overdue for another {} ({slots} slots); try again then",
            span(left)
        ));
    }
    let end = crank::end(&context.chain, &context.wallet()?.pubkey(), &address, &job).await?;
    let (what, done) = match next {
        Duty::Settle => ("settle", "settled"),
        Duty::Expire => ("expire", "expired"),
        Duty::Timeout => ("time out", "timed out"),
        Duty::Award => ("pay the challenger of", "awarded"),
        Duty::SkipAudit => ("end the wait for an auditor of", "audit skipped"),
        Duty::TimeoutAudit => ("end the late audit of", "audit timed out"),
    };
    let opens = if end.rent > 0 { ", creating its payee's token account" } else { "" };
    let sent = send(context, &job, &format!("{what} job {address}{opens}"), &end.instructions).await?;
    Ok(Answer::new(&Done {
        bounty: next.bounty(&job),
        ..Done::new(address, done, sent)
    }))
}

/// Sends a transaction about a job, once its effect on the consumer's escrow is confirmed.
async fn send(context: &Context, job: &Job, what: &str, instructions: &[Instruction]) -> Result<Sent> {
    let escrow: Escrow = context.chain.fetch(&job.escrow).await?;
    let token = context.token(&context.market().await?, Some(escrow.mint)).await?;
    let watched = Watched::escrow(&escrow.owner, &token);
    context.send(what, instructions, &context.wallet()?, &watched).await
}

/// A job's deadline, and the seconds left until then.
async fn end_of(context: &Context, address: &Address) -> Result<(i64, i64)> {
    let deadline = context.live(address).await?.deadline_at.get();
    Ok((deadline, deadline.saturating_sub(context.now().await?.unix)))
}
