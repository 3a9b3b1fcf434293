//! `ionet reward`: hourly rewards for keeping a device present.

use super::device::Which;
use crate::{
    amount::{Unit, span},
    context::{Context, Token},
    effect::Watched,
    error::{Result, refuse},
    output::{Answer, Table, count, fields},
    send::Sent,
    week::{Rated, Week},
};
use chain::{
    decode_event, logged,
    market::{self, reward, stake},
    past_landed,
};
use clap::Subcommand;
use futures_util::{StreamExt, TryStreamExt};
use protocol::emission::BLOCK_SECONDS;
use serde::Serialize;
use solana_address::Address;
use solana_signer::Signer;
use staking::{Device, Emission, GpuModel, RewardBlock, events::RewardCollected, state::Offering};
use std::fmt;

/// Most transactions of a device to search.
const MOST_SEARCHED: usize = 10_000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a device can claim, which hours are pending, and how long it has been present
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Claim everything a device has collected
    Claim {
        #[command(flatten)]
        which: Which,
    },
    /// List the hours a device was paid for, latest first, from its latest ten thousand transactions
    History {
        #[command(flatten)]
        which: Which,
        /// Most hours to list
        #[arg(long, default_value_t = 48)]
        limit: usize,
    },
}

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
    claimable: u64,
    waiting: Vec<Waiting>,
    /// Hours of presence without a gap.
    presence_hours: u32,
    /// How many of them must pass before any is paid.
    unpaid_hours: u32,
    /// Start of the last hour that it checked in to.
    last_hour: i64,
    shared: bool,
    /// What a week would earn, by the settled hours of the last seven days, co-stakers' part included.
    weekly: u64,
    weekly_hours: u64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = self.now.saturating_sub(self.last_hour);
        let presence = match self.last_hour {
            0 => "never checked in; its worker does that".to_owned(),
            _ if behind >= 3 * BLOCK_SECONDS => format!("interrupted: last seen {} ago", span(behind)),
            _ if self.presence_hours <= self.unpaid_hours => {
                format!("{} h of the {} h that go unpaid", self.presence_hours, self.unpaid_hours)
            }
            _ => format!("{} h without a gap", self.presence_hours),
        };
        let waiting = match self.waiting.len() {
            0 => "nothing".to_owned(),
            hours => format!("{hours} h, collected once they are settled"),
        };
        let mut lines = vec![
            ("device", self.device.clone()),
            ("to claim", self.unit.show(self.claimable)),
            ("pending", waiting),
            ("presence", presence),
            ("weekly reward", weekly(self.weekly, self.weekly_hours, self.unit)),
        ];
        if self.shared {
            lines.push(("shared", "with co-stakers; \"to claim\" is the owner's part".to_owned()));
        }
        fields(f, &lines)
    }
}

/// What a week would earn, in words.
pub fn weekly(reward: u64, hours: u64, unit: Unit) -> String {
    match hours {
        0 => "unknown until the first hour is settled".to_owned(),
        hours => format!(
            "about {}, estimated from {} of the last 7 days",
            unit.show(reward),
            count(hours, "hour")
        ),
    }
}

#[derive(Serialize)]
struct Hour {
    hour: i64,
    reward: u64,
    signature: String,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Hours {
    hours: Vec<Hour>,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
    /// Number of transactions whose log was truncated: they may have paid for an hour.
    #[serde(skip)]
    cut: u64,
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hours.is_empty() {
            return writeln!(f, "no hour of this device has been paid, as far as the node's history goes");
        }
        let mut table = Table::new(["hour began", "reward", "transaction"]);
        for hour in &self.hours {
            let ago = format!("{} ago", span(self.now.saturating_sub(hour.hour)));
            table.row([ago, self.unit.show(hour.reward), hour.signature.clone()]);
        }
        write!(f, "{table}")?;
        match self.cut {
            0 => Ok(()),
            cut => writeln!(f, "hours may be missing: {} had a truncated log", count(cut, "transaction")),
        }
    }
}

#[derive(Serialize)]
struct Claimed {
    device: String,
    amount: u64,
    #[serde(flatten)]
    sent: Sent,
    #[serde(skip)]
    unit: Unit,
}

