//! Rewards that a device can collect.

use crate::market::{costake, reward};
use crate::{Chain, Result, decode_if_any, field};
use costaking::{Offer, Status};
use protocol::emission::BLOCK_SECONDS;
use solana_address::Address;
use solana_instruction::Instruction;
use staking::state::Offering;
use staking::{Device, RewardBlock};
use std::collections::BTreeMap;

/// Collects a device's rewards of settled hours, or shares them with its co-stakers. A device keeps four rewards that are not collected;
/// with no place left, an hour pays it nothing.
#[derive(Default)]
pub struct Collection {
    /// Has the offer record that the device's owner has unstaked, before which nothing can be shared.
    pub force: Option<Instruction>,
    /// Collects one hour each, oldest first.
    pub collect: Vec<Instruction>,
    /// What the owner can claim of it, in $IO base units.
    pub owners: u64,
    /// The offer that shares it, as it is afterwards.
    pub offer: Option<(Address, Offer)>,
}

impl Collection {
    /// What a device can collect. `offer` is its offer that has not ended, and `blocks` has the blocks by the starts of their hours.
    pub fn of(address: &Address, device: &Device, offer: Option<(Address, Offer)>, blocks: &BTreeMap<i64, RewardBlock>, now: i64) -> Self {
        let shared = device.offering != Offering::Nothing;
        let mut due = Self {
            offer: offer.filter(|_| shared),
            ..Self::default()
        };
        match &mut due.offer {
            None if shared => return due,
            Some((at, offer)) if !device.forced_at.is_zero() => match offer.force(device, now) {
                Ok(()) => due.force = Some(costake::force(address, at)),
                Err(_) => return due,
            },
            _ => {}
        }
        let mut pending: Vec<_> = device.pending().collect();
        pending.sort_unstable();
        for (number, pool, score) in pending {
            let hour = i64::from(number).saturating_mul(BLOCK_SECONDS);
            let Some(block) = blocks.get(&hour) else { break };
            // Fails until the hour is settled.
            let Ok(reward) = block.reward(pool, score) else { break };
            let shard = block.shard(address);
            let (collect, part) = match &mut due.offer {
                None => (reward::collect(address, hour, shard), 0),
                Some((at, offer)) => {
                    let (shares, earning) = offer.earning(number, device);
                    let part = offer.part(reward, earning);
                    if offer.distribute(number, part, shares).is_err() {
                        break;
                    }
                    (costake::distribute(address, at, hour, shard), part)
                }
            };
            due.collect.push(collect);
            due.owners = due.owners.saturating_add(reward.saturating_sub(part));
        }
        due
    }

    /// All instructions, in the order in which they have to be sent.
    pub fn instructions(&self) -> Vec<Instruction> {
        self.force.iter().chain(&self.collect).cloned().collect()
    }
}

impl Chain {
    /// What a device can collect now.
    pub async fn collection(&self, address: &Address, device: &Device, now: i64) -> Result<Collection> {
        let hours: Vec<i64> = device
            .pending()
            .map(|(hour, ..)| i64::from(hour).saturating_mul(BLOCK_SECONDS))
            .collect();
        if hours.is_empty() {
            return Ok(Collection::default());
        }
        let addresses: Vec<Address> = hours.iter().map(|hour| reward::block(*hour)).collect();
        let (_, accounts) = self.network().accounts(&addresses).await?;
        let mut blocks = BTreeMap::new();
        for ((hour, at), account) in hours.iter().zip(&addresses).zip(&accounts) {
            blocks.extend(decode_if_any(at, account.as_ref())?.map(|block: RewardBlock| (*hour, block)));
        }
        let offer = match device.offering == Offering::Nothing {
            true => None,
            false => self.live_offer(address).await?,
        };
        Ok(Collection::of(address, device, offer, &blocks, now))
    }

    /// A device's offer that has not ended.
    async fn live_offer(&self, device: &Address) -> Result<Option<(Address, Offer)>> {
        let offers: Vec<(Address, Offer)> = self.find(&[field!(Offer, device, device.as_array())]).await?;
        Ok(offers.into_iter().find(|(_, offer)| offer.status != Status::Ended))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use anchor_lang::{InstructionData, bytemuck::Zeroable};

    /// A device with one point of hours 8, 9 and 10, of which the last is not settled; each pays two points 200 base units.
    fn device() -> (Device, BTreeMap<i64, RewardBlock>) {
        let device = Device {
            pending_hours: [9.into(), 10.into(), 8.into(), 0.into()],
            pending_scores: [1.into(), 1.into(), 1.into(), 0.into()],
            last_hour: 10.into(),
            ..Device::zeroed()
        };
        let block = |number: i64| {
            let hour = number * BLOCK_SECONDS;
            let block = RewardBlock {
                hour: hour.into(),
                settled: (number < 10).into(),
                scores: [2.into(), 0.into()],
                pools: [200.into(), 0.into()],
                ..RewardBlock::zeroed()
            };
            (hour, block)
        };
        (device, [8, 9, 10].map(block).into())
    }

    #[test]
    fn settled_hours_are_collected_in_order() {
        let (address, (device, blocks)) = (Address::new_unique(), device());
        let due = Collection::of(&address, &device, None, &blocks, 0);
        assert_eq!(due.owners, 200);
        let [first, second] = [8, 9].map(|number| reward::collect(&address, number * BLOCK_SECONDS, 0));
        assert_eq!(due.instructions(), [first, second]);
        let shared = Device {
            offering: Offering::Closed as u8,
            ..device
        };
        let unknown = Collection::of(&address, &shared, None, &blocks, 0);
        assert!(unknown.instructions().is_empty(), "only its offer can share them");
    }

    /// Half of the rewards are shared with co-stakers, whom the owner takes along in hour 10.
    #[test]
    fn an_offer_records_the_owners_exit_before_it_shares() {
        let (address, at, (device, blocks)) = (Address::new_unique(), Address::new_unique(), device());
        let device = Device {
            offering: Offering::Closed as u8,
            forced_at: (10 * BLOCK_SECONDS).into(),
            forced_shares: 50.into(),
            co_cooling: 50.into(),
            co_cooling_shares: 50.into(),
            ..device
        };
        let offer = Offer {
            status: Status::Closed as u8,
            shares: 50.into(),
            base: 50.into(),
            capacity: 50.into(),
            ticket: 1.into(),
            share_bps: 5_000.into(),
            ..Offer::zeroed()
        };
        let due = Collection::of(&address, &device, Some((at, offer)), &blocks, 10 * BLOCK_SECONDS + 1);
        assert_eq!((due.owners, due.offer.map(|(_, offer)| offer.received.get())), (100, Some(100)));
        let sent = due.force.iter().chain(&due.collect).map(|one| one.data.clone());
        let share = costaking::instruction::Distribute {}.data();
        assert_eq!(
            sent.collect::<Vec<_>>(),
            [costaking::instruction::ForceExit {}.data(), share.clone(), share]
        );
    }
}
