//! `ionet reward`: hourly rewards for keeping a device present.

use super::device::Which;
use crate::{
    amount::{Unit, span},
    context::{Context, Token},
    effect::Watched,
    error::{Result, refuse},
    output::{Answer, Table, count, fields},
    send::{About, Plan},
    week::{Rated, Week},
};
use chain::{
    decode_event, logged,
    market::{self, reward, stake},
    past_landed,
};
use clap::Subcommand;
use costaking::events::RewardShared;
use futures_util::{StreamExt, TryStreamExt};
use protocol::emission::{self, BLOCK_SECONDS};
use serde::Serialize;
use solana_address::Address;
use solana_signer::Signer;
use staking::{
    Device, Emission, GpuModel, RewardBlock, StakingConfig,
    events::RewardCollected,
    state::{Offering, STATUS_ACTIVE},
};
use std::fmt;

/// Most transactions of a device to search.
const MOST_SEARCHED: usize = 10_000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a device can claim, which hours are pending, and how long it has been present or why it has not
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Claim everything a device has earned in settled hours; what is not collected yet is collected first
    Claim {
        #[command(flatten)]
        which: Which,
    },
    /// List the hours a device was paid for and what its co-stakers got, latest first, from its latest ten thousand transactions
    History {
        #[command(flatten)]
        which: Which,
        /// Most hours to list
        #[arg(long, default_value_t = 48)]
        limit: usize,
    },
}

/// An hour whose reward is not collected yet.
#[derive(Serialize)]
struct Waiting {
    hour: i64,
    score: u64,
    /// Its reward, once the hour is settled.
    reward: Option<u64>,
}

#[derive(Serialize)]
struct Shown {
    device: String,
    /// What the owner can claim now, of hours that are collected or can be.
    claimable: u64,
    waiting: Vec<Waiting>,
    /// Hours of presence without a gap; none yet, or none any more.
    presence_hours: Option<u32>,
    /// Why there are none yet.
    absent: Option<String>,
    /// How many of them go unpaid before the first that is paid.
    unpaid_hours: u32,
    /// Start of the last hour that it checked in to.
    last_hour: i64,
    shared: bool,
    /// What a week would earn, by the settled hours of the last seven days, co-stakers' part included; unknown before one is settled.
    weekly: Option<u64>,
    weekly_hours: u64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let presence = match (&self.absent, self.presence_hours) {
            (Some(why), _) => format!("none yet: {why}"),
            (None, None) => format!("interrupted: last seen {} ago", span(self.now.saturating_sub(self.last_hour))),
            (None, Some(hours)) if hours <= self.unpaid_hours => {
                format!("{hours} h of the first {} h, which go unpaid", self.unpaid_hours)
            }
            (None, Some(hours)) => format!("{hours} h without a gap"),
        };
        let waiting = match self.waiting.iter().filter(|hour| hour.reward.is_none()).count() {
            0 => "nothing".to_owned(),
            hours => format!("{hours} h, to claim once they are settled"),
        };
        let mut lines = vec![
            ("device", self.device.clone()),
            ("to claim", self.unit.show(self.claimable)),
            ("pending", waiting),
            ("presence", presence),
            ("weekly reward", weekly(self.weekly, self.weekly_hours, self.unit)),
        ];
        if self.shared {
            lines.push((
                "shared",
                "with co-stakers; \"to claim\" is the owner's part, and \"weekly reward\" includes theirs".to_owned(),
            ));
        }
        fields(f, &lines)
    }
}

/// What a week would earn, in words.
pub fn weekly(reward: Option<u64>, hours: u64, unit: Unit) -> String {
    match reward {
        None => "unknown until the first hour is settled".to_owned(),
        Some(reward) => format!(
            "about {}, estimated from {} of the last 7 days",
            unit.show(reward),
            count(hours, "hour")
        ),
    }
}

/// A device's hours of presence without a gap, the last one included; `None` if it has missed an hour since, or has not been present yet.
pub fn presence(device: &Device, now: i64) -> Option<u32> {
    let last = device.last_hour.get();
    // Check-ins to an hour end with the next one.
    let missed = i64::from(last).saturating_add(3).saturating_mul(BLOCK_SECONDS) <= now;
    (last > 0 && !missed).then(|| last.saturating_sub(device.streak_hour.get()).saturating_add(1))
}

