//! The chain, its suppliers and co-stakers, and the movements of their wallets.

use super::story::{Agenda, CO_STAKERS, DAY, Name, SUPPLIERS, Supplier};
use anyhow::{Context, Result, bail};
use chain::market::{self, reward, slash};
use protocol::units::IO;
use serde::Serialize;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::RewardRules;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tests::{CoStaker, Stake, Worker, World};

/// Seconds of an hour.
pub const HOUR: i64 = 3_600;
/// Hours of a week.
pub const WEEK: u32 = 7 * DAY;
/// What the emission's vault is funded with: a little more than 90 days pay out.
const FUNDS: u64 = 10_000_000 * IO;

/// An event of the story.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Hours since the beginning.
    pub hour: u32,
    /// What happened, in a sentence.
    pub what: String,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "day {:>2} {:02}:00  {}", self.hour / DAY + 1, self.hour % DAY, self.what)
    }
}

/// A supplier's hours.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Presence {
    /// Hours that the device checked in to.
    pub counted: u32,
    /// Those of them that are paid: after more than five without a gap.
    pub paid: u32,
    /// Hours missed while it had stake.
    pub missed: u32,
}

/// A supplier's current state.
pub struct Device {
    /// Owner and keys.
    pub worker: Worker,
    /// Its GPUs.
    pub gpus: String,
    /// Its hours so far.
    pub presence: Presence,
    /// The first full hour with its stake; `None` while it has none.
    pub since: Option<u32>,
    /// It answers no call in hours before this one.
    pub ignores_until: u32,
    /// It is off in hours before this one.
    pub off_until: u32,
    /// Its offer, if it ever made one.
    pub offer: Option<Address>,
    /// Whether its account is closed.
    pub closed: bool,
}

/// The movements of a wallet, as the transactions made them.
pub struct Wallet {
    /// The token account.
    pub tokens: Address,
    /// What it began with.
    pub given: u64,
    /// Put at stake.
    pub staked: u64,
    /// Stake that came back.
    pub returned: u64,
    /// Rewards, by week.
    pub rewards: Vec<u64>,
}

impl Wallet {
    fn new(tokens: Address, given: u64) -> Self {
        Self {
            tokens,
            given,
            staked: 0,
            returned: 0,
            rewards: Vec::new(),
        }
    }
}

/// A chain with the market and everybody on it.
pub struct Market {
    pub(crate) world: World,
    pub(crate) agenda: Agenda,
    /// Hours since the beginning.
    pub(crate) hour: u32,
    pub(crate) devices: BTreeMap<Name, Device>,
    pub(crate) co_stakers: BTreeMap<Name, CoStaker>,
    /// Co-stakers' positions, by holder and supplier.
    pub(crate) stakes: BTreeMap<(Name, Name), Stake>,
    pub(crate) wallets: BTreeMap<Name, Wallet>,
    /// Proposer and approver of slashes.
    pub(crate) judges: [Arc<Keypair>; 2],
    /// What the emission's vault was funded with.
    pub(crate) funded: u64,
    /// What the settled hours paid out, by the published table.
    pub(crate) emitted: u64,
    /// What slashes burned.
    pub(crate) burned: u64,
    events: Vec<Event>,
    /// Start of the first hour, unix seconds.
    pub(crate) genesis: i64,
}

impl Market {
    /// Sets up everybody except latecomers; the first hour of rewards begins at midnight.
    pub fn begin(seed: u64) -> Result<Self> {
        let mut world = World::new();
        let judges = ["proposer", "approver"].map(|name| world.wallet(name));
        let [proposer, approver] = judges.each_ref().map(|judge| judge.pubkey());
        let admin = world.admin.clone();
        world.send(slash::set_judges(&admin.pubkey(), &proposer, &approver), &[&admin]);
        let table = migrations::published_gpu_models()?;
        for (id, spec) in table.iter().filter(|(id, _)| SUPPLIERS.iter().any(|supplier| supplier.gpu == *id)) {
            world.list_gpu(*id, migrations::with_least_work(*spec));
        }
        let mut market = Self {
            world,
            agenda: Agenda::new(seed),
            hour: 0,
            devices: BTreeMap::new(),
            co_stakers: BTreeMap::new(),
            stakes: BTreeMap::new(),
            wallets: BTreeMap::new(),
            judges,
            funded: FUNDS,
            emitted: 0,
            burned: 0,
            events: Vec::new(),
            genesis: 0,
        };
        for supplier in SUPPLIERS.iter().filter(|supplier| !supplier.late) {
            market.arrive(supplier, 0)?;
        }
        for (name, given) in CO_STAKERS {
            let co_staker = market.world.co_staker_with(name, given);
            market.wallets.insert(name, Wallet::new(co_staker.tokens, given));
            market.co_stakers.insert(name, co_staker);
        }
        let day = i64::from(DAY) * HOUR;
        market.world.go_to_second(market.world.now().unix / day * day, day);
        market.genesis = market.world.start_emission(RewardRules::PUBLISHED, FUNDS);
        Ok(market)
    }

