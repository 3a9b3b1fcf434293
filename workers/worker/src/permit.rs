//! Errors by permit: a device of the treasury errs on purpose in jobs that its secret draws, so that checking results pays
//! (`protocol::permit`).
//!
//! The worker computes such a job with one bit flipped, commits to it with a nonce derived from the secret, and waits. If a challenger
//! convicts the result, it wins the jackpot and the worker opens the permit. If nobody has by the second half of the window, the worker
//! confesses and the consumer is refunded.

use crate::job::{JobOutcome, RETRY};
use crate::market::taken_by;
use crate::{Fault, Result, Worker};
use chain::market::{job as instructions, permit as at};
use jobs::{Job, Permit, Status};
use protocol::hash::Hash;
use protocol::permit;
use protocol::trace::{self, Checkpoints};
use solana_address::Address;
use solana_signer::Signer;
use std::slice::from_ref;
use std::time::Duration;

impl Worker {
    /// The error to make in a job, if its result is or will be wrong by permit. A guess if the job is committed and its result was lost.
    pub(crate) async fn forced_fault(&self, address: &Address, job: &Job, checkpoints: Checkpoints) -> Result<Option<Fault>> {
        let Some(secret) = self.secret else { return Ok(None) };
        let errs = if job.traces == Hash::default() {
            self.may_err(&secret, address, job).await?
        } else {
            self.forced_by(job).is_some()
        };
        Ok(errs.then(|| fault(&permit::place(&secret, &job.job_hash), job.units.get(), checkpoints)))
    }

    /// The secret of the permit by which a revealed result of this device is an error, if it is one, judging by its commitment.
    pub(crate) fn forced_by(&self, job: &Job) -> Option<Hash> {
        let party = self.device.as_array();
        let result = trace::result(&job.job_hash, party, &job.traces, &job.outputs);
        let made = |secret: &Hash| trace::commit(&result, party, &permit::nonce(secret, &job.job_hash)) == job.commitment;
        self.secret.filter(|secret| job.device == self.device && made(secret))
    }

    /// Whether to err in a job: the permit allows it, and no other error is in progress that will use the permit up.
    async fn may_err(&self, secret: &Hash, address: &Address, job: &Job) -> Result<bool> {
        // Both claims have landed before this, so of two processes at least one sees the job of the other.
        let mut others: Vec<(Address, Job)> = self.chain.find(&taken_by(&self.device)).await?;
        // Read after them, since a job that has ended may have used the permit, and no older than the claim of this job.
        let permit_at = at::address(&permit::seal(self.device.as_array(), secret));
        let Some(permit) = self.account_since::<Permit>(&permit_at, job.since_slot.get()).await? else {
            return Ok(false);
        };
        if permit.opened.get() || !permit.allows(job, secret) {
            return Ok(false);
        }
        // The decision was made when the job was computed, and the other jobs may have changed since.
        if job.status != Status::Assigned {
            return Ok(true);
        }
        others.retain(|(_, other)| other.job_hash != job.job_hash && permit.allows(other, secret));
        let others: Vec<Address> = others.into_iter().map(|(address, _)| address).collect();
        Ok(self.decide_to_err(address, &others))
    }

    /// Confesses an error by permit once the challengers' time has passed. Returns when to try again, or `None` when it is done.
    pub(crate) async fn try_confess(&self, address: &Address, job: &Job, secret: Hash) -> Result<Option<Duration>> {
        let config: jobs::Config = self.chain.fetch(&instructions::config()).await?;
        let wait = job.confession_wait(config.question_seconds.get(), self.chain.clocks().await?);
        if wait != Some(0) {
            tracing::debug!(event = "waiting", job = %address, "challengers still have time to find the error");
            let wait = wait.map_or(self.settings.scan, |seconds| Duration::from_secs(seconds.into()));
            return Ok(Some(wait.min(self.settings.scan)));
        }
        let (parties, _) = chain::job_parties(&self.chain, address, job).await?;
        let confession = at::confess(&self.key.pubkey(), &parties, secret);
        let receipt = self.send("confess", address, job, &[confession]).await?;
        tracing::warn!(event = "confessed", job = %address, signature = %receipt.signature, "nobody found the error; the consumer is refunded");
        Ok(None)
    }

    /// Opens the permit of a convicted error, and retries for as long as that is possible.
    pub(crate) async fn open_permit(&self, address: &Address, job: &Job, secret: Hash) -> JobOutcome {
        let (opening, mut retry) = (at::open(address, &self.device, secret), RETRY);
        loop {
            match self.send("open permit", address, job, from_ref(&opening)).await {
                Ok(receipt) => {
                    tracing::info!(event = "permit opened", job = %address, signature = %receipt.signature, "the error was found; its challenger gets the jackpot");
                    return JobOutcome::Convicted;
                }
                Err(error) => {
                    tracing::warn!(event = "retry", job = %address, %error, "the permit could not be opened; trying again");
                    // Once the challenger is paid, the bond is gone. Only a state from after the conviction can show that.
                    let now = self.account_since::<Job>(address, job.since_slot.get()).await;
                    if now.is_ok_and(|now| now.is_none_or(|now| now.job_hash != job.job_hash)) {
                        return JobOutcome::Convicted;
                    }
                    retry.wait().await;
                }
            }
        }
    }
}

/// The element that these bytes choose. It lies in a checkpoint: an error in another op might not show in the trace.
fn fault(place: &Hash, units: u32, checkpoints: Checkpoints) -> Fault {
    let [a, b, c, bit] = [0, 8, 16, 24].map(|from| {
        let bytes = place.get(from..).and_then(|rest| rest.first_chunk::<8>());
        u64::from_le_bytes(bytes.copied().unwrap_or_default())
    });
    let within = |number: u64, of: u64| usize::try_from(number % of.max(1)).unwrap_or_default();
    Fault {
        unit: u32::try_from(within(a, units.into())).unwrap_or_default(),
        op: checkpoints.op(within(b, checkpoints.count().into()) as u32) as usize,
        element: within(c, u64::MAX),
        bit: (bit % 8) as u8,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn errors_lie_anywhere_in_a_job() {
        let places = (0..1_000u32).map(|number| {
            let mut job = [0; 32];
            job[..4].copy_from_slice(&number.to_le_bytes());
            fault(&permit::place(&[7; 32], &job), 3, Checkpoints::all(5))
        });
        let mut seen = std::collections::BTreeSet::new();
        for place in places {
            assert!(place.unit < 3 && place.op < 5 && place.bit < 8);
            seen.insert((place.unit, place.op, place.bit));
        }
        assert_eq!(seen.len(), 3 * 5 * 8);
    }

    #[test]
    fn errors_lie_where_a_trace_shows_them() {
        let places = (0..200u32).map(|number| {
            let mut job = [0; 32];
            job[..4].copy_from_slice(&number.to_le_bytes());
            fault(&permit::place(&[7; 32], &job), 3, Checkpoints::new(5, 2)).op
        });
        assert_eq!(places.collect::<std::collections::BTreeSet<_>>(), [1, 3, 4].into());
    }
}
