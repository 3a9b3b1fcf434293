//! Audits of a committed result: drawn, taken, committed to and proved.

use super::{Job, Status};
use crate::error::JobsError;
use crate::state::Config;
use anchor_lang::prelude::*;
use protocol::audit;
use protocol::hash::Hash;
use protocol::units::{Bps, Clocks, Moment};

protocol::coded! {
    /// Where the audit of a result stands, between the commitment and the payment.
    pub enum AuditStage {
        /// Not drawn yet, or the job has no draw.
        Undrawn = 0,
        /// No audit was drawn, or no auditor was in time.
        Cleared = 1,
        /// Waiting for an auditor.
        Drawn = 2,
        /// An auditor is computing.
        Taken = 3,
        /// The auditor has committed.
        Sealed = 4,
        /// The auditor got the worker's result and has proved that it holds the trace.
        Proven = 5,
    }
}

impl Job {
    /// Fails unless the job is committed and its audit stands at `stage`.
    pub fn check_audit(&self, stage: AuditStage) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(self.audit == stage, JobsError::WrongAudit);
        Ok(())
    }

    /// Whether a draw still has to decide if the committed result is audited. Replicas have no draw: they check each other.
    pub fn awaits_draw(&self) -> bool {
        self.status == Status::Committed && self.audit == AuditStage::Undrawn && !self.audit_bps.is_zero()
    }

    /// Whether an auditor is awaited or at work, so that the worker has no deadline.
    pub fn awaits_auditor(&self) -> bool {
        self.audit == AuditStage::Drawn || self.audit == AuditStage::Taken
    }

    /// Whether an auditor has committed to a result of its own.
    pub fn is_audit_sealed(&self) -> bool {
        self.audit >= AuditStage::Sealed
    }

    /// The first slot hash after this slot decides whether the committed result is audited.
    pub fn draws_after(&self) -> u64 {
        self.since_slot.get().saturating_add(audit::DRAW_SLOTS).saturating_sub(1)
    }

    /// Whether the slot hash `seed` draws an audit.
    pub fn is_drawn(&self, address: &Address, seed: &Hash) -> bool {
        let rate = Bps::saturating(self.audit_bps.get());
        audit::is_drawn(seed, address.as_array(), self.device.as_array(), rate)
    }

    /// Fails unless a draw still has to decide if the committed result is audited, and may before the deadline.
    pub fn check_undrawn(&self, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(self.awaits_draw(), JobsError::AuditNotDue);
        self.check_in_time(clocks)?;
        Ok(())
    }

    /// Records whether an undrawn result is audited.
    pub fn record_draw(&mut self, drawn: bool, config: &Config, now: Moment) {
        let (stage, seconds) = if drawn {
            (AuditStage::Drawn, config.audit_seconds)
        } else {
            (AuditStage::Cleared, config.reveal_seconds)
        };
        self.audit = stage as u8;
        self.enter(Status::Committed, now, seconds.get());
    }

    /// Records that an auditor has taken the audit, before the deadline. It has the job's run time, without extensions.
    pub fn take_audit(&mut self, clocks: Clocks) -> Result<()> {
        self.check_audit(AuditStage::Drawn)?;
        self.check_in_time(clocks)?;
        self.audit = AuditStage::Taken as u8;
        self.enter(Status::Committed, clocks.now, self.run_seconds.get());
        Ok(())
    }

    /// Records that the auditor has committed, before the deadline: the worker may reveal.
    pub fn seal_audit(&mut self, reveal_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_audit(AuditStage::Taken)?;
        self.check_in_time(clocks)?;
        self.audit = AuditStage::Sealed as u8;
        self.enter(Status::Committed, clocks.now, reveal_seconds);
        Ok(())
    }

    /// Ends an audit whose auditor did not come (`Drawn`) or did not commit (`Taken`) before the deadline: the worker may reveal.
    pub fn clear_audit(&mut self, stage: AuditStage, reveal_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_audit(stage)?;
        require!(self.is_due(clocks), JobsError::DeadlineNotPassed);
        self.audit = AuditStage::Cleared as u8;
        self.enter(Status::Committed, clocks.now, reveal_seconds);
        Ok(())
    }

    /// Records that the auditor has proved that it holds the trace of the revealed result.
    pub fn prove_audit(&mut self) -> Result<()> {
        self.check_status(Status::Revealed)?;
        require!(self.audit == AuditStage::Sealed, JobsError::WrongAudit);
        self.audit = AuditStage::Proven as u8;
        Ok(())
    }
}
