//! Exits from an offer, requested and withdrawn.

use super::{
    check_holder, fetch,
    worth::{back_at, is_forced, noting, stake_of},
};
use crate::{
    amount::{Quantity, span},
    context::{Context, Token},
    error::{Result, refuse},
    send::{About, Plan},
};
use anchor_lang::bytemuck::Zeroable;
use chain::{market, market::costake};
use costaking::{Exit, Offer, Position, Status};
use protocol::{costake::worth, math, units::Amount};
use solana_address::Address;
use solana_signer::Signer;
use staking::Device;

pub async fn leave(context: &Context, token: Token, address: Address, amount: Option<Quantity>) -> Result<Plan> {
    let position: Position = fetch(context, &address, "a position", "show").await?;
    check_holder(context, &address, &position.holder)?;
    let offer: Offer = context.chain.fetch(&position.offer).await?;
    let device: Device = context.chain.fetch(&offer.device).await?;
    let held = position.shares.get();
    let shares = match amount.map(|amount| amount.base_units(token.unit)).transpose()? {
        None => held,
        Some(_) if is_forced(&offer, &device) => {
            return refuse(format!(
                "the owner has unstaked, which takes all of position {address} along; omit the amount to withdraw all of it"
            ));
        }
        Some(amount) => match shares_worth(amount, held, offer.shares.get(), Amount(device.co_stake.get())) {
            Some(shares) => shares,
            None => {
                let stake = stake_of(held, &offer, &device);
                return refuse(format!(
                    "position {address} is worth {}; withdraw a part of that, or omit the amount to withdraw all",
                    token.unit.show(stake.0)
                ));
            }
        },
    };
    let number = position.exits.get();
    let mut instructions = noting(&offer, &position.offer, &device);
    instructions.push(costake::request_exit(
        &position.holder,
        &offer.device,
        &position.offer,
        &address,
        number,
        shares,
    ));
    if shares == held {
        instructions.push(costake::close_position(
            &position.holder,
            &position.holder,
            &position.offer,
            &address,
        ));
    }
    let stake = stake_of(shares, &offer, &device);
    let exit = costake::exit(&address, number);
    let withdraw = format!("ionet{} costake withdraw {exit}", context.settings.flags);
    Ok(Plan {
        question: format!("request an exit of {}, which cannot be undone", token.unit.show(stake.0)),
        instructions,
        about: About::new("exit", exit).with([("once it has cooled down", withdraw)]),
        amount: None,
    })
}

/// The fewest of the `held` shares that are worth `amount`; all of them if `amount` is all they are worth. `None` for an amount of 0 or one
/// above that.
fn shares_worth(amount: u64, held: u64, shares: u64, assets: Amount) -> Option<u64> {
    let stake = worth(held, shares, assets).0;
    match amount {
        0 => None,
        amount if amount > stake => None,
        amount if amount == stake => Some(held),
        amount => math::mul_div_ceil(amount, shares, assets.0),
    }
}

pub async fn withdraw(context: &Context, token: Token, address: Address) -> Result<Plan> {
    let exit: Exit = fetch(context, &address, "an exit", "show").await?;
    let offer: Offer = context.chain.fetch(&exit.offer).await?;
    // Once the offer has ended, anyone may pay an exit out to its holder.
    if offer.status != Status::Ended {
        check_holder(context, &address, &exit.holder)?;
    }
    let caller = context.wallet()?.pubkey();
    let device = device_of_exit(context, &offer).await?;
    let left = back_at(&exit, &offer, &device).saturating_sub(context.now().await?.unix);
    if left > 0 {
        return refuse(format!("this stake can be withdrawn in {}; try again then", span(left)));
    }
    let mut instructions = noting(&offer, &exit.offer, &device);
    if !exit.cooling.get() {
        if instructions.is_empty() && offer.forced_at.is_zero() && !device.aside.is_zero() {
            return refuse("a slash has set stake of the device aside; withdraw this exit when the slash has ended");
        }
        instructions.push(costake::cool(&offer.device, &exit.offer, &address));
    }
    instructions.push(market::create_token_account(&caller, &exit.holder, &token.mint));
    let to = market::token_account(&exit.holder, &token.mint);
    instructions.push(costake::withdraw(&caller, &exit.holder, &offer.device, &exit.offer, &address, &to));
    Ok(Plan {
        question: format!("withdraw exit {address}"),
        instructions,
        about: About::default(),
        amount: None,
    })
}

/// The device of an exit's offer; an empty one if an exit worth nothing has outlived the device.
pub async fn device_of_exit(context: &Context, offer: &Offer) -> Result<Device> {
    let device = context.chain.try_fetch(&offer.device).await?;
    Ok(device.unwrap_or_else(Device::zeroed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{amount::SOL, testing};

    #[tokio::test]
    async fn an_exit_worth_nothing_is_withdrawn_without_the_device() {
        let (_folder, fake, context, wallet) = testing::context();
        fake.set_clock();
        let token = Token {
            mint: Address::new_unique(),
            unit: SOL,
        };
        let (at, of) = (Address::new_unique(), Address::new_unique());
        let exit = Exit {
            holder: wallet.pubkey(),
            offer: of,
            shares: 1.into(),
            cooling: true.into(),
            ..Exit::zeroed()
        };
        let offer = Offer {
            device: Address::new_unique(),
            status: Status::Ended as u8,
            ..Offer::zeroed()
        };
        fake.set_account(at, testing::account(&exit));
        fake.set_account(of, testing::account(&offer));
        let plan = withdraw(&context, token, at).await.unwrap();
        assert_eq!(plan.instructions.len(), 2, "a token account for the rewards, and the withdrawal");
    }

    #[test]
    fn an_exit_takes_the_amount_asked_for() {
        // 300 base units in 200 shares, of which 100 are held.
        let shares = |amount| shares_worth(amount, 100, 200, Amount(300));
        assert_eq!(shares(0), None);
        assert_eq!(shares(1), Some(1), "a share is worth more and cannot be split");
        assert_eq!(shares(75), Some(50));
        assert_eq!(shares(150), Some(100));
        assert_eq!(shares(151), None);
        assert_eq!(shares_worth(99, 100, 200, Amount(199)), Some(100), "no dust is left behind");
        assert_eq!(shares_worth(1, 100, 200, Amount(0)), None, "nothing left");
    }
}
