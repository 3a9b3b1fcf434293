//! Demands, on the chain, what a worker's blobs do not show.

use super::report::Deed;
use crate::{
    amount::{SOL, span},
    context::Context,
    error::Result,
    send::confirm,
};
use bytes::Bytes;
use chain::market;
use engine::Batch;
use jobs::{Job, Status};
use protocol::demand::{Item, Kind};
use solana_address::Address;
use solana_signer::Signer;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use watchtower::{
    Finding, Served,
    check::examine,
    question::{Purse, QuestionEvent, Questioner, Spent},
};
use worker::Model;

/// Name of the step that convicts a worker for not answering.
const SILENCE: &str = "convict silence";

/// A wrong result whose worker withholds what would show where.
pub struct Questioned<'a> {
    pub model: &'a Arc<Model>,
    pub address: &'a Address,
    pub job: &'a Job,
    pub served: Served<'a>,
    pub budget: u64,
}

impl Questioned<'_> {
    /// Posts demands one by one, reports them to standard error, and convicts a worker that does not answer. Returns how that ended, unless
    /// it found evidence to convict by.
    pub async fn examine(
        &self,
        context: &Context,
        inputs: Bytes,
        computed: &Batch,
        transactions: &mut Vec<Deed>,
    ) -> Result<(Finding, Option<&'static str>)> {
        let wallet = context.wallet()?;
        if !context.settings.yes {
            let effect = format!(
                "wallet {} pays a fee for each demand and locks rent that is returned, up to {} in all, and earns the reward",
                wallet.pubkey(),
                SOL.show(self.budget)
            );
            confirm(
                &format!("demand what the blobs of job {} do not show, and convict its worker", self.address),
                &effect,
            )?;
        }
        let config: jobs::Config = context.chain.fetch(&market::job::config()).await?;
        context.note(&format!(
            "demanding what the worker's blobs do not show; each answer may take it {}",
            span(config.answer_seconds.get().into())
        ));
        let log = Log {
            context,
            wallet: wallet.pubkey(),
            deeds: Mutex::default(),
            too_dear: AtomicBool::default(),
        };
        let on_event = |event: QuestionEvent<'_>| log.add(event);
        let questioner = Questioner {
            served: self.served.clone(),
            chain: &context.chain,
            key: &wallet,
            options: &context.options,
            address: *self.address,
            job: *self.job,
            budget: self.budget,
            purse: &Purse::default(),
            convicts_silence: true,
            on_event: &on_event,
            spent: &Spent::default(),
            answers: Default::default(),
        };
        let finding = examine(self.model, self.address, self.job, inputs, computed, &questioner).await?;
        let deeds = log.deeds.into_inner().unwrap_or_default();
        let is_ours = deeds.iter().any(|deed| deed.what == SILENCE);
        transactions.extend(deeds);
        let ending = match finding {
            Finding::Hidden(_) if is_ours => Some("convicted"),
            Finding::Hidden(_) if log.too_dear.into_inner() => Some("too_dear"),
            Finding::Hidden(_) => Some(unasked(self.job, context.chain.try_fetch(self.address).await.ok().flatten())),
            Finding::Right | Finding::Wrong(_) => None,
        };
        Ok((finding, ending))
    }
}

/// Reports what happens while demands are posted, and keeps the transactions.
struct Log<'a> {
    context: &'a Context,
    wallet: Address,
    deeds: Mutex<Vec<Deed>>,
    /// Whether a demand would have exceeded the budget.
    too_dear: AtomicBool,
}

impl Log<'_> {
    fn add(&self, event: QuestionEvent<'_>) {
        let note = |line: String| self.context.note(&line);
        match event {
            QuestionEvent::Asked(item, receipt) => {
                note(format!("demanded {}", part(&item)));
                self.keep("open demand", receipt);
            }
            QuestionEvent::Shown(item) => note(format!("the worker has shown {}", part(&item))),
            QuestionEvent::Silent(item) => note(format!("the worker did not show {} in time", part(&item))),
            QuestionEvent::Convicted(_, receipt) => self.keep(SILENCE, receipt),
            QuestionEvent::TooDear(item) => {
                self.too_dear.store(true, Ordering::Relaxed);
                note(format!("demanding {} would exceed --max-demand-lamports", part(&item)));
            }
            QuestionEvent::Poor(item) => note(format!(
                "demanding {} takes more SOL than wallet {} has; send it some while this retries",
                part(&item),
                self.wallet
            )),
            QuestionEvent::Failed(error) => note(format!("{error}; trying again")),
        }
    }

    fn keep(&self, what: &'static str, receipt: &chain::Receipt) {
        if let Ok(mut deeds) = self.deeds.lock() {
            deeds.push(Deed {
                what,
                sent: receipt.clone().into(),
            });
        }
    }
}

/// Why nothing more can be demanded of a job, by the account at its address `now`.
fn unasked(job: &Job, now: Option<Job>) -> &'static str {
    match now {
        Some(now) if now.job_hash == job.job_hash && now.status == Status::Convicted => "convicted_by_another",
        _ => "too_late",
    }
}

fn part(item: &Item) -> String {
    let Item { unit, op, index, .. } = item;
    match item.kind {
        Kind::Traces => format!("the hashes of its units, page {index}"),
        Kind::Outputs => format!("the hashes of its outputs, page {index}"),
        Kind::Ops => format!("the hashes of the op outputs of unit {unit}"),
        Kind::Page => format!("the chunk hashes of op {op} in unit {unit}, page {index}"),
        Kind::Chunk => format!("chunk {index} of op {op} in unit {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anchor_lang::bytemuck::Zeroable;

    #[test]
    fn the_end_of_demands_says_why() {
        let job = |hash: u8, status| Job {
            job_hash: [hash; 32],
            status: status as u8,
            ..Job::zeroed()
        };
        let asked = job(1, Status::Revealed);
        assert_eq!(unasked(&asked, Some(job(1, Status::Convicted))), "convicted_by_another");
        assert_eq!(
            unasked(&asked, Some(job(2, Status::Convicted))),
            "too_late",
            "another job has the address"
        );
        assert_eq!(unasked(&asked, Some(asked)), "too_late");
        assert_eq!(unasked(&asked, None), "too_late");
    }
}
