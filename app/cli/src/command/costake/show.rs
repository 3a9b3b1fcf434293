//! Shows a wallet's positions and exits.

use super::{
    claim::due,
    exit::device_of,
    outlook::{Outlook, present, shown},
    worth::{back_at, stake_of},
};
use crate::{
    amount::{Unit, span},
    command::reward::presence,
    context::{Context, Market, Token},
    error::Result,
    output::{Answer, Table},
};
use chain::field;
use costaking::{Exit, Offer, Position};
use protocol::{costake::worth, units::Amount};
use serde::Serialize;
use solana_address::Address;
use std::fmt;

#[derive(Serialize)]
struct Held {
    position: String,
    offer: String,
    device: String,
    shares: u64,
    /// What the shares are worth now.
    stake: u64,
    /// What can be claimed, of hours that are shared or can be.
    rewards: u64,
    /// The device's hours of presence without a gap; none if it is not present.
    presence_hours: Option<u32>,
    /// What it would earn in a week, by the last seven days; nothing if the device is not present, unknown before an hour is settled.
    weekly: Option<u64>,
}

#[derive(Serialize)]
struct Leaving {
    exit: String,
    offer: String,
    /// What it is worth now.
    stake: u64,
    rewards: u64,
    cooling: bool,
    cools_at: i64,
    ends_at: i64,
}

#[derive(Serialize)]
struct Holdings {
    positions: Vec<Held>,
    exits: Vec<Leaving>,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.positions.is_empty() && self.exits.is_empty() {
            return writeln!(f, "nothing is co-staked; `ionet costake list` shows offers");
        }
        let mut table = Table::new(["position", "offer", "stake", "rewards", "present", "a week earns"]);
        for held in &self.positions {
            let [stake, rewards] = [held.stake, held.rewards].map(|amount| self.unit.number(amount));
            let (present, weekly) = (present(held.presence_hours), shown(held.weekly, self.unit));
            table.row([held.position.clone(), held.offer.clone(), stake, rewards, present, weekly]);
        }
        if !self.positions.is_empty() {
            write!(f, "{table}")?;
        }
        for exit in &self.exits {
            let left = exit.ends_at.saturating_sub(self.now);
            let when = match left {
                ..=0 => "ready: `ionet costake withdraw`".to_owned(),
                left => format!("ready in {}", span(left)),
            };
            let (stake, rewards) = (self.unit.show(exit.stake), self.unit.show(exit.rewards));
            writeln!(f, "exit {}: {stake} of stake, {rewards} of rewards, {when}", exit.exit)?;
        }
        Ok(())
    }
}

pub async fn show(context: &Context, market: &Market, token: Token, holder: Address) -> Result<Answer> {
    let exits: Vec<(Address, Exit)> = context.chain.find(&[field!(Exit, holder, holder.as_array())]).await?;
    let own: Vec<(Address, Position)> = context.chain.find(&[field!(Position, holder, holder.as_array())]).await?;
    let mut holdings = Holdings {
        positions: Vec::new(),
        exits: Vec::new(),
        unit: token.unit,
        now: context.now().await?.unix,
    };
    let outlook = Outlook::load(context, market, holdings.now).await?;
    for (address, mut position) in own {
        let offer: Offer = context.chain.fetch(&position.offer).await?;
        let device = device_of(context, &offer).await?;
        let due = due(context, &offer, &device, holdings.now).await?;
        let shares = position.shares.get();
        // Stake that cools down earns nothing; stake that a slash has set aside earns until the slash is finished.
        let counted = worth(shares, offer.shares.get(), Amount(device.whole_co_stake()));
        let stake = stake_of(shares, &offer, &device);
        holdings.positions.push(Held {
            position: address.to_string(),
            offer: position.offer.to_string(),
            device: offer.device.to_string(),
            shares,
            stake: stake.0,
            presence_hours: presence(&device, holdings.now),
            weekly: outlook.weekly(counted, &offer, &device),
            rewards: position.claim(due.offer.as_ref().map_or(&offer, |(_, shared)| shared)),
        });
    }
    for (address, mut exit) in exits {
        let offer: Offer = context.chain.fetch(&exit.offer).await?;
        // On inconsistent accounts this fails; then the exit is shown as it is.
        exit.settle(&offer).ok();
        let device = device_of(context, &offer).await?;
        let stake = match exit.cooling.get() {
            true => worth(
                exit.cooling_shares.get(),
                device.co_cooling_shares.get(),
                Amount(device.co_cooling.get()),
            ),
            false => stake_of(exit.shares.get(), &offer, &device),
        };
        holdings.exits.push(Leaving {
            exit: address.to_string(),
            offer: exit.offer.to_string(),
            stake: stake.0,
            rewards: exit.rewards.get(),
            cooling: exit.cooling.get(),
            cools_at: exit.cools_at.get(),
            ends_at: back_at(&exit, &offer, &device),
        });
    }
    Ok(Answer::new(&holdings))
}
