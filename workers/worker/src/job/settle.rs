//! Settling a revealed job, and finding out how it ended.

use super::JobOutcome;
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

/// Delay before trying to settle a job again.
const SETTLE_AGAIN: Duration = Duration::from_secs(8);

/// Number of recent transactions about a job to search for the one that ended it.
const LOOKED_THROUGH: usize = 64;

impl Worker {
    /// Waits until the job is settled, and settles it if nobody else does.
    pub(super) async fn await_pay(&self, address: &Address, job: &Job) -> JobOutcome {
        let mut job = *job;
        let revealed = job.since_slot.get();
        let mut states = self.chain.watch(*address);
        let mut pause = Duration::ZERO;
        let forced_by = self.forced_by(&job);
        if forced_by.is_some() {
            self.note_error(address);
        }
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return JobOutcome::LetGo,
                state = states.next() => {
                    // The runtime is shutting down.
                    let Some(state) = state else { return JobOutcome::LetGo };
                    // A node that lags behind the reveal cannot say that the job is over.
                    let stale = state.slot < revealed;
                    let same = state.account.and_then(|account| chain::decode::<Job>(address, &account).ok());
                    match same.filter(|now| now.job_hash == job.job_hash) {
                        Some(now) if now.status == Status::Convicted => return self.convicted(address, &now).await,
                        // Answers, other replicas and auditors move the deadline.
                        Some(now) => (job, pause) = (now, Duration::ZERO),
                        None if stale => return JobOutcome::LetGo,
                        // Only replicas that agree are paid before the deadline. If the job still exists, the next search finds it.
                        None if job.replicas == 1 && !self.is_overdue(&job).await => return JobOutcome::LetGo,
                        None => return self.ended(address, &job).await,
                    }
                }
                () = sleep(pause), if forced_by.is_some() || self.settings.crank_after.is_some() => {
                    let tried = match forced_by {
                        Some(secret) => self.try_confess(address, &job, secret).await,
                        None => self.try_settle(address, &job).await.map(Some),
                    };
                    pause = match tried {
                        Ok(Some(pause)) => pause,
                        Ok(None) => return JobOutcome::Closed,
                        Err(error) => {
                            tracing::info!(event = "retry", job = %address, %error, "the job could not be settled; trying again");
                            SETTLE_AGAIN
                        }
                    };
                }
            }
        }
    }

    /// Settles the job once its window and the grace period for others have passed. Returns when to try again.
    async fn try_settle(&self, address: &Address, job: &Job) -> Result<Duration> {
        let deadline = job.deadline();
        let grace = self.settings.crank_after.unwrap_or_default();
        let now = self.chain.now().await?;
        let seconds = u64::try_from(deadline.unix.saturating_sub(now.unix)).unwrap_or(0);
        if seconds > 0 {
            // The chain's clock may run faster than the local one.
            return Ok(Duration::from_secs(seconds).saturating_add(grace).min(self.settings.scan));
        }
        if !now.reached(deadline.after(u32::try_from(grace.as_secs()).unwrap_or(u32::MAX))) {
            return Ok(SETTLE_AGAIN.min(self.settings.scan));
        }
        let settling = JobEnd::settle(&self.chain, &self.key.pubkey(), address, job).await?;
        // Nothing is lost if this takes longer.
        let receipt = self
            .send_recorded("settle", address, job, &settling.instructions, &self.options, None)
            .await?;
        tracing::info!(event = "settled", job = %address, signature = %receipt.signature);
        Ok(SETTLE_AGAIN)
    }

    /// Finds out how a job with a revealed result ended: it was paid, or convicted and awarded before this worker saw it.
    pub(super) async fn ended(&self, address: &Address, job: &Job) -> JobOutcome {
        match self.is_paid(address).await {
            Ok(Some(true)) => self.paid(address, job).await,
            Ok(Some(false)) => self.convicted(address, job).await,
            unknown => {
                let reason = unknown.err().map(|error| error.to_string());
                tracing::info!(event = "ended", job = %address, reason, "the job has ended, and the node does not say whether it was paid");
                JobOutcome::Ended
            }
        }
    }

    /// Whether the transaction that ended a job paid it. `None` if the node does not remember that transaction.
    async fn is_paid(&self, address: &Address) -> Result<Option<bool>> {
        let network = &**self.chain.network();
        let ask = move |signature| async move { network.instructions(&signature).await };
        // Anyone can mention an address in unrelated transactions.
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

    /// Logs what the job paid.
    async fn paid(&self, address: &Address, job: &Job) -> JobOutcome {
        let quote = job.quote_at(Amount(job.price.get())).ok();
        let supplier_gets = quote.map_or(Amount::default(), |quote| quote.supplier_gets);
        // The auditor's share comes out of the pay.
        let audit = match job.audit == AuditStage::Proven {
            true => self.chain.try_fetch::<Audit>(&audit::address(address)).await.ok().flatten(),
            false => None,
        };
        let share = audit.map_or(Bps::default(), |audit| Bps::saturating(audit.share_bps.get()));
        let auditor_gets = protocol::audit::pay(supplier_gets, share);
        let amount = supplier_gets.saturating_sub(auditor_gets).0;
        self.metrics.jobs_paid_total.add(1);
        tracing::info!(event = "paid", job = %address, amount);
        JobOutcome::Ended
    }

    pub(super) async fn convicted(&self, address: &Address, job: &Job) -> JobOutcome {
        if let Some(secret) = self.forced_by(job) {
            self.note_error(address);
            return self.open_permit(address, job, secret).await;
        }
        tracing::error!(event = "convicted", job = %address, "the result was proved wrong and the bond is lost; run `ionet-worker selftest` before anything else");
        JobOutcome::Convicted
    }

    /// Whether a job's deadline has passed, as far as the node knows.
    async fn is_overdue(&self, job: &Job) -> bool {
        self.chain.clocks().await.is_ok_and(|clocks| job.is_due(clocks))
    }
}
