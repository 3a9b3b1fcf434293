//! Blob stores and disks that fail.

use crate::common::{AbortOnDrop, Market, beside, logs};
use crate::log::hear;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use jobs::Status;
use jobs::instruction::ClaimJob;
use protocol::demand::Item;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use worker::{Fault, Settings};

/// A server for the market's blob store that refuses so many uploads, and its URL.
async fn refusing(market: &Market, refusals: &Arc<AtomicUsize>) -> (AbortOnDrop, String) {
    let refusals = refusals.clone();
    let refuse = move |request: Request, next: Next| {
        let refused = request.method() == Method::PUT && refusals.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        async move {
            match refused {
                // The client does not retry this failure itself.
                true => StatusCode::FORBIDDEN.into_response(),
                false => next.run(request).await,
            }
        }
    };
    let router = blobs::server::router(market.store(), Default::default()).layer(middleware::from_fn(refuse));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/blobs", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (AbortOnDrop(serving), url)
}

/// A refused upload is retried without computing anything again.
#[tokio::test]
async fn a_failed_upload_costs_no_second_computation() {
    let market = Market::start();
    let address = market.order(1).await;
    let refusals = Arc::new(AtomicUsize::new(1));
    let (_server, url) = refusing(&market, &refusals).await;
    let settings = Settings {
        blobs: vec![url],
        ..market.settings("data")
    };
    let (mut events, _log) = hear("event");
    let worker = market.worker(settings).await.0.unwrap();
    beside(&worker, market.reaches(&address, Status::Revealed)).await;
    assert_eq!(refusals.load(Relaxed), 0);
    let job = market.job(&address).unwrap();
    for root in [job.outputs, job.traces] {
        market.store().get(&root).await.unwrap();
    }
    drop((worker, _log));
    let mut computed = 0;
    while let Some(event) = events.recv().await {
        computed += usize::from(event == "computed");
    }
    assert_eq!(computed, 1);
}

/// Settings of a worker whose store refuses all uploads, until the counter of refusals is set to zero.
async fn storeless(market: &Market) -> (Settings, Arc<AtomicUsize>, AbortOnDrop) {
    let refusals = Arc::new(AtomicUsize::new(usize::MAX));
    let (server, url) = refusing(market, &refusals).await;
    let settings = Settings {
        blobs: vec![url],
        ..market.settings("data")
    };
    (settings, refusals, server)
}

