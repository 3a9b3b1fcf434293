//! A job's story, read from its transactions, so that it can be told after the job's account is closed.

use crate::{
    amount::{SOL, Unit, span},
    context::Context,
    error::{Error, Result},
    output::count,
};
use chain::{AccountWatch, News, Snapshot, decode_event, logged, past_landed};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use jobs::{
    Job, Status,
    events::{
        ChallengerAwarded, Ending, JobClaimed, JobCommitted, JobConvicted, JobExtended, JobOpened, JobRefunded, JobRevealed, JobSettled,
        PermitOpened,
    },
};
use protocol::referee::Fault;
use serde::Serialize;
use solana_address::Address;
use std::time::Duration;

/// How often, and how far apart, to ask a node for what it may not have indexed yet.
const TRIES: (u32, Duration) = (60, Duration::from_millis(if cfg!(test) { 1 } else { 500 }));

/// One step of a job's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// The consumer opened it.
    Opened {
        /// The escrow that pays.
        escrow: String,
        /// Token that it pays in.
        mint: String,
        /// The model.
        model: String,
        /// Units of work.
        units: u32,
        /// Highest price per unit.
        max_price: u64,
    },
    /// A device took it.
    Claimed {
        /// The device.
        device: String,
        /// Price per unit.
        price: u64,
    },
    /// The worker committed to a result.
    Committed,
    /// The worker published the result.
    Revealed {
        /// Root of the outputs, which is the address of their blob.
        outputs: String,
        /// End of the challenge window.
        window_ends: i64,
    },
    /// The consumer gave it more time.
    Extended {
        /// The new deadline.
        deadline: i64,
    },
    /// It was paid and ended.
    Settled {
        /// From the consumer's escrow.
        consumer_pays: u64,
        /// To the supplier.
        supplier_gets: u64,
        /// To treasury and burn.
        fees: u64,
        /// Address of the outputs' blob.
        outputs: String,
    },
    /// Its result was proved wrong: the consumer is refunded, and the worker loses its bond.
    Convicted {
        /// Who proved it.
        challenger: String,
        /// How it is wrong, as [`fault`] names it.
        fault: &'static str,
        /// Unit that is wrong.
        unit: u32,
        /// Op that is wrong; 0 where the fault lies above the ops.
        op: u32,
        /// Element, chunk or node that is wrong; for silence, the page or chunk that was asked for.
        element: u32,
        /// Returned to the consumer's escrow.
        refund: u64,
        /// $IO paid to the consumer on top.
        compensation: u64,
        /// $IO for the challenger.
        reward: u64,
        /// $IO burned.
        burned: u64,
    },
    /// It was wrong under a permit: the worker keeps what would have been burned, and the challenger wins a jackpot.
    Permitted {
        /// $IO returned to the worker's stake.
        returned: u64,
        /// $IO for the challenger on top of its reward.
        jackpot: u64,
    },
    /// The challenger who proved it wrong was paid, and it ended.
    Awarded {
        /// The challenger.
        challenger: String,
        /// $IO paid.
        reward: u64,
    },
    /// It ended without being paid.
    Refunded {
        /// The reason.
        reason: &'static str,
        /// Returned to the consumer's escrow.
        refund: u64,
        /// What it cost the worker.
        penalty: u64,
    },
    /// The transaction may have done more: its log was truncated, as long logs are.
    Untold,
}