/// The market's emission, which must have been started.
pub async fn emission(context: &Context) -> Result<Emission> {
    match context.chain.try_fetch(&reward::emission()).await? {
        Some(emission) => Ok(emission),
        None => refuse("this market pays no rewards yet: its emission has not been started"),
    }
}

/// Why a device has not been present for an hour yet; `None` if it has.
async fn absent(context: &Context, emission: &Emission, minimum: u64, unit: Unit, device: &Device, now: i64) -> Result<Option<String>> {
    if !device.last_hour.is_zero() {
        return Ok(None);
    }
    let staked = device.own_stake.get().saturating_add(device.co_stake.get());
    let missing = minimum.saturating_sub(staked);
    // The first hour that began with the device registered and the minimum staked.
    let before_hour = staked.saturating_sub(device.fresh.get());
    let staked_hour = match before_hour.saturating_sub(device.fresh_before.get()) >= minimum {
        true => None,
        false if before_hour >= minimum => device.fresh_hour.get().checked_sub(1),
        false => Some(device.fresh_hour.get()),
    };
    let staked_at = staked_hour.map_or(0, |hour| i64::from(hour).saturating_mul(BLOCK_SECONDS).saturating_add(1));
    let last = emission::start_of(device.registered_at.get().max(staked_at).saturating_sub(1));
    let first = last.saturating_add(BLOCK_SECONDS).max(emission.next_hour.get());
    let over = first.saturating_add(BLOCK_SECONDS);
    let before = emission::start_of(now).saturating_sub(BLOCK_SECONDS);
    Ok(Some(match missing {
        _ if device.status != STATUS_ACTIVE => "the device is retired".to_owned(),
        1.. if !device.cooling.is_zero() => "its stake is cooling down".to_owned(),
        1.. => format!("its stake is {} below the minimum; `ionet stake add` raises it", unit.show(missing)),
        0 if now < over => format!(
            "the first hour that can count ends in {}; its worker checks in after that",
            span(over.saturating_sub(now))
        ),
        0 if !context.chain.exists(&reward::block(before)).await? => {
            "nobody opened the last hour, so no device could be present in it; `ionet watch crank --sweep` keeps hours going".to_owned()
        }
        0 => "its worker has to answer every call of an hour and check in after it; the worker's log says what went wrong".to_owned(),
    }))
}

#[derive(Serialize)]
struct Hour {
    hour: i64,
    /// The owner's part.
    reward: u64,
    /// The co-stakers' part.
    co_stakers: u64,
    signature: String,
}

#[derive(Serialize)]
struct Hours {
    hours: Vec<Hour>,
    /// Number of transactions whose log was truncated: they may have paid for an hour.
    truncated: u64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hours.is_empty() {
            writeln!(f, "no hour of this device has been paid, as far as the node's history goes")?;
        }
        let mut table = Table::new(["hour began", "owner's reward", "co-stakers'", "transaction"]);
        for hour in &self.hours {
            let ago = format!("{} ago", span(self.now.saturating_sub(hour.hour)));
            let [reward, co_stakers] = [hour.reward, hour.co_stakers].map(|amount| self.unit.show(amount));
            table.row([ago, reward, co_stakers, hour.signature.clone()]);
        }
        if !self.hours.is_empty() {
            write!(f, "{table}")?;
        }
        match self.truncated {
            0 => Ok(()),
            cut => writeln!(f, "hours may be missing: {} had a truncated log", count(cut, "transaction")),
        }
    }
}

