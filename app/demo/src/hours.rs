//! Hours of rewards on a running node: the clock is moved forward, and the market's own daemons open hours, answer calls, check in and
//! settle.

use crate::market::{Market, until};
use anyhow::{Context, Result};
use chain::{Chain, market::reward};
use protocol::emission::{self, BLOCK_SECONDS};
use protocol::presence::BEACONS;
use solana_address::Address;
use staking::{Device, Emission, RewardBlock};
use std::time::Duration;

/// Seconds into an hour at which its second beacon is due, and devices can check in to the hour before.
const SECOND_BEACON: i64 = 300;

/// Hours for which a device must be present before one is paid.
const UNPAID: u32 = 6;

/// Passes this many whole hours, from the next one on, and waits until the devices have checked in to each.
///
/// Two moments of an hour matter: its start, when its block is opened and its first beacon calls devices, and five minutes later, when the
/// next beacon draws what check-ins to the hour before must show. Later beacons are skipped: they are not recorded and call nobody.
pub async fn live(market: &Market, devices: &[Address], hours: u32) -> Result<()> {
    let chain = market.client()?;
    for lived in 0..=hours {
        let now = chain.now().await?.unix;
        let hour = emission::start_of(now).saturating_add(BLOCK_SECONDS);
        if lived == UNPAID {
            catch_up(&chain).await?;
        }
        go_to(market, &chain, hour).await?;
        beacon(&chain, devices, hour, 0).await?;
        if lived > 0 {
            go_to(market, &chain, hour.saturating_add(SECOND_BEACON)).await?;
            beacon(&chain, devices, hour, 1).await?;
            let before = number(hour.saturating_sub(BLOCK_SECONDS))?;
            for device in devices {
                let checked_in = |device: Option<&Device>| device.is_some_and(|device| device.last_hour.get() >= before);
                until(&chain, *device, "a worker checks in", checked_in).await?;
            }
        }
    }
    Ok(())
}

/// Waits until the hours before this one are settled or skipped: a device with four pending hours earns nothing in later ones.
async fn catch_up(chain: &Chain) -> Result<()> {
    let now = chain.now().await?.unix;
    let caught_up =
        |emission: Option<&Emission>| emission.is_some_and(|emission| emission.next_hour.get() > now.saturating_sub(2 * BLOCK_SECONDS));
    until(chain, reward::emission(), "all hours are settled", caught_up).await.map(drop)
}

/// Moves the clock to a moment, or at most a second past it.
async fn go_to(market: &Market, chain: &Chain, moment: i64) -> Result<()> {
    let now = chain.now().await?.unix;
    let ahead = u64::try_from(moment.saturating_sub(now)).unwrap_or(0).saturating_add(1);
    market.skip(Duration::from_secs(ahead)).await
}

/// Waits until a beacon from this index on is recorded, and every device called so far has answered.
async fn beacon(chain: &Chain, devices: &[Address], hour: i64, from: usize) -> Result<()> {
    let recorded = |block: Option<&RewardBlock>| {
        let mut beacons = block.into_iter().flat_map(|block| block.beacons.iter().skip(from));
        beacons.any(|beacon| *beacon != [0; 32])
    };
    let block = until(chain, reward::block(hour), "a beacon is recorded", recorded).await?;
    let (block, number) = (block.context("an hour's block is gone")?, number(hour)?);
    for address in devices {
        let calls = block.calls(address);
        let answered = |device: Option<&Device>| {
            let mut called = (0..BEACONS).filter(|index| calls & (1 << index) != 0);
            device.is_some_and(|device| called.all(|index| device.has_answered(number, index)))
        };
        until(chain, *address, "a worker answers a call", answered).await?;
    }
    Ok(())
}

fn number(hour: i64) -> Result<u32> {
    emission::number(hour).context("the chain's clock stands before 1970")
}