/// Lets the store, which only has the input, accept blobs again, and completes once it has traces and outputs.
async fn is_stored(market: &Market, refusals: &AtomicUsize) {
    assert_eq!(market.blob_files().len(), 1, "the consumer's input");
    refusals.store(0, Relaxed);
    while market.blob_files().len() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The chain does not wait for a store: a result that is not stored in time is revealed anyway, and stored later.
#[tokio::test]
async fn a_store_that_is_down_costs_no_deadline() {
    let market = Market::start();
    let address = market.order(1).await;
    let (settings, refusals, _server) = storeless(&market).await;
    let worker = market.worker(settings).await.0.unwrap();
    beside(&worker, async {
        market.reaches(&address, Status::Revealed).await;
        is_stored(&market, &refusals).await;
    })
    .await;
    assert_eq!(market.node.failures(), 0);
}

/// A consumer who has paid gets the result, even if it is stored only afterwards.
#[tokio::test]
async fn a_result_paid_for_before_it_is_stored_is_still_stored() {
    let market = Market::start();
    let address = market.order(1).await;
    let (settings, refusals, _server) = storeless(&market).await;
    let worker = market.worker(settings).await.0.unwrap();
    let (mut events, _log) = hear("event");
    beside(&worker, async {
        market.reaches(&address, Status::Revealed).await;
        market.node.with(|world| world.wait_for_deadline(&address));
        market.settle(&address);
        market.closes(&address).await;
        // The node's history lacks the settlement.
        while events.recv().await.unwrap() != "ended" {}
        is_stored(&market, &refusals).await;
    })
    .await;
    assert_eq!(market.node.failures(), 0);
}

/// If a lost result cannot be recomputed, because the committed one was different, nothing is stored in its place.
#[tokio::test]
async fn nothing_else_is_stored_in_a_results_place() {
    let market = Market::start();
    let lie = Fault {
        unit: 1,
        op: 0,
        element: 17,
        bit: 3,
    };
    let liar = market.started().await.with_fault(lie);
    market.revealed(&liar, 1).await;
    drop(liar);
    for blob in market.blob_files() {
        if !std::fs::read(&blob).unwrap().starts_with(b"IOB1\0") {
            std::fs::remove_file(blob).unwrap();
        }
    }
    let worker = market.worker(market.settings("new")).await.0.unwrap();
    let (mut events, _log) = hear("event");
    // Nor is it computed again and again.
    beside(&worker, logs(&mut events, "unstored", &["retry"])).await;
    assert_eq!(market.blob_files().len(), 1, "the consumer's input");
}

/// A worker that is stopping does not wait for a store: it may not be back in time for the reveal.
#[tokio::test]
async fn a_worker_that_stops_reveals_what_is_not_stored() {
    let market = Market::start();
    let address = market.order(1).await;
    let (settings, refusals, _server) = storeless(&market).await;
    let (worker, stop) = market.worker(settings).await;
    let worker = worker.unwrap();
    let stopping = async {
        market.reaches(&address, Status::Committed).await;
        let until = market.job(&address).unwrap().deadline().unix;
        stop.cancel();
        market.reaches(&address, Status::Revealed).await;
        let left = until - market.now().unix;
        assert!(left > 30, "{left} s were left");
        refusals.store(0, Relaxed);
    };
    let (ended, ()) = tokio::join!(worker.run(), stopping);
    ended.unwrap();
    assert_eq!(market.blob_files().len(), 3, "stored before it stopped");
}

/// The disk fails while the worker has nothing to write.
#[tokio::test]
async fn a_disk_that_fails_is_noticed_before_the_next_job() {
    let market = Market::start();
    let worker = market.started().await;
    let (mut events, _log) = hear("event");
    beside(&worker, async {
        logs(&mut events, "model", &[]).await;
        market.disk_works("data", false);
        logs(&mut events, "disk", &["retry"]).await;
    })
    .await;
}

/// Jobs in hand continue without a disk. Only new work waits until it is back.
#[tokio::test]
async fn a_disk_that_fails_costs_no_bond() {
    let market = Market::start();
    let worker = market.started().await;
    let first = market.order(1).await;
    beside(&worker, async {
        market.reaches(&first, Status::Revealed).await;
        market.node.hold();
        let in_hand = market.order(2).await;
        market.node.in_flight(1).await;
        market.disk_works("data", false);
        market.node.release();
        market.reaches(&in_hand, Status::Revealed).await;
        let third = market.order(3).await;
        for address in [first, in_hand] {
            let demand = market.ask(&address, Item::ops(1));
            market.answered(&[demand]).await;
        }
        assert_eq!(market.job(&third).unwrap().status, Status::Open);
        market.disk_works("data", true);
        market.reaches(&third, Status::Revealed).await;
    })
    .await;
    assert_eq!((market.node.effective::<ClaimJob>(), market.node.failures()), (3, 0));
}

/// Nor does a record of transactions that is damaged, or that cannot be written to, keep a worker from answering. New work waits for the
/// latter.
#[tokio::test]
async fn a_damaged_record_of_transactions_costs_no_bond() {
    for damaged in [true, false] {
        let market = Market::start();
        let first = market.revealed(&market.started().await, 1).await;
        let path = market.pending_file("data");
        if damaged {
            std::fs::write(&path, b"\xFF\n").unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
        }
        let demand = market.ask(&first, Item::ops(1));
        let worker = market.started().await;
        let next = market.order(2).await;
        beside(&worker, async {
            market.answered(&[demand]).await;
            if !damaged {
                market.node.searched(market.node.searches() + 2).await;
                assert_eq!(market.job(&next).unwrap().status, Status::Open);
                std::fs::remove_dir(&path).unwrap();
            }
            market.reaches(&next, Status::Revealed).await;
        })
        .await;
        assert_eq!(market.node.failures(), 0);
    }
}