impl Step {
    /// The step that an event of the jobs program records, and the job that takes it.
    fn read(record: &[u8]) -> Option<(Address, Self)> {
        if let Some(event) = decode_event::<JobOpened>(record) {
            let opened = Self::Opened {
                escrow: event.escrow.to_string(),
                mint: event.mint.to_string(),
                model: event.model.to_string(),
                units: event.terms.units,
                max_price: event.terms.max_price,
            };
            return Some((event.job, opened));
        }
        if let Some(JobClaimed { job, device, price, .. }) = decode_event(record) {
            let device = device.to_string();
            return Some((job, Self::Claimed { device, price }));
        }
        if let Some(JobCommitted { job, .. }) = decode_event(record) {
            return Some((job, Self::Committed));
        }
        if let Some(JobRevealed {
            job, outputs, window_ends, ..
        }) = decode_event(record)
        {
            let outputs = hex::encode(outputs);
            return Some((job, Self::Revealed { outputs, window_ends }));
        }
        if let Some(JobExtended { job, deadline }) = decode_event(record) {
            return Some((job, Self::Extended { deadline }));
        }
        if let Some(event) = decode_event::<JobSettled>(record) {
            let settled = Self::Settled {
                consumer_pays: event.consumer_pays,
                supplier_gets: event.supplier_gets,
                fees: event.fees,
                outputs: hex::encode(event.outputs),
            };
            return Some((event.job, settled));
        }
        if let Some(event) = decode_event::<JobConvicted>(record) {
            let convicted = Self::Convicted {
                challenger: event.challenger.to_string(),
                fault: fault(event.fault),
                unit: event.unit,
                op: event.op,
                element: event.index,
                refund: event.refund,
                compensation: event.compensation,
                reward: event.reward,
                burned: event.burned,
            };
            return Some((event.job, convicted));
        }
        if let Some(PermitOpened {
            job, returned, jackpot, ..
        }) = decode_event(record)
        {
            return Some((job, Self::Permitted { returned, jackpot }));
        }
        if let Some(event) = decode_event::<ChallengerAwarded>(record) {
            let (challenger, reward) = (event.challenger.to_string(), event.reward);
            return Some((event.job, Self::Awarded { challenger, reward }));
        }
        let JobRefunded {
            job,
            ending,
            refund,
            penalty,
        } = decode_event(record)?;
        let reason = match ending {
            Ending::Cancelled => "cancelled",
            Ending::Expired => "expired",
            Ending::TimedOut => "timed_out",
            Ending::Confessed => "confessed",
        };
        Some((job, Self::Refunded { reason, refund, penalty }))
    }

    /// How the job ended, if this step ended it.
    pub fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Settled { .. } => Some("settled"),
            Self::Refunded { reason, .. } => Some(*reason),
            Self::Awarded { .. } => Some("convicted"),
            _ => None,
        }
    }

    /// In words.
    pub fn describe(&self, unit: Unit) -> String {
        match self {
            Self::Opened { units, max_price, .. } => format!("opened: {} at up to {} each", count(*units, "unit"), unit.show(*max_price)),
            Self::Claimed { device, price } => format!("claimed by device {device} at {} a unit", unit.show(*price)),
            Self::Committed => "committed: the result is computed and sealed".to_owned(),
            Self::Revealed { outputs, .. } => format!("revealed: outputs {outputs}"),
            Self::Extended { .. } => "extended".to_owned(),
            Self::Settled {
                consumer_pays,
                supplier_gets,
                fees,
                ..
            } => format!(
                "settled: consumer paid {}, supplier got {}, fees {}",
                unit.show(*consumer_pays),
                unit.show(*supplier_gets),
                unit.show(*fees)
            ),
            Self::Convicted {
                challenger,
                fault,
                unit: tile,
                op,
                element,
                refund,
                ..
            } => {
                let wrong = match *fault {
                    "element" => format!("element {element} of op {op} in unit {tile} is wrong"),
                    "output" => format!("the output delivered for unit {tile} is not the one computed"),
                    "silence" => "the worker did not show what was demanded on the chain".to_owned(),
                    _ => format!("the commitment to op {op} of unit {tile} is malformed"),
                };
                let refund = unit.show(*refund);
                format!("convicted by {challenger}: {wrong}; {refund} returned to the escrow, the worker's bond slashed")
            }
            Self::Permitted { .. } => {
                "the error was deliberate, made under a permit for somebody to find: the challenger wins a jackpot".to_owned()
            }
            Self::Awarded { challenger, .. } => format!("ended: {challenger} was paid for proving it wrong"),
            Self::Refunded { reason, refund, penalty } => {
                let penalty = if *penalty > 0 { ", and the worker pays a penalty" } else { "" };
                format!(
                    "{}: {} returned to the escrow{penalty}",
                    reason.replace('_', " "),
                    unit.show(*refund)
                )
            }
            Self::Untold => "unknown: the log of this transaction was truncated, so it may have done more".to_owned(),
        }
    }
}

/// A step and the transaction that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chapter {
    /// What happened.
    #[serde(flatten)]
    pub step: Step,
    /// Signature of the transaction.
    pub signature: String,
    /// Its slot.
    pub slot: u64,
    /// Unix time of its block, if the node knows it.
    pub time: Option<i64>,
    /// Its fee in lamports.
    pub fee: u64,
    /// Its compute units.
    pub compute_units: u64,
}

