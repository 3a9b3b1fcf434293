use super::Config;
use crate::error::JobsError;
use anchor_lang::prelude::*;
use protocol::batch::MAX_UNITS;
use protocol::hash::{Hash, Tag, tagged};
use protocol::units::Bps;

/// Longest duration that a job may set, and the most that one extension may add: a week.
pub const MAX_DURATION: u32 = 7 * 86_400;
/// Highest number of devices that compute the same job.
pub const MAX_REPLICAS: u8 = 3;
/// [`JobTerms::gpu_model`] of a job that any GPU model may take.
pub const ANY_GPU: u16 = u16::MAX;

/// What a consumer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct JobTerms {
    /// Root of the inputs batch, which is also the address of its blob.
    pub inputs: [u8; 32],
    /// Price per unit at the start of the auction, in base units of the escrow's mint.
    pub start_price: u64,
    /// Price per unit at its end.
    pub max_price: u64,
    /// Smallest bond that the worker may put at stake, in $IO base units.
    pub bond: u64,
    /// What a wrong result could be worth to an attacker, in $IO base units; raises the bond, see `protocol::bond`.
    pub value_at_risk: u64,
    /// Units of work (tiles, prompts).
    pub units: u32,
    /// Seconds from start to maximum price.
    pub auction_seconds: u32,
    /// Seconds the job waits for a claim.
    pub open_seconds: u32,
    /// Seconds the worker has from claim to commit.
    pub run_seconds: u32,
    /// Seconds of the challenge window.
    pub window_seconds: u32,
    /// Smallest memory of one GPU, GiB.
    pub min_vram_gb: u16,
    /// Smallest earning multiplier times 100 of one GPU.
    pub min_multiplier_x100: u16,
    /// Exact GPU model, or [`ANY_GPU`].
    pub gpu_model: u16,
    /// Jobs the device must have done.
    pub min_jobs_done: u16,
    /// Chance of an audit on top of the market's own, in basis points.
    pub audit_bps: u16,
    /// Number of devices that compute the same independently, each in a job of its own with consecutive ids; up to [`MAX_REPLICAS`].
    pub replicas: u8,
    /// Index of this job among them, from 0.
    pub replica: u8,
}

impl JobTerms {
    /// Fails for terms outside their bounds.
    pub fn validate(&self, config: &Config) -> Result<()> {
        require!((1..=MAX_UNITS).contains(&self.units), JobsError::InvalidUnits);
        require!(self.max_price > 0 && self.start_price <= self.max_price, JobsError::InvalidPrice);
        let durations = [self.open_seconds, self.run_seconds, self.window_seconds];
        let sensible = durations.iter().all(|seconds| (1..=MAX_DURATION).contains(seconds)) && self.auction_seconds <= self.open_seconds;
        require!(sensible, JobsError::InvalidDuration);
        require!(self.bond >= config.min_bond.get(), JobsError::BondTooSmall);
        let replicas = (1..=MAX_REPLICAS).contains(&self.replicas) && self.replica < self.replicas;
        let audits = u64::from(self.audit_bps) <= Bps::WHOLE && (self.audit_bps == 0 || self.replicas == 1);
        require!(replicas && audits, JobsError::UnsupportedPolicy);
        Ok(())
    }

    /// Hash of the terms that determine a worker's pay, its risk, and how its result is checked.
    pub fn policy(&self) -> Hash {
        let amounts = [self.bond, self.value_at_risk, self.start_price, self.max_price].map(u64::to_le_bytes);
        let times = [self.open_seconds, self.run_seconds, self.window_seconds, self.auction_seconds].map(u32::to_le_bytes);
        let audit = self.audit_bps.to_le_bytes();
        tagged(
            Tag::Policy,
            [amounts.as_flattened(), times.as_flattened(), &audit, &[self.replicas]],
        )
    }
}
