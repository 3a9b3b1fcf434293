//! Offers that can be joined.

use super::{offer::most, outlook::Outlook};
use crate::{
    amount::{Quantity, Unit, percent},
    command::device::gpu_name,
    context::{Context, Market, Token},
    error::Result,
    output::{Answer, Table},
};
use chain::market::costake;
use clap::ValueEnum;
use costaking::{Offer, Status};
use protocol::units::Amount;
use serde::Serialize;
use solana_address::Address;
use staking::{Device, state::STATUS_ACTIVE};
use std::{collections::BTreeMap, fmt};

/// Order of the list.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Sort {
    /// The largest share of the rewards.
    #[default]
    Share,
    /// The most room.
    Room,
    /// The most jobs done without a fault.
    Record,
    /// The most rewards for a stake.
    Reward,
}

#[derive(Serialize)]
struct Listed {
    offer: String,
    device: String,
    gpu: String,
    quantity: u8,
    capacity: u64,
    room: u64,
    ticket: u64,
    share_bps: u16,
    jobs_done: u32,
    jobs_missed: u32,
    jobs_convicted: u32,
    /// Hours of presence without a gap.
    presence_hours: u32,
    /// What 100 $IO would earn in a week, by the last seven days; 0 before an hour is settled.
    weekly_per_100: u64,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listing {
    offers: Vec<Listed>,
    #[serde(skip)]
    unit: Unit,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.offers.is_empty() {
            return writeln!(f, "no offers to join; relax the filters, or try again later");
        }
        let titles = ["offer", "GPU", "room", "of", "ticket", "share", "hours", "jobs", "100 earn"];
        let mut table = Table::new(titles);
        for offer in &self.offers {
            table.row([
                offer.offer.clone(),
                format!("{} × {}", offer.quantity, offer.gpu),
                self.unit.number(offer.room),
                self.unit.number(offer.capacity),
                self.unit.number(offer.ticket),
                percent(offer.share_bps),
                offer.presence_hours.to_string(),
                format!("{}/{}/{}", offer.jobs_done, offer.jobs_missed, offer.jobs_convicted),
                self.unit.number(offer.weekly_per_100),
            ]);
        }
        write!(f, "{table}")
    }
}

pub async fn list(
    context: &Context,
    market: &Market,
    token: Token,
    (gpu, min_share, room): (Option<String>, u8, Option<Quantity>),
    sort: Sort,
) -> Result<Answer> {
    let offers: Vec<(Address, Offer)> = context.chain.find(&[]).await?;
    let devices: Vec<(Address, Device)> = context.chain.find(&[]).await?;
    let devices: BTreeMap<Address, Device> = devices.into_iter().collect();
    let now = context.now().await?.unix;
    let outlook = Outlook::load(context, now).await?;
    let least = room.map_or(Ok(1), |room| room.base_units(token.unit))?;
    let wanted = gpu.unwrap_or_default().to_lowercase();
    let mut listing = Listing {
        offers: Vec::new(),
        unit: token.unit,
    };
    let config: costaking::Config = context.chain.fetch(&costake::config()).await?;
    let hundred = Amount(100u64.saturating_mul(10u64.saturating_pow(u32::from(token.unit.decimals))));
    for (address, offer) in offers.iter().filter(|(_, offer)| offer.status == Status::Open) {
        let Some(device) = devices.get(&offer.device) else { continue };
        let Some(gpu) = outlook.gpus.get(&device.gpu_model.get()) else {
            continue;
        };
        // A device cannot be joined when it is retired, or while a slash has set its stake aside or is due some.
        if device.status != STATUS_ACTIVE || !device.aside.is_zero() || device.dues != 0 {
            continue;
        }
        let most = most(&market.staking, device, gpu, &config, now)?.1;
        let gpu = gpu_name(gpu);
        let room = most.0.min(offer.capacity.get()).saturating_sub(device.co_stake.get());
        let shown = room >= least && offer.share_bps.get() >= u16::from(min_share).saturating_mul(100);
        if !shown || !gpu.to_lowercase().contains(&wanted) {
            continue;
        }
        listing.offers.push(Listed {
            offer: address.to_string(),
            device: offer.device.to_string(),
            gpu,
            quantity: device.quantity,
            capacity: offer.capacity.get(),
            room,
            ticket: offer.ticket.get(),
            share_bps: offer.share_bps.get(),
            jobs_done: device.jobs_done.get(),
            jobs_missed: device.jobs_missed.get(),
            jobs_convicted: device.jobs_convicted.get(),
            presence_hours: device.last_hour.get().saturating_sub(device.streak_hour.get()),
            weekly_per_100: outlook.weekly(hundred, offer, device),
        });
    }
    listing.offers.sort_by_key(|offer| {
        std::cmp::Reverse(match sort {
            Sort::Share => u64::from(offer.share_bps),
            Sort::Room => offer.room,
            Sort::Record => u64::from(offer.jobs_done),
            Sort::Reward => offer.weekly_per_100,
        })
    });
    Ok(Answer::new(&listing))
}
