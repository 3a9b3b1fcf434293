//! A watchtower among honest and lying workers, with the programs in LiteSVM. Tests kill and restart it at every step of a dispute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "../../worker/tests/common/log.rs"]
mod log;

use common::node::Wrong;
use common::{LIE, Market, beside, crank, give_away, settings, start, tower, watched};
use jobs::Status;
use jobs::instruction::{Award, Convict, Overtake};
use log::hear;
use referee::instruction::{CloseEvidence, SealEvidence};
use solana_address::Address;
use solana_signer::Signer;
use std::time::Duration;
use watchtower::crank::Accused;
use worker::Fault;

/// A revealed job, with an error or without.
async fn revealed(market: &Market, id: u64, fault: Option<Fault>) -> Address {
    let mut worker = market.worker(market.settings(&format!("data{id}"))).await.0.unwrap();
    if let Some(fault) = fault {
        worker = worker.with_fault(fault);
    }
    let address = market.order(id).await;
    beside(&worker, market.reaches(&address, Status::Revealed)).await;
    address
}

/// Has the next read of a job answered by a machine that has not seen its opening.
fn fall_behind(market: &Market, address: &Address) {
    market.node.errs(address, Wrong::Absent(u64::MAX), 1);
}

/// Asserts that each effect of a dispute took place once, and that the rent was returned.
fn assert_convicted_once(market: &Market, what: &str) {
    let node = &market.node;
    let effects = [
        node.effective::<SealEvidence>(),
        node.effective::<Convict>(),
        node.effective::<CloseEvidence>(),
        node.effective::<Award>(),
    ];
    assert_eq!(effects, [1; 4], "{what}: seals, convictions, closings, awards");
    assert_eq!(node.failures(), 0, "{what}: a fee was paid for nothing");
    let evidence = node.with(|world| world.accounts_of(&referee::ID));
    assert!(evidence.is_empty(), "{what}: evidence was not closed");
}

