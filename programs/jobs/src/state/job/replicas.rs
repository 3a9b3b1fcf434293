//! Replicas: jobs beside each other whose results are compared.

use super::{Job, Status};
use crate::error::JobsError;
use anchor_lang::prelude::*;
use protocol::units::Moment;

/// Deadline of a replica's commitment until its reveal is called: never.
pub(super) const NEVER: Moment = Moment {
    unix: i64::MAX,
    slot: u64::MAX,
};

impl Job {
    /// Whether this replica has committed and waits for the others, so that its reveal has not been called.
    pub fn awaits_siblings(&self) -> bool {
        self.status == Status::Committed && self.deadline() == NEVER
    }

    /// The id of the first of the replicas.
    pub fn first_id(&self) -> u64 {
        self.id.get().saturating_sub(u64::from(self.replica))
    }

    /// Key that all replicas of a job share: escrow, first id, opening slot, work and times. Since the times are equal, a worker knows from
    /// its own job how long the others may keep it waiting. The order of keys has no meaning.
    pub fn group(&self) -> impl Ord + use<> {
        let opened = (self.escrow, self.first_id(), self.opened_slot.get());
        let work = (self.model, self.inputs, self.units.get(), self.replicas);
        let times = [self.open_seconds, self.run_seconds, self.window_seconds].map(|seconds| seconds.get());
        (opened, work, times)
    }

    /// Whether this and the other job are replicas of one job.
    pub fn is_sibling(&self, other: &Job) -> bool {
        self.group() == other.group()
    }

    /// Address of the replica with this index.
    pub fn sibling(&self, replica: u8) -> Address {
        let id = self.first_id().saturating_add(u64::from(replica));
        find_program_address(&[Self::SEED, self.escrow.as_ref(), &id.to_le_bytes()], &crate::ID).0
    }

    /// Starts the reveal's deadline of a replica that has waited for the others.
    pub fn call_reveal(&mut self, reveal_seconds: u32, now: Moment) -> Result<()> {
        self.check_status(Status::Committed)?;
        require!(self.awaits_siblings(), JobsError::RevealsCalled);
        self.enter(Status::Committed, now, reveal_seconds);
        Ok(())
    }

    /// Ends the window of a replica whose result another replica confirms. Fails for one with a value at risk: two colluding devices could
    /// take any value, since nobody could convict them in time.
    pub fn agree(&mut self, now: Moment) -> Result<()> {
        require!(self.value_at_risk.is_zero(), JobsError::ValueAtRisk);
        self.check_answered()?;
        self.enter(Status::Revealed, now, 0);
        self.invariant()
    }
}
