//! The claim of an open job.

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
    /// Claims an open job. After a refusal the job is let go, since nothing is at stake yet; the next search decides whether to try again.
    pub(super) async fn try_claim(
        &self,
        address: &Address,
        job: &Job,
        claim: &ClaimPlan,
        input: &mut Option<Bytes>,
    ) -> ControlFlow<JobOutcome, Option<u64>> {
        match self.claim(address, job, claim, input).await {
            Ok(Some(receipt)) => Continue(Some(receipt.slot)),
            Ok(None) => Break(JobOutcome::LetGo),
            Err(error) => {
                if self.claim_in_doubt(address, &error) {
                    return Break(JobOutcome::LetGo);
                }
                let gone = [JobsError::WrongStatus, JobsError::JobExpired, JobsError::TermsChanged];
                let lost = gone.into_iter().any(|code| failed_with(&error, code));
                tracing::info!(event = if lost { "lost" } else { "refused" }, job = %address, reason = %error);
                Break(if lost { JobOutcome::Lost } else { JobOutcome::Refused })
            }
        }
    }

    /// Handles a failed claim. Returns whether it may have landed after all, in which case nothing kept for the job may be dropped.
    pub(crate) fn claim_in_doubt(&self, address: &Address, error: &Error) -> bool {
        self.note_disk_error(error);
        let in_doubt = matches!(error, Error::Chain(cause) if cause.uncertain().is_some_and(|uncertain| !uncertain.expired));
        if in_doubt {
            tracing::warn!(event = "retry", job = %address, %error, "the claim may have landed; the next search will show whether it did");
        }
        in_doubt
    }

    /// Claims an open job once its input is fetched and checked. `None` if the worker is stopping.
    async fn claim(&self, address: &Address, job: &Job, claim: &ClaimPlan, input: &mut Option<Bytes>) -> Result<Option<Receipt>> {
        let model = self.model(job)?;
        let (bytes, kept) = self.find_input(address, job, model).await?;
        // A disk that cannot store the input is not trusted with the rest of the job.
        kept?;
        *input = Some(bytes);
        self.ensure_payout(&claim.mint).await?;
        loop {
            if self.chain.now().await?.slot >= claim.slot {
                let claiming = self.claiming(address, job, claim.floor).await?;
                let sent = self
                    .send_recorded("claim", address, job, &[claiming], &self.options, Some(Step::Claiming))
                    .await;
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
