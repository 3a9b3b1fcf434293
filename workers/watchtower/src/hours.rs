//! Hours of rewards kept going: blocks opened, beacons recorded, hours settled, rewards collected or shared, exits cooled, rents returned.

use crate::Result;
use crate::crank::{Cranker, Deed};
use chain::market::{costake, reward};
use costaking::{Exit, Offer, Position, Status};
use protocol::emission::BLOCK_SECONDS;
use protocol::presence::{BEACONS, beacon_after};
use protocol::units::Moment;
use solana_address::Address;
use solana_signer::Signer;
use staking::state::Offering;
use staking::{Device, Emission, RewardBlock, Tally};
use std::collections::BTreeMap;

/// The chain keeps 512 slot hashes; those at the end are not worth a try.
const KEPT: u64 = 500;
/// Tallies counted, and hours passed over, in one transaction.
const BATCH: usize = 16;

/// Everything there is of hours and co-stakers.
struct Books {
    emission: Emission,
    blocks: BTreeMap<i64, RewardBlock>,
    tallies: BTreeMap<(i64, u8), Tally>,
    devices: Vec<(Address, Device)>,
    offers: Vec<(Address, Offer)>,
    positions: Vec<(Address, Position)>,
    exits: Vec<(Address, Exit)>,
}

impl Books {
    /// The offer that shares a device's rewards.
    fn live(&self, device: &Address) -> Option<&(Address, Offer)> {
        let ended = Status::Ended as u8;
        self.offers
            .iter()
            .find(|(_, offer)| offer.device == *device && offer.status != ended)
    }
}

