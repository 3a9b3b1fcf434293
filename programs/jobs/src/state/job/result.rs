//! The result: committed to, revealed, or missing.

use super::replicas::NEVER;
use super::{Job, Status};
use crate::error::JobsError;
use crate::state::{DemandHeader, MAX_PENALTY_BPS, Model};
use anchor_lang::prelude::*;
use protocol::hash::Hash;
use protocol::trace;
use protocol::units::{Amount, Bps, Clocks};
use referee::Claim;

/// Added to the reveal time where an audit draw must come first: eight slots, with allowance for skipped ones.
const DRAW_SECONDS: u32 = 10;

impl Job {
    /// Records the commitment, before the deadline. A replica's reveal is called only when the others have committed too.
    pub fn commit(&mut self, commitment: Hash, reveal_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Assigned)?;
        self.check_in_time(clocks)?;
        self.commitment = commitment;
        let draw = if self.audit_bps.is_zero() { 0 } else { DRAW_SECONDS };
        self.enter(Status::Committed, clocks.now, reveal_seconds.saturating_add(draw));
        if self.replicas > 1 {
            self.set_deadline(NEVER);
        }
        Ok(())
    }

    /// Fails unless the worker is late with a commit or a reveal.
    pub fn check_late(&self, clocks: Clocks) -> Result<()> {
        let late = if self.status == Status::Committed {
            require!(!self.awaits_auditor(), JobsError::AuditRunning);
            Status::Committed
        } else {
            Status::Assigned
        };
        self.check_overdue(late, clocks)
    }

    /// Opens the commitment, before the deadline, and starts the challenge window.
    pub fn reveal(&mut self, traces: Hash, outputs: Hash, nonce: &Hash, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(!self.awaits_siblings(), JobsError::RevealsNotCalled);
        require!(!self.awaits_auditor(), JobsError::AuditRunning);
        require!(!self.awaits_draw(), JobsError::AuditNotDrawn);
        self.check_in_time(clocks)?;
        let party = self.device.as_array();
        let result = trace::result(&self.job_hash, party, &traces, &outputs);
        require!(
            trace::commit(&result, party, nonce) == self.commitment,
            JobsError::CommitmentMismatch
        );
        self.traces = traces;
        self.outputs = outputs;
        self.enter(Status::Revealed, clocks.now, self.window_seconds.get());
        Ok(())
    }

    /// The worker's claim in the form that the referee judges. If the model's traces commit only to checkpoints, evidence is judged by what
    /// the worker has shown of the unit: `asked` is the demand that it answered.
    pub fn result_claim(&self, model: &Model, asked: Option<&DemandHeader>) -> Result<Claim> {
        Ok(Claim {
            graph_root: model.graph_root,
            inputs: self.inputs,
            traces: self.traces,
            outputs: self.outputs,
            n_ops: model.n_ops.get(),
            interval: model.checkpoints().interval(),
            shown: asked.map(|demand| demand.shown_unit(self)).transpose()?,
            units: self.units.get(),
            n_inputs: model.n_inputs,
            input_shapes: model.inputs,
        })
    }

    /// What a missed deadline costs the worker: a share of the bond, rounded up. It is the largest share that the parameters allow if the
    /// worker walks away from an audit: once an auditor has committed, which has then worked in vain, or if the result is `drawn` for one
    /// and nobody has recorded that. A liar that does not reveal because it is audited must not get off lightly.
    pub fn penalty(&self, drawn: bool) -> u64 {
        let walks_away = drawn || (self.status == Status::Committed && self.is_audit_sealed());
        let share = if walks_away { MAX_PENALTY_BPS } else { self.penalty_bps.get() };
        Amount(self.bond.get()).share_ceil(Bps::saturating(share)).0
    }
}
