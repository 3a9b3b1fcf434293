//! Watchtowers in the test market of the workers.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

#[path = "../../../worker/tests/common/mod.rs"]
mod market;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
pub use market::*;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::cell::RefCell;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use watchtower::crank::{Accused, CrankEvent, Cranker, Retries};
use watchtower::{Settings, Watchtower};
use worker::{Fault, Worker};

/// An error in one bit of an op's output.
pub const LIE: Fault = Fault {
    unit: 1,
    op: 0,
    element: 17,
    bit: 3,
};

/// Settings of the challenger's watchtower.
pub fn settings(market: &Market) -> Settings {
    let path = |name: &str| market.folder.path().join(name);
    Settings {
        cluster: "localnet".parse().unwrap(),
        keypair: path("watchtower.json"),
        blobs: vec![path("blobs").display().to_string()],
        models: vec![path("models")],
        data: path("watchtower"),
        threads: 1,
        max_blob: 1 << 20,
        min_value: 0,
        demands: true,
        min_demand_bond: 0,
        max_demand_lamports: 200_000_000,
        priority_fee: chain::PriorityFee::default(),
        scan: Duration::from_millis(200),
        crank: Some(Duration::from_millis(50)),
        sweep: false,
        create_payouts: false,
        metrics: None,
    }
}

/// Starts a watchtower.
pub async fn start(market: &Market, settings: Settings) -> Watchtower {
    Watchtower::start(settings, market.chain(), CancellationToken::new()).await.unwrap()
}

/// Starts the challenger's watchtower.
pub async fn tower(market: &Market) -> Watchtower {
    start(market, settings(market)).await
}

/// Runs `work` next to a watchtower and workers, which must not end before it.
pub async fn watched<'a, T>(tower: &Watchtower, workers: impl IntoIterator<Item = &'a Worker>, work: impl Future<Output = T>) -> T {
    let mut working: FuturesUnordered<_> = workers.into_iter().map(Worker::run).collect();
    tokio::select! {
        biased;
        result = work => result,
        ended = tower.run() => panic!("the watchtower ended: {ended:?}"),
        Some(ended) = working.next() => panic!("a worker ended: {ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(600)) => panic!("nothing happens"),
    }
}

/// Runs one pass of the challenger's cranks, without creating accounts for others. Returns the duties that failed, with the errors.
pub async fn crank(market: &Market, accused: &Accused) -> Vec<(Address, watchtower::Error)> {
    let failed = RefCell::new(Vec::new());
    let on_event = |event| match event {
        CrankEvent::Did(_) => {}
        CrankEvent::Failed { account, error, .. } => failed.borrow_mut().push((account, error)),
        CrankEvent::Wasted { failure, .. } => panic!("{failure:?}"),
        CrankEvent::Broken(error) => panic!("{error}"),
    };
    let (chain, options) = (market.chain(), chain::SendOptions::default());
    let cranker = Cranker {
        chain: &chain,
        key: &market.challenger,
        options: &options,
        sweeps: true,
        create_payouts: false,
        reserve: 0,
        retries: Retries::default(),
        accused,
        on_event: &on_event,
    };
    cranker.pass().await.unwrap();
    failed.into_inner()
}

/// Gives `owner`'s associated token account away.
pub fn give_away(market: &Market, owner: &Keypair, mint: &Address) {
    let account = chain::market::token_account(&owner.pubkey(), mint);
    let give = spl_token_interface::instruction::set_authority(
        &spl_token_interface::ID,
        &account,
        Some(&Address::new_unique()),
        spl_token_interface::instruction::AuthorityType::AccountOwner,
        &owner.pubkey(),
        &[],
    );
    market.node.with(|world| {
        let open = chain::market::create_token_account(&world.payer.pubkey(), &owner.pubkey(), mint);
        world.send_all(&[open, give.unwrap()], &[owner]);
    });
}