async fn show(
    context: &Context,
    config: &StakingConfig,
    unit: Unit,
    emission: &Emission,
    address: Address,
    device: &Device,
) -> Result<Answer> {
    let now = context.now().await?.unix;
    let due = context.chain.collection(&address, device, now).await?;
    let mut waiting = Vec::new();
    for (hour, pool, score) in device.pending() {
        let hour = i64::from(hour).saturating_mul(BLOCK_SECONDS);
        let block: Option<RewardBlock> = context.chain.try_fetch(&reward::block(hour)).await?;
        let reward = block.and_then(|block| block.reward(pool, score).ok());
        waiting.push(Waiting { hour, score, reward });
    }
    let gpu: GpuModel = context.chain.fetch(&stake::gpu_model(device.gpu_model.get())).await?;
    let week = Week::load(context, now).await?;
    // A minimum that cannot be computed is no reason to be absent.
    let minimum = device.minimum(config, &gpu, now).map_or(0, |minimum| minimum.0);
    Ok(Answer::new(&Shown {
        device: address.to_string(),
        weekly: week.reward(&Rated::of(device, &gpu, emission.min_uptime.get())),
        weekly_hours: week.hours(),
        claimable: device.rewards.get().saturating_add(due.owners),
        waiting,
        presence_hours: presence(device, now),
        absent: absent(context, emission, minimum, unit, device, now).await?,
        // An hour is paid if more than the required presence came before it.
        unpaid_hours: (emission.min_uptime.get() / BLOCK_SECONDS as u32).saturating_add(1),
        last_hour: i64::from(device.last_hour.get()).saturating_mul(BLOCK_SECONDS),
        shared: device.offering != Offering::Nothing,
        unit,
        now,
    }))
}

async fn claim(context: &Context, token: &Token, address: Address, device: &Device) -> Result<Answer> {
    let due = context.chain.collection(&address, device, context.now().await?.unix).await?;
    let amount = device.rewards.get().saturating_add(due.owners);
    if amount == 0 {
        return refuse(format!(
            "device {address} has nothing to claim yet; `ionet reward show` shows what is pending"
        ));
    }
    let owner = context.wallet()?.pubkey();
    let receive = market::create_token_account(&owner, &owner, &token.mint);
    let claim = reward::claim(&owner, &address, &market::token_account(&owner, &token.mint));
    let claimed = token.unit.show(amount);
    let plan = Plan {
        question: format!("claim {claimed} of rewards of device {address}"),
        instructions: due.instructions().into_iter().chain([receive, claim]).collect(),
        about: About::new("device", address).with([("claimed", claimed)]),
        amount: Some(amount),
    };
    context.carry_out(plan, &[Watched::tokens("wallet", &owner, token)]).await
}

