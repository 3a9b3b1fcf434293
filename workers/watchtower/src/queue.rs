//! Revealed jobs that wait to be checked: which of them can be in time, and which comes first.

use crate::{Error, Result};
use chain::Chain;
use jobs::Job;
use protocol::units::Moment;
use solana_address::Address;
use staking::Device;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::timeout;
use worker::{Model, has_room};

/// Time that sealing, writing and convicting take at least: what ends sooner is not worth a check.
const MARGIN: Duration = Duration::from_secs(2);

/// A device's first jobs are all worth a look; afterwards it has something to lose.
const PROVEN: u32 = 20;

/// Revealed jobs, by their addresses.
pub(crate) type Queue = HashMap<Address, Job>;

/// The one to check first, by how many jobs their devices have done.
pub(crate) fn most_worthwhile(queue: &Queue, jobs_done: &HashMap<Address, u32>) -> Option<Address> {
    let worth = |job: &Job| match differs(job, queue) {
        true => u128::MAX,
        // A device that cannot be read has no record to speak for it.
        false => priority(job, jobs_done.get(&job.device).copied().unwrap_or(0)),
    };
    let (address, _) = queue.iter().max_by_key(|(_, job)| worth(job))?;
    Some(*address)
}

/// Whether another replica of the job has another result: one of them is wrong.
fn differs(job: &Job, queue: &Queue) -> bool {
    let mut siblings = queue.values().filter(|other| other.is_sibling(job));
    siblings.any(|other| (other.traces, other.outputs) != (job.traces, job.outputs))
}

/// How worthwhile a check is: what is at stake, up to twenty times over for a device that has not proven itself.
fn priority(job: &Job, jobs_done: u32) -> u128 {
    let price = u128::from(job.price.get()).saturating_mul(job.units.get().into());
    let stake = price.saturating_add(job.bond.get().into());
    stake.saturating_mul(u128::from(PROVEN.saturating_sub(jobs_done).max(1)))
}

/// How many jobs the devices of these have done.
pub(crate) async fn jobs_done(chain: &Chain, queue: &Queue) -> Result<HashMap<Address, u32>> {
    let devices: HashSet<Address> = queue.values().map(|job| job.device).collect();
    let devices: Vec<Address> = devices.into_iter().collect();
    let (_, accounts) = chain.network().accounts(&devices).await?;
    let found = devices.iter().zip(&accounts).filter_map(|(address, account)| {
        let device: Device = chain::decode(address, account.as_ref()?).ok()?;
        Some((*address, device.jobs_done.get()))
    });
    Ok(found.collect())
}

/// Whether a check ends within the job's window, and what it holds within limits.
pub(crate) fn is_checkable(model: &Model, job: &Job, now: Moment, max_blob: u64) -> bool {
    let units = job.units.get();
    let needed = model.estimate(units).saturating_add(MARGIN);
    has_room(model, units, max_blob) && window_left(job, now) >= needed
}

fn window_left(job: &Job, now: Moment) -> Duration {
    Duration::from_secs(u64::try_from(job.deadline_at.get().saturating_sub(now.unix)).unwrap_or(0))
}

/// Gives a check up once its job's window is over: the next one waits for it.
pub(crate) async fn in_window<T>(address: &Address, job: &Job, now: Moment, check: impl Future<Output = Result<T>>) -> Result<T> {
    let checked = timeout(window_left(job, now), check).await;
    checked.unwrap_or(Err(Error::Late { job: *address }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::path::Path;
    use worker::Models;

    fn job(price: u64, units: u32, bond: u64) -> Job {
        let mut job: Job = anchor_lang::bytemuck::Zeroable::zeroed();
        (job.price, job.units, job.bond) = (price.into(), units.into(), bond.into());
        job
    }

    #[test]
    fn what_is_at_stake_counts_twentyfold_for_a_new_device_and_once_for_a_proven_one() {
        let small = job(10, 5, 50);
        assert_eq!(priority(&small, 0), 2000);
        assert_eq!(priority(&small, 19), 100);
        assert_eq!(priority(&small, u32::MAX), 100);
        assert!(priority(&small, 0) > priority(&job(1000, 1, 999), 20));
        assert!(priority(&small, 0) < priority(&job(1000, 1, 1001), 20));
        let largest = job(u64::MAX, u32::MAX, u64::MAX);
        assert!(priority(&largest, 0) > priority(&largest, 1), "nothing saturates");
    }

    #[test]
    fn a_job_too_large_or_too_late_for_a_check_is_left_alone() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/imagine");
        let models = Models::load(&[folder], 1).unwrap();
        models.measure().unwrap();
        let (_, model) = models.iter().next().unwrap();
        let now = Moment { unix: 1_000, slot: 0 };
        let checkable = |units: u32, seconds: i64| {
            let mut job = job(1, units, 0);
            job.deadline_at = (now.unix + seconds).into();
            is_checkable(model, &job, now, 64 << 20)
        };
        assert!(checkable(4, 3_600));
        assert!(!checkable(4, 1), "no time");
        assert!(!checkable(1 << 20, i64::from(u32::MAX)), "no room for 2^20 images");
    }

    #[tokio::test]
    async fn a_check_is_given_up_when_its_window_is_over() {
        let now = Moment { unix: 1_000, slot: 0 };
        let mut job = job(1, 1, 0);
        job.deadline_at = now.unix.into();
        let late = in_window(&Address::default(), &job, now, std::future::pending::<Result<()>>()).await;
        assert!(matches!(late, Err(Error::Late { .. })), "{late:?}");
    }
}
