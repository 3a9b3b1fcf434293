//! The minimum stake of GPUs that are not registered yet.

use crate::{
    amount::{Unit, span},
    command::{
        device::{find_gpu, gpu_name},
        reward::weekly,
    },
    context::Context,
    error::{Result, refuse},
    output::{Answer, fields},
    week::{Rated, Week},
};
use chain::market::costake;
use protocol::units::Bps;
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Minimum {
    gpu: String,
    quantity: u8,
    multiplier_x100: u16,
    minimum: u64,
    /// Most that co-stakers may fund.
    co_stake: u64,
    /// The next raise already decided, of the multiplier or the base stake: the minimum from then on, and when.
    raised: Option<u64>,
    raise_at: Option<i64>,
    weekly: Option<u64>,
    weekly_hours: u64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for Minimum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |amount| self.unit.show(amount);
        let multiplier = f64::from(self.multiplier_x100) / 100.0;
        let mut lines = vec![
            ("GPUs", format!("{} × {}, multiplier {multiplier:.2}", self.quantity, self.gpu)),
            ("minimum stake", show(self.minimum)),
        ];
        lines.extend(self.raised.zip(self.raise_at).map(|(raised, at)| {
            let left = span(at.saturating_sub(self.now));
            ("raised", format!("to {} in {left}", show(raised)))
        }));
        lines.push(("co-stakers may fund", format!("up to {}", show(self.co_stake))));
        lines.push(("weekly reward", weekly(self.weekly, self.weekly_hours, self.unit)));
        fields(f, &lines)
    }
}

pub async fn minimum(context: &Context, gpu: &str, quantity: u8) -> Result<Answer> {
    let market = context.market().await?;
    let token = context.token(&market, None).await?;
    let (gpu, now) = (find_gpu(context, gpu).await?, context.now().await?.unix);
    let needs = |at| {
        let minimum = protocol::stake::minimum(market.staking.required_base(at), gpu.required_multiplier(at), quantity);
        minimum.map_or_else(|| refuse("the minimum stake cannot be computed; update this program"), Ok)
    };
    let minimum = needs(now)?;
    // Multiplier and base stake rise independently. A cut sets a time too, at which the minimum does not change.
    let (multiplier_at, base_at) = (gpu.raise_at.get(), market.staking.base_raise_at.get());
    let changes = [(multiplier_at, needs(multiplier_at)?), (base_at, needs(base_at)?)];
    let raise = changes.into_iter().filter(|(_, then)| *then > minimum).min();
    let costaking: Option<costaking::Config> = context.chain.try_fetch(&costake::config()).await?;
    let share = costaking.map_or(Bps::saturating(0), |config| Bps::saturating(config.capacity_bps.get()));
    let week = Week::load(context, now).await?;
    Ok(Answer::new(&Minimum {
        gpu: gpu_name(&gpu),
        quantity,
        multiplier_x100: gpu.multiplier_x100.get(),
        minimum: minimum.0,
        co_stake: minimum.share_floor(share).0,
        raised: raise.map(|(_, then)| then.0),
        raise_at: raise.map(|(at, _)| at),
        weekly: week.reward(&Rated::newcomer(&gpu, quantity)),
        weekly_hours: week.hours(),
        unit: token.unit,
        now,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::testing;
    use anchor_lang::bytemuck::Zeroable;
    use chain::market::stake;
    use solana_address::Address;
    use staking::{GpuModel, StakingConfig};

    #[tokio::test]
    async fn the_next_raise_is_shown_with_its_own_time() {
        let (_folder, fake, context, _) = testing::context();
        let mint = Address::new_unique();
        testing::set_up_market(&fake, &mint);
        fake.set_account(mint, testing::mint(testing::IO.decimals));
        // (multiplier: before, now, when; base stake: before, now, when; raised to, when), on a chain whose clock is at 0.
        let cases = [
            ((100, 200, 10), (5, 5, 0), Some((10, 10))),
            ((100, 200, 10), (9, 5, 20), Some((10, 10))),
            ((400, 200, 20), (5, 7, 10), Some((14, 10))),
            ((100, 200, 20), (5, 7, 10), Some((7, 10))),
            ((100, 200, 10), (5, 7, 20), Some((10, 10))),
            ((400, 200, 10), (9, 5, 20), None),
            ((100, 200, 0), (5, 7, 0), None),
        ];
        for (multiplier, base, raise) in cases {
            let gpu = GpuModel {
                previous_x100: multiplier.0.into(),
                multiplier_x100: multiplier.1.into(),
                raise_at: multiplier.2.into(),
                ..GpuModel::zeroed()
            };
            let config = StakingConfig {
                base_before: base.0.into(),
                base_stake: base.1.into(),
                base_raise_at: base.2.into(),
                ..StakingConfig::zeroed()
            };
            fake.set_account(stake::gpu_model(0), testing::account(&gpu));
            fake.set_account(stake::config(), testing::account(&config));
            let shown = testing::json(&minimum(&context, "0", 1).await.unwrap());
            let told = shown["raised"].as_u64().zip(shown["raise_at"].as_i64());
            assert_eq!(told, raise, "{multiplier:?}, {base:?}");
        }
    }
}