/// A job's steps so far, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Story(pub Vec<Chapter>);

impl Story {
    /// The story of `job`, as far back as the node's history goes.
    pub async fn read(context: &Context, job: &Address) -> Result<Self> {
        Self::read_latest(context, job, usize::MAX).await
    }

    /// The story of `job`, from the latest transactions that name it, at most this many.
    pub async fn read_latest(context: &Context, job: &Address, most: usize) -> Result<Self> {
        let network = &**context.chain.network();
        // Newest first, back to the job's opening, and no further: anyone can name the address in useless transactions.
        let mut chapters: Vec<Chapter> = Vec::new();
        let mut past = past_landed(network, job).take(most);
        while let Some((signature, landed)) = past.try_next().await? {
            let logged = logged(&landed.logs.unwrap_or_default());
            let ours = logged.records.iter().filter(|(by, _)| *by == jobs::ID);
            let told = ours.filter_map(|(_, record)| Step::read(record)).filter(|(of, _)| of == job);
            let steps: Vec<Step> = told.map(|(_, step)| step).collect();
            let opened = steps.iter().any(|step| matches!(step, Step::Opened { .. }));
            let steps = steps.into_iter().chain(logged.cut.then_some(Step::Untold));
            chapters.extend(steps.rev().map(|step| Chapter {
                step,
                signature: signature.to_string(),
                slot: landed.slot,
                time: landed.time,
                fee: landed.fee,
                compute_units: landed.compute_units,
            }));
            if opened {
                break;
            }
        }
        chapters.reverse();
        Ok(Self(chapters))
    }

    /// Whether a transaction may have done more than its log shows.
    fn is_untold(&self) -> bool {
        self.0.iter().any(|chapter| chapter.step == Step::Untold)
    }

    /// The error for a job whose ending is unknown.
    pub fn unknown(&self, context: &Context, job: &Address) -> Error {
        match self.is_untold() {
            true => Error::Refused(format!(
                "it is unknown how job {job} ended, because the log of a transaction was truncated; `ionet job show {job}` lists its \
                 transactions, and `ionet escrow show` shows what is free"
            )),
            false if self.0.is_empty() => context.unknown_job(job),
            false => Error::Refused(format!("job {job} has ended; the node does not tell yet how, so try again later")),
        }
    }

    /// The chapter in which the job ended.
    pub fn end(&self) -> Option<&Chapter> {
        self.0.iter().rev().find(|chapter| chapter.step.outcome().is_some())
    }

    /// The step that ended the job.
    pub fn ending(&self) -> Option<&Step> {
        self.end().map(|chapter| &chapter.step)
    }

    /// How the job ended, and how long ago, in words.
    pub fn ended(&self, now: i64) -> Option<String> {
        let end = self.end()?;
        let outcome = end.step.outcome()?.replace('_', " ");
        Some(match end.time {
            Some(time) => format!("{outcome} {} ago", span(now.saturating_sub(time))),
            None => outcome,
        })
    }

    /// What the consumer paid, what the supplier got and the fees, if the job was paid.
    pub fn paid(&self) -> Option<[u64; 3]> {
        match self.ending()? {
            Step::Settled {
                consumer_pays,
                supplier_gets,
                fees,
                ..
            } => Some([*consumer_pays, *supplier_gets, *fees]),
            _ => None,
        }
    }

    /// What was returned to the escrow of a job that was not paid, and the compensation in $IO.
    pub fn refunded(&self) -> Option<[u64; 2]> {
        self.0.iter().rev().find_map(|chapter| match chapter.step {
            Step::Refunded { refund, .. } => Some([refund, 0]),
            Step::Convicted { refund, compensation, .. } => Some([refund, compensation]),
            _ => None,
        })
    }

    /// The steps in words, each with its transaction.
    pub fn tell(&self, unit: Unit) -> String {
        let mut lines = String::new();
        for Chapter {
            step,
            signature,
            fee,
            compute_units,
            ..
        } in &self.0
        {
            let (step, fee) = (step.describe(unit), SOL.show(*fee));
            lines.push_str(&format!("{step}\n  {compute_units} compute units, fee {fee}, {signature}\n"));
        }
        lines
    }
}

