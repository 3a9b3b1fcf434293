//! Revealed jobs that wait to be checked: which of them can be checked in time, and which comes first.

use crate::Result;
use chain::Chain;
use jobs::Job;
use protocol::units::Moment;
use solana_address::Address;
use staking::Device;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;
use worker::{Model, Models, blob_sizes};

/// Least time to seal and write evidence and to convict. A job whose window ends sooner is not worth a check.
const MARGIN: Duration = Duration::from_secs(2);

/// How many times larger than `max_blob` a trace may be: it need not be fetched, as its hashes are computed here and the worker's are asked
/// for on the chain.
const TRACE_ROOM: u64 = 16;

/// Jobs after which a device has a record to lose. Before, each of its jobs is worth a check.
const PROVEN: u32 = 20;

/// Why a job is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    Small,
    Large,
    Slow,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "less than `min_value` is at stake",
            Self::Large => "its blobs are too large for `max_blob_mib`",
            Self::Slow => "its window is too short for a check",
        })
    }
}

/// Revealed jobs by address.
pub(crate) type Queue = HashMap<Address, Job>;

/// The job to check first, given how many jobs their devices have done.
pub(crate) fn most_worthwhile(queue: &Queue, jobs_done: &HashMap<Address, u32>) -> Option<Address> {
    let worth = |job: &Job| match differs(job, queue) {
        true => u128::MAX,
        // A device that cannot be read has no record to speak for it.
        false => priority(job, jobs_done.get(&job.device).copied().unwrap_or(0)),
    };
    let (address, _) = queue.iter().max_by_key(|(_, job)| worth(job))?;
    Some(*address)
}

/// Whether another replica of the job has another result, so that one of them is wrong.
fn differs(job: &Job, queue: &Queue) -> bool {
    let mut siblings = queue.values().filter(|other| other.is_sibling(job));
    job.replicas > 1 && siblings.any(|other| (other.traces, other.outputs) != (job.traces, job.outputs))
}

/// A job's price and bond together. A price in another mint than $IO counts as nothing: anyone can create a mint, and with it jobs of any
/// price.
fn at_stake(job: &Job) -> u128 {
    let price = if job.foreign_mint.get() { 0 } else { job.price.get() };
    u128::from(price)
        .saturating_mul(job.units.get().into())
        .saturating_add(job.bond.get().into())
}

/// How worthwhile a check is: what is at stake, up to twentyfold for a device without a record.
fn priority(job: &Job, jobs_done: u32) -> u128 {
    at_stake(job).saturating_mul(u128::from(PROVEN.saturating_sub(jobs_done).max(1)))
}

/// The devices whose jobs are in the queue.
pub(crate) fn devices(queue: &Queue) -> HashSet<Address> {
    queue.values().map(|job| job.device).collect()
}

/// How many jobs these devices have done.
pub(crate) async fn jobs_done(chain: &Chain, devices: &HashSet<Address>) -> Result<HashMap<Address, u32>> {
    let devices: Vec<Address> = devices.iter().copied().collect();
    let (_, accounts) = chain.network().accounts(&devices).await?;
    let found = devices.iter().zip(&accounts).filter_map(|(address, account)| {
        let device: Device = chain::decode(address, account.as_ref()?).ok()?;
        Some((*address, device.jobs_done.get()))
    });
    Ok(found.collect())
}

/// The reason not to check a job, if there is one: too little at stake, too large, or too little time.
pub(crate) fn reason_to_skip(model: &Model, job: &Job, now: Moment, min_value: u64, max_blob: u64) -> Option<Skip> {
    let units = job.units.get();
    let needed = model.estimate(units).saturating_add(MARGIN);
    // Of seconds and slots, the one further from the deadline counts: nobody is paid before both have reached it.
    let left = Duration::from_secs(job.deadline().seconds_past(now).into());
    if at_stake(job) < min_value.into() {
        Some(Skip::Small)
    } else if !has_room(blob_sizes(model, units), max_blob) {
        Some(Skip::Large)
    } else if left < needed {
        Some(Skip::Slow)
    } else {
        None
    }
}

