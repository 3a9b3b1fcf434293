//! What a week of co-staking is expected to earn.

use crate::{
    amount::Unit,
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

    /// What `stake` in an offer earns; unknown before an hour is settled. A full offer gets its whole share and a half-full one half of it,
    /// so a stake earns the same in both.
    pub fn weekly(&self, stake: Amount, offer: &Offer, device: &Device) -> Option<u64> {
        let gpu = self.gpus.get(&device.gpu_model.get())?;
        let all = Amount(self.week.reward(&Rated::of(device, gpu, self.min_uptime))?);
        Some(part(all, Bps::saturating(offer.share_bps.get()), stake, Amount(offer.capacity.get())).0)
    }
}

/// What a week earns, for a table.
pub fn shown(weekly: Option<u64>, unit: Unit) -> String {
    weekly.map_or_else(|| "unknown".to_owned(), |weekly| unit.number(weekly))
}