async fn history(context: &Context, unit: Unit, address: Address, limit: usize) -> Result<Answer> {
    let network = &**context.chain.network();
    let (mut hours, mut truncated) = (Vec::new(), 0u64);
    let mut past = past_landed(network, &address).take(MOST_SEARCHED);
    while hours.len() < limit
        && let Some((signature, landed)) = past.try_next().await?
    {
        let logged = logged(&landed.logs.unwrap_or_default());
        truncated = truncated.saturating_add(logged.cut.into());
        // The co-stakers' part of an hour is told just before the owner's.
        let mut part = 0;
        for (by, record) in &logged.records {
            if *by == costaking::ID {
                part = decode_event(record).map_or(0, |event: RewardShared| event.part);
            } else if *by == staking::ID {
                let co_stakers = std::mem::take(&mut part);
                let event: Option<RewardCollected> = decode_event(record);
                let own = event.filter(|event| event.device == address);
                hours.extend(own.map(|event| Hour {
                    hour: event.hour,
                    reward: event.reward,
                    co_stakers,
                    signature: signature.to_string(),
                }));
            }
        }
    }
    Ok(Answer::new(&Hours {
        hours,
        truncated,
        unit,
        now: context.now().await?.unix,
    }))
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let (Self::Show { which } | Self::Claim { which } | Self::History { which, .. }) = &self;
        let (address, device) = which.find(context).await?;
        let emission = emission(context).await?;
        match self {
            Self::Show { .. } => show(context, &market.staking, token.unit, &emission, address, &device).await,
            Self::Claim { .. } => claim(context, &token, address, &device).await,
            Self::History { limit, .. } => history(context, token.unit, address, limit).await,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{output::Format, testing};
    use anchor_lang::{InstructionData, bytemuck::Zeroable};
    use chain::fake::Fake;
    use solana_account::Account;

    const HOUR: i64 = BLOCK_SECONDS;

    /// A market with rewards at 100 h 30 min, whose minimum is 10 base units.
    fn market(fake: &Fake) -> (i64, Emission) {
        let now = 100 * HOUR + HOUR / 2;
        fake.set_clock_to(now);
        let config = StakingConfig {
            base_stake: 10.into(),
            ..StakingConfig::zeroed()
        };
        fake.set_account(stake::config(), testing::account(&config));
        let gpu = GpuModel {
            multiplier_x100: 100.into(),
            ..GpuModel::zeroed()
        };
        fake.set_account(stake::gpu_model(0), testing::account(&gpu));
        let emission = Emission {
            min_uptime: 18_000.into(),
            ..Emission::zeroed()
        };
        fake.set_account(reward::emission(), testing::account(&emission));
        (now, emission)
    }

    #[tokio::test]
    async fn a_device_without_presence_says_why() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        let (_, emission) = market(&fake);
        let ready = Device {
            owner: wallet.pubkey(),
            own_stake: 10.into(),
            quantity: 1,
            ..Device::zeroed()
        };
        let line = async |device: Device, name: &str| {
            fake.set_account(Address::new_unique(), testing::account(&device));
            let address = context.chain.find::<Device>(&[]).await.unwrap();
            let answer = testing::typed::<Command>(&["show"]).run(&context).await.unwrap();
            let [(address, _)] = address.as_slice() else {
                unreachable!("one device at a time")
            };
            fake.set_account(*address, Account::default());
            let text = answer.show(Format::Text);
            let told = testing::json(&answer);
            assert_eq!(told["weekly"], serde_json::Value::Null, "no hour is settled");
            text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
        };
        let presence = async |device: Device| line(device, "presence").await;
        let retired = Device { status: 1, ..ready };
        assert_eq!(presence(retired).await, "none yet: the device is retired");
        let poor = Device {
            own_stake: 4.into(),
            co_stake: 1.into(),
            ..ready
        };
        assert!(
            presence(poor)
                .await
                .starts_with("none yet: its stake is 0.00000005 $IO below the minimum")
        );
        let leaving = Device {
            own_stake: 0.into(),
            cooling: 10.into(),
            ..ready
        };
        assert_eq!(presence(leaving).await, "none yet: its stake is cooling down");
        // Registered ten minutes ago: the first whole hour is the next one.
        let new = Device {
            registered_at: (100 * HOUR + HOUR / 3).into(),
            ..ready
        };
        let said = "none yet: the first hour that can count ends in 1 h 30 min; its worker checks in after that";
        assert_eq!(presence(new).await, said);
        let staked = Device {
            fresh: 1.into(),
            fresh_hour: 100.into(),
            ..ready
        };
        assert_eq!(presence(staked).await, said, "what was staked in this hour counts from the next on");
        let topped_up = Device {
            own_stake: 20.into(),
            ..staked
        };
        assert!(presence(topped_up).await.contains("nobody opened the last hour"));
        let topped_up_at_once = Device {
            own_stake: 11.into(),
            fresh_before: 10.into(),
            ..staked
        };
        assert_eq!(
            presence(topped_up_at_once).await,
            "none yet: the first hour that can count ends in 30 min; its worker checks in after that",
            "what was staked in the last hour counts from this one on"
        );
        fake.set_account(
            reward::emission(),
            testing::account(&Emission {
                next_hour: (101 * HOUR).into(),
                ..emission
            }),
        );
        assert_eq!(presence(ready).await, said, "rewards start with the next hour");
        fake.set_account(reward::emission(), testing::account(&emission));
        fake.set_account(reward::block(99 * HOUR), testing::account(&RewardBlock::zeroed()));
        assert!(presence(ready).await.contains("answer every call"));

        // Six hours go unpaid: more than five have to come before the first that is paid.
        let there = |hours: u32| Device {
            streak_hour: (100 - hours).into(),
            last_hour: 99.into(),
            ..ready
        };
        assert_eq!(presence(there(1)).await, "1 h of the first 6 h, which go unpaid");
        assert_eq!(presence(there(6)).await, "6 h of the first 6 h, which go unpaid");
        assert_eq!(presence(there(7)).await, "7 h without a gap");
        let gone = Device {
            last_hour: 97.into(),
            ..there(7)
        };
        assert_eq!(presence(gone).await, "interrupted: last seen 3 h 30 min ago");
        let shared = Device {
            offering: Offering::Open as u8,
            ..there(7)
        };
        assert!(line(shared, "shared").await.contains("\"weekly reward\" includes theirs"));
    }

    /// Of two hours that are not collected yet, the one that is settled is claimed along with what is.
    #[tokio::test]
    async fn a_claim_collects_what_is_settled() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        market(&fake);
        let device = Device {
            owner: wallet.pubkey(),
            rewards: 5.into(),
            pending_hours: [99.into(), 98.into(), 0.into(), 0.into()],
            pending_scores: [1.into(), 1.into(), 0.into(), 0.into()],
            ..Device::zeroed()
        };
        fake.set_account(Address::new_unique(), testing::account(&device));
        let settled = RewardBlock {
            hour: (98 * HOUR).into(),
            settled: true.into(),
            scores: [4.into(), 0.into()],
            pools: [400.into(), 0.into()],
            ..RewardBlock::zeroed()
        };
        fake.set_account(reward::block(98 * HOUR), testing::account(&settled));
        let open = RewardBlock {
            hour: (99 * HOUR).into(),
            ..RewardBlock::zeroed()
        };
        fake.set_account(reward::block(99 * HOUR), testing::account(&open));
        let shown = testing::typed::<Command>(&["show"]).run(&context).await.unwrap();
        assert_eq!(testing::json(&shown)["claimable"], 105);
        assert!(
            shown.show(Format::Text).contains("pending        1 h, to claim once"),
            "{}",
            shown.show(Format::Text)
        );
        let claimed = testing::typed::<Command>(&["claim"]).run(&context).await.unwrap();
        assert_eq!(testing::json(&claimed)["amount"], 105);
        let sent = fake.sent();
        let collects = sent[0].message.instructions().iter();
        let collects = collects.filter(|one| one.data == staking::instruction::CollectReward {}.data());
        assert_eq!(collects.count(), 1);
    }

    /// One hour was shared with co-stakers and one was not, in a transaction with a truncated log.
    #[tokio::test]
    async fn the_history_tells_parts_apart_and_says_what_may_be_missing() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        market(&fake);
        let address = Address::new_unique();
        let device = Device {
            owner: wallet.pubkey(),
            ..Device::zeroed()
        };
        fake.set_account(address, testing::account(&device));
        let collected = |device, number: i64| RewardCollected {
            device,
            hour: number * HOUR,
            reward: 6,
            rewards: 6,
        };
        let shared = RewardShared {
            offer: Address::default(),
            hour: 97,
            reward: 10,
            part: 4,
            shares: 1,
        };
        let logs = [
            testing::said_by(&costaking::ID, &shared),
            testing::said_by(&staking::ID, &collected(address, 97)),
            testing::said_by(&staking::ID, &collected(Address::new_unique(), 97)),
            testing::said_by(&staking::ID, &collected(address, 98)),
        ];
        let mut lines = logs.concat();
        lines.push("Log truncated".to_owned());
        testing::happened(&fake, &context, &address, lines, None).await;
        let answer = testing::typed::<Command>(&["history"]).run(&context).await.unwrap();
        let told = testing::json(&answer);
        let parts = |hour: usize| (told["hours"][hour]["reward"].as_u64(), told["hours"][hour]["co_stakers"].as_u64());
        assert_eq!(
            (parts(0), parts(1), &told["truncated"]),
            ((Some(6), Some(4)), (Some(6), Some(0)), &1.into())
        );
        let said = answer.show(Format::Text);
        assert!(
            said.contains("0.00000004 $IO") && said.contains("hours may be missing: 1 transaction"),
            "{said}"
        );
    }
}
