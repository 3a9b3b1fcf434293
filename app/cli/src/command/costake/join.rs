//! A position in an offer.

use super::{Plan, offer::most_of};
use crate::{
    amount::{Quantity, percent, span},
    context::{Context, Market, Token, token_amount},
    error::{Result, refuse},
};
use chain::{market, market::costake};
use costaking::{Offer, Status};
use solana_address::Address;
use solana_signer::Signer;
use staking::Device;

pub async fn join(context: &Context, market: &Market, token: Token, address: Address, amount: Quantity) -> Result<Plan> {
    let holder = context.wallet()?.pubkey();
    let offer: Offer = context.chain.fetch(&address).await?;
    let device: Device = context.chain.fetch(&offer.device).await?;
    let amount = amount.base_units(token.unit)?;
    let from = market::token_account(&holder, &token.mint);
    if offer.status != Status::Open {
        return refuse(format!(
            "nobody can join offer {address} any more; `ionet costake list` shows those that can be joined"
        ));
    }
    if holder == device.owner || holder == device.payout {
        return refuse(format!(
            "{holder} owns device {} or is paid for it, and cannot co-stake it; stake with `ionet stake add`",
            offer.device
        ));
    }
    let config: costaking::Config = context.chain.fetch(&costake::config()).await?;
    let (_, most) = most_of(context, market, &device, &config).await?;
    let room = most.0.min(offer.capacity.get()).saturating_sub(device.co_stake.get());
    let shown = |amount| token.unit.show(amount);
    if amount > room {
        return refuse(format!(
            "offer {address} has no room for {}, only for {}",
            shown(amount),
            shown(room)
        ));
    }
    if amount == 0 || (amount < offer.ticket.get() && amount != room) {
        return refuse(format!(
            "a co-stake is at least a ticket, here {}, or all the room there is, {}",
            shown(offer.ticket.get()),
            shown(room)
        ));
    }
    let account = context.chain.account(&from).await?;
    let held = account.as_ref().and_then(token_amount).unwrap_or(0);
    if held < amount {
        return refuse(format!(
            "wallet {holder} holds {} and cannot stake {}; get more first or stake less",
            shown(held),
            shown(amount)
        ));
    }
    // An id of its own for ever: exits of a position that was closed keep theirs.
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
        "stake {} on device {} for a part of {share} of its rewards; it is back {} after you ask for it",
        token.unit.show(amount),
        offer.device,
        span(i64::from(config.wait.get()).saturating_add(market.staking.cooldown.get().into()))
    );
    Ok(Plan {
        position: Some(costake::position(&address, &holder, id)),
        ..Plan::new(question, vec![join])
    })
}
