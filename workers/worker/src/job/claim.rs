//! Claiming an open job.

use super::ClaimPlan;
use super::JobOutcome;
use crate::journal::Step;
use crate::transactions::failed_with;
use crate::{Error, Result, Worker};
use bytes::Bytes;
use chain::Receipt;
use jobs::Job;
use jobs::error::JobsError;
use solana_address::Address;
use std::ops::ControlFlow::{self, Break, Continue};
use tokio::time::sleep;

impl Worker {
    /// Claims an open job; one that is refused leaves, as nothing is at stake yet: another look at the market decides whether to try again.
    pub(super) async fn try_claim(
        &self,
        address: &Address,
        job: &Job,
        claim: &ClaimPlan,
        input: &mut Option<Bytes>,
    ) -> ControlFlow<JobOutcome, Option<u64>> {
        match self.claim(address, job, claim, input).await {
            Ok(Some(receipt)) => Continue(Some(receipt.slot)),
            Ok(None) => Break(JobOutcome::Left),
            Err(error) => {
                if self.claim_in_doubt(address, &error) {
                    return Break(JobOutcome::Left);
                }
                let gone = [JobsError::WrongStatus, JobsError::JobExpired, JobsError::TermsChanged];
                let lost = gone.into_iter().any(|code| failed_with(&error, code));
                tracing::info!(event = if lost { "lost" } else { "refused" }, job = %address, reason = %error);
                Break(if lost { JobOutcome::Lost } else { JobOutcome::Refused })
            }
        }
    }

    /// Takes note of why a claim failed; whether nobody said what became of it: then it may have landed, and nothing of it is to be dropped.
    pub(crate) fn claim_in_doubt(&self, address: &Address, error: &Error) -> bool {
        if error.is_disk() {
            self.disk_failed(error);
        }
        let in_doubt = matches!(error, Error::Chain(cause) if cause.uncertain().is_some_and(|uncertain| !uncertain.expired));
        if in_doubt {
            tracing::warn!(event = "retry", job = %address, %error, "the claim may have landed; the next search tells");
        }
        in_doubt
    }

    /// Claims an open job once its input is here and checked; `None` when the worker is to stop.
    async fn claim(&self, address: &Address, job: &Job, claim: &ClaimPlan, input: &mut Option<Bytes>) -> Result<Option<Receipt>> {
        let model = self.model(job)?;
        let (bytes, kept) = self.find_input(address, job, model).await?;
        // A disk that does not take it is not trusted with what follows.
        kept?;
        *input = Some(bytes);
        self.ensure_payout(&claim.mint).await?;
        loop {
            if self.chain.now().await?.slot >= claim.slot {
                let claiming = self.claiming(address, job, claim.floor).await?;
                let sent = self.send("claim", Step::Claiming, address, job, &[claiming]).await;
                let early = |error: &Error| {
                    let codes = [JobsError::SeedNotReady, JobsError::NotAdmittedYet, JobsError::PriceTooLow];
                    codes.into_iter().any(|code| failed_with(error, code))
                };
                match sent {
                    Err(error) if early(&error) => tracing::debug!(job = %address, %error, "too early"),
                    Err(error) => return Err(error),
                    Ok(receipt) => {
                        self.metrics.jobs_claimed_total.add(1);
                        tracing::info!(event = "claimed", job = %address, model = model.name, units = job.units.get(), signature = %receipt.signature);
                        return Ok(Some(receipt));
                    }
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(None),
                () = sleep(self.settings.poll) => {}
            }
        }
    }
}
