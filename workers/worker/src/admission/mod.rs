//! Which jobs to take, decided before anything is spent on them.

mod reason;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use reason::Reason;
pub(crate) use task::Task;

use crate::market::View;
use crate::models::Model;
use crate::reserve;
use crate::settings::Accept;
use chain::PriorityFee;
use chain::sysvar::Seed;
use jobs::state::ANY_GPU;
use jobs::{Config, Job, Status};
use protocol::batch::BatchHeader;
use protocol::units::Bps;
use protocol::{audit, math, sortition};
use solana_address::Address;
use std::sync::Arc;

/// Slots before its turn at which the worker starts to prepare, to leave time for fetching the input.
const LEAD: u64 = 10;

/// What to do about an open job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Take it, from this slot on, for at least this price per unit.
    Take {
        /// First slot in which the device may claim it.
        slot: u64,
        /// Price floor.
        floor: u64,
    },
    /// Look again later.
    Later(Reason),
    /// It does not fit, unless the worker or its settings change.
    Never(Reason),
}

/// An open job, and what is known about it.
pub(crate) struct Offer<'a> {
    pub address: &'a Address,
    pub job: &'a Job,
    pub mint: &'a Address,
    pub model: &'a Arc<Model>,
    pub seed: Seed,
}

/// What the worker is willing and able to do.
pub(crate) struct Limits<'a> {
    pub accept: &'a [Accept],
    pub max_blob: u64,
    /// Free bytes on the disk.
    pub free_space: u64,
    pub max_window: u32,
    pub max_bond: u32,
    pub priority_fee: PriorityFee,
    /// Whether jobs are run with every intermediate value visible, which needs the CPU.
    pub observes_ops: bool,
    /// Everything in hand already, which shares the machine.
    pub in_hand: Vec<Task>,
    pub device: &'a Address,
}

/// Whether a job's bond at this price per unit is at most `times` what the market asks for a job of that price. That leaves out the value
/// at risk, for which the consumer pays nothing.
fn in_proportion(job: &Job, price: u64, config: &Config, times: u32) -> bool {
    let plain = Job {
        bond: config.min_bond,
        value_at_risk: 0.into(),
        ..*job
    };
    let bonds = [job, &plain].map(|job| job.bond_at(price, config).ok());
    matches!(bonds, [Some(bond), Some(usual)] if bond <= usual.saturating_mul(times.into()))
}

/// Seconds for which the bond may stay locked after the worker has done its part: other replicas may be taken and computed as late as the
/// terms allow, and an auditor may come as late as the market allows and take as long as the worker may.
fn locked_seconds(job: &Job, config: &Config, now: i64) -> i64 {
    // A result may be drawn, even for a device with a long clean record, unless neither the market nor the consumer asks for any audits.
    let is_drawable = [config.audit_jobs, config.audit_floor_bps, job.audit_bps]
        .iter()
        .any(|rate| !rate.is_zero());
    let awaited = match job.replicas {
        ..=1 if !is_drawable => None,
        ..=1 => Some(config.audit_seconds.get().into()),
        _ => Some(job.deadline().unix.saturating_sub(now)),
    };
    let others = awaited.map_or(0, |awaited| awaited.saturating_add(job.run_seconds.get().into()));
    others.saturating_add(job.window_seconds.get().into())
}

/// The price per unit that leaves as much on average, after auditors are paid, as `floor` does for a job without extra audits. Audits that
/// the market draws are a cost of every job; those that the consumer adds are not. Rounded up.
fn with_audits(floor: u64, job: &Job, view: &View) -> u64 {
    let config = &view.jobs;
    let [least, share, extra] = [config.audit_floor_bps, config.audit_share_bps, job.audit_bps].map(|bps| Bps::saturating(bps.get()));
    let left = |extra| {
        let rate = audit::rate(view.device.clean_jobs.get(), config.audit_jobs.get(), least, extra);
        (Bps::WHOLE * Bps::WHOLE).saturating_sub(rate.get().saturating_mul(share.get()))
    };
    let (here, elsewhere) = (left(extra), left(Bps::default()));
    if here == elsewhere {
        return floor;
    }
    math::mul_div_ceil(floor, elsewhere, here).unwrap_or(u64::MAX)
}

/// Sizes in bytes of the blobs of a job of so many units: inputs, outputs and trace.
pub fn blob_sizes(model: &Model, units: u32) -> [u64; 3] {
    let bytes = |header: Option<BatchHeader>| header.map_or(u64::MAX, |header| header.blob_bytes());
    [bytes(model.inputs(units)), bytes(model.outputs(units)), model.trace_bytes(units)]
}

