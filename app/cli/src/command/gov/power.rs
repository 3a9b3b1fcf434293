//! What a wallet can vote with.

use crate::{
    amount::{Unit, span},
    context::{Context, Token},
    error::Result,
    output::{Answer, Table, fields},
};
use chain::{field, market::govern};
use costaking::{Offer, Position};
use governance::Delegation;
use protocol::{ballot::MIN_AGE, emission::BLOCK_SECONDS};
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use staking::Device;
use std::{collections::HashSet, fmt};

/// Stake that votes once: a device's own, or a position in an offer.
pub struct Source {
    /// The device or position.
    pub address: Address,
    stake: Stake,
}

enum Stake {
    Own(Device),
    // The offer's log makes it large.
    Co(Position, Box<Offer>, Device),
}

impl Source {
    /// What it is, for people.
    pub fn name(&self) -> String {
        format!("{} {}", self.kind(), self.address)
    }

    fn kind(&self) -> &'static str {
        match self.stake {
            Stake::Own(_) => "device",
            Stake::Co(..) => "position",
        }
    }

    /// Its weight in a vote opened at `opened_at`.
    pub fn weight(&self, opened_at: i64) -> u64 {
        match &self.stake {
            Stake::Own(device) => device.voting_weight(opened_at),
            Stake::Co(position, offer, device) => position.voting_weight(offer, device, opened_at),
        }
    }

    /// Its weight once all of it is old enough.
    fn full(&self) -> u64 {
        self.weight(i64::MAX)
    }

    /// When all of it will count in a vote that opens then; `None` if it already does.
    fn full_from(&self, now: i64) -> Option<i64> {
        let age = i64::from(MIN_AGE);
        let grows: Vec<i64> = match &self.stake {
            Stake::Own(device) => {
                let raised = device.raised_at.iter().map(|at| at.get());
                raised.map(|at| at.saturating_add(age).saturating_add(1)).collect()
            }
            Stake::Co(position, ..) => vec![
                i64::from(position.from_hour.get())
                    .saturating_mul(BLOCK_SECONDS)
                    .saturating_add(age),
            ],
        };
        let full = |at: &i64| *at > now && self.weight(*at) == self.full();
        grows.into_iter().filter(full).min().filter(|_| self.weight(now) < self.full())
    }

    /// The instruction that votes with it.
    pub fn vote(&self, voter: &Address, motion: (&Address, u64), represented: Option<&Address>, choice: u8) -> Instruction {
        match &self.stake {
            Stake::Own(_) => govern::vote_stake(voter, motion, &self.address, represented, choice),
            Stake::Co(position, offer, _) => {
                let at = [&offer.device, &position.offer, &self.address];
                govern::vote_co_stake(voter, motion, at, represented, choice)
            }
        }
    }
}

/// All that a wallet has staked, on its own devices and on those of others.
pub async fn sources(context: &Context, whose: &Address) -> Result<Vec<Source>> {
    let devices: Vec<(Address, Device)> = context.chain.find(&[field!(Device, owner, whose.as_array())]).await?;
    let own = devices.into_iter().map(|(address, device)| Source {
        address,
        stake: Stake::Own(device),
    });
    let mut all: Vec<Source> = own.collect();
    let positions: Vec<(Address, Position)> = context.chain.find(&[field!(Position, holder, whose.as_array())]).await?;
    for (address, position) in positions {
        let offer: Offer = context.chain.fetch(&position.offer).await?;
        // Stake on a device that is closed votes no more.
        let device: Option<Device> = context.chain.try_fetch(&offer.device).await?;
        all.extend(device.map(|device| Source {
            address,
            stake: Stake::Co(position, Box::new(offer), device),
        }));
    }
    Ok(all)
}

