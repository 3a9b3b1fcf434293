//! Joins an offer.

use super::{fetch, offer::most_of};
use crate::{
    amount::{Quantity, percent, span},
    context::{Context, Market, Token},
    error::{Result, refuse},
    send::{About, Plan},
};
use chain::{market, market::costake};
use costaking::{Offer, Status};
use solana_address::Address;
use solana_signer::Signer;
use staking::Device;

pub async fn join(context: &Context, market: &Market, token: Token, address: Address, amount: Quantity) -> Result<Plan> {
    let holder = context.wallet()?.pubkey();
    let offer: Offer = fetch(context, &address, "an offer", "list").await?;
    let device: Device = context.chain.fetch(&offer.device).await?;
    let amount = amount.base_units(token.unit)?;
    let from = market::token_account(&holder, &token.mint);
    if offer.status != Status::Open {
        return refuse(format!(
            "offer {address} is closed to new co-stakers; `ionet costake list` shows offers that can be joined"
        ));
    }
    if holder == device.owner || holder == device.payout {
        return refuse(format!(
            "{holder} owns device {} or receives its payments, and cannot co-stake it; stake with `ionet stake add`",
            offer.device
        ));
    }
    let config: costaking::Config = context.chain.fetch(&costake::config()).await?;
    let (_, most) = most_of(context, market, &device, &config).await?;
    let room = most.0.min(offer.capacity.get()).saturating_sub(device.co_stake.get());
    let shown = |amount| token.unit.show(amount);
    if amount > room {
        return refuse(format!(
            "offer {address} has no room for {}, only for {}; join with less",
            shown(amount),
            shown(room)
        ));
    }
    if amount == 0 || (amount < offer.ticket.get() && amount != room) {
        return refuse(format!(
            "a co-stake is at least a ticket, here {}, or all the room left, {}",
            shown(offer.ticket.get()),
            shown(room)
        ));
    }
    context.check_held(&holder, &token, amount, "stake").await?;
    // An id that is never used again: exits of a closed position still refer to theirs.
    let id = (context.now().await?.slot & u64::from(u32::MAX)) as u32;
    let join = costake::join(
        &holder,
        &offer.device,
        device.gpu_model.get(),
        &address,
        &from,
        id,
        amount,
        offer.terms(),
    );
    let share = percent(offer.share_bps.get());
    let question = format!(
        "stake {} on device {} for a part of {share} of its rewards; an exit takes {}",
        token.unit.show(amount),
        offer.device,
        span(i64::from(config.wait.get()).saturating_add(market.staking.cooldown.get().into()))
    );
    Ok(Plan {
        question,
        instructions: vec![join],
        about: About::new("position", costake::position(&address, &holder, id)),
        amount: Some(amount),
    })
}
