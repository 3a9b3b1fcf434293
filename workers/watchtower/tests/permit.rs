//! An incentive to check: some of the errors to find are made by permit, and pay a jackpot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Market, tower, watched};
use jobs::Status;
use jobs::instruction::{Award, Convict, OpenPermit};
use protocol::units::IO;
use solana_signer::Signer;
use std::time::Duration;

#[tokio::test]
async fn a_watchtower_that_finds_an_error_by_permit_wins_the_jackpot() {
    let market = Market::start();
    let worker = market.worker(market.permitted("data", 10_000)).await.0.unwrap();
    let tower = tower(&market).await;
    let stake = market.node.with(|world| world.device(&market.supplier.device).own_stake.get());
    let address = market.order(1).await;
    let done = async {
        market.reaches(&address, Status::Convicted).await;
        while market.node.effective::<OpenPermit>() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        market.node.with(|world| world.wait_for_deadline(&address));
        market.closes(&address).await;
    };
    watched(&tower, [&worker], done).await;
    let effects = [
        market.node.effective::<Convict>(),
        market.node.effective::<OpenPermit>(),
        market.node.effective::<Award>(),
    ];
    assert_eq!((effects, market.node.failures()), ([1; 3], 0));
    let bond = tests::terms().bond;
    let reward = chain::market::token_account(&market.challenger.pubkey(), &market.mint);
    assert_eq!(market.node.with(|world| world.balance(&reward)), bond * 3 / 10 + 70 * IO);
    let device = market.node.with(|world| world.device(&market.supplier.device));
    assert_eq!((device.own_stake.get(), device.forfeited.get()), (stake - bond / 2, 0));
}