/// Wallets with stake that a wallet represents.
async fn represented(context: &Context, wallet: &Address) -> Result<Vec<Address>> {
    let named: Vec<(Address, Delegation)> = context.chain.find(&[field!(Delegation, representative, wallet.as_array())]).await?;
    if named.is_empty() {
        return Ok(Vec::new());
    }
    // Anyone can name anyone: wallets without stake are left out before anything is asked about each.
    let devices: Vec<(Address, Device)> = context.chain.find(&[]).await?;
    let positions: Vec<(Address, Position)> = context.chain.find(&[]).await?;
    let staked: HashSet<Address> = devices
        .iter()
        .map(|(_, device)| device.owner)
        .chain(positions.iter().map(|(_, position)| position.holder))
        .collect();
    let owners = named.into_iter().map(|(_, delegation)| delegation.owner);
    Ok(owners.filter(|owner| staked.contains(owner)).collect())
}

#[derive(Serialize)]
struct Shown {
    /// device or position.
    kind: &'static str,
    address: String,
    /// What it weighs in a vote opened now.
    weight: u64,
    /// What it will weigh once it is old enough.
    stake: u64,
    /// When that will be; `null` if it is.
    full_from: Option<i64>,
}

#[derive(Serialize)]
struct Represented {
    wallet: String,
    weight: u64,
}

#[derive(Serialize)]
struct Power {
    wallet: String,
    /// What the wallet weighs in a vote opened now, without those whom it represents.
    weight: u64,
    sources: Vec<Shown>,
    /// Who votes with its stake unless it does itself.
    representative: Option<String>,
    /// Whose stake it may vote with.
    represents: Vec<Represented>,
    #[serde(skip)]
    io: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let representative = self.representative.clone().unwrap_or_else(|| "none".to_owned());
        let mut lines = vec![
            ("wallet", self.wallet.clone()),
            ("weight", format!("{} in a vote opened now", self.io.show(self.weight))),
            ("representative", representative),
        ];
        let represented = self.represents.iter();
        lines.extend(represented.map(|of| ("represents", format!("{} with {}", of.wallet, self.io.show(of.weight)))));
        fields(f, &lines)?;
        if self.sources.is_empty() {
            return writeln!(f, "\nnothing is staked; stake and co-stake have a vote once they are a week old");
        }
        let mut table = Table::new(["stake", "weight", "of", "all of it counts"]);
        for source in &self.sources {
            let full = match source.full_from {
                None => "now".to_owned(),
                Some(at) => format!("in {}", span(at.saturating_sub(self.now))),
            };
            let [weight, stake] = [source.weight, source.stake].map(|amount| self.io.number(amount));
            table.row([format!("{} {}", source.kind, source.address), weight, stake, full]);
        }
        write!(f, "\n{table}")
    }
}

/// The sum of what sources weigh in a vote opened now.
fn sum(sources: &[Source], now: i64) -> u64 {
    sources.iter().fold(0, |sum, source| sum.saturating_add(source.weight(now)))
}

