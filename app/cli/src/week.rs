//! An estimate of a week's rewards, from the hours of the last seven days.

use crate::{context::Context, error::Result};
use protocol::{emission::BLOCK_SECONDS, score, units::Amount};
use staking::{Device, GpuModel, RewardBlock};

/// Seconds of a week.
const WEEK: i64 = 7 * 86_400;

/// The settled hours of the last seven days; the chain keeps them that long.
pub struct Week(Vec<RewardBlock>);

/// What the score of a device depends on.
#[derive(Clone, Copy, Debug)]
pub struct Rated {
    /// 0 enterprise, 1 community.
    pub pool: u8,
    /// Multiplier in hundredths.
    pub multiplier_x100: u16,
    /// GPUs.
    pub quantity: u8,
    /// Connectivity, 1 to 4.
    pub tier: u8,
    /// Sums of scores of hours after this moment include this device already, unix seconds; `i64::MAX` for a newcomer.
    pub counted_after: i64,
}

impl Rated {
    /// A registered device.
    pub fn of(device: &Device, gpu: &GpuModel, min_uptime: u32) -> Self {
        let start = i64::from(device.streak_hour.get()).saturating_mul(BLOCK_SECONDS);
        Self {
            tier: device.tier,
            counted_after: start.saturating_add(min_uptime.into()),
            ..Self::newcomer(gpu, device.quantity)
        }
    }

    /// GPUs that are not on the market yet.
    pub fn newcomer(gpu: &GpuModel, quantity: u8) -> Self {
        Self {
            pool: gpu.pool,
            multiplier_x100: gpu.multiplier_x100.get(),
            quantity,
            tier: 1,
            counted_after: i64::MAX,
        }
    }
}

impl Week {
    /// Loads the week before `now`.
    pub async fn load(context: &Context, now: i64) -> Result<Self> {
        let blocks: Vec<(_, RewardBlock)> = context.chain.find(&[]).await?;
        let since = now.saturating_sub(WEEK);
        let blocks = blocks.into_iter().map(|(_, block)| block);
        Ok(Self(
            blocks.filter(|block| block.settled.get() && block.hour.get() >= since).collect(),
        ))
    }

    /// Number of settled hours.
    pub fn hours(&self) -> u64 {
        self.0.len() as u64
    }

    /// What a device would have earned, present in every hour and never hired, scaled to a whole week; unknown before an hour is settled.
    pub fn reward(&self, rated: &Rated) -> Option<u64> {
        if rated.multiplier_x100 == 0 {
            return (self.hours() > 0).then_some(0);
        }
        let hourly = self.0.iter().map(|block| {
            let at = usize::from(rated.pool);
            let (Some(sum), Some(share)) = (block.scores.get(at), block.pools.get(at)) else {
                return 0;
            };
            let score = block.score(rated.multiplier_x100, rated.quantity, rated.tier, false);
            let counted = block.hour.get() > rated.counted_after;
            let sum = sum.get().saturating_add(if counted { 0 } else { score });
            score::reward(Amount(share.get()), score, sum).0
        });
        let all = hourly.fold(0u64, u64::saturating_add);
        protocol::math::mul_div_floor(all, (WEEK / BLOCK_SECONDS) as u64, self.hours())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_estimated_from_no_hours() {
        let unranked = Rated {
            pool: 0,
            multiplier_x100: 0,
            quantity: 1,
            tier: 1,
            counted_after: i64::MAX,
        };
        assert_eq!(Week(Vec::new()).reward(&unranked), None);
    }
}
