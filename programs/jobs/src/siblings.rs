//! Checks on the replicas of a job: ordinary jobs with consecutive ids, recognized by the terms they have in common.

use crate::error::JobsError;
use crate::state::Job;
use anchor_lang::prelude::*;
use staking::Device;

/// The replica in an account; `None` when it has ended, even if a later job has its address.
fn living(view: &AccountView, job: &Job) -> Option<Account<Job>> {
    Account::<Job>::load(*view).ok().filter(|other| other.is_sibling(job))
}

/// Fails unless the jobs that are passed are replicas of one job, each in its place, and all other replicas have ended: `rest` holds the
/// addresses of those, in order.
pub fn check_all(passed: [Option<&Job>; 3], rest: &[AccountView]) -> Result<()> {
    let first = passed.iter().flatten().next().ok_or(JobsError::AccountMismatch)?;
    let mut rest = rest.iter();
    for (index, job) in (0..).zip(passed) {
        let sound = match job {
            Some(job) => job.is_sibling(first) && job.replica == index,
            None if index >= first.replicas => true,
            None => rest
                .next()
                .is_some_and(|view| *view.address() == first.sibling(index) && living(view, first).is_none()),
        };
        require!(sound, JobsError::AccountMismatch);
    }
    require!(rest.next().is_none(), JobsError::AccountMismatch);
    Ok(())
}

/// Fails if a device of the same owner has taken another replica. `rest` holds the other replicas' accounts in order, each followed by
/// its device's account, or by any account if no device has taken it.
pub fn check_independent(job: &Job, device: &Device, rest: &[AccountView]) -> Result<()> {
    let mut rest = rest.iter();
    for index in (0..job.replicas).filter(|index| *index != job.replica) {
        let (Some(view), Some(taker)) = (rest.next(), rest.next()) else {
            return Err(JobsError::AccountMismatch.into());
        };
        require!(*view.address() == job.sibling(index), JobsError::AccountMismatch);
        let Some(other) = living(view, job).filter(|other| other.device != Address::default()) else {
            continue;
        };
        require!(*taker.address() == other.device, JobsError::AccountMismatch);
        let other = Account::<Device>::load(*taker)?;
        require!(!device.is_linked(&other), JobsError::LinkedReplica);
    }
    Ok(())
}
