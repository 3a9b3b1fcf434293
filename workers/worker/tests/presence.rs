//! A worker that keeps its presence: it answers calls with the work they ask for, and checks in with the part that is drawn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/log.rs"]
mod log;

use chain::market::{referee, reward, stake};
use common::node::Wrong;
use common::{HIGHEST, Market, beside, logs};
use costaking::{Offer, OfferTerms};
use jobs::{Job, Status};
use log::hear;
use protocol::referee::seal;
use protocol::units::IO;
use solana_address::Address;
use solana_signer::Signer;
use staking::instruction::{AnswerCall, CollectReward};
use staking::state::GpuSpec;
use staking::{Device, RewardRules};
use std::time::Duration;
use tests::{GPU, RULES, World, gpu_spec};
use tokio::sync::mpsc::UnboundedReceiver;

const HOUR: i64 = 3_600;

/// Lamports that a key needs for one job and a check-in. Answers about five results would leave less of it than the evidence locks here.
const ONE_JOB: u64 = 61_800_000;

/// Every beacon calls all devices.
const EVERYBODY: RewardRules = RewardRules { call_bps: 10_000, ..RULES };

/// An offer of half of the rewards.
const TERMS: OfferTerms = OfferTerms {
    capacity: 50 * IO,
    ticket: IO,
    share_bps: 5_000,
};

fn number(hour: i64) -> u32 {
    u32::try_from(hour / HOUR).unwrap()
}

