//! What a week of co-staking is expected to earn.

use crate::{
    amount::Unit,
    command::reward::presence,
    context::{Context, Market},
    error::Result,
    week::{Rated, Week},
};
use chain::market::reward;
use costaking::Offer;
use protocol::{
    costake::part,
    emission::{self, BLOCK_SECONDS},
    units::{Amount, Bps},
};
use solana_address::Address;
use staking::{Device, Emission, GpuModel, StakingConfig};
use std::collections::BTreeMap;

/// Estimates what stake in offers earns in a week, by the last seven days.
pub struct Outlook {
    week: Week,
    pub gpus: BTreeMap<u16, GpuModel>,
    min_uptime: u32,
    staking: StakingConfig,
    now: i64,
}

impl Outlook {
    pub async fn load(context: &Context, market: &Market, now: i64) -> Result<Self> {
        let gpus: Vec<(Address, GpuModel)> = context.chain.find(&[]).await?;
        let emission: Option<Emission> = context.chain.try_fetch(&reward::emission()).await?;
        Ok(Self {
            week: Week::load(context, now).await?,
            gpus: gpus.into_iter().map(|(_, gpu)| (gpu.id.get(), gpu)).collect(),
            min_uptime: emission.map_or(0, |emission| emission.min_uptime.get()),
            staking: market.staking,
            now,
        })
    }

    /// What `stake` in an offer earns; unknown before an hour is settled. A full offer gets its whole share and a half-full one half of it,
    /// so a stake earns the same in both. Nothing if the device is not present, or will not be in the next hour.
    pub fn weekly(&self, stake: Amount, offer: &Offer, device: &Device) -> Option<u64> {
        let gpu = self.gpus.get(&device.gpu_model.get())?;
        let all = Amount(self.week.reward(&Rated::of(device, gpu, self.min_uptime))?);
        if presence(device, self.now).is_none() || !self.can_be_present(device, gpu) {
            return Some(0);
        }
        Some(part(all, Bps::saturating(offer.share_bps.get()), stake, Amount(offer.capacity.get())).0)
    }

    /// Whether a device could check in to the next hour: it is not retired, and its stake reaches the minimum.
    fn can_be_present(&self, device: &Device, gpu: &GpuModel) -> bool {
        let next = emission::start_of(self.now).saturating_add(BLOCK_SECONDS);
        let (hour, minimum) = (emission::number(next), device.minimum(&self.staking, gpu, next));
        hour.zip(minimum.ok())
            .is_some_and(|(hour, minimum)| device.clone().check_in(hour, next, 0, minimum, 0).is_ok())
    }
}

/// What a week earns, for a table.
pub fn shown(weekly: Option<u64>, unit: Unit) -> String {
    weekly.map_or_else(|| "unknown".to_owned(), |weekly| unit.number(weekly))
}

/// A device's hours of presence, for a table.
pub fn present(hours: Option<u32>) -> String {
    hours.map_or_else(|| "no".to_owned(), |hours| format!("{hours} h"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use anchor_lang::bytemuck::Zeroable;
    use chain::market::stake;
    use staking::RewardBlock;

    #[tokio::test]
    async fn a_device_that_is_not_present_earns_nothing() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        let now = 100 * BLOCK_SECONDS + 60;
        let config = StakingConfig {
            base_stake: 10.into(),
            ..StakingConfig::zeroed()
        };
        fake.set_account(stake::config(), testing::account(&config));
        let gpu = GpuModel {
            multiplier_x100: 100.into(),
            ..GpuModel::zeroed()
        };
        fake.set_account(stake::gpu_model(0), testing::account(&gpu));
        let settled = RewardBlock {
            hour: (98 * BLOCK_SECONDS).into(),
            settled: true.into(),
            multiplier_weight: 1.into(),
            scores: [100.into(), 0.into()],
            pools: [1_000.into(), 0.into()],
            ..RewardBlock::zeroed()
        };
        fake.set_account(reward::block(98 * BLOCK_SECONDS), testing::account(&settled));
        let outlook = Outlook::load(&context, &context.market().await.unwrap(), now).await.unwrap();
        let offer = Offer {
            capacity: 5.into(),
            share_bps: 5_000.into(),
            ..Offer::zeroed()
        };
        let weekly = |device: Device| outlook.weekly(Amount(5), &offer, &device);
        // What came in during this hour counts in the next.
        let present = Device {
            own_stake: 6.into(),
            co_stake: 4.into(),
            fresh: 4.into(),
            fresh_hour: 100.into(),
            quantity: 1,
            tier: 1,
            streak_hour: 90.into(),
            last_hour: 98.into(),
            ..Device::zeroed()
        };
        assert_eq!(weekly(present), Some(168 * 500));
        let poor = Device {
            own_stake: 5.into(),
            ..present
        };
        let interrupted = Device {
            last_hour: 97.into(),
            ..present
        };
        let retired = Device { status: 1, ..present };
        // What lies in bonds does not count while a slash is due stake.
        let bonded = Device {
            locked_bond: 1.into(),
            open_jobs: 1.into(),
            dues: 1,
            ..present
        };
        let new = Device {
            streak_hour: 0.into(),
            last_hour: 0.into(),
            ..present
        };
        assert_eq!([poor, interrupted, retired, bonded, new].map(weekly), [Some(0); 5]);
    }
}
