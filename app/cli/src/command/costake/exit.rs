//! Exits from an offer, requested and withdrawn.

use super::{
    check_holder, fetch,
    worth::{back_at, forced_until, is_forced, must_note, noting, stake_of},
};
use crate::{
    amount::{Quantity, span},
    context::{Context, Market, Token},
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

pub async fn leave(context: &Context, market: &Market, token: Token, address: Address, amount: Option<Quantity>) -> Result<Plan> {
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
    let now = context.now().await?.unix;
    let ends_at = match forced_until(&offer, &device) {
        Some(forced) => forced,
        None => {
            let config: costaking::Config = context.chain.fetch(&costake::config()).await?;
            let wait = i64::from(config.wait.get()).saturating_add(market.staking.cooldown.get().into());
            now.saturating_add(wait)
        }
    };
    let left = span(ends_at.saturating_sub(now));
    let exit = costake::exit(&address, number);
    let withdraw = format!("ionet{} costake withdraw {exit}", context.settings.flags);
    Ok(Plan {
        question: format!(
            "request an exit of {}, which cannot be undone and can be withdrawn in {left}",
            token.unit.show(stake.0)
        ),
        instructions,
        about: About::new("exit", exit)
            .fact("ends_at", ends_at)
            .with([("can be withdrawn", format!("in {left}")), ("then", withdraw)]),
        amount: Some(stake.0),
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
    let device = device_of(context, &offer).await?;
    let now = context.now().await?.unix;
    let left = back_at(&exit, &offer, &device).saturating_sub(now);
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
    let amount = payout(exit, offer, device, now).ok();
    let all = amount.map_or_else(String::new, |amount| format!("{} of ", token.unit.show(amount)));
    Ok(Plan {
        question: format!("withdraw {all}exit {address}"),
        instructions,
        about: About::new("exit", address),
        amount,
    })
}

/// What a withdrawal pays, stake and rewards, by the steps that the programs take. Fails on inconsistent accounts.
fn payout(mut exit: Exit, mut offer: Offer, mut device: Device, now: i64) -> anchor_lang::Result<u64> {
    if must_note(&offer, &device) {
        offer.force(&device, now)?;
    }
    let cooling = match (exit.cooling.get(), offer.forced_at.is_zero()) {
        (true, _) => exit.cooling_shares.get(),
        (false, false) => offer.take_forced(exit.shares.get())?,
        (false, true) => {
            let amount = offer.take_out(exit.shares.get(), device.co_stake.get())?;
            device.cool_co_stake(amount)?
        }
    };
    exit.settle(&offer)?;
    let rewards = exit.rewards.get().min(offer.received.get().saturating_sub(offer.paid.get()));
    let stake = match cooling {
        0 => 0,
        cooling => device.withdraw_co_stake(cooling)?,
    };
    Ok(stake.saturating_add(rewards))
}

/// The device of an offer; an empty one if a position or an exit worth nothing has outlived the device.
pub async fn device_of(context: &Context, offer: &Offer) -> Result<Device> {
    let device = context.chain.try_fetch(&offer.device).await?;
    Ok(device.unwrap_or_else(Device::zeroed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{amount::SOL, testing};
    use chain::market::stake;
    use staking::StakingConfig;

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
        assert_eq!(plan.amount, Some(0));
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

    /// Half of an offer's shares, which are worth 150 base units.
    #[tokio::test]
    async fn an_exit_says_how_much_leaves_and_when() {
        const DAY: u32 = 86_400;
        let (_folder, fake, context, wallet, _) = testing::on_market(0);
        let waits = costaking::Config {
            wait: (7 * DAY).into(),
            ..costaking::Config::zeroed()
        };
        fake.set_account(costake::config(), testing::account(&waits));
        let cools = StakingConfig {
            cooldown: (14 * DAY).into(),
            ..StakingConfig::zeroed()
        };
        fake.set_account(stake::config(), testing::account(&cools));
        let market = context.market().await.unwrap();
        let token = context.token(&market, None).await.unwrap();
        let (at, of, on, holder) = (Address::new_unique(), Address::new_unique(), Address::new_unique(), wallet.pubkey());
        let offer = Offer {
            device: on,
            shares: 200.into(),
            capacity: 300.into(),
            ticket: 1.into(),
            received: 30.into(),
            ..Offer::zeroed()
        };
        let device = Device {
            co_stake: 300.into(),
            quantity: 1,
            tier: 1,
            ..Device::zeroed()
        };
        fake.set_account(of, testing::account(&offer));
        fake.set_account(on, testing::account(&device));
        let position = Position {
            holder,
            offer: of,
            shares: 100.into(),
            ..Position::zeroed()
        };
        fake.set_account(at, testing::account(&position));
        let plan = leave(&context, &market, token, at, None).await.unwrap();
        assert!(
            plan.question
                .ends_with("0.0000015 $IO, which cannot be undone and can be withdrawn in 21 d"),
            "{}",
            plan.question
        );
        let told = serde_json::to_value(&plan.about).unwrap();
        assert_eq!((plan.amount, told.get("ends_at")), (Some(150), Some(&(21 * DAY).into())));

        // With its rewards, whether its cooldown was started or not.
        let exit = Exit {
            holder,
            offer: of,
            shares: 100.into(),
            settled: true.into(),
            rewards: 30.into(),
            ..Exit::zeroed()
        };
        let cooling = Exit {
            cooling: true.into(),
            cooling_shares: 50.into(),
            ..exit
        };
        let pool = Device {
            co_cooling: 50.into(),
            co_cooling_shares: 50.into(),
            ..device
        };
        for (exit, device, amount) in [(exit, device, 180), (cooling, pool, 80)] {
            fake.set_account(at, testing::account(&exit));
            fake.set_account(on, testing::account(&device));
            assert_eq!(withdraw(&context, token, at).await.unwrap().amount, Some(amount));
        }
    }
}
