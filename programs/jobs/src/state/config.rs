use crate::error::JobsError;
use crate::events::ConfigChanged;
use anchor_lang::prelude::*;
use protocol::demand;
use protocol::permit::LEAST_WINDOW;
use protocol::units::{Bps, IO};

/// Highest fee per side that governance may set: 10 %.
pub const MAX_FEE_BPS: u16 = 1_000;
/// Highest surcharge per side that governance may set: 20 %.
pub const MAX_SURCHARGE_BPS: u16 = 2_000;
/// Lowest share of the $IO fees that is burned: half, as published (I16).
pub const MIN_BURN_BPS: u16 = 5_000;
/// Highest share of a bond that a missed deadline may cost: 20 %.
pub const MAX_PENALTY_BPS: u16 = 2_000;
/// Highest minimum bond: 100,000 $IO.
pub const MAX_MIN_BOND: u64 = 100_000 * IO;
/// Highest bounty: 0.01 SOL, since every job holds one.
pub const MAX_BOUNTY: u32 = 10_000_000;
/// Longest sortition window. The chain keeps 512 slot hashes, so once a seed is forgotten every device is admitted anyway.
pub const MAX_SORTITION_SLOTS: u16 = 400;
/// Longest time from commit to reveal: a day.
pub const MAX_REVEAL: u32 = 86_400;
/// Longest time in which an earlier seal may take over a conviction's reward: an hour.
pub const MAX_PRIORITY: u32 = 3_600;

/// Lowest fee for an answer, 0.001 SOL: above the rent of an empty account, so that no payout wallet is too poor to receive it.
pub const MIN_DEMAND_FEE: u32 = 1_000_000;
/// Highest fee for an answer: 0.1 SOL.
pub const MAX_DEMAND_FEE: u32 = 100_000_000;
/// Highest number of a new device's first jobs that are all audited.
pub const MAX_AUDIT_JOBS: u16 = 1_000;
/// Longest time that an audit waits for an auditor: an hour.
pub const MAX_AUDIT: u32 = 3_600;
/// Longest time for an answer, and for the next question after it: an hour. A worker never has less than [`demand::PROMPT_SECONDS`].
pub const MAX_ANSWER: u32 = 3_600;
/// Shortest time for the next question, so that half of it is enough to confess an error by permit.
pub const MIN_QUESTION: u32 = LEAST_WINDOW;

protocol::settings! {
    /// What governance may change.
    pub struct Parameters, changed by ParameterChanges, kept in Config as parameters {
        /// Smallest bond of a job, in $IO base units.
        pub min_bond: u64,
        /// Lamports that each job holds for the caller that ends it.
        pub bounty: u32,
        /// Seconds a worker has from commit to reveal.
        pub reveal_seconds: u32,
        /// Slots after which all devices are admitted to a job.
        pub sortition_slots: u16,
        /// Fee of each side, in basis points (I2, I3: 0.25 %).
        pub fee_bps: u16,
        /// Added to each side's fee when a job is paid in another mint than $IO, in basis points (2 %).
        pub surcharge_bps: u16,
        /// Share of the $IO fees that is burned, in basis points (I16: at least half, [`MIN_BURN_BPS`]).
        pub burn_bps: u16,
        /// Share of the bond that a missed deadline costs, in basis points.
        pub penalty_bps: u16,
        /// Presumed chance that somebody recomputes a job that has no replicas or audits, in basis points; sizes bonds.
        pub watch_bps: u16,
        /// Seconds after a conviction in which evidence sealed earlier may take the reward over.
        pub priority_seconds: u32,
        /// Lamports that a demand costs and its answer earns.
        pub demand_fee: u32,
        /// Most seconds a worker has for an answer.
        pub answer_seconds: u32,
        /// Seconds of the window to leave after an answer, for the next question.
        pub question_seconds: u32,
        /// First jobs of a device that are all audited; see `protocol::audit::rate`.
        pub audit_jobs: u16,
        /// Lowest share of results that is audited, in basis points.
        pub audit_floor_bps: u16,
        /// Auditor's share of what the audited device would have earned, in basis points.
        pub audit_share_bps: u16,
        /// Seconds that a drawn audit waits for an auditor.
        pub audit_seconds: u32,
    }
}

impl Parameters {
    /// The published values, and our own where nothing is published.
    pub const PUBLISHED: Self = Self {
        min_bond: IO,
        bounty: 10_000,
        reveal_seconds: 60,
        sortition_slots: 20,
        fee_bps: 25,
        surcharge_bps: 200,
        burn_bps: 5_000,
        penalty_bps: 500,
        watch_bps: 500,
        priority_seconds: 30,
        demand_fee: 3_000_000,
        answer_seconds: 300,
        question_seconds: 120,
        audit_jobs: 20,
        audit_floor_bps: 500,
        audit_share_bps: 8_000,
        audit_seconds: 60,
    };

