//! What slot hashes draw: the devices that are admitted to a job or an audit, the results that are audited, and what an auditor shows.

use crate::error::JobsError;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;
use protocol::hash::Hash;
use staking::slot_hashes::{Seed, first_after};

/// Number and hash of the first slot after `slot`; `None` if they are no longer kept, after 512 slots. Fails until they are known.
pub fn seed_after(slot: u64) -> Result<Option<(u64, Hash)>> {
    match first_after(slot)? {
        Seed::NotYet => Err(JobsError::SeedNotReady.into()),
        Seed::Known(number, hash) => Ok(Some((number, hash))),
        Seed::Forgotten => Ok(None),
    }
}

/// Fails unless the device is admitted at `slot` to a job, or to its audit, that has been on offer since slot `since`. The seed of its
/// ticket is the first slot hash after `since`. Once that is no longer kept, every device has long been admitted.
pub fn check_admitted(job: &Account<Job>, device: &Address, since: u64, slot: u64, config: &Config) -> Result<()> {
    let window = config.sortition_slots.get();
    let admitted = seed_after(since)?.is_none_or(|(number, seed)| job.admits(job.address(), device, &seed, number, slot, window));
    require!(admitted, JobsError::NotAdmittedYet);
    Ok(())
}

/// Whether the committed result is to be audited. Fails until the seed is known; one that is no longer kept draws an audit.
pub fn is_audited(job: &Account<Job>) -> Result<bool> {
    let seed = seed_after(job.draws_after())?;
    Ok(seed.is_none_or(|(_, seed)| job.is_drawn(job.address(), &seed)))
}