/// `gov power`.
pub async fn show(context: &Context, token: &Token, now: i64, wallet: Address) -> Result<Answer> {
    super::setting::config(context).await?;
    let mut own = sources(context, &wallet).await?;
    own.retain(|source| source.full() > 0);
    let delegation: Option<Delegation> = context.chain.try_fetch(&govern::delegation(&wallet)).await?;
    let mut represents = Vec::new();
    for owner in represented(context, &wallet).await? {
        represents.push(Represented {
            wallet: owner.to_string(),
            weight: sum(&sources(context, &owner).await?, now),
        });
    }
    let shown = own.iter().map(|source| Shown {
        kind: source.kind(),
        address: source.address.to_string(),
        weight: source.weight(now),
        stake: source.full(),
        full_from: source.full_from(now),
    });
    Ok(Answer::new(&Power {
        wallet: wallet.to_string(),
        weight: sum(&own, now),
        sources: shown.collect(),
        representative: delegation.map(|delegation| delegation.representative.to_string()),
        represents,
        io: token.unit,
        now,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{command::gov::Command, output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use serde_json::json;
    use solana_signer::Signer;

    const DAY: i64 = 86_400;

    /// A wallet with 30 $IO on its device, of which 10 came in three days ago, and 5 in a position that began five days ago; it names a
    /// representative, and another wallet with 7 $IO names it.
    #[tokio::test]
    async fn a_wallet_sees_what_it_votes_with() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        let (io, now) = (protocol::units::IO, 100 * DAY);
        fake.set_clock_to(now);
        fake.set_account(governance::ID, testing::program());
        fake.set_account(govern::config(), testing::account(&governance::Config::zeroed()));
        let none = testing::typed::<Command>(&["power"]).run(&context).await.unwrap();
        assert!(none.show(Format::Text).contains("nothing is staked"));

        let [own, position, offer, shared, other, representative, elsewhere] = [(); 7].map(|()| Address::new_unique());
        let device = Device {
            owner: wallet.pubkey(),
            own_stake: (30 * io).into(),
            raised_at: [(now - 3 * DAY).into(), 0.into(), 0.into(), 0.into()],
            aged: [(20 * io).into(), 0.into(), 0.into(), 0.into()],
            ..Device::zeroed()
        };
        fake.set_account(own, testing::account(&device));
        let backed = Device {
            co_stake: (5 * io).into(),
            ..Device::zeroed()
        };
        fake.set_account(shared, testing::account(&backed));
        let open = Offer {
            device: shared,
            shares: (5 * io).into(),
            ..Offer::zeroed()
        };
        fake.set_account(offer, testing::account(&open));
        let joined = now - 5 * DAY;
        let held = Position {
            holder: wallet.pubkey(),
            offer,
            shares: (5 * io).into(),
            from_hour: ((joined / BLOCK_SECONDS) as u32).into(),
            ..Position::zeroed()
        };
        fake.set_account(position, testing::account(&held));
        // Another one, whose device is closed.
        let over = Address::new_unique();
        let closed = Offer {
            device: Address::new_unique(),
            ..open
        };
        fake.set_account(over, testing::account(&closed));
        fake.set_account(Address::new_unique(), testing::account(&Position { offer: over, ..held }));
        let theirs = Device {
            owner: other,
            own_stake: (7 * io).into(),
            ..Device::zeroed()
        };
        fake.set_account(elsewhere, testing::account(&theirs));
        // One that has no stake, which is left out.
        for (owner, representative) in [
            (wallet.pubkey(), representative),
            (other, wallet.pubkey()),
            (Address::new_unique(), wallet.pubkey()),
        ] {
            let delegation = Delegation {
                owner,
                representative,
                ..Delegation::zeroed()
            };
            fake.set_account(govern::delegation(&owner), testing::account(&delegation));
        }
        let power = testing::typed::<Command>(&["power"]).run(&context).await.unwrap();
        let told = testing::json(&power);
        assert_eq!(told["weight"], 20 * io);
        let (own, position) = (own.to_string(), position.to_string());
        let wanted = json!([
            { "kind": "device", "address": own, "weight": 20 * io, "stake": 30 * io, "full_from": now + 4 * DAY + 1 },
            { "kind": "position", "address": position, "weight": 0, "stake": 5 * io, "full_from": now + 2 * DAY },
        ]);
        assert_eq!(told["sources"], wanted);
        assert_eq!(told["representative"], representative.to_string());
        assert_eq!(told["represents"], json!([{ "wallet": other.to_string(), "weight": 7 * io }]));
        let text = power.show(Format::Text);
        assert!(text.contains("20 $IO in a vote opened now") && text.contains("in 4 d"), "{text}");
        let theirs = testing::typed::<Command>(&["power", &other.to_string()])
            .run(&context)
            .await
            .unwrap();
        assert_eq!(testing::json(&theirs)["sources"][0]["full_from"], json!(null));
    }
}
