//! Nodes that lag, err or forget, and transactions of which nobody says what became.

use crate::common::node::Wrong;
use crate::common::{Market, beside};
use crate::log::hear;
use crate::{emptied, settled};
use jobs::Status;
use jobs::instruction::ClaimJob;
use std::time::Duration;

/// A restart of the cluster gives it all of its time again.
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
    // Its commitment fails at first, so that there is a look at the time.
    market.node.stumble(0, address);
    beside(&market.started().await, market.reaches(&address, Status::Revealed)).await;
}

/// A node that is behind does not know of the commitment, the time for which has passed by the clocks of the others.
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
    // To the first step and after it.
    market.node.falls_behind(past, address, 2);
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async {
        let mut retries = 0;
        while retries < 2 {
            let event = events.recv().await.unwrap();
            assert_ne!(event, "missed");
            retries += usize::from(event == "retry");
        }
        assert_eq!(market.journal("data").len(), 4, "steps, input, output and trace");
        settled(&market, &address).await;
    })
    .await;
    assert_eq!(market.node.failures(), 0);
}

#[tokio::test]
async fn the_wait_for_pay_outlives_a_machine_that_is_behind() {
    let market = Market::start();
    let past = market.node.with(|world| world.clone());
    // Longer ago than an answer that is only late.
    market.node.with(|world| world.pass(0, 200));
    let address = market.order(1).await;
    market.node.stop_news(false);
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

/// Jobs that were claimed do not end before their deadline, whatever a node says.
#[tokio::test]
async fn a_job_that_a_node_does_not_have_is_not_missed() {
    let market = Market::start();
    let worker = market.started().await;
    let address = market.order(1).await;
    market.node.hold();
    beside(&worker, async {
        let on_its_way = async || {
            while market.node.held() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        on_its_way().await;
        market.node.release();
        market.node.hold();
        on_its_way().await;
        // From the commitment on.
        market.node.errs(&address, Wrong::Absent(0), 1);
        market.node.release();
        market.reaches(&address, Status::Revealed).await;
    })
    .await;
    assert_eq!((market.node.will_err(&address), market.node.failures()), (0, 0));
}

/// What a job was computed from must be there when somebody asks about it, so it goes only when the job has. The last of these nodes is one
/// that is behind.
#[tokio::test]
async fn what_is_kept_of_a_job_outlives_a_node_that_errs() {
    for wrong in [Wrong::Unreachable, Wrong::Unlisted, Wrong::Absent(0), Wrong::Behind] {
        let market = Market::start();
        let address = market.order(1).await;
        beside(&market.started().await, market.reaches(&address, Status::Revealed)).await;
        let kept = market.journal("data");
        assert_eq!(kept.len(), 4, "steps, input, output and trace: {kept:?}");
        // Who is behind is asked twice.
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
        // It ends while the worker is away, and anybody can send lamports to where it was.
        drop(worker);
        market.settle(&address);
        market.node.with(|world| world.give_sol(&address, 890_880));
        beside(&market.started().await, emptied(&market)).await;
    }
}

/// Of a claim that expired it is known that it did nothing.
#[tokio::test]
async fn a_claim_that_expired_is_no_claim_in_doubt() {
    let market = Market::start();
    let worker = market.started().await;
    let (mut events, _log) = hear("event");
    market.node.hold();
    let address = market.order(1).await;
    beside(&worker, async {
        while market.node.held() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        market.node.lose();
        market.node.with(|world| world.pass(0, 200_000));
        loop {
            let event = events.recv().await.unwrap();
            assert_ne!(event, "retry");
            if event == "refused" {
                break;
            }
        }
        market.reaches(&address, Status::Revealed).await;
    })
    .await;
}

/// Of a claim that may have landed nothing goes when another try fails.
#[tokio::test]
async fn a_claim_in_doubt_is_not_forgotten_at_the_next_try() {
    let market = Market::start();
    let address = market.order(1).await;
    market.node.hold();
    let on_its_way = async {
        while market.node.held() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    beside(&market.started().await, on_its_way).await;
    let payout = market.supplier.tokens;
    market.node.errs(&payout, Wrong::Unreachable, 1);
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async {
        // Nobody but the worker has the input any more.
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
