use super::Config;
use crate::error::JobsError;
use anchor_lang::prelude::*;
use protocol::batch::MAX_UNITS;
use protocol::hash::{Hash, Tag, tagged};
use protocol::units::Bps;

/// Longest of a job's durations, and the most an extension may add at a time: a week.
pub const MAX_DURATION: u32 = 7 * 86_400;
/// Most devices that compute the same job.
pub const MAX_REPLICAS: u8 = 3;
/// [`JobTerms::gpu_model`] when any will do.
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
    /// What the worker puts at stake at least, in $IO base units.
    pub bond: u64,
    /// What a wrong result could be worth to somebody, in $IO base units; raises the bond as `protocol::bond` says.
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
    /// Share of results that are audited for this consumer, beyond the market's own draws.
    pub audit_bps: u16,
    /// Devices that compute the same independently, each in a job of its own; up to [`MAX_REPLICAS`]. Their ids follow each other.
    pub replicas: u8,
    /// Which of them this is, from 0 on.
    pub replica: u8,
}

impl JobTerms {
    /// Refuses what no device could serve or no escrow pay.
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

    /// Hash of the terms that decide what a worker is paid, what it risks and how its result is checked.
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
