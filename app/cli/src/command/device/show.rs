//! How devices are printed.

use super::gpu::gpu_name;
use crate::{
    amount::{Unit, span},
    context::Market,
    output::fields,
};
use serde::Serialize;
use solana_address::Address;
use staking::{Device, GpuModel, state::STATUS_ACTIVE};
use std::fmt;

/// When a device's probation is over.
fn hireable_at(device: &Device, market: &Market) -> i64 {
    device.registered_at.get().saturating_add(market.staking.probation.get().into())
}

/// A device's status: retired, on probation or active.
pub fn status(device: &Device, market: &Market, now: i64) -> &'static str {
    match device.status == STATUS_ACTIVE {
        false => "retired",
        true if hireable_at(device, market) > now => "on probation",
        true => "active",
    }
}

#[derive(Serialize)]
pub struct Shown {
    device: String,
    owner: String,
    payout: String,
    key: String,
    gpu_model: u16,
    gpu: String,
    quantity: u8,
    /// retired, on probation or active.
    status: &'static str,
    /// Connectivity tier, from 1 to 4.
    tier: u8,
    stake: u64,
    locked_bond: u64,
    open_jobs: u32,
    jobs_done: u32,
    jobs_missed: u32,
    jobs_convicted: u32,
    hireable_at: i64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl Shown {
    pub fn new(address: Address, device: &Device, gpu: Option<&GpuModel>, market: &Market, unit: Unit, now: i64) -> Self {
        Self {
            device: address.to_string(),
            owner: device.owner.to_string(),
            payout: device.payout.to_string(),
            key: device.key.to_string(),
            gpu_model: device.gpu_model.get(),
            quantity: device.quantity,
            gpu: gpu.map(gpu_name).unwrap_or_default(),
            status: status(device, market, now),
            tier: device.tier,
            stake: device.own_stake.get(),
            locked_bond: device.locked_bond.get(),
            open_jobs: device.open_jobs.get(),
            jobs_done: device.jobs_done.get(),
            jobs_missed: device.jobs_missed.get(),
            jobs_convicted: device.jobs_convicted.get(),
            hireable_at: hireable_at(device, market),
            unit,
            now,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            "on probation" => format!("on probation for {}", span(self.hireable_at.saturating_sub(self.now))),
            status => status.to_owned(),
        };
        let lines = [
            ("device", self.device.clone()),
            ("owner", self.owner.clone()),
            ("payout", self.payout.clone()),
            ("key", self.key.clone()),
            ("GPUs", format!("{} × {}", self.quantity, self.gpu)),
            ("status", status),
            ("connectivity", format!("tier {}", self.tier)),
            (
                "stake",
                format!(
                    "{}, of which {} bonded",
                    self.unit.show(self.stake),
                    self.unit.show(self.locked_bond)
                ),
            ),
            (
                "jobs",
                format!(
                    "{} open, {} done, {} missed, {} wrong",
                    self.open_jobs, self.jobs_done, self.jobs_missed, self.jobs_convicted
                ),
            ),
        ];
        fields(f, &lines)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
pub struct List(pub Vec<Shown>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "no devices; register one with `ionet device register`");
        }
        self.0.iter().try_for_each(|device| writeln!(f, "{device}"))
    }
}
