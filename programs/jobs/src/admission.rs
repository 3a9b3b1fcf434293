//! When a device is admitted to what is on offer.

use crate::error::JobsError;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;
use staking::slot_hashes::{Seed, first_after};

/// Fails unless the device is admitted at `slot` to what has been on offer since `since`: a job, or its audit. The first hash after that is
/// the seed.
pub fn check_admitted(job: &Account<Job>, device: &Address, since: u64, slot: u64, config: &Config) -> Result<()> {
    let admitted = match first_after(since)? {
        Seed::NotYet => return Err(JobsError::SeedNotReady.into()),
        Seed::Known(seed_slot, seed) => job.admits(job.address(), device, &seed, seed_slot, slot, config.sortition_slots.get()),
        // More than 512 slots have passed: the door has been fully open for long.
        Seed::Forgotten => true,
    };
    require!(admitted, JobsError::NotAdmittedYet);
    Ok(())
}
