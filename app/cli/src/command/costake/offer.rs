//! Makes, retracts and ends offers.

use super::worth::noting;
use crate::{
    amount::{Quantity, percent},
    command::device::Which,
    context::{Context, Market, Token},
    error::{Result, refuse},
    send::{About, Plan},
};
use chain::field;
use chain::market::{costake, stake};
use costaking::{Offer, OfferTerms, Status};
use protocol::units::{Amount, Bps};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Device, GpuModel, StakingConfig, state::Offering};

/// Offers of a device, ended ones too.
async fn offers_of(context: &Context, device: &Address) -> Result<Vec<(Address, Offer)>> {
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

/// Retracts a device's offer, or ends it.
pub async fn change(context: &Context, which: &Which, ends: bool) -> Result<Plan> {
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
    let end = format!("ionet{} costake end --device {device}", context.settings.flags);
    Ok(Plan {
        question: format!("{what} offer {offer}"),
        instructions,
        about: About::new("offer", offer).with((!ends).then_some(("once all have left", end))),
        amount: None,
    })
}