    /// Fails for values outside the bounds, which governance cannot change.
    pub fn validate(&self) -> Result<()> {
        let within = (1..=MAX_MIN_BOND).contains(&self.min_bond)
            && self.bounty <= MAX_BOUNTY
            && (1..=MAX_REVEAL).contains(&self.reveal_seconds)
            && self.sortition_slots <= MAX_SORTITION_SLOTS
            && self.fee_bps <= MAX_FEE_BPS
            && self.surcharge_bps <= MAX_SURCHARGE_BPS
            && (u64::from(MIN_BURN_BPS)..=Bps::WHOLE).contains(&self.burn_bps.into())
            && self.penalty_bps <= MAX_PENALTY_BPS
            && (1..=Bps::WHOLE).contains(&self.watch_bps.into())
            && (1..=MAX_PRIORITY).contains(&self.priority_seconds)
            && (MIN_DEMAND_FEE..=MAX_DEMAND_FEE).contains(&self.demand_fee)
            && (demand::PROMPT_SECONDS..=MAX_ANSWER).contains(&self.answer_seconds)
            && (MIN_QUESTION..=MAX_ANSWER).contains(&self.question_seconds)
            && self.audit_jobs <= MAX_AUDIT_JOBS
            && u64::from(self.audit_floor_bps) <= Bps::WHOLE
            && u64::from(self.audit_share_bps) <= Bps::WHOLE
            && (1..=MAX_AUDIT).contains(&self.audit_seconds);
        require!(within, JobsError::ParameterOutOfBounds);
        Ok(())
    }
}

/// The program's only config. PDA `["config"]`. No instruction on a job's path writes it, but for those that open a permit.
#[account]
pub struct Config {
    /// May change parameters and authorities.
    pub authority: Address,
    /// May pause; nothing else.
    pub guardian: Address,
    /// Wallet whose token accounts receive the fees.
    pub treasury: Address,
    /// The $IO mint.
    pub mint: Address,
    /// Tells this cluster from all others in the hash of a job.
    pub cluster: [u8; 32],
    /// Smallest bond of a job, in $IO base units; a parameter, see [`Parameters`].
    pub min_bond: PodU64,
    /// Lamports that each job holds for the caller that ends it.
    pub bounty: PodU32,
    /// Seconds a worker has from commit to reveal.
    pub reveal_seconds: PodU32,
    /// Slots after which all devices are admitted to a job.
    pub sortition_slots: PodU16,
    /// Fee of each side, in basis points.
    pub fee_bps: PodU16,
    /// Added to each side's fee when a job is paid in another mint than $IO, in basis points.
    pub surcharge_bps: PodU16,
    /// Share of the $IO fees that is burned, in basis points.
    pub burn_bps: PodU16,
    /// Share of the bond that a missed deadline costs, in basis points.
    pub penalty_bps: PodU16,
    /// Whether new jobs and claims are paused.
    pub paused: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the signing PDA `["authority"]`.
    pub authority_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Presumed chance that somebody recomputes a job that has no replicas or audits, in basis points; sizes bonds.
    pub watch_bps: PodU16,
    /// Seconds after a conviction in which evidence sealed earlier may take the reward over.
    pub priority_seconds: PodU32,
    /// Lamports that a demand costs at first and its answer earns.
    pub demand_fee: PodU32,
    /// Most seconds a worker has for an answer.
    pub answer_seconds: PodU32,
    /// Seconds of the window to leave after an answer, for the next question.
    pub question_seconds: PodU32,
    /// First jobs of a device that are all audited.
    pub audit_jobs: PodU16,
    /// Lowest share of results that is audited, in basis points.
    pub audit_floor_bps: PodU16,
    /// Auditor's share of what the audited device would have earned, in basis points.
    pub audit_share_bps: PodU16,
    /// Seconds that a drawn audit waits for an auditor.
    pub audit_seconds: PodU32,
    /// Permits that are sealed. While there are any, nobody can tell which convicted device has one.
    pub permits: PodU32,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 32],
}

impl Config {
    /// Seed of the PDA.
    pub const SEED: &'static [u8] = b"config";

    /// Validates the parameters and stores them.
    pub fn apply(&mut self, parameters: &Parameters) -> Result<()> {
        parameters.validate()?;
        self.write(parameters);
        Ok(())
    }

    /// Fails unless the parameters lie within their bounds.
    pub fn invariant(&self) -> Result<()> {
        self.parameters().validate()
    }

    /// Emits the config's keys and pause switch.
    pub fn announce(&self) {
        emit!(ConfigChanged {
            authority: self.authority,
            guardian: self.guardian,
            treasury: self.treasury,
            paused: self.paused.get()
        });
    }

    /// Counts a permit that is issued.
    pub fn add_permit(&mut self) -> Result<()> {
        self.permits = self.permits.checked_add(1).ok_or(JobsError::BooksBroken)?;
        Ok(())
    }

    /// Counts a permit that is opened, or closed while sealed.
    pub fn remove_permit(&mut self) -> Result<()> {
        self.permits = self.permits.checked_sub(1).ok_or(JobsError::BooksBroken)?;
        Ok(())
    }

    /// Fails while paused.
    pub fn check_running(&self) -> Result<()> {
        require!(!self.paused.get(), JobsError::Paused);
        Ok(())
    }
}