    /// A supplier registers its device and stakes what it has; `since` is its first full hour.
    pub(crate) fn arrive(&mut self, supplier: &Supplier, since: u32) -> Result<()> {
        let Supplier {
            name,
            gpu,
            quantity,
            stake,
            ..
        } = *supplier;
        let worker = self.world.supplier(name, gpu, quantity, stake);
        let books = self.world.books();
        let row = books.gpu_models.values().find(|row| row.id.get() == gpu);
        let row = row.with_context(|| format!("no GPU model has the id {gpu}; choose one of the published table"))?;
        let gpus = format!("{quantity} × {}", String::from_utf8_lossy(&row.name).trim_end_matches('\0'));
        self.wallets.insert(name, Wallet::new(worker.tokens, stake));
        let device = Device {
            worker,
            gpus,
            presence: Presence::default(),
            since: None,
            ignores_until: 0,
            off_until: 0,
            offer: None,
            closed: false,
        };
        self.devices.insert(name, device);
        self.stake(name, stake, since)
    }

    /// A supplier stakes; `since` is the first full hour of that stake.
    pub(crate) fn stake(&mut self, who: Name, amount: u64, since: u32) -> Result<()> {
        let worker = self.device(who)?.worker.clone();
        let stake = market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, amount);
        self.world.send(stake, &[&worker.owner]);
        self.device(who)?.since = Some(since);
        self.wallet(who)?.staked += amount;
        Ok(())
    }

    /// The events since the last call.
    pub fn news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn tell(&mut self, what: String) {
        self.events.push(Event { hour: self.hour, what });
    }

    pub(crate) fn device(&mut self, who: Name) -> Result<&mut Device> {
        self.devices
            .get_mut(who)
            .with_context(|| format!("{who} has no device; the plot needs it to arrive earlier"))
    }

    pub(crate) fn wallet(&mut self, who: Name) -> Result<&mut Wallet> {
        self.wallets
            .get_mut(who)
            .with_context(|| format!("{who} has no wallet; the plot needs it to arrive earlier"))
    }

    /// The first hour that begins at or after a moment.
    pub(crate) fn hour_from(&self, unix: i64) -> Result<u32> {
        let seconds = u64::try_from(unix - self.genesis).context("the plot refers to a moment before the first hour")?;
        Ok(u32::try_from(seconds.div_ceil(HOUR as u64))?)
    }

    /// A supplier claims its rewards, if it has any.
    pub(crate) fn claim_rewards(&mut self, who: Name) -> Result<()> {
        let worker = self.device(who)?.worker.clone();
        if !self.world.device(&worker.device).rewards.is_zero() {
            let claim = reward::claim(&worker.wallet(), &worker.device, &worker.tokens);
            let paid = self.received(&worker.tokens, claim, &worker.owner)?;
            self.reward(who, paid)?;
        }
        Ok(())
    }

    /// A co-staker claims its rewards, if it has any.
    pub(crate) fn claim_shared(&mut self, who: Name, with: Name) -> Result<()> {
        let stake = self.stakes.get(&(who, with)).cloned();
        let stake = stake.with_context(|| format!("{who} has nothing with {with}; the plot needs it to join earlier"))?;
        let books = self.world.books();
        let (mut position, offer) = match (books.positions.get(&stake.position), books.offers.get(&stake.offer)) {
            (Some(position), Some(offer)) => (*position, offer),
            _ => bail!("{who} has no position with {with} any more"),
        };
        if position.claim(offer) > 0 {
            let paid = self.received(&stake.holder.tokens, stake.claiming(), &stake.holder.wallet)?;
            self.reward(who, paid)?;
        }
        Ok(())
    }

    /// Sends an instruction; returns what it paid into a token account.
    pub(crate) fn received(&mut self, tokens: &Address, instruction: solana_instruction::Instruction, signer: &Keypair) -> Result<u64> {
        let before = self.world.balance(tokens);
        self.world.send(instruction, &[signer]);
        self.world.balance(tokens).checked_sub(before).context("a payment took tokens away")
    }

    /// Adds a reward to the current week.
    pub(crate) fn reward(&mut self, who: Name, amount: u64) -> Result<()> {
        // Claims at midnight belong to the day before.
        let week = (self.hour.saturating_sub(1) / WEEK) as usize;
        let rewards = &mut self.wallet(who)?.rewards;
        if rewards.len() <= week {
            rewards.resize(week + 1, 0);
        }
        if let Some(of_week) = rewards.get_mut(week) {
            *of_week += amount;
        }
        Ok(())
    }
}
