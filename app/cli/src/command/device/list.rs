//! All devices of the market.

use super::{
    gpu::{gpu_models, gpu_name},
    show::status,
};
use crate::{
    amount::Unit,
    command::reward::presence,
    context::{Context, Market},
    error::Result,
    output::{Answer, Table},
};
use serde::Serialize;
use solana_address::Address;
use staking::{Device, state::STATUS_ACTIVE};
use std::{cmp::Reverse, fmt};

#[derive(Serialize)]
struct Listed {
    device: String,
    owner: String,
    gpu_model: u16,
    gpu: String,
    quantity: u8,
    /// On probation or active.
    status: &'static str,
    stake: u64,
    /// Part of the stake that new bonds can use.
    free: u64,
    jobs_done: u32,
    open_jobs: u32,
    /// Hours of presence without a gap; none if it is not present.
    presence_hours: Option<u32>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listing {
    devices: Vec<Listed>,
    #[serde(skip)]
    unit: Unit,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.devices.is_empty() {
            return writeln!(f, "no device is in service yet; register one with `ionet device register`");
        }
        let titles = ["device", "owner", "GPUs", "status", "stake", "free", "done", "open", "present"];
        let mut table = Table::new(titles);
        for device in &self.devices {
            table.row([
                device.device.clone(),
                device.owner.clone(),
                format!("{} × {}", device.quantity, device.gpu),
                device.status.to_owned(),
                self.unit.number(device.stake),
                self.unit.number(device.free),
                device.jobs_done.to_string(),
                device.open_jobs.to_string(),
                device.presence_hours.map_or_else(|| "no".to_owned(), |hours| format!("{hours} h")),
            ]);
        }
        write!(f, "{table}")
    }
}

/// `device list`: the devices in service, those with the most stake first.
pub async fn list(context: &Context, market: &Market, unit: Unit) -> Result<Answer> {
    let now = context.now().await?.unix;
    let gpus = gpu_models(context).await?;
    let devices: Vec<(Address, Device)> = context.chain.find(&[]).await?;
    let listed = devices
        .iter()
        .filter(|(_, device)| device.status == STATUS_ACTIVE)
        .map(|(address, device)| Listed {
            device: address.to_string(),
            owner: device.owner.to_string(),
            gpu_model: device.gpu_model.get(),
            gpu: gpus.iter().find(|gpu| gpu.id == device.gpu_model).map(gpu_name).unwrap_or_default(),
            quantity: device.quantity,
            status: status(device, market, now),
            stake: device.own_stake.get(),
            free: if device.dues > 0 { 0 } else { device.unbonded() },
            jobs_done: device.jobs_done.get(),
            open_jobs: device.open_jobs.get(),
            presence_hours: presence(device, now),
        });
    let mut listing = Listing {
        devices: listed.collect(),
        unit,
    };
    listing.devices.sort_by_key(|device| Reverse(device.stake));
    Ok(Answer::new(&listing))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use crate::{command::device::Command, output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::market::stake;
    use solana_address::Address;
    use staking::{Device, GpuModel};

    #[tokio::test]
    async fn devices_in_service_are_listed_by_their_stake() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        fake.set_account(stake::gpu_model(0), testing::account(&GpuModel::zeroed()));
        let add = |stake: u64, change: fn(&mut Device)| {
            let mut device = Device {
                own_stake: stake.into(),
                quantity: 2,
                ..Device::zeroed()
            };
            change(&mut device);
            fake.set_account(Address::new_unique(), testing::account(&device));
        };
        add(5, |device| (device.locked_bond, device.open_jobs) = (2.into(), 1.into()));
        add(7, |device| (device.streak_hour, device.last_hour) = (1.into(), 3.into()));
        add(6, |device| device.dues = 1);
        add(9, |device| device.status = 1);
        let answer = testing::typed::<Command>(&["list"]).run(&context).await.unwrap();
        let listed = testing::json(&answer);
        let told = ["stake", "free", "open_jobs", "presence_hours"].map(|key| [0, 1, 2].map(|place: usize| listed[place][key].as_u64()));
        assert_eq!(listed.as_array().unwrap().len(), 3, "a retired device is left out");
        assert_eq!(told[0], [Some(7), Some(6), Some(5)]);
        assert_eq!(told[1], [Some(7), Some(0), Some(3)], "nothing is free while a slash is due stake");
        assert_eq!((told[2], told[3]), ([Some(0), Some(0), Some(1)], [Some(3), None, None]));
        let text = answer.show(Format::Text);
        assert!(text.contains("2 × ") && text.contains("  3 h") && text.contains("  no"), "{text}");
    }
}