impl Cranker<'_> {
    /// Does what is due about hours; `note` hears of each deed, and of what one failed with.
    pub(crate) async fn hours(&self, now: Moment, mut note: impl FnMut(Address, Result<Option<Deed>>) -> Result<()>) -> Result<()> {
        let chain = self.chain;
        let Some(emission) = chain.try_fetch::<Emission>(&reward::emission()).await? else {
            return Ok(());
        };
        let blocks: Vec<(Address, RewardBlock)> = chain.find(&[]).await?;
        let tallies: Vec<(Address, Tally)> = chain.find(&[]).await?;
        let books = Books {
            emission,
            blocks: blocks.into_iter().map(|(_, block)| (block.hour.get(), block)).collect(),
            tallies: tallies
                .into_iter()
                .map(|(_, tally)| ((tally.hour.get(), tally.shard), tally))
                .collect(),
            devices: chain.find(&[]).await?,
            offers: chain.find(&[]).await?,
            positions: chain.find(&[]).await?,
            exits: chain.find(&[]).await?,
        };
        self.open(&books, now, &mut note).await?;
        self.beacons(&books, now, &mut note).await?;
        self.settle(&books, now, &mut note).await?;
        self.co_stakers(&books, now, &mut note).await?;
        self.collect(&books, &mut note).await?;
        self.note_rewards(&books, &mut note).await?;
        self.clear(now, &books, &mut note).await
    }

    /// Opens the block of the hour that is on, and its tallies.
    async fn open(&self, books: &Books, now: Moment, mut note: impl FnMut(Address, Result<Option<Deed>>) -> Result<()>) -> Result<()> {
        let hour = now.unix.saturating_sub(now.unix.rem_euclid(BLOCK_SECONDS));
        let payer = self.key.pubkey();
        let mut due = Vec::new();
        let shards = match books.blocks.get(&hour) {
            Some(block) => block.shards,
            None if hour < books.emission.next_hour.get() => return Ok(()),
            None => {
                due.push(reward::open_block(&payer, hour));
                books.emission.shards
            }
        };
        let missing = (0..shards).filter(|shard| !books.tallies.contains_key(&(hour, *shard)));
        due.extend(missing.map(|shard| reward::open_tally(&payer, hour, shard)));
        for batch in due.chunks(4) {
            note(reward::block(hour), self.act("open hour", reward::block(hour), batch, 0).await)?;
        }
        Ok(())
    }

    /// Records the beacons whose hashes are there.
    async fn beacons(&self, books: &Books, now: Moment, mut note: impl FnMut(Address, Result<Option<Deed>>) -> Result<()>) -> Result<()> {
        let hour = now.unix.saturating_sub(now.unix.rem_euclid(BLOCK_SECONDS));
        let Some(block) = books.blocks.get(&hour) else { return Ok(()) };
        for (index, beacon) in (0..BEACONS).zip(block.beacons) {
            let after = beacon_after(block.opened_slot.get(), index);
            let age = now.slot.checked_sub(after).filter(|age| (1..KEPT).contains(age));
            if beacon == [0; 32] && age.is_some() {
                let record = reward::record_beacon(hour, index);
                note(
                    reward::block(hour),
                    self.act("record beacon", reward::block(hour), &[record], 0).await,
                )?;
            }
        }
        Ok(())
    }

    /// Settles hours that nobody can check in to any more, and passes over those without a block.
    async fn settle(&self, books: &Books, now: Moment, mut note: impl FnMut(Address, Result<Option<Deed>>) -> Result<()>) -> Result<()> {
        let mut hour = books.emission.next_hour.get();
        let mut skips = Vec::new();
        while now.unix >= hour.saturating_add(BLOCK_SECONDS) && !books.blocks.contains_key(&hour) && skips.len() < BATCH {
            skips.push(reward::skip(hour));
            hour = hour.saturating_add(BLOCK_SECONDS);
        }
        if !skips.is_empty() {
            return note(reward::emission(), self.act("skip hours", reward::emission(), &skips, 0).await);
        }
        let over = now.unix >= hour.saturating_add(2 * BLOCK_SECONDS);
        let Some(block) = books.blocks.get(&hour).filter(|_| over) else {
            return Ok(());
        };
        let shards: Vec<u8> = (block.counted..block.shards).collect();
        for batch in shards.chunks(BATCH) {
            let settle = reward::settle(hour, batch.iter().copied());
            note(
                reward::block(hour),
                self.act("settle hour", reward::block(hour), &[settle], 0).await,
            )?;
        }
        Ok(())
    }

    /// Has offers record their owners' exits, and exits cool down.
    async fn co_stakers(
        &self,
        books: &Books,
        now: Moment,
        mut note: impl FnMut(Address, Result<Option<Deed>>) -> Result<()>,
    ) -> Result<()> {
        for (device, _) in books.devices.iter().filter(|(_, device)| !device.forced_at.is_zero()) {
            if let Some((offer, _)) = books.live(device) {
                let force = costake::force(device, offer);
                note(*offer, self.act("force exit", *offer, &[force], 0).await)?;
            }
        }
        let waiting = books.exits.iter().filter(|(_, exit)| !exit.cooling.get());
        for (address, exit) in waiting.filter(|(_, exit)| now.unix >= exit.cools_at.get()) {
            let Some((_, offer)) = books.offers.iter().find(|(offer, _)| *offer == exit.offer) else {
                continue;
            };
            // Not while a slash has stake set aside.
            let device = books.devices.iter().find(|(device, _)| *device == offer.device);
            if offer.forced_at.is_zero() && device.is_some_and(|(_, device)| !device.escrowed.is_zero()) {
                continue;
            }
            let cool = costake::cool(&offer.device, &exit.offer, address);
            note(*address, self.act("cool exit", *address, &[cool], 0).await)?;
        }
        Ok(())
    }

    /// Collects rewards of settled hours, or shares them where they are shared: the oldest first.
    async fn collect(&self, books: &Books, mut note: impl FnMut(Address, Result<Option<Deed>>) -> Result<()>) -> Result<()> {
        for (address, device) in &books.devices {
            let mut hours: Vec<i64> = device
                .pending()
                .map(|(hour, _, _)| i64::from(hour).saturating_mul(BLOCK_SECONDS))
                .collect();
            hours.sort_unstable();
            for hour in hours {
                let Some(block) = books.blocks.get(&hour).filter(|block| block.settled.get()) else {
                    break;
                };
                let shard = block.shard(address);
                let shared = books.live(address).filter(|_| device.offering != Offering::Nothing as u8);
                let collect = match shared {
                    Some((offer, _)) => costake::distribute(address, offer, hour, shard),
                    None => reward::collect(address, hour, shard),
                };
                note(*address, self.act("collect reward", *address, &[collect], 0).await)?;
            }
        }
        Ok(())
    }

    /// Records, before their offers' logs forget it, from where on positions earn and what exits have earned to their end.
    async fn note_rewards(&self, books: &Books, mut note: impl FnMut(Address, Result<Option<Deed>>) -> Result<()>) -> Result<()> {
        let offer_of = |address: &Address| books.offers.iter().find(|(offer, _)| offer == address).map(|(_, offer)| *offer);
        for (address, mut position) in books.positions.iter().copied() {
            if offer_of(&position.offer).is_some_and(|offer| position.settle(&offer)) {
                let settle = costake::settle_position(&position.offer, &address);
                note(address, self.act("settle position", address, &[settle], 0).await)?;
            }
        }
        for (address, mut exit) in books.exits.iter().copied() {
            let settles = offer_of(&exit.offer).is_some_and(|offer| exit.settle(&offer).is_ok_and(|changed| changed));
            if settles && exit.ended.get() {
                let settle = costake::settle_exit(&exit.offer, &address);
                note(address, self.act("settle exit", address, &[settle], 0).await)?;
            }
        }
        Ok(())
    }

    /// Returns the rents of what nobody needs any more.
    async fn clear(&self, now: Moment, books: &Books, mut note: impl FnMut(Address, Result<Option<Deed>>) -> Result<()>) -> Result<()> {
        for ((hour, shard), tally) in &books.tallies {
            let settled = books.blocks.get(hour).is_some_and(|block| block.settled.get());
            if settled && tally.check_closable().is_ok() {
                let (address, close) = (reward::tally(*hour, *shard), reward::close_tally(&tally.payer, *hour, *shard));
                note(address, self.act("close tally", address, &[close], 0).await)?;
            }
        }
        for (hour, block) in books.blocks.iter().filter(|(_, block)| block.check_closable(now.unix).is_ok()) {
            let (address, close) = (reward::block(*hour), reward::close_block(&block.payer, *hour));
            note(address, self.act("close hour", address, &[close], 0).await)?;
        }
        Ok(())
    }
}