impl fmt::Display for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [("device", self.device.clone()), ("claimed", self.unit.show(self.amount))];
        fields(f, &lines)?;
        write!(f, "{}", self.sent)
    }
}

async fn show(context: &Context, unit: Unit, emission: &Emission, address: Address, device: &Device) -> Result<Answer> {
    let now = context.now().await?.unix;
    let mut waiting = Vec::new();
    for (hour, pool, score) in device.pending() {
        let hour = i64::from(hour).saturating_mul(BLOCK_SECONDS);
        let block: Option<RewardBlock> = context.chain.try_fetch(&reward::block(hour)).await?;
        let reward = block.and_then(|block| block.reward(pool, score).ok());
        waiting.push(Waiting { hour, score, reward });
    }
    let gpu: GpuModel = context.chain.fetch(&stake::gpu_model(device.gpu_model.get())).await?;
    let week = Week::load(context, now).await?;
    Ok(Answer::new(&Shown {
        device: address.to_string(),
        weekly: week.reward(&Rated::of(device, &gpu, emission.min_uptime.get())),
        weekly_hours: week.hours(),
        claimable: device.rewards.get(),
        waiting,
        presence_hours: device.last_hour.get().saturating_sub(device.streak_hour.get()),
        unpaid_hours: emission.min_uptime.get() / BLOCK_SECONDS as u32,
        last_hour: i64::from(device.last_hour.get()).saturating_mul(BLOCK_SECONDS),
        shared: device.offering != Offering::Nothing,
        unit,
        now,
    }))
}

async fn claim(context: &Context, token: &Token, address: Address, device: &Device) -> Result<Answer> {
    let amount = device.rewards.get();
    if amount == 0 {
        return refuse(format!(
            "device {address} has nothing to claim yet; `ionet reward show` shows what is pending"
        ));
    }
    let wallet = context.wallet()?;
    let owner = wallet.pubkey();
    let receive = market::create_token_account(&owner, &owner, &token.mint);
    let claim = reward::claim(&owner, &address, &market::token_account(&owner, &token.mint));
    let question = format!("claim {} of rewards of device {address}", token.unit.show(amount));
    let watched = [Watched::tokens("wallet", &owner, token)];
    let sent = context.send(&question, &[receive, claim], &wallet, &[], &watched).await?;
    Ok(Answer::new(&Claimed {
        device: address.to_string(),
        amount,
        sent,
        unit: token.unit,
    }))
}

async fn history(context: &Context, unit: Unit, address: Address, limit: usize) -> Result<Answer> {
    let network = &**context.chain.network();
    let (mut hours, mut cut) = (Vec::new(), 0u64);
    let mut past = past_landed(network, &address).take(MOST_SEARCHED);
    while hours.len() < limit
        && let Some((signature, landed)) = past.try_next().await?
    {
        let logged = logged(&landed.logs.unwrap_or_default());
        cut = cut.saturating_add(logged.cut.into());
        for (_, record) in logged.records.iter().filter(|(by, _)| *by == staking::ID) {
            let event: Option<RewardCollected> = decode_event(record);
            let own = event.filter(|event| event.device == address);
            hours.extend(own.map(|event| Hour {
                hour: event.hour,
                reward: event.reward,
                signature: signature.to_string(),
            }));
        }
    }
    Ok(Answer::new(&Hours {
        hours,
        cut,
        unit,
        now: context.now().await?.unix,
    }))
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let (Self::Show { which } | Self::Claim { which } | Self::History { which, .. }) = &self;
        let (address, device) = which.find(context, &context.wallet()?.pubkey()).await?;
        let Some(emission) = context.chain.try_fetch::<Emission>(&reward::emission()).await? else {
            return refuse("this market pays no rewards yet: its emission has not been started");
        };
        match self {
            Self::Show { .. } => show(context, token.unit, &emission, address, &device).await,
            Self::Claim { .. } => claim(context, &token, address, &device).await,
            Self::History { limit, .. } => history(context, token.unit, address, limit).await,
        }
    }
}
