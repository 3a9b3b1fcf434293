//! A watchtower before workers that serve nothing: what it learns by asking on the chain convicts, and so does silence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{LIE, Market, tower, watched};
use jobs::Status;
use jobs::instruction::{AnswerChunk, AnswerOps, AnswerPage, AnswerUnits, Award, CloseDemand, Convict, ConvictSilence, OpenDemand};
use protocol::demand::Item;
use solana_address::Address;
use solana_signer::Signer;
use std::time::Duration;
use worker::Worker;

/// A job revealed by a liar, of whose blobs nothing but the input is to be had.
async fn lied(market: &Market, worker: &Worker) -> Address {
    let address = market.order(1).await;
    common::beside(worker, market.reaches(&address, Status::Revealed)).await;
    for file in market.blob_files() {
        if !std::fs::read(&file).unwrap().starts_with(b"IOB1\0") {
            std::fs::remove_file(file).unwrap();
        }
    }
    address
}

/// Lets the convicted job end and everything about it be closed.
async fn closed(market: &Market, address: &Address) {
    market.reaches(address, Status::Convicted).await;
    market.node.with(|world| world.wait_for_deadline(address));
    market.closes(address).await;
    while !market
        .node
        .with(|world| world.books().demands.is_empty() && world.accounts_of(&referee::ID).is_empty())
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn rewarded(market: &Market, whom: &Address) -> u64 {
    market
        .node
        .with(|world| world.balance(&chain::market::token_account(whom, &market.mint)))
}

#[tokio::test]
async fn a_liar_that_serves_nothing_is_convicted_by_its_answers() {
    let market = Market::start();
    let worker = market.worker(market.settings("data")).await.0.unwrap().with_fault(LIE);
    let address = lied(&market, &worker).await;
    let bond = market.job(&address).unwrap().bond.get();
    let tower = tower(&market).await;
    watched(&tower, [&worker], closed(&market, &address)).await;
    let node = &market.node;
    // Traces, the ops of the unit that differs, its page, its chunk.
    let effects = [
        node.effective::<OpenDemand>(),
        node.effective::<AnswerUnits>(),
        node.effective::<AnswerOps>(),
        node.effective::<AnswerPage>(),
        node.effective::<AnswerChunk>(),
        node.effective::<Convict>(),
        node.effective::<ConvictSilence>(),
        node.effective::<Award>(),
        node.effective::<CloseDemand>(),
    ];
    assert_eq!(effects, [4, 1, 1, 1, 1, 1, 0, 1, 4]);
    assert_eq!(node.failures(), 0, "a fee was paid for nothing");
    assert_eq!(rewarded(&market, &market.challenger.pubkey()), bond * 3 / 10);
}

/// A lie between checkpoints: what differs is known by the trace, what convicts is what its worker says of the unit when it is asked.
#[tokio::test]
async fn a_lie_between_checkpoints_is_asked_for_and_convicted() {
    for serves in [true, false] {
        let market = Market::of_checkpoints();
        let worker = market.worker(market.settings("data")).await.0.unwrap().with_fault(LIE);
        let address = if serves {
            let address = market.order(1).await;
            common::beside(&worker, market.reaches(&address, Status::Revealed)).await;
            address
        } else {
            lied(&market, &worker).await
        };
        let bond = market.job(&address).unwrap().bond.get();
        let tower = tower(&market).await;
        watched(&tower, [&worker], closed(&market, &address)).await;
        let node = &market.node;
        let effects = [
            node.effective::<AnswerUnits>(),
            node.effective::<AnswerOps>(),
            node.effective::<AnswerPage>(),
            node.effective::<AnswerChunk>(),
            node.effective::<Convict>(),
            node.effective::<Award>(),
        ];
        // The bytes of the value that differs are no checkpoint's, so a store that holds what is committed to does not have them.
        let units = usize::from(!serves);
        assert_eq!(effects, [units, 1, 1, 1, 1, 1], "serves: {serves}");
        assert_eq!(node.effective::<CloseDemand>(), 3 + units);
        assert_eq!(node.failures(), 0, "a fee was paid for nothing");
        assert_eq!(rewarded(&market, &market.challenger.pubkey()), bond * 3 / 10);
    }
}

/// Of an honest one nobody has reason to ask what lies between.
#[tokio::test]
async fn an_honest_result_of_checkpoints_is_found_right() {
    let market = Market::of_checkpoints();
    let worker = market.worker(market.settings("data")).await.0.unwrap();
    let address = market.order(1).await;
    common::beside(&worker, market.reaches(&address, Status::Revealed)).await;
    let tower = tower(&market).await;
    let settled = async {
        market.node.with(|world| world.wait_for_deadline(&address));
        market.closes(&address).await;
    };
    watched(&tower, [&worker], settled).await;
    assert_eq!((market.node.effective::<OpenDemand>(), market.node.effective::<Convict>()), (0, 0));
}

/// Killed as soon as the chain shows one more effect and started anew: no question is asked twice.
#[tokio::test]
async fn killed_after_any_step_it_asks_once() {
    for step in 1..=9 {
        let market = Market::start();
        let worker = market.worker(market.settings("data")).await.0.unwrap().with_fault(LIE);
        let address = lied(&market, &worker).await;
        let before = market.node.effects();
        {
            let tower = tower(&market).await;
            watched(&tower, [&worker], async {
                while market.node.effects() < before + step {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
        }
        let tower = tower(&market).await;
        watched(&tower, [&worker], closed(&market, &address)).await;
        let effects = [
            market.node.effective::<OpenDemand>(),
            market.node.effective::<Convict>(),
            market.node.effective::<CloseDemand>(),
        ];
        assert_eq!(effects, [4, 1, 4], "killed after step {step}");
    }
}

#[tokio::test]
async fn silence_convicts_and_the_reward_is_of_who_asked() {
    let market = Market::start();
    let worker = market.worker(market.settings("data")).await.0.unwrap().with_fault(LIE).silenced();
    let address = lied(&market, &worker).await;
    let bond = market.job(&address).unwrap().bond.get();
    let tower = tower(&market).await;
    let silence = async {
        let demand = chain::market::demand::address(&address, Item::traces(0));
        while market.demand(&demand).is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let deadline = market.demand(&demand).unwrap().deadline();
        market.node.with(|world| world.go_to(deadline));
        closed(&market, &address).await;
    };
    watched(&tower, [&worker], silence).await;
    let effects = [
        market.node.effective::<OpenDemand>(),
        market.node.effective::<ConvictSilence>(),
        market.node.effective::<Convict>(),
        market.node.effective::<CloseDemand>(),
    ];
    assert_eq!(effects, [1, 1, 0, 1]);
    assert_eq!(market.node.failures(), 0);
    assert_eq!(rewarded(&market, &market.challenger.pubkey()), bond * 3 / 10);
}
