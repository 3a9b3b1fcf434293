//! The commitment to a result, and its reveal.

use super::{JobOutcome, JobProgress};
use crate::journal::Roots;
use crate::{Error, Result, Worker};
use bytes::Bytes;
use chain::market::job as instructions;
use jobs::Job;
use protocol::hash::Hash;
use protocol::trace;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::atomic::Ordering;

/// Domain separator of the nonces.
const NONCE: &[u8] = b"ionet worker nonce 1";

/// Seconds before its deadline at which a reveal stops waiting for the upload: what its transactions take when blocks are full.
const STORED_BY: i64 = 30;

impl Worker {
    /// Computes the result if necessary, and commits to it. Returns what [`Worker::step`] does.
    pub(super) async fn commit(
        &self,
        address: &Address,
        job: &Job,
        progress: &JobProgress,
        input: &mut Option<Bytes>,
    ) -> Result<ControlFlow<JobOutcome, Option<u64>>> {
        let roots = match self.result(address, job, progress, input, |_| true).await? {
            Continue(roots) => roots,
            Break(outcome) => return Ok(Break(outcome)),
        };
        let (_, commitment) = self.seal(job, &roots);
        let committing = instructions::commit_result(&self.key.pubkey(), address, &self.device, commitment);
        let receipt = self.send("commit", address, job, &[committing]).await?;
        self.metrics.jobs_committed_total.add(1);
        tracing::info!(event = "committed", job = %address, commitment = hex::encode(commitment), signature = %receipt.signature);
        Ok(Continue(Some(receipt.slot)))
    }

    /// Sends the `first` instructions and opens the commitment, once the result is stored or time runs out. Returns what [`Worker::step`]
    /// does.
    pub(super) async fn reveal(
        &self,
        address: &Address,
        job: &Job,
        progress: &JobProgress,
        first: Vec<Instruction>,
    ) -> Result<ControlFlow<JobOutcome, Option<u64>>> {
        let opens = |roots: &Roots| self.seal(job, roots).1 == job.commitment;
        let roots = match self.result(address, job, progress, &mut None, opens).await? {
            Continue(roots) => roots,
            Break(outcome) => return Ok(Break(outcome)),
        };
        if !opens(&roots) {
            return Err(Error::ForeignCommitment { job: *address });
        }
        if !progress.stored.initialized() {
            if !first.is_empty() {
                // These cannot wait for the upload: the hash that draws audits would be forgotten. They start the time for the reveal.
                let what = if job.awaits_siblings() { "call" } else { "draw" };
                let receipt = self.send(what, address, job, &first).await?;
                return Ok(Continue(Some(receipt.slot)));
            }
            let left = job.deadline().unix.saturating_sub(self.chain.now().await?.unix);
            // A worker that is stopping may not be back in time.
            if left > STORED_BY && !self.stop.is_cancelled() {
                return Ok(Continue(None));
            }
            tracing::warn!(event = "unstored", job = %address, "revealing before the result is stored; the upload goes on");
        }
        let (nonce, _) = self.seal(job, &roots);
        let revealing = instructions::reveal_result(&self.key.pubkey(), address, &self.device, roots.traces, roots.outputs, nonce);
        let all: Vec<Instruction> = first.into_iter().chain([revealing]).collect();
        let receipt = self.send("reveal", address, job, &all).await?;
        progress.revealed.store(true, Ordering::Relaxed);
        self.metrics.jobs_revealed_total.add(1);
        tracing::info!(event = "revealed", job = %address, outputs = hex::encode(roots.outputs), signature = %receipt.signature);
        Ok(Continue(Some(receipt.slot)))
    }

    /// The nonce and the commitment of a result.
    pub(crate) fn seal(&self, job: &Job, roots: &Roots) -> (Hash, Hash) {
        let nonce = roots.nonce.unwrap_or_else(|| self.nonce(job));
        let party = self.device.as_array();
        let result = trace::result(&job.job_hash, party, &roots.traces, &roots.outputs);
        (nonce, trace::commit(&result, party, &nonce))
    }

    /// The nonce of a correct result. It is derived from the key and the job, so that losing the disk does not lose it; the journal has it
    /// too, because the key may be rotated before the reveal.
    pub(crate) fn nonce(&self, job: &Job) -> Hash {
        solana_sha256_hasher::hashv(&[NONCE, self.key.secret_bytes(), &job.job_hash]).to_bytes()
    }
}
