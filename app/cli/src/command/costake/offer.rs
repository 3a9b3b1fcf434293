//! Makes, retracts and ends offers.

use super::worth::noting;
use crate::{
    amount::{Quantity, percent},
    command::device::Which,
    context::{Context, Market, Token},
    error::{Result, refuse},
    output::count,
    send::{About, Plan},
};
use chain::{
    field,
    market::{self, costake, stake},
};
use costaking::{Offer, OfferTerms, Status};
use protocol::units::{Amount, Bps};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Device, GpuModel, StakingConfig, state::Offering};

/// Most offers to close at once: more do not fit into a transaction.
const MOST_CLOSED: usize = 8;

/// Offers of a device, ended ones too.
pub async fn offers_of(context: &Context, device: &Address) -> Result<Vec<(Address, Offer)>> {
    Ok(context.chain.find(&[field!(Offer, device, device.as_array())]).await?)
}

/// [`most`] for a device whose GPU model has not been fetched.
pub async fn most_of(context: &Context, market: &Market, device: &Device, config: &costaking::Config) -> Result<(Amount, Amount)> {
    let gpu: GpuModel = context.chain.fetch(&stake::gpu_model(device.gpu_model.get())).await?;
    most(&market.staking, device, &gpu, config, context.now().await?.unix)
}

/// A device's minimum stake now, and the most of it that co-stakers may fund.
pub fn most(staking: &StakingConfig, device: &Device, gpu: &GpuModel, config: &costaking::Config, now: i64) -> Result<(Amount, Amount)> {
    let minimum = device.minimum(staking, gpu, now);
    let minimum = minimum.or_else(|_| refuse("the minimum stake of this device cannot be computed; update this program"))?;
    Ok((minimum, minimum.share_floor(Bps::saturating(config.capacity_bps.get()))))
}

pub async fn offer(
    context: &Context,
    market: &Market,
    token: Token,
    capacity: Quantity,
    share_bps: u16,
    ticket: Option<Quantity>,
    which: &Which,
) -> Result<Plan> {
    let owner = context.wallet()?.pubkey();
    let (address, device) = which.find(context).await?;
    let capacity = capacity.base_units(token.unit)?;
    let ticket = ticket.map_or(Ok((capacity / 100).max(1)), |ticket| ticket.base_units(token.unit))?;
    if device.offering != Offering::Nothing {
        return refuse(format!(
            "device {address} has an offer already; end it first: `ionet costake retract --device {address}`, and once its co-stakers have \
             left, `ionet costake end --device {address}`"
        ));
    }
    let config: costaking::Config = context.chain.fetch(&costake::config()).await?;
    let (minimum, most) = most_of(context, market, &device, &config).await?;
    let shown = |amount| token.unit.show(amount);
    if capacity > most.0 {
        return refuse(format!(
            "co-stakers may fund {} of device {address}; offer at most that",
            shown(most.0)
        ));
    }
    if !(1..=capacity).contains(&ticket) {
        return refuse(format!("a ticket must be above 0 and at most the capacity of {}", shown(capacity)));
    }
    if share_bps < config.min_share_bps.get() {
        return refuse(format!(
            "co-stakers get at least {} of the rewards; raise --share",
            percent(config.min_share_bps.get())
        ));
    }
    if device.own_stake.get() < minimum.0 {
        return refuse(format!(
            "device {address} has {} of its owner's stake and needs {} before it can make an offer; stake the rest with `ionet stake add`",
            shown(device.own_stake.get()),
            shown(minimum.0)
        ));
    }
    let terms = OfferTerms {
        capacity,
        ticket,
        share_bps,
    };
    let used = offers_of(context, &address).await?.iter().map(|(_, offer)| offer.index.get()).max();
    let index = used.map_or(0, |index| index.saturating_add(1));
    let create = costake::create(&owner, &address, device.gpu_model.get(), &token.mint, index, terms);
    Ok(Plan {
        question: format!(
            "offer {} of device {address}'s rewards for a co-stake of up to {}",
            percent(share_bps),
            token.unit.show(capacity)
        ),
        instructions: vec![create],
        about: About::new("offer", costake::offer(&address, index)),
        amount: None,
    })
}