/// Whether all blobs of a job of so many units fit `max_blob`.
pub(crate) fn has_room(model: &Model, units: u32, max_blob: u64) -> bool {
    blob_sizes(model, units).into_iter().all(|bytes| bytes <= max_blob)
}

/// Whether a job may suit this worker, whatever it pays in; otherwise why it never will.
pub(crate) fn suits(job: &Job, model: &Arc<Model>, view: &View, limits: &Limits) -> Result<(), Reason> {
    let need = |met: bool, reason| if met { Ok(()) } else { Err(reason) };
    let now = view.now.unix;
    need(job.status == Status::Open, Reason::Taken)?;
    need(!view.now.reached(job.deadline()), Reason::Expired)?;
    need(job.gpu_model == ANY_GPU || job.gpu_model == view.gpu.id, Reason::Gpu)?;
    need(view.gpu.vram_gb >= job.min_vram_gb, Reason::Memory)?;
    need(view.gpu.multiplier_x100 >= job.min_multiplier_x100, Reason::Multiplier)?;
    need(
        view.device.jobs_done.get() >= u32::from(job.min_jobs_done.get()),
        Reason::Experience,
    )?;
    need(has_room(model, job.units.get(), limits.max_blob), Reason::Size)?;
    let task = task(job, model, view, limits);
    need(task.fits(&[], now), Reason::Slow)?;
    need(task.can_answer(&[]), Reason::Answers)?;
    need(locked_seconds(job, &view.jobs, now) <= limits.max_window.into(), Reason::Window)?;
    let bonded = in_proportion(job, job.max_price.get(), &view.jobs, limits.max_bond);
    need(bonded, Reason::Disproportion)
}

/// What an open job would take of the machine.
fn task(job: &Job, model: &Arc<Model>, view: &View, limits: &Limits) -> Task {
    let deadline = view.now.unix.saturating_add(job.run_seconds.get().into());
    Task::job(model, job.units.get(), deadline, limits.observes_ops)
}

/// Decides about a job by the rules that the programs will apply and by the worker's own.
pub(crate) fn assess(offer: &Offer, view: &View, limits: &Limits) -> Verdict {
    let Offer {
        address,
        job,
        mint,
        model,
        seed,
    } = offer;
    let never = |met: bool, reason| if met { Ok(()) } else { Err(Verdict::Never(reason)) };
    let later = |met: bool, reason| if met { Ok(()) } else { Err(Verdict::Later(reason)) };
    let now = view.now.unix;
    let decide = || {
        suits(job, model, view, limits).map_err(Verdict::Never)?;
        let accepted = limits.accept.iter().find(|accept| accept.mint.unwrap_or(view.jobs.mint) == **mint);
        let accepted = accepted.ok_or(Verdict::Never(Reason::Mint))?;
        let floor = with_audits(accepted.min_price, job, view);
        never(job.max_price.get() >= floor, Reason::Price)?;

        let task = task(job, model, view, limits);
        let kept = blob_sizes(model, job.units.get()).into_iter().fold(0, u64::saturating_add);
        later(kept <= limits.free_space, Reason::Disk)?;
        later(task.fits(&limits.in_hand, now), Reason::Slow)?;
        later(task.can_answer(&limits.in_hand), Reason::Answers)?;

        later(!view.jobs.paused.get(), Reason::Paused)?;
        let needed = reserve::to_take(&task, &limits.in_hand, limits.priority_fee);
        later(view.lamports >= needed, Reason::Poor)?;
        let mut device = view.device;
        let price = job.price_at(now).0;
        let bonded = in_proportion(job, price, &view.jobs, limits.max_bond);
        later(bonded, Reason::Disproportion)?;
        let bond = job.bond_at(price, &view.jobs).unwrap_or(u64::MAX);
        let bonded = device.lock_bond(bond, &view.staking, &view.gpu, now);
        later(bonded.is_ok(), Reason::Bond)?;
        later(price >= floor, Reason::Auction)?;

        let slot = match seed {
            Seed::NotYet => return Err(Verdict::Later(Reason::Seed)),
            Seed::Known(seed_slot, seed) => {
                let ticket = sortition::ticket(seed, address.as_array(), limits.device.as_array());
                seed_slot.saturating_add(sortition::admitted_after(ticket, view.jobs.sortition_slots.get().into()))
            }
            Seed::Forgotten => 0,
        };
        later(view.now.slot.saturating_add(LEAD) >= slot, Reason::Turn)?;
        Ok(Verdict::Take { slot, floor })
    };
    decide().unwrap_or_else(|verdict| verdict)
}