async fn awarded(market: &Market, address: &Address) {
    market.reaches(address, Status::Convicted).await;
    market.node.with(|world| world.wait_for_deadline(address));
    market.closes(address).await;
    while !market.node.with(|world| world.accounts_of(&referee::ID)).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_wrong_result_is_convicted_and_a_right_one_is_paid() {
    let market = Market::start();
    let free = market.node.with(|world| world.escrow(&market.consumer.escrow).free.get());
    let lie = revealed(&market, 1, Some(LIE)).await;
    let truth = revealed(&market, 2, None).await;
    let bond = market.job(&lie).unwrap().bond.get();
    let stake = market.node.with(|world| world.device(&market.supplier.device).own_stake.get());
    fall_behind(&market, &lie);
    let tower = tower(&market).await;
    watched(&tower, [], awarded(&market, &lie)).await;
    assert_convicted_once(&market, "whole");
    let left = market.node.with(|world| world.device(&market.supplier.device).own_stake.get());
    assert_eq!(stake - left, bond, "the bond is gone");
    let reward = chain::market::token_account(&market.challenger.pubkey(), &market.mint);
    assert_eq!(
        market.node.with(|world| world.balance(&reward)),
        bond * 3 / 10,
        "the challenger has three tenths"
    );
    let honest = market.job(&truth).unwrap();
    let locked = market.node.with(|world| world.escrow(&market.consumer.escrow));
    assert_eq!(locked.locked.get(), honest.locked.get(), "only the honest job holds money");
    assert_eq!(locked.free.get() + honest.locked.get(), free, "the consumer is whole");
    // The honest job is paid.
    market.node.with(|world| world.wait_for_deadline(&truth));
    watched(&tower, [], market.closes(&truth)).await;
    assert_eq!(market.node.failures(), 0);
}

/// A consumer in collusion with the worker gives away the account for its compensation.
#[tokio::test]
async fn no_consumer_can_prevent_a_conviction() {
    let market = Market::start();
    let lie = revealed(&market, 1, Some(LIE)).await;
    give_away(&market, &market.consumer.owner, &market.mint);
    // Nor can lamports at the address of the conviction.
    let gift = |world: &mut tests::World| world.give_sol(&chain::market::job::conviction(&lie), 890_880);
    market.node.with(gift);
    let tower = tower(&market).await;
    watched(&tower, [], awarded(&market, &lie)).await;
    assert_convicted_once(&market, "without the consumer's account");
}

/// A watchtower does not pay for a job that it has evidence against, even when the window is over.
#[tokio::test]
async fn an_accused_job_is_not_paid_for() {
    let market = Market::start();
    let lie = revealed(&market, 1, Some(LIE)).await;
    let accused = Accused::default();
    accused.add(market.job(&lie).unwrap().job_hash);
    market.node.with(|world| world.wait_for_deadline(&lie));
    assert!(crank(&market, &accused).await.is_empty());
    assert_eq!(market.job(&lie).unwrap().status, Status::Revealed);
    accused.remove(&market.job(&lie).unwrap().job_hash);
    assert!(crank(&market, &accused).await.is_empty());
    assert!(market.job(&lie).is_none());
}

/// Killed as soon as the chain shows one more effect, before the confirmation arrives, and restarted: each step takes effect once.
#[tokio::test]
async fn killed_after_any_step_it_convicts_once() {
    // An uninterrupted run shows how many steps there are.
    let steps = {
        let market = Market::start();
        let lie = revealed(&market, 1, Some(LIE)).await;
        let before = market.node.effects();
        let tower = tower(&market).await;
        watched(&tower, [], awarded(&market, &lie)).await;
        market.node.effects() - before
    };
    assert!(steps >= 5, "seal, pieces, conviction, closing and award: {steps}");
    for step in 1..=steps {
        let market = Market::start();
        let lie = revealed(&market, 1, Some(LIE)).await;
        let before = market.node.effects();
        {
            let tower = tower(&market).await;
            watched(&tower, [], async {
                while market.node.effects() < before + step {
                    if market.job(&lie).is_some_and(|job| job.status == Status::Convicted) {
                        market.node.with(|world| world.wait_for_deadline(&lie));
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
        }
        if market.job(&lie).is_some() || !market.node.with(|world| world.accounts_of(&referee::ID)).is_empty() {
            fall_behind(&market, &lie);
            let tower = tower(&market).await;
            watched(&tower, [], async {
                while market.job(&lie).is_some() {
                    if market.job(&lie).is_some_and(|job| job.status == Status::Convicted) {
                        market.node.with(|world| world.wait_for_deadline(&lie));
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                while !market.node.with(|world| world.accounts_of(&referee::ID)).is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
        }
        assert_convicted_once(&market, &format!("killed after step {step}"));
    }
}

/// A file to which nothing can be written, as on a full disk. It lasts as long as what is returned.
#[cfg(target_os = "linux")]
fn full(path: &std::path::Path) -> std::os::fd::OwnedFd {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use std::os::fd::AsRawFd;
    let file = memfd_create("full", MemfdFlags::ALLOW_SEALING).unwrap();
    fcntl_add_seals(&file, SealFlags::GROW).unwrap();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(format!("/proc/self/fd/{}", file.as_raw_fd()), path).unwrap();
    file
}

/// With neither the evidence nor a transaction on disk, a lie is convicted all the same.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_saves_no_liar() {
    let market = Market::start();
    let lie = revealed(&market, 1, Some(LIE)).await;
    let data = settings(&market).data.join(market.challenger.pubkey().to_string());
    let _file = full(&data.join("pending.jsonl"));
    let tower = tower(&market).await;
    let (mut events, _log) = hear("event");
    watched(&tower, [], async {
        // The watchtower looks for open cases first.
        tokio::task::yield_now().await;
        std::fs::remove_dir(data.join("cases")).unwrap();
        std::fs::write(data.join("cases"), "").unwrap();
        awarded(&market, &lie).await;
    })
    .await;
    assert_convicted_once(&market, "without a disk");
    let heard = std::iter::from_fn(|| events.try_recv().ok());
    assert!(heard.filter(|event| event == "disk").count() > 2, "the case and its transactions");
}

/// Two watchtowers find the same lie. The one that sealed first has the reward, though the other convicts first. Both get their rent back.
#[tokio::test]
async fn the_earlier_seal_takes_the_reward_over() {
    let market = Market::start();
    let rival = market.node.with(|world| world.wallet("rival"));
    market.node.admit(rival.clone());
    chain::save_keypair(&rival, &market.folder.path().join("rival.json")).unwrap();
    let lie = revealed(&market, 1, Some(LIE)).await;

    // The first one seals and stops.
    let sealed = market.node.effects() + 1;
    let first = tower(&market).await;
    watched(&first, [], async {
        while market.node.effects() < sealed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    drop(first);
    // The other one seals in a later slot.
    market.node.with(|world| world.pass(0, 2));

    let mut other = settings(&market);
    (other.keypair, other.data) = (market.folder.path().join("rival.json"), market.folder.path().join("rival"));
    let second = start(&market, other).await;
    watched(&second, [], market.reaches(&lie, Status::Convicted)).await;
    let first = tower(&market).await;
    let both = async {
        while market.node.effective::<Overtake>() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        awarded(&market, &lie).await;
    };
    watched(&first, [], watched(&second, [], both)).await;
    let effects = [
        market.node.effective::<Convict>(),
        market.node.effective::<Overtake>(),
        market.node.effective::<CloseEvidence>(),
        market.node.effective::<Award>(),
    ];
    assert_eq!(effects, [1, 1, 2, 1], "convictions, overtakings, closings, awards");
    let has = |wallet: &Address| {
        let account = chain::market::token_account(wallet, &market.mint);
        market
            .node
            .with(|world| world.account(&account))
            .map(|_| market.node.with(|world| world.balance(&account)))
    };
    assert!(has(&market.challenger.pubkey()).unwrap() > 0, "the earlier seal is paid");
    assert_eq!(has(&rival.pubkey()), None, "the later one is not");
}

/// However often a node refuses a subscription, that is logged once, and once more when it takes one.
#[tokio::test]
async fn refused_subscriptions_are_logged_once() {
    let market = Market::start();
    market.node.stop_news(common::node::Mute::Refuses);
    let (mut events, _log) = hear("event");
    let tower = tower(&market).await;
    let mut heard = Vec::new();
    watched(&tower, [], async {
        market.node.refused(3).await;
        market.node.resume_news();
        while !heard.iter().any(|event| event == "pushed") {
            heard.push(events.recv().await.unwrap());
        }
    })
    .await;
    let refusals = heard.iter().filter(|event| *event == "unpushed");
    assert_eq!(refusals.count(), 1, "{heard:?}");
}

/// Without the input or the trace a job cannot be judged. It is checked again once they are there.
#[tokio::test]
async fn missing_blobs_are_waited_for() {
    for magic in [b"IOB1\0", b"IOT1\x01"] {
        let market = Market::start();
        let lie = revealed(&market, 1, Some(LIE)).await;
        let hidden: Vec<_> = market
            .blob_files()
            .into_iter()
            .filter(|file| std::fs::read(file).unwrap().starts_with(magic))
            .map(|file| {
                let bytes = std::fs::read(&file).unwrap();
                std::fs::remove_file(&file).unwrap();
                (file, bytes)
            })
            .collect();
        assert_eq!(hidden.len(), 1);
        let mut waiting = settings(&market);
        waiting.demands = false;
        let (mut events, _log) = hear("event");
        let tower = start(&market, waiting).await;
        watched(&tower, [], async {
            while !["unchecked", "hidden"].contains(&events.recv().await.unwrap().as_str()) {}
            assert_eq!(market.job(&lie).unwrap().status, Status::Revealed);
            for (file, bytes) in &hidden {
                std::fs::write(file, bytes).unwrap();
            }
            awarded(&market, &lie).await;
        })
        .await;
        assert_convicted_once(&market, "found late");
    }
}