/// Most bytes that the jobs asked about may hold together: as many as the largest job that is checked.
pub(crate) fn room_for_questions(models: &Models, max_blob: u64) -> u64 {
    let values = models.iter().map(|(_, model)| values_of_unit(model)).max().unwrap_or(0);
    max_blob.saturating_mul(TRACE_ROOM.saturating_add(1)).saturating_add(values)
}

/// Bytes that a job holds while its worker is asked: the input, the hashes of the trace, and all values of one unit.
pub(crate) fn held_by_questions(model: &Model, job: &Job) -> u64 {
    let [inputs, _, trace] = blob_sizes(model, job.units.get());
    inputs.saturating_add(trace).saturating_add(values_of_unit(model))
}

fn values_of_unit(model: &Model) -> u64 {
    let package = model.engine().package();
    let outputs = package.ops.iter().map(|op| op.descriptor.output);
    let all = package.input_shapes().into_iter().chain(outputs);
    all.fold(0, |sum: u64, shape| sum.saturating_add(shape.elements().unwrap_or(0).into()))
}

/// Whether a job's blobs are small enough for a check.
fn has_room([inputs, outputs, trace]: [u64; 3], max_blob: u64) -> bool {
    inputs.max(outputs) <= max_blob && trace <= max_blob.saturating_mul(TRACE_ROOM)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::path::Path;

    fn job(price: u64, units: u32, bond: u64) -> Job {
        let mut job: Job = anchor_lang::bytemuck::Zeroable::zeroed();
        (job.price, job.units, job.bond) = (price.into(), units.into(), bond.into());
        job
    }

    #[test]
    fn the_stakes_count_twentyfold_for_a_new_device_and_once_for_a_proven_one() {
        let small = job(10, 5, 50);
        assert_eq!(priority(&small, 0), 2000);
        assert_eq!(priority(&small, 19), 100);
        assert_eq!(priority(&small, u32::MAX), 100);
        assert!(priority(&small, 0) > priority(&job(1000, 1, 999), 20));
        assert!(priority(&small, 0) < priority(&job(1000, 1, 1001), 20));
        let mut foreign = job(u64::MAX, 1, 1);
        foreign.foreign_mint = true.into();
        assert_eq!(priority(&foreign, 20), 1);
        let largest = job(u64::MAX, u32::MAX, u64::MAX);
        assert!(priority(&largest, 0) > priority(&largest, 1), "nothing saturates");
    }

    #[tokio::test]
    async fn a_job_too_large_or_too_late_for_a_check_is_skipped() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/imagine");
        let models = Models::load(&[folder], 1).unwrap();
        models.measure().await.unwrap();
        let (_, model) = models.iter().next().unwrap();
        let now = Moment { unix: 1_000, slot: 5_000 };
        let skip = |units: u32, deadline: Moment| {
            let mut job = job(1, units, 0);
            (job.deadline_at, job.deadline_slot) = (deadline.unix.into(), deadline.slot.into());
            reason_to_skip(model, &job, now, 4, 64 << 20)
        };
        let later = now.after(3_600);
        assert_eq!(skip(4, later), None);
        assert_eq!(skip(3, later), Some(Skip::Small));
        assert_eq!(skip(4, now.after(1)), Some(Skip::Slow));
        assert_eq!(skip(1 << 20, now.after(u32::MAX)), Some(Skip::Large), "2^20 images");
        // The window is open until both clocks have passed its end.
        assert_eq!(skip(4, Moment { unix: now.unix, ..later }), None);
        assert_eq!(skip(4, Moment { slot: now.slot, ..later }), None);
    }

    #[test]
    fn a_trace_may_be_larger_than_the_blobs_that_are_fetched() {
        assert!(has_room([10, 10, 160], 10));
        for too_large in [[11, 10, 160], [10, 11, 160], [10, 10, 161]] {
            assert!(!has_room(too_large, 10));
        }
    }
}