/// The state of a job that is followed.
pub enum State {
    /// It is in progress.
    Live(Box<Job>),
    /// The node does not answer, for this reason; it is asked again until it does.
    Silent(String),
    /// Its account is closed.
    Ended(Story),
}

/// Follows a job until its account is closed.
pub struct Follower<'a> {
    context: &'a Context,
    job: Address,
    watch: AccountWatch,
    /// Whether the account was missing when it was last read.
    is_gone: bool,
    /// Whether the caller knows that the node does not answer.
    is_told: bool,
}

impl<'a> Follower<'a> {
    /// Follows `job`, which must exist or have existed.
    pub fn new(context: &'a Context, job: Address) -> Self {
        Self {
            context,
            job,
            watch: context.chain.watch(job),
            is_gone: false,
            is_told: false,
        }
    }

    /// The states, as a stream. Cancelling a wait loses none.
    pub fn states(self) -> impl Stream<Item = Result<State>> {
        stream::unfold(self, |mut follower| async move {
            let state = follower.next().await;
            Some((state, follower))
        })
    }

    /// The next new state, or the same one after a silence; fails when the chain has no trace of the job.
    pub async fn next(&mut self) -> Result<State> {
        loop {
            if self.is_gone {
                match self.ended().await {
                    Ok(Some(story)) => return Ok(State::Ended(story)),
                    Ok(None) => (self.is_gone, self.is_told) = (false, false),
                    Err(error @ Error::Chain(chain::Error::Unreachable { .. })) => {
                        let (_, pause) = TRIES;
                        tokio::time::sleep(pause).await;
                        if !std::mem::replace(&mut self.is_told, true) {
                            return Ok(State::Silent(error.to_string()));
                        }
                    }
                    Err(error) => return Err(error),
                }
                continue;
            }
            match self.watch.news().await {
                // Happens only when the process ends.
                None => std::future::pending::<()>().await,
                Some(News::Outage(reason)) => return Ok(State::Silent(reason)),
                Some(News::State(Snapshot { account, .. })) => match chain::decode_if_any(&self.job, account.as_ref())? {
                    Some(job) => return Ok(State::Live(Box::new(job))),
                    None => self.is_gone = true,
                },
            }
        }
    }

    /// The story of a job without an account; `None` if it has one after all.
    async fn ended(&self) -> Result<Option<Story>> {
        // Right after the opening a node may not serve the account yet, and right after the end not the transaction.
        let (tries, pause) = TRIES;
        let mut story = Story::default();
        for _ in 0..tries {
            story = Story::read(self.context, &self.job).await?;
            if story.ending().is_some() {
                return Ok(Some(story));
            }
            tokio::time::sleep(pause).await;
            if self.context.chain.exists(&self.job).await? {
                return Ok(None);
            }
        }
        Err(story.unknown(self.context, &self.job))
    }
}

/// Name of a job's state.
pub fn status(job: &Job) -> &'static str {
    match Status::from_code(job.status) {
        Some(Status::Open) => "open",
        Some(Status::Assigned) => "assigned",
        Some(Status::Committed) => "committed",
        Some(Status::Revealed) => "revealed",
        Some(Status::Convicted) => "convicted",
        None => "unknown",
    }
}

