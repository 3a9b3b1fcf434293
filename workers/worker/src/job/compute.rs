//! Computing a job's result.

use super::{JobOutcome, JobProgress};
use crate::admission::Task;
use crate::failpoint::failpoint;
use crate::journal::{Blob, Roots, Step};
use crate::models::Model;
use crate::settings::TraceMode;
use crate::{Fault, Result, Worker};
use bytes::Bytes;
use engine::Batch;
use jobs::Job;
use protocol::blob::TraceBlob;
use protocol::hash::Hash;
use protocol::permit;
use solana_address::Address;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Op outputs that may wait for their upload while the next ones are computed, at most 16 MiB each.
const TENSORS_IN_FLIGHT: usize = 4;

/// Time limit for uploading an op output, because the computation waits for it.
const TENSOR_STORED: Duration = Duration::from_secs(30);

/// A computed result.
pub(crate) struct Computed {
    pub roots: Roots,
    pub output: Bytes,
    pub trace: Bytes,
    /// Whether it is on disk.
    pub kept: bool,
}

impl Worker {
    /// The result that `fits`: the one this process or an earlier one computed, or else computed now. Breaks with the outcome if the job
    /// ends meanwhile.
    pub(super) async fn result(
        &self,
        address: &Address,
        job: &Job,
        progress: &JobProgress,
        input: &mut Option<Bytes>,
        fits: impl Fn(&Roots) -> bool,
    ) -> Result<ControlFlow<JobOutcome, Roots>> {
        if let Some(result) = progress.result.get() {
            return Ok(Continue(result.roots));
        }
        if let Some(roots) = self.journal.results(address, &job.job_hash).into_iter().find(&fits) {
            return Ok(Continue(progress.set_result(job, roots, None)));
        }
        let computing = async {
            let computed = self.compute(address, job, input).await?;
            if self.secret.is_none() || fits(&computed.roots) {
                return Ok(computed);
            }
            // The commitment is to the right result, not to an error by permit.
            let input = self.input(address, job, self.model(job)?).await?;
            self.compute_with(address, job, input, None).await
        };
        let computed = tokio::select! {
            biased;
            computed = computing => computed?,
            outcome = self.job_ends(address, job, progress) => return Ok(Break(outcome)),
        };
        let roots = progress.set_result(job, computed.roots, Some(computed).filter(|computed| !computed.kept));
        Ok(Continue(roots))
    }

    /// Runs the model over all units and keeps the result, if the disk takes it.
    pub(crate) async fn compute(&self, address: &Address, job: &Job, input: &mut Option<Bytes>) -> Result<Computed> {
        let model = self.model(job)?;
        let bytes = match input {
            Some(bytes) => bytes.clone(),
            None => input.insert(self.input(address, job, model).await?).clone(),
        };
        let forced = self.forced_fault(address, job, model.engine().package().checkpoints()).await?;
        self.compute_with(address, job, bytes, forced).await
    }

    /// Like [`compute`](Self::compute), with the given error by permit.
    async fn compute_with(&self, address: &Address, job: &Job, input: Bytes, forced: Option<Fault>) -> Result<Computed> {
        let model = self.model(job)?;
        let batch = self.run_model(address, job, model, input, forced.or(self.fault)).await?;
        let nonce = match self.secret {
            Some(secret) if forced.is_some() => permit::nonce(&secret, &job.job_hash),
            _ => self.nonce(job),
        };
        self.record_result(address, job, model, batch, nonce).await
    }

    /// Runs the model over all units of a job, and uploads every op's output if `trace = "full"`.
    async fn run_model(&self, address: &Address, job: &Job, model: &Arc<Model>, input: Bytes, fault: Option<Fault>) -> Result<Batch> {
        let store = self.output_store()?;
        let full = self.settings.trace == TraceMode::Full && !self.silent;
        let units = job.units.get();
        let left = self.units_left(address, || Task::job(model, units, job.deadline_at.get(), self.observes_ops()));
        left.store(units, Ordering::Relaxed);
        let (go_on, _guard) = self.counting(left);
        let running = model.clone();
        let (sender, mut tensors) = mpsc::channel(TENSORS_IN_FLIGHT);
        let computing = tokio::task::spawn_blocking(move || {
            let see = |unit: u32, op: usize, codes: &mut [u8]| {
                if let Some(fault) = fault {
                    fault.strike(unit, op, codes);
                }
                if full && let Ok(blob) = running.tensor_blob(op, codes) {
                    // Fails once an upload has failed, after which no others are made.
                    let _ = sender.blocking_send(Bytes::from(blob));
                }
            };
            if fault.is_some() || full {
                running.run_seen(&input, go_on, see)
            } else {
                running.run(&input, go_on)
            }
        });
        let uploading = async move {
            while let Some(blob) = tensors.recv().await {
                // An op output that is not uploaded can still be demanded, while the deadline does not wait.
                let reason = match timeout(TENSOR_STORED, store.put(blob)).await {
                    Ok(Ok(_)) => continue,
                    Ok(Err(error)) => error.to_string(),
                    Err(late) => late.to_string(),
                };
                tracing::warn!(event = "unstored", job = %address, reason, "no more op outputs of this job are uploaded");
                break;
            }
        };
        let (computed, ()) = tokio::join!(computing, uploading);
        let computed = computed.map_err(|error| model.failed(error))?;
        let (batch, elapsed) = computed.map_err(|error| model.failed(error))?;
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.metrics.compute_milliseconds_total.add(milliseconds);
        tracing::info!(event = "computed", job = %address, model = model.name, units, milliseconds);
        failpoint("compute", "done", address).await;
        Ok(batch)
    }

    /// Keeps a result on disk, if possible: neither a demand nor a failed upload should make the worker compute it again.
    async fn record_result(&self, address: &Address, job: &Job, model: &Arc<Model>, batch: Batch, nonce: Hash) -> Result<Computed> {
        let roots = Roots {
            traces: batch.traces_root,
            outputs: batch.outputs_root,
            nonce: Some(nonce),
        };
        let (at, of, given_up) = (*address, model.clone(), CancellationToken::new());
        let _guard = given_up.clone().drop_guard();
        let keeping = self.in_background(move |journal| {
            let trace = TraceBlob::new(of.engine().package().checkpoints(), &batch.tensors);
            let trace = trace.map_err(|error| of.failed(error))?.encode();
            let kept = journal.keep(&at, &[(Blob::Output, &batch.outputs), (Blob::Trace, &trace)], &given_up);
            Ok((batch.outputs, trace, kept))
        });
        let (output, trace, kept) = keeping.await?;
        let kept = kept.and_then(|()| self.journal.record(address, job, Step::Computed(roots)));
        let computed = Computed {
            roots,
            output: output.into(),
            trace: trace.into(),
            kept: kept.is_ok(),
        };
        self.tolerate_disk_error(kept);
        // Hashing and writing would falsify a measurement, which starts once nothing is left.
        self.none_left(address);
        failpoint("output", "recorded", address).await;
        Ok(computed)
    }
}
