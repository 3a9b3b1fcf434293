//! Keeps the hours of rewards going: opens blocks, records beacons, settles hours. These duties are few and their time is short, so each is
//! tried in every pass.

use crate::crank::Cranker;
use crate::{Error, Result};
use chain::market::reward;
use protocol::emission::{self, BLOCK_SECONDS};
use protocol::presence::{BEACONS, beacon_after};
use protocol::units::Moment;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Emission, RewardBlock, Tally};
use std::collections::{BTreeMap, BTreeSet};

/// Age in slots up to which a beacon can be recorded: the chain keeps 512 slot hashes, and a transaction takes a few slots to land.
const KEPT: u64 = 500;
/// Tallies counted, or hours skipped, in one transaction.
const BATCH: usize = 16;
/// Accounts created in one transaction.
const OPENED: usize = 4;
/// Rent of the largest of these accounts, the block.
const RENT: u64 = chain::rent(8 + size_of::<RewardBlock>());

/// The state of all hours on the chain. A tally is known by its hour and shard.
struct Hours {
    emission: Emission,
    blocks: BTreeMap<i64, RewardBlock>,
    tallies: BTreeSet<(i64, u8)>,
}

impl Cranker<'_> {
    /// Does what is due about hours.
    pub(crate) async fn hours(&self) -> Result<()> {
        let chain = self.chain;
        let Some(emission) = chain.try_fetch::<Emission>(&reward::emission()).await? else {
            return Ok(());
        };
        let blocks: Vec<(Address, RewardBlock)> = chain.find(&[]).await?;
        let tallies: Vec<(Address, Tally)> = chain.find(&[]).await?;
        let hours = Hours {
            emission,
            blocks: blocks.into_iter().map(|(_, block)| (block.hour.get(), block)).collect(),
            tallies: tallies.into_iter().map(|(_, tally)| (tally.hour.get(), tally.shard)).collect(),
        };
        let now = chain.now().await?;
        // If one of them cannot be done, the others are all the same.
        let recorded = self.beacons(&hours, now).await;
        let opened = self.open(&hours, now).await;
        let settled = self.settle(&hours, now).await;
        recorded.and(opened).and(settled)
    }

    /// Opens the block of the current hour and all missing tallies, also of earlier hours that are not settled, as hours settle in order
    /// and only with their tallies.
    async fn open(&self, hours: &Hours, now: Moment) -> Result<()> {
        let (hour, payer) = (emission::start_of(now.unix), self.key.pubkey());
        let missing = |hour: i64, from: u8, shards: u8| {
            let missing = (from..shards).filter(move |shard| !hours.tallies.contains(&(hour, *shard)));
            missing.map(move |shard| reward::open_tally(&payer, hour, shard))
        };
        let unsettled = hours.blocks.iter().filter(|(_, block)| !block.settled.get());
        let mut due: Vec<_> = unsettled
            .map(|(hour, block)| (*hour, missing(*hour, block.counted, block.shards).collect::<Vec<_>>()))
            .collect();
        if !hours.blocks.contains_key(&hour) && hour >= hours.emission.next_hour.get() {
            let all = missing(hour, 0, hours.emission.shards);
            due.push((hour, [reward::open_block(&payer, hour)].into_iter().chain(all).collect()));
        }
        for (hour, opening) in due {
            for batch in opening.chunks(OPENED) {
                let account = reward::block(hour);
                let opened = match self.can_spare(RENT.saturating_mul(batch.len() as u64)).await {
                    Ok(true) => self.send("open hour", account, batch, self.options).await,
                    Ok(false) => Err(Error::Reserved { kept: self.reserve }),
                    Err(error) => Err(error),
                };
                self.report("open hour", account, opened)?;
            }
        }
        Ok(())
    }

    /// Sends a duty, even if it has just failed, and reports the outcome.
    async fn send_now(&self, deed: &'static str, account: Address, instructions: &[Instruction]) -> Result<()> {
        self.report(deed, account, self.send(deed, account, instructions, self.options).await)
    }

    /// Records the beacons whose slot hashes are available.
    async fn beacons(&self, hours: &Hours, now: Moment) -> Result<()> {
        let hour = emission::start_of(now.unix);
        let Some(block) = hours.blocks.get(&hour) else { return Ok(()) };
        for (index, beacon) in (0..BEACONS).zip(block.beacons) {
            let after = beacon_after(block.opened_slot.get(), index);
            let age = now.slot.checked_sub(after).filter(|age| (1..KEPT).contains(age));
            if beacon == [0; 32] && age.is_some() {
                let record = reward::record_beacon(hour, index);
                self.send_now("record beacon", reward::block(hour), &[record]).await?;
            }
        }
        Ok(())
    }

    /// Settles hours that are closed for check-ins, and skips those without a block.
    async fn settle(&self, hours: &Hours, now: Moment) -> Result<()> {
        let mut hour = hours.emission.next_hour.get();
        let mut skips = Vec::new();
        while now.unix >= hour.saturating_add(BLOCK_SECONDS) && !hours.blocks.contains_key(&hour) && skips.len() < BATCH {
            skips.push(reward::skip(hour));
            hour = hour.saturating_add(BLOCK_SECONDS);
        }
        if !skips.is_empty() {
            return self.send_now("skip hours", reward::emission(), &skips).await;
        }
        let over = now.unix >= hour.saturating_add(2 * BLOCK_SECONDS);
        let Some(block) = hours.blocks.get(&hour).filter(|_| over) else {
            return Ok(());
        };
        let shards: Vec<u8> = (block.counted..block.shards).collect();
        for batch in shards.chunks(BATCH) {
            let settle = reward::settle(hour, batch.iter().copied());
            self.send_now("settle hour", reward::block(hour), &[settle]).await?;
        }
        Ok(())
    }
}
