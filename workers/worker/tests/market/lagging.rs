//! Nodes that lag, fail or forget, and transactions whose fate is unknown.

use crate::common::node::{Mute, Wrong};
use crate::common::{Market, beside, logs};
use crate::log::hear;
use crate::settled;
use jobs::Status;
use jobs::instruction::ClaimJob;
use std::time::Duration;

/// After a restart of the cluster, the job has all of its time again.
#[tokio::test]
async fn a_job_whose_deadline_a_restart_moved_is_not_missed() {
    let market = Market::start();
    let address = market.order(1).await;
    market.node.with(|world| {
        world.open_doors();
        world.send(world.claiming(&market.supplier, &address, 0), &[&market.supplier.key]);
        world.wait_for_deadline(&address);
        let slot = world.now().slot;
        world.restarted_in(slot);
    });
    // Its first commitment fails, so that the worker checks the time.
    market.node.stumble(0, address);
    beside(&market.started().await, market.reaches(&address, Status::Revealed)).await;
}

/// A lagging node does not know the commitment, while by the clocks of other nodes the time to commit has passed.
#[tokio::test]
async fn a_job_committed_to_in_time_is_not_missed() {
    let market = Market::start();
    let address = market.order(1).await;
    let past = market.node.with(|world| {
        world.claim(&market.supplier, &address);
        world.clone()
    });
    beside(&market.started().await, market.reaches(&address, Status::Revealed)).await;
    market.node.with(|world| world.wait(tests::terms().run_seconds));
    // In the first step and after it.
    market.node.falls_behind(past, address, 2);
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async {
        for _ in 0..2 {
            logs(&mut events, "retry", &["missed"]).await;
        }
        assert_eq!(market.journal("data").len(), 4, "steps, input, output and trace");
        settled(&market, &address).await;
    })
    .await;
    assert_eq!(market.node.failures(), 0);
}

#[tokio::test]
async fn the_wait_for_pay_survives_a_lagging_node() {
    let market = Market::start();
    let past = market.node.with(|world| world.clone());
    // Longer ago than a slow response.
    market.node.with(|world| world.pass(0, 200));
    let address = market.order(1).await;
    market.node.stop_news(Mute::Refuses);
    beside(&market.started().await, async {
        market.reaches(&address, Status::Revealed).await;
        market.node.read_again(&address, 1).await;
        market.node.with(|world| world.wait(tests::terms().window_seconds));
        market.node.falls_behind(past, address, 1);
        while market.node.is_behind() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        market.node.read_again(&address, 2).await;
        assert_eq!(market.journal("data").len(), 4, "steps, input, output and trace");
    })
    .await;
}

/// Whatever a node says, a claimed job does not end before its deadline.
#[tokio::test]
async fn a_job_that_a_node_does_not_have_is_not_missed() {
    let market = Market::start();
    let worker = market.started().await;
    let address = market.order(1).await;
    market.node.hold();
    beside(&worker, async {
        market.node.in_flight(1).await;
        market.node.release();
        market.node.hold();
        market.node.in_flight(1).await;
        // The read after the commitment.
        market.node.errs(&address, Wrong::Absent(0), 1);
        market.node.release();
        market.reaches(&address, Status::Revealed).await;
    })
    .await;
    assert_eq!((market.node.will_err(&address), market.node.failures()), (0, 0));
}

/// The files of a job must be there if somebody asks about it, so they are deleted only once the job has ended.
#[tokio::test]
async fn the_files_of_a_job_survive_a_node_that_errs() {
    for wrong in [Wrong::Unreachable, Wrong::Unlisted, Wrong::Absent(0), Wrong::Behind] {
        let market = Market::start();
        let address = market.revealed(&market.started().await, 1).await;
        let kept = market.journal("data");
        assert_eq!(kept.len(), 4, "steps, input, output and trace: {kept:?}");
        // A lagging node is asked twice.
        market.node.errs(&address, wrong, if wrong == Wrong::Behind { 2 } else { 1 });
        let worker = market.started().await;
        // The first search ends before the next one finds the job.
        let resumed = async {
            while market.node.will_err(&address) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            market.node.read_again(&address, 2).await;
        };
        beside(&worker, resumed).await;
        assert_eq!(market.journal("data").len(), 4, "{wrong:?}");
        // The job ends while the worker is down, and anyone can send lamports to its address.
        drop(worker);
        market.settle(&address);
        market.node.with(|world| world.give_sol(&address, 890_880));
        beside(&market.started().await, market.forgets("data")).await;
    }
}

/// An expired claim certainly did nothing.
#[tokio::test]
async fn a_claim_that_expired_is_no_claim_in_doubt() {
    let market = Market::start();
    let worker = market.started().await;
    let (mut events, _log) = hear("event");
    market.node.hold();
    let address = market.order(1).await;
    beside(&worker, async {
        market.node.in_flight(1).await;
        market.node.lose();
        market.node.with(|world| world.pass(0, 200_000));
        logs(&mut events, "refused", &["retry"]).await;
        market.reaches(&address, Status::Revealed).await;
    })
    .await;
}

/// If a claim may have landed, a failed second attempt deletes nothing.
#[tokio::test]
async fn a_claim_in_doubt_is_not_forgotten_by_the_next_attempt() {
    let market = Market::start();
    let address = market.order(1).await;
    market.node.hold();
    beside(&market.started().await, market.node.in_flight(1)).await;
    let payout = market.supplier.tokens;
    market.node.errs(&payout, Wrong::Unreachable, 1);
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async {
        // Only the worker has the input now.
        market.blob_files().iter().for_each(|file| std::fs::remove_file(file).unwrap());
        while events.recv().await.unwrap() != "refused" {}
        assert_eq!(market.node.will_err(&payout), 0, "refused for another reason");
        market.node.read_again(&address, 1).await;
        assert_eq!(market.journal("data").len(), 2, "steps and input");
        market.node.release();
        market.reaches(&address, Status::Revealed).await;
    })
    .await;
    assert_eq!((market.node.effective::<ClaimJob>(), market.node.failures()), (1, 0));
}
