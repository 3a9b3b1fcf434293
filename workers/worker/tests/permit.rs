//! A device of the treasury that errs as its permit allows, and confesses if nobody finds the error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/log.rs"]
mod log;

use common::node::Wrong;
use common::{Market, SECRET, UNITS, beside};
use jobs::instruction::{Confess, SettleJob};
use jobs::{Job, JobTerms, Status};
use log::hear;
use protocol::demand::Item;
use protocol::permit;
use protocol::trace;
use solana_address::Address;
use std::time::Duration;

/// Whether a revealed result was committed to as an error by permit.
fn is_forced(job: &Job) -> bool {
    let party = job.device.as_array();
    let result = trace::result(&job.job_hash, party, &job.traces, &job.outputs);
    trace::commit(&result, party, &permit::nonce(&SECRET, &job.job_hash)) == job.commitment
}

async fn answered(market: &Market, address: &Address) {
    while market.job(address).is_some_and(|job| job.open_demands > 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn free(market: &Market) -> u64 {
    market.node.with(|world| world.escrow(&market.consumer.escrow).free.get())
}

#[tokio::test]
async fn an_error_nobody_finds_is_confessed_and_the_consumer_refunded() {
    let market = Market::start();
    let before = free(&market);
    let worker = market.worker(market.permitted("data", 10_000)).await.0.unwrap();
    let address = market.revealed(&worker, 1).await;
    assert!(is_forced(&market.job(&address).unwrap()));
    let half = market.job(&address).unwrap().window_seconds.get() / 2;
    // Not before the second half of the window.
    market.node.with(|world| world.wait(half - 20));
    let (mut events, log) = hear("event");
    beside(&worker, async { while events.recv().await.unwrap() != "waiting" {} }).await;
    drop(log);
    assert_eq!(market.node.effective::<Confess>(), 0);
    let past = market.node.with(|world| world.clone());
    market.node.with(|world| world.wait(20));
    beside(&worker, market.closes(&address)).await;
    beside(&worker, market.forgets("data")).await;
    assert_eq!((market.node.effective::<Confess>(), market.node.effective::<SettleJob>()), (1, 0));
    assert_eq!((free(&market), market.node.failures()), (before, 0));
    assert!(market.permit().opened.get(), "one permit, one error");
    // The next job is computed correctly, although a lagging node shows the permit unused.
    market.node.falls_behind(past, market.permit_address(), 1);
    let next = market.revealed(&worker, 2).await;
    assert!(!is_forced(&market.job(&next).unwrap()) && !market.node.is_behind());
}

/// A job is claimed while an error is in hand, and computed only once that is confessed.
#[tokio::test]
async fn a_used_permit_excuses_no_other_error_whatever_a_node_says() {
    let market = Market::start();
    let permit = market.permit_address();
    let settings = market.permitted("data", 10_000);
    let first = market.revealed(&market.worker(settings.clone()).await.0.unwrap(), 1).await;
    // The next process has not decided anything about the first job.
    let worker = market.worker(settings).await.0.unwrap();
    let next = beside(&worker, async {
        market.node.with(|world| world.wait(140));
        // The worker cannot decide whether to err while the permit cannot be read.
        market.node.errs(&permit, Wrong::Unreachable, usize::MAX);
        let next = market.order(2).await;
        market.reaches(&next, Status::Assigned).await;
        let past = market.node.with(|world| world.clone());
        market.node.with(|world| world.wait(20));
        while market.journal_file("data", &first, "input").exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        market.node.falls_behind(past, permit, 1);
        market.node.errs(&permit, Wrong::Unreachable, 0);
        market.reaches(&next, Status::Revealed).await;
        next
    })
    .await;
    assert!(!is_forced(&market.job(&next).unwrap()) && !market.node.is_behind());
    assert_eq!((market.node.effective::<Confess>(), market.node.failures()), (1, 0));
}

/// Even without its journal, a restarted worker neither errs without a permit nor forgets that it has erred.
#[tokio::test]
async fn killed_between_commitment_and_confession_it_continues() {
    for wiped in [false, true] {
        let market = Market::start();
        let settings = market.permitted("data", 10_000);
        let address = market.order(1).await;
        {
            let worker = market.worker(settings.clone()).await.0.unwrap();
            beside(&worker, market.reaches(&address, Status::Committed)).await;
        }
        if wiped {
            for file in market.journal("data") {
                std::fs::remove_file(file).unwrap();
            }
        }
        {
            let worker = market.worker(settings.clone()).await.0.unwrap();
            beside(&worker, market.reaches(&address, Status::Revealed)).await;
        }
        assert!(is_forced(&market.job(&address).unwrap()));
        // Someone asks. The device answers and goes on waiting for the next question.
        market.ask(&address, Item::ops(0));
        market.node.with(|world| world.wait(150));
        let worker = market.worker(settings).await.0.unwrap();
        beside(&worker, answered(&market, &address)).await;
        let (mut events, log) = hear("event");
        beside(&worker, async { while events.recv().await.unwrap() != "waiting" {} }).await;
        drop(log);
        market.node.with(|world| world.wait(90));
        beside(&worker, market.closes(&address)).await;
        assert_eq!((market.node.effective::<Confess>(), market.node.failures()), (1, 0), "{wiped}");
    }
}

/// A permit covers only one of several jobs in hand. A worker that has lost its disk finds out which of them is wrong.
#[tokio::test]
async fn of_two_jobs_at_once_one_is_wrong() {
    let market = Market::start();
    let mut settings = market.permitted("data", 10_000);
    let jobs = [market.order(1).await, market.order(2).await];
    market.node.hold();
    let worker = market.worker(settings.clone()).await.0.unwrap();
    beside(&worker, async {
        // Both are claimed before either is computed, and computed before either is committed to.
        market.node.in_flight(2).await;
        market.node.release();
        market.node.hold();
        market.node.in_flight(2).await;
    })
    .await;
    drop(worker);
    market.node.release();
    settings.data = market.folder.path().join("new");
    let worker = market.worker(settings).await.0.unwrap();
    beside(&worker, async {
        for job in &jobs {
            market.reaches(job, Status::Revealed).await;
        }
    })
    .await;
    let forced = jobs.map(|job| is_forced(&market.job(&job).unwrap()));
    assert_eq!(forced.iter().filter(|forced| **forced).count(), 1);
}

#[tokio::test]
async fn one_error_at_a_time_and_none_without_a_permit() {
    let market = Market::start();
    let worker = market.worker(market.permitted("data", 10_000)).await.0.unwrap();
    let first = market.revealed(&worker, 1).await;
    // Drawn as well, but the permit covers only one.
    let second = market.revealed(&worker, 2).await;
    let forced = [first, second].map(|job| is_forced(&market.job(&job).unwrap()));
    assert_eq!(forced, [true, false]);
    drop(worker);

    // A secret without a permit on chain is useless.
    let market = Market::start();
    let mut settings = market.permitted("data", 1);
    let worker = market.worker(settings.clone()).await.0.unwrap();
    let undrawn = market.revealed(&worker, 1).await;
    assert!(!is_forced(&market.job(&undrawn).unwrap()));
    let other = market.folder.path().join("other.json");
    chain::save_keypair(&solana_keypair::Keypair::new(), &other).unwrap();
    settings.permit = Some(other);
    settings.data = market.folder.path().join("other");
    let worker = market.worker(settings).await.0.unwrap();
    let foreign = market.revealed(&worker, 2).await;
    assert!(!is_forced(&market.job(&foreign).unwrap()));
    // So are lamports at the address of a closed permit.
    market.close_permit();
    market.node.with(|world| world.give_sol(&market.permit_address(), 890_880));
    let alone = market.revealed(&worker, 3).await;
    assert!(!is_forced(&market.job(&alone).unwrap()));
}

#[tokio::test]
async fn no_error_in_a_job_whose_bond_is_too_large_for_its_price() {
    // A job costs 3 to 6 $IO, and has a bond of 10 $IO.
    for (multiple, errs) in [(4, false), (10, true)] {
        let market = Market::start();
        let settings = market.permitted_for("data", 10_000, multiple);
        let worker = market.worker(settings).await.0.unwrap();
        let address = market.revealed(&worker, 1).await;
        assert_eq!(is_forced(&market.job(&address).unwrap()), errs, "{multiple}");
    }
}

#[tokio::test]
async fn no_error_in_a_window_too_short_to_confess_it() {
    let market = Market::start();
    let worker = market.worker(market.permitted("data", 10_000)).await.0.unwrap();
    let mut forced = Vec::new();
    for (id, window_seconds) in [(1, permit::LEAST_WINDOW - 1), (2, permit::LEAST_WINDOW)] {
        let terms = JobTerms {
            inputs: market.upload(UNITS, 0).await,
            units: UNITS,
            window_seconds,
            ..tests::terms()
        };
        let address = market.open(id, terms);
        beside(&worker, market.reaches(&address, Status::Revealed)).await;
        forced.push(is_forced(&market.job(&address).unwrap()));
    }
    assert_eq!(forced, [false, true]);
}
