//! Jobs ended or extended by hand.

use crate::{
    amount::{SOL, span},
    context::Context,
    effect::Watched,
    error::{Result, refuse},
    output::{Answer, count},
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
    /// Its replicas that were cancelled with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    siblings: Vec<String>,
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
            siblings: Vec::new(),
            bounty: 0,
            deadline: None,
            left: 0,
            sent,
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for job in [&self.job].into_iter().chain(&self.siblings) {
            writeln!(f, "job {job}: {}", self.done)?;
        }
        if self.deadline.is_some() {
            writeln!(f, "its deadline is in {}", span(self.left))?;
        }
        if self.bounty > 0 {
            writeln!(f, "earned a bounty of {}", SOL.show(self.bounty))?;
        }
        write!(f, "{}", self.sent)
    }
}

/// Cancels an unclaimed job, and with it those of its replicas that are unclaimed.
pub async fn cancel(context: &Context, address: Address) -> Result<Answer> {
    let job = context.live(&address).await?;
    let (open, what) = cancellable(context, &address, &job).await?;
    let wallet = context.wallet()?.pubkey();
    let cancel = |address| market::job::cancel_job(&wallet, &job.escrow, address);
    let sent = send(context, &job, &what, &open.iter().map(cancel).collect::<Vec<_>>()).await?;
    let siblings = open.iter().filter(|open| **open != address).map(Address::to_string);
    Ok(Answer::new(&Done {
        siblings: siblings.collect(),
        ..Done::new(address, "cancelled", sent)
    }))
}

/// The replicas of a job that nobody has claimed, and in words what cancelling them does. Fails if the job itself is claimed.
async fn cancellable(context: &Context, address: &Address, job: &Job) -> Result<(Vec<Address>, String)> {
    let (mut open, mut claimed) = (Vec::new(), 0u64);
    for replica in market::job::replicas_of(job) {
        // Another job may have taken the address of one that has ended.
        let found: Option<Job> = context.chain.try_fetch(&replica).await?;
        match found.filter(|found| found.is_sibling(job)) {
            Some(found) if found.status == Status::Open => open.push(replica),
            Some(_) => claimed = claimed.saturating_add(1),
            None => {}
        }
    }
    if job.status != Status::Open {
        let others = open.first().map_or_else(String::new, |open| {
            format!("; `ionet job cancel {open}` cancels its replicas that are not claimed")
        });
        return refuse(format!(
            "job {address} was claimed by device {} and cannot be cancelled; wait for its result{others}",
            job.device
        ));
    }
    let stay = match claimed {
        0 => String::new(),
        1 => " (1 is claimed and stays)".to_owned(),
        claimed => format!(" ({claimed} are claimed and stay)"),
    };
    let what = match job.replicas {
        ..=1 => format!("cancel job {address}"),
        _ => format!("cancel {} of job {address}{stay}", count(open.len() as u64, "replica")),
    };
    Ok((open, what))
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
    if job.awaits_siblings() {
        return refuse(format!(
            "job {address} waits for its other replicas, and its deadline begins when they have committed too; try again then"
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::testing;
    use anchor_lang::{InstructionData, bytemuck::Zeroable};
    use chain::fake::Fake;

    /// Three replicas of a job of the wallet, with these statuses; nobody has called their reveals.
    fn replicas(fake: &Fake, wallet: &Address, mint: &Address, statuses: [Status; 3]) -> Vec<Address> {
        let escrow = market::job::escrow(wallet, mint);
        let content = Escrow {
            owner: *wallet,
            mint: *mint,
            ..Escrow::zeroed()
        };
        fake.set_account(escrow, testing::account(&content));
        let job = Job {
            escrow,
            id: 7.into(),
            replicas: 3,
            ..Job::zeroed()
        };
        let addresses = market::job::replicas_of(&job);
        for (replica, (status, address)) in (0u8..).zip(statuses.into_iter().zip(&addresses)) {
            let (unix, slot) = match status {
                Status::Committed => (i64::MAX, u64::MAX),
                _ => (0, 0),
            };
            let job = Job {
                id: (7 + u64::from(replica)).into(),
                replica,
                status: status as u8,
                deadline_at: unix.into(),
                deadline_slot: slot.into(),
                ..job
            };
            fake.set_account(*address, testing::account(&job));
        }
        addresses
    }

    #[tokio::test]
    async fn all_replicas_that_are_open_are_cancelled_together() {
        let (_folder, fake, context, wallet, mint) = testing::on_market(0);
        let jobs = replicas(&fake, &wallet.pubkey(), &mint, [Status::Open, Status::Assigned, Status::Open]);
        let job = context.live(&jobs[0]).await.unwrap();
        let (_, what) = cancellable(&context, &jobs[0], &job).await.unwrap();
        assert_eq!(what, format!("cancel 2 replicas of job {} (1 is claimed and stays)", jobs[0]));
        let refused = cancel(&context, jobs[1]).await.err().unwrap().to_string();
        assert!(refused.contains(&format!("`ionet job cancel {}`", jobs[0])), "{refused}");
        let answer = cancel(&context, jobs[0]).await.unwrap();
        assert_eq!(testing::json(&answer)["siblings"], serde_json::json!([jobs[2].to_string()]));
        let sent = fake.sent();
        let cancelled = sent[0].message.instructions().iter();
        let cancelled = cancelled.filter(|one| one.data == jobs::instruction::CancelJob {}.data());
        assert_eq!((sent.len(), cancelled.count()), (1, 2));
    }

    #[tokio::test]
    async fn a_replica_that_waits_for_others_has_no_deadline_yet() {
        let (_folder, fake, context, wallet, mint) = testing::on_market(0);
        let jobs = replicas(&fake, &wallet.pubkey(), &mint, [Status::Committed; 3]);
        let refused = end(&context, jobs[0], Duty::Timeout).await.err().unwrap().to_string();
        assert!(refused.contains("waits for its other replicas"), "{refused}");
        let list = crate::command::job::list::show(&context, jobs[1]).await.unwrap();
        let live = testing::json(&list)["live"].clone();
        assert_eq!(
            (&live["deadline"], &live["replica"], &live["replicas"]),
            (&serde_json::Value::Null, &1.into(), &3.into())
        );
        let text = list.show(crate::output::Format::Text);
        assert!(text.contains("committed, waits for the other replicas"), "{text}");
        assert!(text.contains(&format!("2 of 3, with {} and {}", jobs[0], jobs[2])), "{text}");
    }
}
