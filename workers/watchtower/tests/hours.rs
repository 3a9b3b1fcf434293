//! A live worker and a watchtower that sweeps: hours of rewards go on and slashes end without anybody else's help.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use chain::market::{costake, reward, slash};
use common::{Market, crank, settings, start, watched};
use protocol::units::IO;
use solana_signer::Signer;
use std::time::Duration;
use tests::{OFFER, RULES, terms};
use watchtower::crank::Accused;
use watchtower::{Settings, Watchtower};

const HOUR: i64 = 3_600;

/// Waits until a condition holds on the chain.
async fn until(market: &Market, done: impl Fn(&tests::World) -> bool) {
    while !market.node.with(|world| done(world)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Starts a watchtower that also does what earns nothing.
async fn sweeping(market: &Market) -> Watchtower {
    let settings = Settings {
        sweep: true,
        ..settings(market)
    };
    start(market, settings).await
}

#[tokio::test]
async fn hours_are_settled_and_shared() {
    let market = Market::start();
    let device = market.supplier.device;
    let (genesis, offer, stake) = market.node.with(|world| {
        let left = HOUR - world.now().unix % HOUR;
        world.wait(left as u32);
        let genesis = world.start_emission(RULES, 1_000_000 * IO);
        let offer = world.offer(&market.supplier, OFFER);
        let carol = world.co_staker("carol");
        let stake = world.join(&carol, &offer, 0, OFFER.capacity);
        (genesis, offer, stake)
    });
    let tower = sweeping(&market).await;
    let worker = market.worker(market.settings("data")).await.0.unwrap();
    let living = async {
        for hour in (0..5).map(|index| genesis + index * HOUR) {
            until(&market, |world| world.books().blocks.contains_key(&hour)).await;
            for index in 0..12usize {
                market.node.with(|world| {
                    let seconds = (300 * index as i64 + 1).max(world.now().unix - hour);
                    world.go_to_second(hour, seconds);
                });
                until(&market, |world| world.books().blocks[&hour].beacons[index] != [0; 32]).await;
                // The worker answers the beacon if it calls.
                let number = u32::try_from(hour / HOUR).unwrap();
                until(&market, |world| {
                    let called = world.books().blocks[&hour].calls(&device) >> index & 1 == 1;
                    !called || world.device(&device).has_answered(number, index as u8)
                })
                .await;
                if index == 1 && hour > genesis {
                    until(&market, |world| world.device(&device).last_hour.get() == number - 1).await;
                }
            }
            market.node.with(|world| world.go_to_second(hour, HOUR));
        }
        // The second and third hour are settled and shared.
        until(&market, |world| {
            world.books().emission.unwrap().next_hour.get() == genesis + 3 * HOUR
        })
        .await;
        until(&market, |world| world.books().offers[&offer].distributed.get() == 2).await;
        // A collected hour leaves only its block, and that for a week.
        let hour = genesis + HOUR;
        until(&market, |world| world.books().tallies.keys().all(|(of, _)| *of != hour)).await;
        assert!(market.node.with(|world| world.books().blocks.contains_key(&hour)));
        market.node.with(|world| world.go_to_second(hour, HOUR + 7 * 24 * HOUR));
        until(&market, |world| !world.books().blocks.contains_key(&hour)).await;
    };
    watched(&tower, [&worker], living).await;
    let books = market.node.with(|world| world.books());
    assert!(books.devices[&device].rewards.get() > 0, "the owner has a share");
    assert!(books.offers[&offer].received.get() > 0, "so has the co-staker");
    assert_eq!(market.node.failures(), 0, "no fee was paid for nothing");
    let tokens = stake.holder.tokens;
    let before = market.node.with(|world| world.balance(&tokens));
    market.node.with(|world| world.send(stake.claiming(), &[&stake.holder.wallet]));
    assert!(market.node.with(|world| world.balance(&tokens)) > before);
}

/// An ended offer that everybody has left is closed, which returns its rent to the device's owner.
#[tokio::test]
async fn an_ended_offer_is_closed() {
    let market = Market::start();
    let supplier = &market.supplier;
    let (offer, before) = market.node.with(|world| {
        let offer = world.offer(supplier, OFFER);
        for ending in [costake::retract, costake::end] {
            world.send(ending(&supplier.wallet(), &supplier.device, &offer), &[&supplier.owner]);
        }
        (offer, world.lamports(&supplier.wallet()))
    });
    assert!(crank(&market, &Accused::default()).await.is_empty());
    market.node.with(|world| {
        assert!(world.account(&offer).is_none());
        assert!(world.lamports(&supplier.wallet()) > before + 10_000_000);
    });
}

/// An hour that was opened without its tallies does not block later ones.
#[tokio::test]
async fn tallies_that_nobody_opened_in_time_are_opened_late() {
    let market = Market::start();
    let genesis = market.node.with(|world| {
        let genesis = world.start_emission(RULES, 1_000_000 * IO);
        let payer = world.payer.pubkey();
        world.send(reward::open_block(&payer, genesis), &[]);
        world.go_to_second(genesis, 2 * HOUR);
        genesis
    });
    assert!(crank(&market, &Accused::default()).await.is_empty());
    let next = |world: &mut tests::World| world.books().emission.unwrap().next_hour.get();
    assert_eq!(market.node.with(next), genesis + HOUR);
}

/// A slash collects stake that a bond held once the job has ended, and is finished when its time is over.
#[tokio::test]
async fn a_slash_collects_from_released_bonds_and_ends() {
    let market = Market::start();
    let (supplier, consumer) = (&market.supplier, &market.consumer);
    let all = market.node.with(|world| {
        let (proposer, approver, admin) = (world.wallet("a proposer"), world.wallet("an approver"), world.admin.clone());
        let (first, second, device) = (proposer.pubkey(), approver.pubkey(), supplier.device);
        world.send(slash::set_judges(&admin.pubkey(), &first, &second), &[&admin]);
        let all = world.device(&device).own_stake.get();
        let job = world.open(consumer, 1, jobs::JobTerms { bond: all, ..terms() });
        world.claim(supplier, &job);
        world.send(slash::propose(&first, &device, 1, 0, 10_000, [1; 32]), &[&proposer]);
        world.send(slash::approve(&second, &device, 1, 10_000, [1; 32]), &[&approver]);
        assert_eq!(world.device(&device).dues, 1);
        world.commit(supplier, &job);
        world.reveal(supplier, &job);
        all
    });
    let job = consumer.job(1);
    let device = |world: &tests::World| world.device(&supplier.device);
    let tower = sweeping(&market).await;
    let supply = market.node.with(|world| world.supply(&world.io));
    let ending = async {
        market.node.with(|world| world.wait_for_deadline(&job));
        until(&market, |world| device(world).aside.get() == all && device(world).dues == 0).await;
        market.node.with(|world| world.wait(30 * 86_400));
        until(&market, |world| world.books().slashes.is_empty()).await;
        until(&market, |world| supply - world.supply(&world.io) == all).await;
    };
    watched(&tower, [], ending).await;
    assert_eq!(market.node.failures(), 0, "no fee was paid for nothing");
}
