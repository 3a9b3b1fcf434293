//! A worker that audits what another device has committed to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/log.rs"]
mod log;

use chain::market::{self, audit};
use common::drawn::Drawn;
use common::node::Wrong;
use common::{Market, beside};
use jobs::instruction::ClaimAudit;
use jobs::{Audit, AuditStage, JobTerms, Status};
use log::hear;
use solana_signer::Signer;
use std::time::Duration;

/// What a key has to have for one job and a check-in.
const ONE_JOB: u64 = 61_800_000;

/// Completes when a transaction is held back.
async fn on_its_way(market: &Market) {
    while market.node.held() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Seals a proof as the market's worker, and writes none of it.
fn seal_proof(drawn: &Drawn) {
    let (key, subject) = (&drawn.market.supplier.key, audit::address(&drawn.job));
    let seal = protocol::referee::seal(&[1; 100], key.pubkey().as_array(), subject.as_array());
    let sealing = market::referee::seal_evidence(&key.pubkey(), &subject, seal, 100);
    drawn.market.node.with(|world| world.send(sealing, &[key]));
}

#[tokio::test]
async fn an_audit_is_done_and_paid_and_leaves_nothing_behind() {
    let drawn = Drawn::uploaded(tests::terms()).await;
    let market = &drawn.market;
    let worker = market.started().await;
    beside(&worker, async {
        drawn.reaches(AuditStage::Sealed).await;
        // What it was computed from is kept: the store is not asked again.
        market.blob_files().iter().for_each(|file| std::fs::remove_file(file).unwrap());
        market.node.hold();
        drawn.reveal();
        // The auditor's reveal, and the seal of its proof.
        for _ in 0..2 {
            on_its_way(market).await;
            market.node.release();
            market.node.hold();
        }
        on_its_way(market).await;
        // The proof's rent is paid: what one job takes beside a check-in is enough for one.
        market.has_lamports(ONE_JOB);
        let next = market.order(2).await;
        while market.node.held() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        market.node.release();
        drawn.reaches(AuditStage::Proven).await;
        market.reaches(&next, Status::Revealed).await;
    })
    .await;
    assert_eq!((drawn.evidence(), market.node.failures()), (0, 0));
}

/// What is drawn after the reveal is soon forgotten: a worker that was killed computes again before it reveals, and says so when it comes
/// too late.
#[tokio::test]
async fn what_takes_long_comes_before_the_draw() {
    let drawn = Drawn::sealed().await;
    let market = &drawn.market;
    drawn.reveal();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    market.node.hold();
    beside(&worker, on_its_way(market)).await;
    let heard: Vec<String> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    assert!(heard.contains(&"audit computed".to_owned()), "{heard:?}");
    drop(worker);
    market.node.release();
    let audit: Audit = market.chain().fetch(&audit::address(&drawn.job)).await.unwrap();
    assert!(!audit.revealed_slot.is_zero());
    seal_proof(&drawn);
    market.node.with(|world| world.pass(0, 600));
    market.has_lamports(ONE_JOB);
    let worker = market.started().await;
    beside(&worker, async {
        while events.recv().await.unwrap() != "audit unproven" {}
        assert_eq!(drawn.evidence(), 0);
        // New work does not wait for it, nor for its rent.
        let next = market.order(2).await;
        market.reaches(&next, Status::Revealed).await;
    })
    .await;
}

/// What is computed beside the models' times makes them too long. What cannot be computed keeps nobody from work.
#[tokio::test]
async fn an_audit_in_hand_is_computed_before_times_are_taken_unless_its_input_is_gone() {
    let drawn = Drawn::new(tests::terms());
    drawn.claim();
    drawn.market.node.errs(&audit::address(&drawn.job), Wrong::Unreachable, 1);
    let (mut events, _log) = hear("event");
    let worker = drawn.market.started().await;
    let mut told = async || {
        loop {
            let event = events.recv().await.unwrap();
            if ["retry", "audit computed", "model"].contains(&event.as_str()) {
                break event;
            }
        }
    };
    beside(&worker, async {
        // It cannot be read at first, and then its input cannot be had.
        for _ in 0..2 {
            assert_eq!(told().await, "retry");
        }
        assert_eq!(told().await, "model");
        drawn.upload().await;
        while told().await == "retry" {}
        drawn.reaches(AuditStage::Sealed).await;
    })
    .await;
}

/// What an audit was computed from is kept when a node that is behind has it taken for one to claim, or for one to commit to: by the clocks
/// of the others the time for that has passed.
#[tokio::test]
async fn an_audit_in_hand_outlives_a_node_that_is_behind() {
    let drawn = Drawn::uploaded(tests::terms()).await;
    let market = &drawn.market;
    let unclaimed = market.node.with(|world| world.clone());
    let worker = market.started().await;
    market.node.hold();
    let uncommitted = beside(&worker, async {
        on_its_way(market).await;
        market.node.release();
        let uncommitted = market.node.with(|world| world.clone());
        drawn.reaches(AuditStage::Sealed).await;
        uncommitted
    })
    .await;
    drop(worker);
    market.blob_files().iter().for_each(|file| std::fs::remove_file(file).unwrap());
    drawn.reveal();
    // To the search and to the first step.
    market.node.falls_behind(unclaimed, drawn.job, 2);
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async {
        while events.recv().await.unwrap() != "audit refused" {}
        market.node.with(|world| world.wait(tests::terms().run_seconds));
        market.node.falls_behind(uncommitted, drawn.job, 2);
        let mut event = String::new();
        while event != "retry" {
            event = events.recv().await.unwrap();
            assert_ne!(event, "audit missed");
        }
        assert_eq!(market.journal("data").len(), 2, "steps and input");
        drawn.reaches(AuditStage::Proven).await;
    })
    .await;
    assert_eq!((market.node.effective::<ClaimAudit>(), market.node.failures()), (1, 0));
}

