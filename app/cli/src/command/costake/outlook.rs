//! What a week of co-staking is expected to earn.

use crate::{
    context::Context,
    error::Result,
    week::{Rated, Week},
};
use chain::market::reward;
use costaking::Offer;
use protocol::{
    costake::part,
    units::{Amount, Bps},
};
use solana_address::Address;
use staking::{Device, Emission, GpuModel};
use std::collections::BTreeMap;

/// Estimates what stake in offers earns in a week, by the last seven days.
pub struct Outlook {
    week: Week,
    pub gpus: BTreeMap<u16, GpuModel>,
    min_uptime: u32,
}

impl Outlook {
    pub async fn load(context: &Context, now: i64) -> Result<Self> {
        let gpus: Vec<(Address, GpuModel)> = context.chain.find(&[]).await?;
        let emission: Option<Emission> = context.chain.try_fetch(&reward::emission()).await?;
        Ok(Self {
            week: Week::load(context, now).await?,
            gpus: gpus.into_iter().map(|(_, gpu)| (gpu.id.get(), gpu)).collect(),
            min_uptime: emission.map_or(0, |emission| emission.min_uptime.get()),
        })
    }

    /// What `stake` in an offer earns. A full offer gets its whole share and a half-full one half of it, so a stake earns the same in both.
    pub fn weekly(&self, stake: Amount, offer: &Offer, device: &Device) -> u64 {
        let Some(gpu) = self.gpus.get(&device.gpu_model.get()) else {
            return 0;
        };
        let all = Amount(self.week.reward(&Rated::of(device, gpu, self.min_uptime)));
        part(all, Bps::saturating(offer.share_bps.get()), stake, Amount(offer.capacity.get())).0
    }
}
