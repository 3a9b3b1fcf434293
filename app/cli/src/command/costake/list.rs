//! Offers that can be joined.

use super::{
    offer::most,
    outlook::{Outlook, present, shown},
};
use crate::{
    amount::{Quantity, Unit, percent},
    command::{device::gpu_name, reward::presence},
    context::{Context, Market, Token},
    error::Result,
    output::{Answer, Table},
};
use chain::market::costake;
use clap::{Args, ValueEnum};
use costaking::{Offer, Status};
use protocol::units::Amount;
use serde::Serialize;
use solana_address::Address;
use staking::{Device, state::STATUS_ACTIVE};
use std::{cmp::Reverse, collections::BTreeMap, fmt};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Only GPUs whose name contains this
    #[arg(long)]
    gpu: Option<String>,
    /// Only offers of at least this share, in per cent
    #[arg(long, default_value_t = 0)]
    min_share: u8,
    /// Only offers with room for this much $IO
    #[arg(long)]
    room: Option<Quantity>,
    /// Which offers come first
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
}

/// Order of the list.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Sort {
    /// The largest share of the rewards.
    #[default]
    Share,
    /// The most room.
    Room,
    /// The fewest jobs found wrong, then the most done since the last fault.
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
    /// Jobs done since its last fault.
    clean_jobs: u32,
    jobs_missed: u32,
    jobs_convicted: u32,
    /// Hours of presence without a gap; none if it is not present.
    presence_hours: Option<u32>,
    /// What 100 $IO would earn in a week, by the last seven days; nothing if the device is not present, unknown before an hour is settled.
    weekly_per_100: Option<u64>,
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
        let titles = [
            "offer",
            "GPU",
            "room",
            "capacity",
            "ticket",
            "share",
            "present",
            "done/missed/wrong",
            "100 earn a week",
        ];
        let mut table = Table::new(titles);
        for offer in &self.offers {
            table.row([
                offer.offer.clone(),
                format!("{} × {}", offer.quantity, offer.gpu),
                self.unit.number(offer.room),
                self.unit.number(offer.capacity),
                self.unit.number(offer.ticket),
                percent(offer.share_bps),
                present(offer.presence_hours),
                format!("{}/{}/{}", offer.jobs_done, offer.jobs_missed, offer.jobs_convicted),
                shown(offer.weekly_per_100, self.unit),
            ]);
        }
        write!(f, "{table}")
    }
}

impl Arguments {
    pub async fn run(self, context: &Context, market: &Market, token: Token) -> Result<Answer> {
        let offers: Vec<(Address, Offer)> = context.chain.find(&[]).await?;
        let devices: Vec<(Address, Device)> = context.chain.find(&[]).await?;
        let devices: BTreeMap<Address, Device> = devices.into_iter().collect();
        let now = context.now().await?.unix;
        let outlook = Outlook::load(context, market, now).await?;
        let least = self.room.map_or(Ok(1), |room| room.base_units(token.unit))?;
        let wanted = self.gpu.unwrap_or_default().to_lowercase();
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
            let is_wanted = room >= least && offer.share_bps.get() >= u16::from(self.min_share).saturating_mul(100);
            if !is_wanted || !gpu.to_lowercase().contains(&wanted) {
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
                clean_jobs: device.clean_jobs.get(),
                jobs_missed: device.jobs_missed.get(),
                jobs_convicted: device.jobs_convicted.get(),
                presence_hours: presence(device, now),
                weekly_per_100: outlook.weekly(hundred, offer, device),
            });
        }
        listing.offers.sort_by_key(|offer| match self.sort {
            Sort::Share => (0, Reverse(offer.share_bps.into())),
            Sort::Room => (0, Reverse(offer.room)),
            Sort::Record => (offer.jobs_convicted, Reverse(offer.clean_jobs.into())),
            Sort::Reward => (0, Reverse(offer.weekly_per_100.unwrap_or_default())),
        });
        Ok(Answer::new(&listing))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{command::costake::Command, output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::{
        fake::Fake,
        market::{reward, stake},
    };
    use costaking::Position;
    use solana_signer::Signer;
    use staking::{GpuModel, RewardBlock, StakingConfig};

    /// A market whose minimum stake is 1,000 base units, half of which co-stakers may fund.
    fn set_up(fake: &Fake) {
        fake.set_account(costaking::ID, testing::program());
        let config = StakingConfig {
            base_stake: 1_000.into(),
            ..StakingConfig::zeroed()
        };
        fake.set_account(stake::config(), testing::account(&config));
        let config = costaking::Config {
            capacity_bps: 5_000.into(),
            ..costaking::Config::zeroed()
        };
        fake.set_account(costake::config(), testing::account(&config));
        let gpu = GpuModel {
            multiplier_x100: 100.into(),
            ..GpuModel::zeroed()
        };
        fake.set_account(stake::gpu_model(0), testing::account(&gpu));
    }

    /// An open offer of a device.
    fn offer(fake: &Fake, device: Device) -> Address {
        let [at, offer] = [(); 2].map(|()| Address::new_unique());
        fake.set_account(at, testing::account(&Device { quantity: 1, ..device }));
        let open = Offer {
            device: at,
            status: Status::Open as u8,
            capacity: 100.into(),
            ..Offer::zeroed()
        };
        fake.set_account(offer, testing::account(&open));
        offer
    }

    #[tokio::test]
    async fn the_best_record_has_no_convictions() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        set_up(&fake);
        let records = [(50, 50, 1), (90, 5, 0), (20, 20, 0)].map(|(done, clean, convicted): (u32, u32, u32)| {
            let device = Device {
                jobs_done: done.into(),
                clean_jobs: clean.into(),
                jobs_convicted: convicted.into(),
                ..Device::zeroed()
            };
            offer(&fake, device).to_string()
        });
        let list: Command = testing::typed(&["list", "--sort", "record"]);
        let listed = testing::json(&list.run(&context).await.unwrap());
        let order = [0, 1, 2].map(|place: usize| listed[place]["offer"].as_str().unwrap().to_owned());
        let [convicted, clean, cleanest] = records;
        assert_eq!(order, [cleanest, clean, convicted]);
    }

    #[tokio::test]
    async fn earnings_are_unknown_until_an_hour_is_settled() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        set_up(&fake);
        let (offer, position) = (offer(&fake, Device::zeroed()), Address::new_unique());
        let held = Position {
            offer,
            holder: wallet.pubkey(),
            ..Position::zeroed()
        };
        fake.set_account(position, testing::account(&held));
        let weekly = async || {
            let run = async |word: &str| testing::typed::<Command>(&[word]).run(&context).await.unwrap();
            let (list, show) = (run("list").await, run("show").await);
            let told = [&list, &show].map(|answer| answer.show(Format::Text).contains("unknown"));
            let [list, show] = [list, show].map(|answer| testing::json(&answer));
            (list[0]["weekly_per_100"].as_u64(), show["positions"][0]["weekly"].as_u64(), told)
        };
        assert_eq!(weekly().await, (None, None, [true; 2]));
        let settled = RewardBlock {
            settled: true.into(),
            ..RewardBlock::zeroed()
        };
        fake.set_account(reward::block(0), testing::account(&settled));
        assert_eq!(weekly().await, (Some(0), Some(0), [false; 2]));
    }
}