/// Whoever gives an input to nobody would fine every auditor.
#[tokio::test]
async fn an_audit_whose_input_nobody_has_is_left_alone() {
    let drawn = Drawn::new(tests::terms());
    let market = &drawn.market;
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async {
        while events.recv().await.unwrap() != "audit refused" {}
        drawn.upload().await;
        drawn.reaches(AuditStage::Sealed).await;
    })
    .await;
    assert_eq!(market.node.effective::<ClaimAudit>(), 1);
}

/// What a proof locks is more than what answers take, and a check-in's evidence comes on top of both.
#[tokio::test]
async fn an_audit_that_cannot_be_proven_is_left_alone() {
    let short = JobTerms {
        window_seconds: 60,
        ..tests::terms()
    };
    for (terms, lamports) in [(short, 1_000_000_000), (tests::terms(), 90_000_000)] {
        let drawn = Drawn::uploaded(terms).await;
        let market = &drawn.market;
        market.has_lamports(lamports);
        let worker = market.started().await;
        let looked = drawn.job;
        beside(&worker, market.node.read_again(&market.supplier.device, 20)).await;
        assert_eq!(market.job(&looked).unwrap().audit, AuditStage::Drawn);
    }
}

/// A proof that a worker left half written when it died, of an audit that is over.
#[tokio::test]
async fn the_rent_of_a_proof_that_was_too_late_comes_back() {
    let drawn = Drawn::sealed().await;
    let market = &drawn.market;
    seal_proof(&drawn);
    drawn.reveal();
    market.node.with(|world| {
        world.wait_for_deadline(&drawn.job);
        let ending = tests::ending(&market.consumer, &drawn.other, &drawn.job);
        let cranker = world.wallet("cranker");
        let settle = market::job::settle_audited(&cranker.pubkey(), &ending, &drawn.other.tokens, None);
        world.send(settle, &[&cranker]);
    });
    let worker = market.started().await;
    beside(&worker, async {
        while drawn.evidence() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
