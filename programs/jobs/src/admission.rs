//! When a device is admitted to a job or an audit.

use crate::error::JobsError;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;
use staking::slot_hashes::{Seed, first_after};

/// Fails unless the device is admitted at `slot` to a job, or to its audit, that has been on offer since slot `since`. The seed of its
/// ticket is the first slot hash after `since`.
pub fn check_admitted(job: &Account<Job>, device: &Address, since: u64, slot: u64, config: &Config) -> Result<()> {
    let admitted = match first_after(since)? {
        Seed::NotYet => return Err(JobsError::SeedNotReady.into()),
        Seed::Known(seed_slot, seed) => job.admits(job.address(), device, &seed, seed_slot, slot, config.sortition_slots.get()),
        // More than 512 slots have passed, so every device has long been admitted.
        Seed::Forgotten => true,
    };
    require!(admitted, JobsError::NotAdmittedYet);
    Ok(())
}