async fn until(market: &Market, holds: impl Fn(&World) -> bool) {
    while !market.node.with(|world| holds(world)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Begins an hour, with a beacon that calls all devices.
fn begin(world: &mut World) -> i64 {
    let now = world.hour();
    world.go_to_second(now, HOUR);
    let hour = world.open_hour();
    world.go_to_second(hour, 1);
    world.send(reward::record_beacon(hour, 0), &[]);
    hour
}

#[tokio::test]
async fn answers_a_call_with_its_work_and_checks_in_with_the_drawn_part() {
    let market = Market::start();
    let worker = market.started().await;
    let device = worker.device();
    let hour = market.node.with(|world| {
        world.start_emission(EVERYBODY, IO);
        begin(world)
    });
    beside(&worker, async {
        until(&market, |world| world.device(&device).has_answered(number(hour), 0)).await;
        assert!(market.node.with(|world| world.device(&device).work_of(number(hour)).is_some()));
        market.node.with(|world| world.draw(hour));
        until(&market, |world| world.device(&device).last_hour.get() == number(hour)).await;
    })
    .await;
    // The rent of the evidence is back.
    assert!(market.node.with(|world| world.accounts_of(&::referee::ID)).is_empty());
    assert_eq!(market.node.failures(), 0);
}

/// Answers about results in hand come before hours of rewards, and those before any new work.
#[tokio::test]
async fn writes_no_evidence_with_lamports_that_answers_need() {
    let market = Market::start();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    let device = worker.device();
    let hour = market.node.with(|world| {
        world.start_emission(EVERYBODY, IO);
        begin(world)
    });
    beside(&worker, async {
        until(&market, |world| world.device(&device).has_answered(number(hour), 0)).await;
        market.has_lamports(ONE_JOB);
        for id in 1..=5 {
            market.order(id).await;
        }
        let mut claimed = 0;
        loop {
            match events.recv().await.unwrap().as_str() {
                "poor" => break,
                "claimed" => claimed += 1,
                _ => assert!(claimed < 5, "all are taken"),
            }
        }
        let is_revealed = |job: &Job| job.status == Status::Revealed;
        until(&market, |world| world.books().jobs.values().any(is_revealed)).await;
        // Enough for the answers, but not for the rent as well.
        market.has_lamports(12_000_000);
        market.node.with(|world| {
            world.draw(hour);
            // The check-in does not wait for the job any longer.
            world.go_to_second(hour + HOUR, 2_460);
        });
        logs(&mut events, "absent", &["checked in"]).await;
        market.has_lamports(ONE_JOB);
        until(&market, |world| world.device(&device).last_hour.get() == number(hour)).await;
    })
    .await;
    assert!(market.node.with(|world| world.accounts_of(&::referee::ID)).is_empty());
}

/// A refusal costs no hour: here the device's tally is opened late. Nor does it cost work: the rent of the waiting evidence counts as SOL.
#[tokio::test]
async fn checks_in_again_after_it_was_refused() {
    let market = Market::start();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    let device = worker.device();
    let hour = market.node.with(|world| {
        world.start_emission(EVERYBODY, IO);
        let now = world.hour();
        world.go_to_second(now, HOUR);
        let (payer, hour) = (world.payer.pubkey(), world.hour());
        world.send(reward::open_block(&payer, hour), &[]);
        world.go_to_second(hour, 1);
        world.send(reward::record_beacon(hour, 0), &[]);
        hour
    });
    beside(&worker, async {
        until(&market, |world| world.device(&device).has_answered(number(hour), 0)).await;
        market.node.with(|world| world.draw(hour));
        // The evidence of the first attempt is closed, together with whatever an earlier worker may have left.
        for _ in 0..2 {
            while events.recv().await.unwrap() != "absent" {}
        }
        let sealed = market.node.with(|world| world.accounts_of(&::referee::ID));
        let locked: u64 = sealed.iter().map(|(_, account)| account.lamports).sum();
        assert!(locked > 0);
        market.has_lamports(ONE_JOB - locked);
        let address = market.order(1).await;
        market.reaches(&address, Status::Revealed).await;
        // SOL that somebody sends to the evidence account does not count.
        let (sealed, _) = sealed[0];
        market.node.with(|world| world.give_sol(&sealed, 1_000_000_000));
        market.has_lamports(ONE_JOB - 50_000_000);
        let next = market.order(2).await;
        market.node.searched(market.node.searches() + 2).await;
        assert_eq!(market.job(&next).unwrap().status, Status::Open);
        market.node.with(|world| {
            let payer = world.payer.pubkey();
            let shard = world.books().blocks[&hour].shard(&device);
            world.send(reward::open_tally(&payer, hour, shard), &[]);
        });
        until(&market, |world| world.device(&device).last_hour.get() == number(hour)).await;
        // SOL sent to its address after it was closed does not return.
        market.reaches(&next, Status::Revealed).await;
        market.has_lamports(3 * (ONE_JOB - 50_000_000));
        market.node.with(|world| world.give_sol(&sealed, 50_000_000));
        let last = market.order(3).await;
        market.node.searched(market.node.searches() + 2).await;
        assert_eq!(market.job(&last).unwrap().status, Status::Open);
    })
    .await;
    assert!(market.node.with(|world| world.accounts_of(&::referee::ID)).is_empty());
    assert_eq!(market.node.failures(), 0);
}

/// A device with a job answers without work (F7), which is too large here for anyone to do in time.
#[tokio::test]
async fn answers_a_call_without_work_while_it_has_a_job() {
    let market = Market::start();
    let worker = market.started().await;
    let device = worker.device();
    market.node.with(|world| {
        world.start_emission(EVERYBODY, IO);
        let largest = GpuSpec {
            work_width: 12,
            work_bytes: 36,
            work_layers: 7,
            ..gpu_spec("RTX 4090", 200, true)
        };
        let admin = world.admin.clone();
        world.send(stake::update_gpu_model(&admin.pubkey(), GPU, largest), &[&admin]);
    });
    let address = market.order(1).await;
    beside(&worker, async {
        market.reaches(&address, Status::Revealed).await;
        let hour = market.node.with(begin);
        until(&market, |world| world.device(&device).has_answered(number(hour), 0)).await;
        assert!(market.node.with(|world| world.device(&device).work_of(number(hour)).is_none()));
    })
    .await;
}

/// A call waits for nothing that a check-in waits for: here a node that has yet to see the evidence, for as long as the call would wait.
#[tokio::test]
async fn answers_a_call_while_it_writes_evidence() {
    let market = Market::start();
    let worker = market.started().await;
    let device = worker.device();
    let hour = market.node.with(|world| {
        world.start_emission(EVERYBODY, IO);
        begin(world)
    });
    let next = hour + HOUR;
    beside(&worker, async {
        until(&market, |world| world.device(&device).has_answered(number(hour), 0)).await;
        let evidence = market.node.with(|world| {
            world.draw(hour);
            world.evidence_of_work(&market.supplier, hour).unwrap()
        });
        let key = market.supplier.key.pubkey();
        let evidence = referee::evidence(&key, &seal(&evidence, key.as_array(), device.as_array()));
        market.node.errs(&evidence, Wrong::Absent(u64::MAX), usize::MAX);
        until(&market, |world| world.account(&evidence).is_some()).await;
        market.node.with(|world| {
            world.go_to_second(next, 610);
            world.send(reward::record_beacon(next, 2), &[]);
        });
        until(&market, |world| world.device(&device).has_answered(number(next), 2)).await;
        assert!(market.node.with(|world| world.device(&device).last_hour.get() < number(hour)));
        market.node.errs(&evidence, Wrong::Absent(0), 0);
        until(&market, |world| world.device(&device).last_hour.get() == number(hour)).await;
    })
    .await;
}

/// Somebody keeps out whatever offers less than the highest price, and a call does not wait for a second offer.
#[tokio::test]
async fn an_answer_to_a_call_outbids_others() {
    let market = Market::start();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    let device = worker.device();
    market.node.keep_out::<AnswerCall>(HIGHEST);
    let hour = market.node.with(|world| {
        world.start_emission(EVERYBODY, IO);
        begin(world)
    });
    beside(&worker, logs(&mut events, "call answered", &["absent"])).await;
    assert!(market.node.with(|world| world.device(&device).has_answered(number(hour), 0)));
    assert_eq!(market.node.failures(), 0);
}

/// The answer is in flight and lands only if it is sent again.
#[tokio::test]
async fn a_stop_waits_for_an_answer_to_a_call() {
    let market = Market::start();
    let (worker, stop) = market.worker(market.settings("data")).await;
    let worker = worker.unwrap();
    let hour = market.node.with(|world| {
        let patient = RewardRules {
            answer_seconds: 300,
            ..EVERYBODY
        };
        world.start_emission(patient, IO);
        begin(world)
    });
    market.node.hold();
    let stopping = async {
        market.node.in_flight(1).await;
        stop.cancel();
        market.node.forget();
    };
    let (ended, ()) = tokio::join!(worker.run(), stopping);
    ended.unwrap();
    assert!(
        market
            .node
            .with(|world| world.device(&worker.device()).has_answered(number(hour), 0))
    );
}

/// A result that waits for the end of its window takes nothing of the machine.
#[tokio::test]
async fn a_check_in_does_not_wait_for_a_window() {
    let market = Market::start();
    let worker = market.started().await;
    let device = worker.device();
    let hour = market.node.with(|world| {
        world.start_emission(EVERYBODY, IO);
        begin(world)
    });
    beside(&worker, async {
        until(&market, |world| world.device(&device).has_answered(number(hour), 0)).await;
        let address = market.order(1).await;
        market.reaches(&address, Status::Revealed).await;
        market.node.with(|world| world.draw(hour));
        until(&market, |world| world.device(&device).last_hour.get() == number(hour)).await;
    })
    .await;
    let late = hour + HOUR + 2_400;
    assert!(market.now().unix < late, "it has waited for as long as it does for a computation");
}

/// Nobody collects for others here. Returns what the device has earned in seven hours, the first of which only counts as presence.
async fn earns_every_hour(market: &Market) -> Device {
    let worker = market.started().await;
    let device = worker.device();
    let mut hour = market.node.with(|world| {
        let genesis = world.start_emission(EVERYBODY, 1_000_000 * IO);
        let hour = begin(world);
        world.send(reward::skip(genesis), &[]);
        hour
    });
    beside(&worker, async {
        for paid in [false, true, true, true, true, true, true] {
            until(market, |world| world.device(&device).work_of(number(hour)).is_some()).await;
            market.node.with(|world| {
                world.draw(hour);
                world.settle_and_collect(&[], hour - HOUR);
            });
            until(market, |world| world.device(&device).last_hour.get() == number(hour)).await;
            let expected = market
                .node
                .with(|world| world.device(&device).pending().any(|(of, ..)| of == number(hour)));
            assert_eq!(expected, paid);
            hour += HOUR;
        }
        // It collects after it has checked in.
        until(market, |world| world.device(&device).pending().count() == 1).await;
    })
    .await;
    assert_eq!(market.node.failures(), 0);
    market.node.with(|world| world.device(&device))
}

#[tokio::test]
async fn a_device_collects_its_own_rewards() {
    let market = Market::start();
    let device = earns_every_hour(&market).await;
    let waiting: Vec<u32> = device.pending().map(|(hour, ..)| hour).collect();
    assert_eq!(waiting, [device.last_hour.get()]);
    assert!(device.rewards.get() > 0);
}

#[tokio::test]
async fn a_device_shares_its_rewards_with_co_stakers() {
    let market = Market::start();
    let offer = market.node.with(|world| {
        let offer = world.offer(&market.supplier, TERMS);
        let holder = world.co_staker("holder");
        world.join(&holder, &offer, 0, TERMS.capacity);
        offer
    });
    let device = earns_every_hour(&market).await;
    assert_eq!(device.pending().count(), 1);
    let received = market.node.with(|world| world.books().offers[&offer].received.get());
    // Half of each hour's reward, rounded down.
    assert!(received > 0 && (0..=5).contains(&(device.rewards.get() - received)), "{received}");
}

/// The rules of a market that calls nobody.
const NOBODY: RewardRules = RewardRules { call_bps: 0, ..RULES };

/// Lets the worker check in to five hours, the first of which only counts as presence. Then the others are settled too, and the worker, who
/// has not collected them, may check in to the next one, which is returned.
async fn fills_up(market: &Market, events: &mut UnboundedReceiver<String>) -> i64 {
    let mut hour = market.node.with(|world| {
        let genesis = world.start_emission(NOBODY, IO);
        let hour = begin(world);
        world.send(reward::skip(genesis), &[]);
        hour
    });
    let first = hour;
    for _ in 0..5 {
        market.node.with(|world| {
            world.draw(hour);
            // No more than four hours may be unsettled.
            world.settle_and_collect(&[], first.min(hour - HOUR));
        });
        logs(events, "checked in", &["absent", "retry"]).await;
        hour += HOUR;
    }
    market.node.with(|world| {
        world.draw(hour);
        settle(world, &[], hour);
        assert!(!world.device(&market.supplier.device).has_room());
    });
    hour
}

/// Settles the five hours before this one, and collects them for these workers.
fn settle(world: &mut World, workers: &[&tests::Worker], hour: i64) {
    for ago in (1..=5).rev() {
        world.settle_and_collect(workers, hour - ago * HOUR);
    }
}

/// A collection that somebody else was faster to make costs no hour.
#[tokio::test]
async fn checks_in_though_somebody_else_has_collected() {
    let market = Market::start();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    let device = worker.device();
    let hour = beside(&worker, async {
        let hour = fills_up(&market, &mut events).await;
        market.node.hold();
        market.node.in_flight(1).await;
        market.node.with(|world| settle(world, &[&market.supplier], hour));
        market.node.release();
        logs(&mut events, "checked in", &["absent"]).await;
        until(&market, |world| world.device(&device).last_hour.get() == number(hour)).await;
        market.node.read_again(&device, 2).await;
        hour
    })
    .await;
    while let Ok(event) = events.try_recv() {
        assert_ne!(event, "unpaid");
    }
    assert_eq!(market.node.failures(), 1);
    let device = market.node.with(|world| world.device(&device));
    assert_eq!(device.pending().map(|(hour, ..)| hour).collect::<Vec<_>>(), [number(hour)]);
}

/// Somebody keeps the accounts that all devices collect from from being written. This costs the pay of an hour for which there is no room,
/// and never the hour.
#[tokio::test]
async fn checks_in_though_nothing_can_be_collected() {
    let market = Market::start();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    market.node.keep_out::<CollectReward>(u64::MAX);
    beside(&worker, async {
        let hour = fills_up(&market, &mut events).await;
        logs(&mut events, "checked in", &["absent", "retry"]).await;
        logs(&mut events, "unpaid", &["absent", "retry"]).await;
        assert_eq!(
            market.node.with(|world| world.device(&worker.device()).last_hour.get()),
            number(hour)
        );
    })
    .await;
    assert_eq!(market.node.failures(), 0);
}

/// With room for the hour's reward, it is paid even though earlier ones cannot be collected.
#[tokio::test]
async fn checks_in_before_it_collects() {
    let market = Market::start();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    market.node.keep_out::<CollectReward>(u64::MAX);
    let mut hour = market.node.with(|world| {
        let genesis = world.start_emission(NOBODY, IO);
        let hour = begin(world);
        world.send(reward::skip(genesis), &[]);
        hour
    });
    beside(&worker, async {
        for _ in 0..4 {
            market.node.with(|world| {
                world.draw(hour);
                world.settle_and_collect(&[], hour - HOUR);
            });
            logs(&mut events, "checked in", &["absent", "unpaid", "retry"]).await;
            hour += HOUR;
        }
    })
    .await;
    let device = market.node.with(|world| world.device(&worker.device()));
    assert_eq!(device.pending().count(), 3);
}

/// A node that cannot search for the device's offer costs no hour either.
#[tokio::test]
async fn checks_in_though_its_offer_is_not_found() {
    let market = Market::start();
    let (mut events, _log) = hear("event");
    market.node.with(|world| {
        let offer = world.offer(&market.supplier, TERMS);
        let holder = world.co_staker("holder");
        world.join(&holder, &offer, 0, TERMS.capacity);
    });
    let worker = market.started().await;
    market.node.fail_searches::<Offer>();
    beside(&worker, async {
        fills_up(&market, &mut events).await;
        logs(&mut events, "checked in", &["absent", "retry"]).await;
        logs(&mut events, "unpaid", &["absent", "retry"]).await;
    })
    .await;
    assert_eq!(market.node.failures(), 0);
}

/// A worker closes the evidence that an earlier one left of a check-in, but not evidence about anything else, such as a job it audits.
#[tokio::test]
async fn closes_leftover_evidence_of_a_check_in() {
    let market = Market::start();
    let worker = market.started().await;
    let (device, key) = (worker.device(), market.supplier.key.clone());
    let [left, audit] = [device, Address::from([7; 32])].map(|subject| {
        let evidence = [1; 100];
        let seal = seal(&evidence, key.pubkey().as_array(), subject.as_array());
        market
            .node
            .with(|world| world.send(referee::seal_evidence(&key.pubkey(), &subject, seal, 100), &[&key]));
        referee::evidence(&key.pubkey(), &seal)
    });
    let open = |world: &World| -> Vec<Address> { world.accounts_of(&::referee::ID).into_iter().map(|(address, _)| address).collect() };
    assert_eq!(market.node.with(|world| open(world).len()), 2);
    beside(&worker, until(&market, |world| !open(world).contains(&left))).await;
    assert_eq!(market.node.with(|world| open(world)), [audit]);
}