/// Retracts a device's offer, or ends it, and closes it if nobody is left.
pub async fn change(context: &Context, token: Token, which: &Which, ends: bool) -> Result<Plan> {
    let owner = context.wallet()?.pubkey();
    let (device, books) = which.find(context).await?;
    let offers = offers_of(context, &device).await?;
    let live = offers.into_iter().find(|(_, offer)| offer.status != Status::Ended);
    let Some((offer, state)) = live else {
        return refuse(format!("device {device} has no offer; make one with `ionet costake offer`"));
    };
    let is_open = state.status == Status::Open;
    let mut instructions = noting(&state, &offer, &books);
    match ends {
        false if !is_open => {
            return refuse(format!(
                "offer {offer} is retracted already; `ionet costake end --device {device}` ends it once its co-stakers have left"
            ));
        }
        true if is_open => {
            return refuse(format!(
                "offer {offer} can still be joined; retract it first with `ionet costake retract --device {device}`"
            ));
        }
        // Recording the owner's exit takes all co-stakers out.
        true if !state.shares.is_zero() && instructions.is_empty() => {
            return refuse(format!("offer {offer} still has co-stakers; it can end when they have left"));
        }
        _ => {}
    }
    let (what, make): (_, fn(&Address, &Address, &Address) -> Instruction) = match ends {
        true => ("end", costake::end),
        false => ("retract", costake::retract),
    };
    instructions.push(make(&owner, &device, &offer));
    let closes = ends && state.holders.is_zero();
    if closes {
        instructions.extend(closing(&owner, &state.owner, &token, [&offer]));
    }
    let and_close = if closes { " and close it, which returns its rent" } else { "" };
    let next = format!(
        "ionet{} costake {} --device {device}",
        context.settings.flags,
        if ends { "close" } else { "end" }
    );
    Ok(Plan {
        question: format!("{what} offer {offer}{and_close}"),
        instructions,
        about: About::new("offer", offer).with((!closes).then_some(("once all have left", next))),
        amount: None,
    })
}

/// Closes offers of one owner, who gets their rent and what rounding has left in their vaults.
fn closing<'a>(payer: &Address, owner: &Address, token: &Token, offers: impl IntoIterator<Item = &'a Address>) -> Vec<Instruction> {
    let to = market::token_account(owner, &token.mint);
    let receive = market::create_token_account(payer, owner, &token.mint);
    let close = offers.into_iter().map(|offer| costake::close(owner, offer, &to));
    std::iter::once(receive).chain(close).collect()
}

/// Closes the ended offers of a device, which need not exist any more, that everybody has left.
pub async fn close(context: &Context, token: Token, which: &Which) -> Result<Plan> {
    let payer = context.wallet()?.pubkey();
    let device = which.address(context).await?;
    let offers = offers_of(context, &device).await?;
    let ended: Vec<_> = offers.iter().filter(|(_, offer)| offer.status == Status::Ended).collect();
    let left: Vec<_> = ended
        .iter()
        .filter(|(_, offer)| offer.holders.is_zero())
        .take(MOST_CLOSED)
        .collect();
    let Some((_, offer)) = left.first() else {
        return match ended.first() {
            None => refuse(format!(
                "device {device} has no ended offer to close; `ionet costake end --device {device}` ends its offer"
            )),
            Some((address, offer)) => refuse(format!(
                "offer {address} still has {}, exits included; anyone may withdraw an exit that has cooled down, with \
                 `ionet costake withdraw EXIT`",
                count(offer.holders.get(), "position")
            )),
        };
    };
    let named: Vec<String> = left.iter().map(|(address, _)| address.to_string()).collect();
    Ok(Plan {
        question: format!(
            "close {} of device {device}, which returns the rent to {}",
            count(named.len() as u64, "offer"),
            offer.owner
        ),
        instructions: closing(&payer, &offer.owner, &token, left.iter().map(|(address, _)| address)),
        about: About::new("device", device).fact("offers", named),
        amount: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{command::costake::Command, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake;

    #[tokio::test]
    async fn an_offer_is_closed_once_everybody_has_left() {
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        fake.set_account(costaking::ID, testing::program());
        let (device, address, owner) = (Address::new_unique(), Address::new_unique(), wallet.pubkey());
        let open = Offer {
            device,
            owner,
            ..Offer::zeroed()
        };
        let set = |status: Status, holders: u32| {
            let offer = Offer {
                status: status as u8,
                holders: holders.into(),
                ..open
            };
            fake.set_account(address, testing::account(&offer));
        };
        let run = async |word: &str| {
            let command: Command = testing::typed(&[word, "--device", &device.to_string()]);
            command.run(&context).await.map(|answer| testing::json(&answer))
        };
        let sent = || {
            let sent = fake.sent();
            let instructions = fake::instructions(sent.last().unwrap());
            let calls = instructions.iter().filter_map(chain::idl::decode).map(|call| call.name);
            calls.collect::<Vec<_>>()
        };
        let close = async || run("close").await.unwrap_err().to_string();
        assert!(close().await.contains("no ended offer to close"));
        // The device is gone.
        set(Status::Ended, 2);
        assert!(close().await.contains("still has 2 position"));
        set(Status::Ended, 0);
        let closed = run("close").await.unwrap();
        assert_eq!(closed.get("offers"), Some(&serde_json::json!([address.to_string()])));
        assert_eq!(sent(), ["close_offer"]);

        fake.set_account(device, testing::account(&Device { owner, ..Device::zeroed() }));
        set(Status::Closed, 1);
        run("end").await.unwrap();
        assert_eq!(sent(), ["end_offer"], "an exit is left");
        set(Status::Closed, 0);
        run("end").await.unwrap();
        assert_eq!(sent(), ["end_offer", "close_offer"]);
    }
}
