//! The wait for a revealed job's pay, and how the job ended.

use super::JobOutcome;
use crate::journal::Step;
use crate::{Result, Worker};
use anchor_lang::Discriminator;
use chain::JobEnd;
use chain::market::audit;
use futures_util::StreamExt;
use jobs::instruction::{Award, SettleJob};
use jobs::{Audit, AuditStage, Job, Status};
use protocol::units::{Amount, Bps};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::time::Duration;
use tokio::time::sleep;

/// Wait before it is seen to again that a job is settled.
const SETTLE_AGAIN: Duration = Duration::from_secs(8);

/// Transactions about a job, the newest first, among which its end is looked for.
const LOOKED_THROUGH: usize = 64;

impl Worker {
    /// Waits until the job is settled, and settles it when nobody else does.
    pub(super) async fn await_pay(&self, address: &Address, job: &Job) -> JobOutcome {
        let mut job = *job;
        let revealed = job.since_slot.get();
        let mut states = self.chain.watch(*address);
        let mut pause = Duration::ZERO;
        let forced = self.is_forced(&job);
        if forced {
            self.note_error(address);
        }
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return JobOutcome::Left,
                state = states.next() => {
                    // The runtime shuts down.
                    let Some(state) = state else { return JobOutcome::Left };
                    // A machine that is behind: what is kept of the job goes by no such word.
                    let past = state.slot < revealed;
                    let same = state.account.and_then(|account| chain::decode::<Job>(address, &account).ok());
                    match same.filter(|now| now.job_hash == job.job_hash) {
                        Some(now) if now.status == Status::Convicted => return self.convicted(address, &now).await,
                        // Answers, other replicas and auditors move what is to come.
                        Some(now) => (job, pause) = (now, Duration::ZERO),
                        None if past => return JobOutcome::Left,
                        // Only replicas that agree are paid before the deadline. If it is still there, the next search finds it.
                        None if job.replicas == 1 && !self.is_overdue(&job).await => return JobOutcome::Left,
                        None => return self.ended(address, &job).await,
                    }
                }
                () = sleep(pause), if forced || self.settings.crank_after.is_some() => {
                    let tried = match forced {
                        true => self.try_confess(address, &job).await,
                        false => self.try_settle(address, &job).await.map(Some),
                    };
                    pause = match tried {
                        Ok(Some(pause)) => pause,
                        Ok(None) => return JobOutcome::Confessed,
                        Err(error) => {
                            tracing::info!(event = "retry", job = %address, %error, "not settled yet");
                            SETTLE_AGAIN
                        }
                    };
                }
            }
        }
    }

    /// Settles the job when its window and the grace for others have passed; says when to try again.
    async fn try_settle(&self, address: &Address, job: &Job) -> Result<Duration> {
        let deadline = job.deadline();
        let grace = self.settings.crank_after.unwrap_or_default();
        let now = self.chain.now().await?;
        let seconds = u64::try_from(deadline.unix.saturating_sub(now.unix)).unwrap_or(0);
        if seconds > 0 {
            // The chain's clock may run faster than ours.
            return Ok(Duration::from_secs(seconds).saturating_add(grace).min(self.settings.scan));
        }
        if !now.reached(deadline.after(u32::try_from(grace.as_secs()).unwrap_or(u32::MAX))) {
            return Ok(SETTLE_AGAIN.min(self.settings.scan));
        }
        let settling = JobEnd::settle(&self.chain, &self.key.pubkey(), address, job).await?;
        let receipt = self.send("settle", Step::Settling, address, job, &settling.instructions).await?;
        tracing::info!(event = "settled", job = %address, signature = %receipt.signature);
        Ok(SETTLE_AGAIN)
    }

    /// The job has ended with its result revealed: paid, or convicted and awarded before anybody here saw that.
    pub(super) async fn ended(&self, address: &Address, job: &Job) -> JobOutcome {
        match self.is_paid(address).await {
            Ok(Some(true)) => self.paid(address, job).await,
            Ok(Some(false)) => self.convicted(address, job).await,
            unknown => {
                let reason = unknown.err().map(|error| error.to_string());
                tracing::info!(event = "ended", job = %address, reason, "the node does not say whether it was paid");
                JobOutcome::Ended
            }
        }
    }

    /// Whether the last that was done to a job is that it was paid; `None` when the node does not remember.
    async fn is_paid(&self, address: &Address) -> Result<Option<bool>> {
        let network = &**self.chain.network();
        let ask = move |signature| async move { network.instructions(&signature).await };
        // Anybody can name an address in useless transactions.
        let mut past = chain::past_each(network, address, ask).take(LOOKED_THROUGH);
        while let Some(instructions) = past.next().await.transpose()? {
            let ours = instructions.into_iter().flatten();
            let acts: Vec<Instruction> = ours
                .filter(|one| one.program_id == jobs::ID && one.accounts.iter().any(|meta| meta.pubkey == *address))
                .collect();
            let does = |what: &[u8]| acts.iter().any(|one| one.data.starts_with(what));
            let ends = [(SettleJob::DISCRIMINATOR, true), (Award::DISCRIMINATOR, false)];
            if let Some((_, paid)) = ends.into_iter().find(|(what, _)| does(what)) {
                return Ok(Some(paid));
            }
        }
        Ok(None)
    }

    /// The job was settled.
    async fn paid(&self, address: &Address, job: &Job) -> JobOutcome {
        let quote = job.quote_at(Amount(job.price.get())).ok();
        let supplier_gets = quote.map_or(Amount::default(), |quote| quote.supplier_gets);
        // An auditor's share is its own.
        let audit = match job.audit == AuditStage::Proven {
            true => self.chain.try_fetch::<Audit>(&audit::address(address)).await.ok().flatten(),
            false => None,
        };
        let share = audit.map_or(Bps::default(), |audit| Bps::saturating(audit.share_bps.get()));
        let auditor_gets = protocol::audit::pay(supplier_gets, share);
        let amount = supplier_gets.saturating_sub(auditor_gets).0;
        self.metrics.jobs_paid_total.add(1);
        tracing::info!(event = "paid", job = %address, amount);
        JobOutcome::Paid
    }

    pub(super) async fn convicted(&self, address: &Address, job: &Job) -> JobOutcome {
        if self.is_forced(job) {
            self.note_error(address);
            return self.open_permit(address, job).await;
        }
        tracing::error!(event = "convicted", job = %address, "the result was proved wrong and the bond is lost; run `ionet-worker selftest` before anything else");
        JobOutcome::Convicted
    }

    /// Whether the deadline of a job has passed, as far as the node knows.
    async fn is_overdue(&self, job: &Job) -> bool {
        self.chain.clocks().await.is_ok_and(|clocks| job.is_due(clocks))
    }
}