/// Name of a [`Fault`], by its code.
pub fn fault(code: u8) -> &'static str {
    match Fault::from_code(code) {
        Some(Fault::Element) => "element",
        Some(Fault::Output) => "output",
        Some(Fault::Malformed) => "malformed",
        Some(Fault::Padding) => "padding",
        Some(Fault::Silence) => "silence",
        None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;
    use crate::{error::code, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::{Fake, gift};
    use solana_account::Account;
    use std::sync::Arc;

    /// A job in progress, on an in-memory node.
    fn followed() -> (tempfile::TempDir, Arc<Fake>, Context, Address) {
        let (folder, fake, context, _) = testing::context();
        let address = Address::new_unique();
        fake.set_account(address, testing::account(&Job::zeroed()));
        (folder, fake, context, address)
    }

    #[tokio::test]
    async fn a_silent_node_is_reported_and_waited_for() {
        let (_folder, fake, context, address) = followed();
        let mut follower = Follower::new(&context, address);
        assert!(matches!(follower.next().await, Ok(State::Live(_))));
        fake.set_unreachable(true);
        fake.set_deaf(true);
        assert!(matches!(follower.next().await, Ok(State::Silent(reason)) if reason.contains("switched off")));
        fake.set_unreachable(false);
        assert!(matches!(follower.next().await, Ok(State::Live(_))));
    }

    #[tokio::test]
    async fn a_node_that_is_silent_at_the_end_is_reported_and_waited_for() {
        let (_folder, fake, context, address) = followed();
        let refunded = JobRefunded {
            job: address,
            ending: Ending::Expired,
            refund: 3,
            penalty: 0,
        };
        testing::happened(&fake, &context, &address, testing::said(&refunded), None).await;
        let mut follower = Follower::new(&context, address);
        assert!(matches!(follower.next().await, Ok(State::Live(_))));
        // Anyone can send lamports to its old address.
        fake.set_account(address, gift());
        fake.set_unreachable(true);
        assert!(matches!(follower.next().await, Ok(State::Silent(reason)) if reason.contains("switched off")));
        fake.set_unreachable(false);
        let Ok(State::Ended(story)) = follower.next().await else {
            panic!("the story can be read again")
        };
        assert!(matches!(story.ending(), Some(Step::Refunded { refund: 3, .. })));
    }

    #[tokio::test]
    async fn a_node_without_history_ends_the_wait() {
        let (_folder, fake, context, address) = followed();
        let mut follower = Follower::new(&context, address);
        assert!(matches!(follower.next().await, Ok(State::Live(_))));
        fake.set_without_history(true);
        fake.set_account(address, Account::default());
        assert!(matches!(follower.next().await, Err(Error::Chain(chain::Error::Refused { .. }))));
    }

    #[tokio::test]
    async fn a_job_without_a_trace_ends_the_wait() {
        let (_folder, fake, context, address) = followed();
        let mut follower = Follower::new(&context, address);
        assert!(matches!(follower.next().await, Ok(State::Live(_))));
        fake.set_account(address, Account::default());
        let Err(error) = follower.next().await else {
            panic!("a job without a trace was reported")
        };
        assert_eq!(error.code(), code::REFUSED, "{error}");
        assert!(error.to_string().contains(&format!("no trace of job {address}")), "{error}");
    }

    #[tokio::test]
    async fn a_truncated_log_is_reported_and_ends_nothing() {
        let (_folder, fake, context, address) = followed();
        let cut = [format!("Program {} invoke [1]", jobs::ID), "Log truncated".to_owned()];
        testing::happened(&fake, &context, &address, cut, None).await;
        let story = Story::read(&context, &address).await.unwrap();
        assert_eq!(story.0.iter().map(|chapter| &chapter.step).collect::<Vec<_>>(), [&Step::Untold]);
        fake.set_account(address, Account::default());
        let Err(error) = Follower::new(&context, address).next().await else {
            panic!("nobody knows how it ended")
        };
        assert!(error.to_string().contains("it is unknown how job"), "{error}");
    }

    #[test]
    fn a_conviction_says_what_was_wrong() {
        let convicted = JobConvicted {
            job: Address::default(),
            device: Address::default(),
            challenger: Address::default(),
            sealed_slot: 0,
            refund: 5,
            reward: 0,
            compensation: 0,
            burned: 0,
            fault: 0,
            unit: 1,
            op: 2,
            index: 3,
            expected: 0,
            claimed: 0,
            priority_ends: 0,
        };
        let told = |code: u8| {
            let logs = testing::said(&JobConvicted { fault: code, ..convicted });
            let (_, record) = logged(&logs).records.pop().unwrap();
            let (_, step) = Step::read(&record).unwrap();
            (serde_json::to_value(&step).unwrap(), step.describe(SOL))
        };
        let (json, words) = told(Fault::Element as u8);
        assert!(
            json["fault"] == "element" && words.contains("element 3 of op 2 in unit 1 is wrong"),
            "{words}"
        );
        let (json, words) = told(Fault::Silence as u8);
        assert!(json["fault"] == "silence" && words.contains("did not show"), "{words}");
        assert!(!words.contains("element"), "{words}");
        for other in [Fault::Output, Fault::Malformed, Fault::Padding] {
            let (_, words) = told(other as u8);
            assert!(words.contains("unit 1") && !words.contains("element"), "{words}");
        }
    }
}
