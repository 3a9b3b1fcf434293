//! Keeps the market tidy for no pay: sweeps fees, burns forfeited stake, ends slashes, collects or shares rewards, cools exits, returns
//! rent.

use crate::Result;
use crate::crank::{Cranker, for_each_bounded};
use chain::Collection;
use chain::market::{self, costake, job, reward, slash, stake};
use costaking::{Exit, Offer, Position, Status};
use jobs::Escrow;
use protocol::units::Moment;
use solana_address::Address;
use solana_instruction::Instruction;
use staking::{Device, RewardBlock, Slash, Tally};
use std::collections::{BTreeMap, HashMap};

/// All devices, their rewards and their co-stakers.
struct Books {
    now: Moment,
    blocks: BTreeMap<i64, RewardBlock>,
    tallies: Vec<(Address, Tally)>,
    devices: HashMap<Address, Device>,
    offers: HashMap<Address, Offer>,
    positions: Vec<(Address, Position)>,
    exits: Vec<(Address, Exit)>,
}

impl Books {
    /// The offer that shares a device's rewards.
    fn live(&self, device: &Address) -> Option<(&Address, &Offer)> {
        self.offers
            .iter()
            .find(|(_, offer)| offer.device == *device && offer.status != Status::Ended)
    }
}

impl Cranker<'_> {
    /// Does all upkeep that is due.
    pub(crate) async fn upkeep(&self) -> Result<()> {
        let chain = self.chain;
        let blocks: Vec<(Address, RewardBlock)> = chain.find(&[]).await?;
        let books = Books {
            blocks: blocks.into_iter().map(|(_, block)| (block.hour.get(), block)).collect(),
            tallies: chain.find(&[]).await?,
            devices: chain.find(&[]).await?.into_iter().collect(),
            offers: chain.find(&[]).await?.into_iter().collect(),
            positions: chain.find(&[]).await?,
            exits: chain.find(&[]).await?,
            now: chain.now().await?,
        };
        let config: jobs::Config = chain.fetch(&job::config()).await?;
        // Rewards come before slashes are finished and exits cool: the stake in question earns until then.
        let in_order = async {
            self.force(&books).await?;
            for_each_bounded(&books.devices, |(address, device)| self.collect(&books, address, device)).await?;
            self.slashes(&books).await?;
            self.cool(&books).await
        };
        // If the node refuses a request of one, the others are tried all the same.
        let all = [
            self.sweep(&config).await,
            self.burn(&books, &config.mint).await,
            in_order.await,
            self.note_rewards(&books).await,
            self.clear(&books, &config.mint).await,
        ];
        all.into_iter().collect()
    }

    /// Moves fees from escrows to the treasury and the burn, if the treasury has an account for their mint.
    async fn sweep(&self, config: &jobs::Config) -> Result<()> {
        let escrows: Vec<(Address, Escrow)> = self.chain.find(&[]).await?;
        let owing = escrows.iter().filter(|(_, escrow)| escrow.fees.get() > 0);
        for_each_bounded(owing, |(address, escrow)| {
            let account = market::token_account(&config.treasury, &escrow.mint);
            let sweep = job::sweep_fees(address, &escrow.mint, &account);
            self.send_into(account, "sweep", *address, sweep)
        })
        .await
    }

    /// Sends a duty that pays into a token account, if that exists, and reports the outcome.
    async fn send_into(&self, to: Address, deed: &'static str, about: Address, instruction: Instruction) -> Result<()> {
        if self.retries.waits(deed, &about) {
            return Ok(());
        }
        if !self.chain.exists(&to).await? {
            self.retries.put_off(deed, about, format!("there is no account {to}"));
            return Ok(());
        }
        self.send_and_report(deed, about, &[instruction]).await
    }

    /// Burns what devices have forfeited.
    async fn burn(&self, books: &Books, mint: &Address) -> Result<()> {
        let forfeited = books.devices.iter().filter(|(_, device)| device.forfeited.get() > 0);
        let burns = forfeited.map(|(address, _)| (*address, stake::burn_forfeited(address, mint)));
        self.send_each("burn", burns).await
    }

    /// Collects what is due to slashes as bonds release it, and ends the slashes whose time is over.
    async fn slashes(&self, books: &Books) -> Result<()> {
        let slashes: Vec<(Address, Slash)> = self.chain.find(&[]).await?;
        for (address, about) in &slashes {
            let device = books.devices.get(&about.device);
            let comes_free = device.is_some_and(|device| device.unbonded() > 0 || !device.frees_bonds());
            if comes_free && !about.due.is_zero() {
                let collect = slash::collect(&about.device, about.number.get());
                self.send_and_report("collect due", *address, &[collect]).await?;
            }
        }
        // A slash with nothing left to take may outlive its device.
        let ends = |about: &Slash| {
            let over = about.check_final(books.now.unix).is_ok() && about.clone().uphold().is_ok();
            over && books.devices.contains_key(&about.device)
        };
        let over = slashes.iter().filter(|(_, about)| ends(about));
        let finish = |about: &Slash| slash::finish(&about.payer, &about.device, about.number.get());
        self.send_each("finish slash", over.map(|(address, about)| (*address, finish(about))))
            .await
    }

    /// Has offers record their owners' exits.
    async fn force(&self, books: &Books) -> Result<()> {
        let leaving = books.devices.iter().filter(|(_, device)| !device.forced_at.is_zero());
        let forced = leaving.filter_map(|(device, _)| {
            let (offer, _) = books.live(device)?;
            Some((*offer, costake::force(device, offer)))
        });
        self.send_each("force exit", forced).await
    }

    /// Starts the cooldown of exits.
    async fn cool(&self, books: &Books) -> Result<()> {
        let waiting = books.exits.iter().filter(|(_, exit)| !exit.cooling.get());
        let due = waiting.filter(|(_, exit)| books.now.unix >= exit.cools_at.get());
        let due = due.filter_map(|(address, exit)| {
            let offer = books.offers.get(&exit.offer)?;
            // Not while a slash holds stake of the device.
            let device = books.devices.get(&offer.device);
            let held = offer.forced_at.is_zero() && device.is_some_and(|device| !device.aside.is_zero());
            (!held).then(|| (*address, costake::cool(&offer.device, &exit.offer, address)))
        });
        self.send_each("cool exit", due).await
    }

    /// Collects a device's rewards of settled hours, oldest first, or shares them with co-stakers if it has an offer.
    async fn collect(&self, books: &Books, address: &Address, device: &Device) -> Result<()> {
        let offer = books.live(address).map(|(at, offer)| (*at, *offer));
        for collect in Collection::of(address, device, offer, &books.blocks, books.now.unix).collect {
            self.send_and_report("collect reward", *address, &[collect]).await?;
        }
        Ok(())
    }

    /// Records where positions start to earn and what ended exits have earned, before their offers' logs forget it.
    async fn note_rewards(&self, books: &Books) -> Result<()> {
        let positions = books.positions.iter().filter(|(_, position)| {
            let offer = books.offers.get(&position.offer);
            offer.is_some_and(|offer| position.clone().settle(offer))
        });
        let positions = positions.map(|(address, position)| (*address, costake::settle_position(&position.offer, address)));
        self.send_each("settle position", positions).await?;
        let exits = books.exits.iter().filter(|(_, exit)| {
            let (offer, mut exit) = (books.offers.get(&exit.offer), *exit);
            let settles = offer.is_some_and(|offer| exit.settle(offer).is_ok_and(|changed| changed));
            settles && exit.ended.get()
        });
        let exits = exits.map(|(address, exit)| (*address, costake::settle_exit(&exit.offer, address)));
        self.send_each("settle exit", exits).await
    }

    /// Closes accounts that are no longer needed, which returns their rent.
    async fn clear(&self, books: &Books, mint: &Address) -> Result<()> {
        let counted = books.tallies.iter().filter(|(_, tally)| {
            let block = books.blocks.get(&tally.hour.get());
            block.is_some_and(|block| block.settled.get()) && tally.check_closable().is_ok()
        });
        let close = |tally: &Tally| reward::close_tally(&tally.payer, tally.hour.get(), tally.shard);
        self.send_each("close tally", counted.map(|(address, tally)| (*address, close(tally))))
            .await?;
        let over = books
            .blocks
            .iter()
            .filter(|(_, block)| block.check_closable(books.now.unix).is_ok());
        let closings = over.map(|(hour, block)| (reward::block(*hour), reward::close_block(&block.payer, *hour)));
        let hours = self.send_each("close hour", closings).await;
        let left = books
            .offers
            .iter()
            .filter(|(_, offer)| offer.status == Status::Ended && offer.holders.is_zero());
        let offers = for_each_bounded(left, |(address, offer)| {
            // For what rounding has left in the offer.
            let account = market::token_account(&offer.owner, mint);
            let close = costake::close(&offer.owner, address, &account);
            self.send_into(account, "close offer", *address, close)
        });
        hours.and(offers.await)
    }
}
