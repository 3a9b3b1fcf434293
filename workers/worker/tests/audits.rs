//! A worker that audits results of another device.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/log.rs"]
mod log;

use chain::market::{self, audit};
use common::drawn::Drawn;
use common::node::Wrong;
use common::{beside, logs};
use jobs::instruction::ClaimAudit;
use jobs::{Audit, AuditStage, JobTerms, Status};
use log::hear;
use solana_signer::Signer;
use std::time::Duration;
use worker::Settings;

/// Lamports that a key needs for one job and a check-in.
const ONE_JOB: u64 = 61_800_000;

/// Seals a proof as the market's worker, without writing any of it.
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
        // The input is kept on disk, so the store is not needed again.
        market.blob_files().iter().for_each(|file| std::fs::remove_file(file).unwrap());
        market.node.hold();
        drawn.reveal();
        // The auditor's reveal, and the seal of its proof.
        for _ in 0..2 {
            market.node.in_flight(1).await;
            market.node.release();
            market.node.hold();
        }
        market.node.in_flight(1).await;
        // The rent of the proof is paid, so what one job and a check-in need is enough for another job.
        market.has_lamports(ONE_JOB);
        let next = market.order(2).await;
        market.node.in_flight(2).await;
        market.node.release();
        drawn.reaches(AuditStage::Proven).await;
        market.reaches(&next, Status::Revealed).await;
    })
    .await;
    assert_eq!((drawn.evidence(), market.node.failures()), (0, 0));
}

/// The chain soon forgets the draw that follows the reveal. A worker that was killed therefore recomputes before it reveals; one that comes
/// too late says so.
#[tokio::test]
async fn slow_work_comes_before_the_draw() {
    let drawn = Drawn::sealed().await;
    let market = &drawn.market;
    drawn.reveal();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    market.node.hold();
    beside(&worker, market.node.in_flight(1)).await;
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
        // New work does not wait for the audit, nor for its rent.
        let next = market.order(2).await;
        market.reaches(&next, Status::Revealed).await;
    })
    .await;
}

/// The chain may be so busy that the draw is forgotten while its proof is being written.
#[tokio::test]
async fn a_proof_whose_draw_is_forgotten_is_given_up() {
    let drawn = Drawn::sealed().await;
    let market = &drawn.market;
    drawn.reveal();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    market.node.hold();
    beside(&worker, async {
        // The auditor's reveal, and the seal of its proof.
        for _ in 0..2 {
            market.node.in_flight(1).await;
            market.node.release();
            market.node.hold();
        }
        market.node.in_flight(1).await;
        market.node.with(|world| world.pass(0, 600));
        market.node.release();
        logs(&mut events, "audit unproven", &["retry"]).await;
    })
    .await;
    assert_eq!(drawn.evidence(), 0);
}

/// The next process would have to recompute the result before it could prove it, and the chain soon forgets the draw.
#[tokio::test]
async fn a_stop_waits_for_the_proof_of_an_audit() {
    let drawn = Drawn::sealed().await;
    let market = &drawn.market;
    drawn.reveal();
    let settings = Settings {
        drain: Duration::from_secs(600),
        ..market.settings("data")
    };
    let (worker, stop) = market.worker(settings).await;
    let worker = worker.unwrap();
    market.node.hold();
    let stopping = async {
        // The auditor's reveal.
        market.node.in_flight(1).await;
        stop.cancel();
        market.node.release();
    };
    let (ended, ()) = tokio::join!(worker.run(), stopping);
    ended.unwrap();
    assert_eq!(market.job(&drawn.job).unwrap().audit, AuditStage::Proven);
    assert_eq!((drawn.evidence(), market.node.failures()), (0, 0));
}

/// An audit would falsify the models' times. But one that cannot be computed must not keep the worker from new work.
#[tokio::test]
async fn an_audit_in_hand_is_computed_before_the_models_are_timed_unless_its_input_is_gone() {
    let drawn = Drawn::new(tests::terms());
    drawn.claim();
    drawn.market.node.errs(&audit::address(&drawn.job), Wrong::Unreachable, 1);
    let (mut events, _log) = hear("event");
    let worker = drawn.market.started().await;
    let mut next_event = async || {
        loop {
            let event = events.recv().await.unwrap();
            if ["retry", "audit computed", "model"].contains(&event.as_str()) {
                break event;
            }
        }
    };
    beside(&worker, async {
        // First the audit cannot be read, then its input is not available.
        for _ in 0..2 {
            assert_eq!(next_event().await, "retry");
        }
        assert_eq!(next_event().await, "model");
        drawn.upload().await;
        while next_event().await == "retry" {}
        drawn.reaches(AuditStage::Sealed).await;
    })
    .await;
}

/// A lagging node makes an audit look unclaimed, or uncommitted after its deadline by the clocks of other nodes. Its files are kept.
#[tokio::test]
async fn an_audit_in_hand_survives_a_lagging_node() {
    let drawn = Drawn::uploaded(tests::terms()).await;
    let market = &drawn.market;
    let unclaimed = market.node.with(|world| world.clone());
    let worker = market.started().await;
    market.node.hold();
    let uncommitted = beside(&worker, async {
        market.node.in_flight(1).await;
        market.node.release();
        let uncommitted = market.node.with(|world| world.clone());
        drawn.reaches(AuditStage::Sealed).await;
        uncommitted
    })
    .await;
    drop(worker);
    market.blob_files().iter().for_each(|file| std::fs::remove_file(file).unwrap());
    drawn.reveal();
    // In the search and in the first step.
    market.node.falls_behind(unclaimed, drawn.job, 2);
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async {
        while events.recv().await.unwrap() != "audit refused" {}
        market.node.with(|world| world.wait(tests::terms().run_seconds));
        market.node.falls_behind(uncommitted, drawn.job, 2);
        logs(&mut events, "retry", &["audit missed"]).await;
        assert_eq!(market.journal("data").len(), 2, "steps and input");
        drawn.reaches(AuditStage::Proven).await;
    })
    .await;
    assert_eq!((market.node.effective::<ClaimAudit>(), market.node.failures()), (1, 0));
}

/// Otherwise a consumer who withholds the input could cost every auditor its bond.
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

/// Should the store lose the input later, an auditor without a copy could not go on after a restart.
#[tokio::test]
async fn an_audit_whose_input_cannot_be_kept_is_left_alone() {
    let drawn = Drawn::uploaded(tests::terms()).await;
    let market = &drawn.market;
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    // Files are drafted there.
    std::fs::create_dir(market.journal_file("data", &drawn.job, "new")).unwrap();
    beside(&worker, async {
        logs(&mut events, "disk", &["audit claimed"]).await;
        logs(&mut events, "audit refused", &["audit claimed"]).await;
    })
    .await;
}

/// A proof locks more than answers cost, and the evidence of a check-in comes on top of both.
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

/// A worker died with a half-written proof, and the audit has ended since.
#[tokio::test]
async fn the_rent_of_a_late_proof_comes_back() {
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
