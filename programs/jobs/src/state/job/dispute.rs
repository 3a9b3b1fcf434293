//! Disputes about a revealed result: demands, convictions, and errors by permit.

use super::{Job, Status};
use crate::error::JobsError;
use crate::state::{Config, Conviction};
use anchor_lang::prelude::*;
use protocol::demand;
use protocol::permit::{self, LEAST_WINDOW, OPENING_SECONDS};
use protocol::units::{Amount, Bps, Clocks, Moment};

impl Job {
    /// Counts another demand on the revealed result, within the window; returns the deadline for its answer.
    pub fn demand(&mut self, config: &Config, clocks: Clocks) -> Result<Moment> {
        self.check_status(Status::Revealed)?;
        self.check_in_time(clocks)?;
        require!(self.open_demands < demand::MAX_OPEN, JobsError::TooManyDemands);
        if self.confession_wait(config.question_seconds.get(), clocks) == Some(0) {
            self.asked_late = true.into();
        }
        self.open_demands = self.open_demands.saturating_add(1);
        self.demanded = self.demanded.saturating_add(1);
        let allowed = demand::allowance(self.answer_used.get().into(), config.answer_seconds.get());
        Ok(clocks.now.after(allowed))
    }

    /// Records the answer to a demand that was opened at `opened`. The time it took, beyond the first half minute, comes off the worker's
    /// time budget, and the window is extended to leave time for the next question.
    pub fn answered(&mut self, opened: Moment, question_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Revealed)?;
        self.open_demands = self.open_demands.checked_sub(1).ok_or(JobsError::BooksBroken)?;
        let used = u32::from(self.answer_used.get()).saturating_add(demand::spent(opened, clocks));
        // Both sums have limits far below `u16::MAX`.
        self.answer_used = u16::try_from(used.min(demand::TOTAL_SECONDS)).unwrap_or(u16::MAX).into();
        let end = self.end(clocks);
        let extended = u32::from(self.window_extended.get());
        let more = demand::extension(end, clocks.now, question_seconds, extended);
        self.window_extended = u16::try_from(extended.saturating_add(more)).unwrap_or(u16::MAX).into();
        self.set_deadline(self.deadline().after(more));
        self.invariant()
    }

    /// Cost of the next demand in lamports, where the first one costs `base`.
    pub fn demand_cost(&self, base: u64) -> Result<u64> {
        demand::cost(base, self.demanded).ok_or(JobsError::DemandTooDear.into())
    }

    /// Fails while demands are without an answer.
    pub fn check_answered(&self) -> Result<()> {
        require!(self.open_demands == 0, JobsError::DemandsOpen);
        Ok(())
    }

    /// Records that the revealed result was proved wrong, or a part of it withheld: the priority period starts.
    pub fn convict(&mut self, priority_seconds: u32, now: Moment) -> Result<()> {
        self.check_status(Status::Revealed)?;
        self.open_demands = 0;
        self.enter(Status::Convicted, now, priority_seconds);
        self.invariant()
    }

    /// Fails unless the job is convicted and the priority period has passed. If some permit may excuse the error, which would earn the
    /// challenger a jackpot, there are [`OPENING_SECONDS`] more to open it.
    pub fn check_awardable(&self, config: &Config, conviction: &Conviction, clocks: Clocks) -> Result<()> {
        self.check_overdue(Status::Convicted, clocks)?;
        let over = clocks.reached(self.deadline().after(OPENING_SECONDS), self.since_slot.get());
        let awaited = !config.permits.is_zero() && !conviction.pardoned.get() && self.may_be_excused();
        require!(over || !awaited, JobsError::PermitSealed);
        Ok(())
    }

    /// Whether a permit may excuse an error in this job. Not in a replica, a job with a value at risk above its price, one that is not paid
    /// in $IO, or one with a short window.
    ///
    /// Up to a `watch_bps` of 15 %, a value up to the price is made good by the consumer's part of the bond. If stating any value were enough,
    /// consumers could do so for nothing, and it would tell watchers what is not worth checking. The bond grows with the value, so what a
    /// permit covers ends sooner: with published parameters at a ninth of the price.
    pub fn may_be_excused(&self) -> bool {
        let small = self.full_price().is_ok_and(|price| self.value_at_risk.get() <= price.0);
        self.replicas == 1 && small && !self.foreign_mint.get() && self.window_seconds.get() >= LEAST_WINDOW
    }

    /// What the supplier keeps at least of the [`Job::full_price`] on average, whatever share of it auditors get.
    pub fn kept_price(&self) -> Result<Amount> {
        Ok(permit::kept(self.full_price()?, Bps::saturating(self.audit_bps.get())))
    }

    /// Seconds until an error by permit may be confessed, by whichever clock has longer to go; `None` while open demands block a
    /// confession.
    ///
    /// The first half of the window is for challengers. Once a demand was opened they have more: all but the last half of
    /// `question_seconds`. So an answer can lead to the next question, or to a conviction, and the device still has time to confess.
    ///
    /// A demand that is opened while this is 0 is late: from then on no demand or answer blocks a confession. This matters because a
    /// confession discloses the permit's secret, and with it the position of the error, even when its transaction fails. So nobody may be
    /// able to make one fail that is under way. Nobody is: only demands and their answers increase the wait (apart from restarts and
    /// parameter changes), and while it is 0 no demand is open.
    pub fn confession_wait(&self, question_seconds: u32, clocks: Clocks) -> Option<u32> {
        if self.asked_late.get() {
            return Some(0);
        }
        self.check_answered().ok()?;
        let half = self.window_seconds.get() / 2;
        let kept = if self.demanded > 0 { half.min(question_seconds / 2) } else { half };
        let end = self.end(clocks);
        Some(end.seconds_past(clocks.now).saturating_sub(kept))
    }

    /// Fails unless the result is revealed, no demand blocks a confession, and the time for challengers has passed by both clocks.
    pub fn check_confessable(&self, question_seconds: u32, clocks: Clocks) -> Result<()> {
        self.check_status(Status::Revealed)?;
        let wait = self.confession_wait(question_seconds, clocks).ok_or(JobsError::DemandsOpen)?;
        require!(wait == 0, JobsError::TooEarlyToConfess);
        Ok(())
    }
}
