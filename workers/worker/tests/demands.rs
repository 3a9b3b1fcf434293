//! Demands for parts of a worker's results: it answers all of them at once, even after crashes and with a broken store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/log.rs"]
mod log;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use chain::market::demand::{Answerer, HASHES};
use common::node::Mute;
use common::{HIGHEST, Market, UNITS, beside, logs};
use jobs::instruction::AnswerUnits;
use jobs::{DemandHeader, JobTerms, Status};
use log::hear;
use protocol::blob::TraceBlob;
use protocol::demand::{Item, PAGE};
use protocol::trace::Checkpoints;
use solana_address::Address;
use solana_signer::Signer;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tests::PARAMETERS;
use tokio::sync::Notify;
use worker::settings::TraceMode;
use worker::{Fault, Settings, Worker};

/// Transactions of an answer with a full page of hashes.
const PIECES: usize = 41;

/// Every part of a result, in the order in which they can be demanded, at most eight at a time.
fn parts() -> Vec<Vec<Item>> {
    let units = || 0..UNITS;
    let tops = [Item::traces(0), Item::outputs(0)];
    vec![
        units().map(Item::ops).collect(),
        // The second page is beyond the end.
        tops.into_iter()
            .chain(units().flat_map(|unit| [0, 1].map(|page| Item::page(unit, 0, page))))
            .collect(),
        units().map(|unit| Item::chunk(unit, 0, 0)).collect(),
    ]
}

/// Demands everything, as much at a time as is allowed.
async fn ask_for_all(market: &Market, job: &Address) -> usize {
    let mut count = 0;
    for items in parts() {
        let demands: Vec<Address> = items.into_iter().map(|item| market.ask(job, item)).collect();
        market.answered(&demands).await;
        count += demands.len();
    }
    count
}

fn empty_the_store(market: &Market) {
    for file in market.blob_files() {
        std::fs::remove_file(file).unwrap();
    }
}

fn payout_lamports(market: &Market) -> u64 {
    let wallet = market.supplier.wallet();
    market
        .node
        .with(|world| world.account(&wallet))
        .map_or(0, |account| account.lamports)
}

#[tokio::test]
async fn eight_demands_at_once_are_answered_for_their_fees_without_a_store() {
    let market = Market::start();
    let worker = market.started().await;
    let address = market.revealed(&worker, 1).await;
    empty_the_store(&market);
    let (before, earned) = (payout_lamports(&market), market.earned());
    let count = beside(&worker, ask_for_all(&market, &address)).await;
    assert_eq!(count, 14);
    let fees = payout_lamports(&market) - before;
    assert_eq!(fees, count as u64 * u64::from(PARAMETERS.demand_fee), "every answer earns its fee");
    assert_eq!(market.node.failures(), 0, "no transaction was sent in vain");
    assert_eq!(market.job(&address).unwrap().open_demands, 0);
    beside(&worker, async {
        market.settle(&address);
        market.forgets("data").await;
    })
    .await;
    assert!(market.earned() > earned, "and the job is paid");
}

/// If its traces only hold checkpoints, a worker recomputes a unit to show the ops in between, and is bound by what it shows.
#[tokio::test]
async fn ops_between_checkpoints_are_recomputed_on_demand() {
    let market = Market::of_checkpoints();
    let worker = market.started().await;
    let address = market.revealed(&worker, 1).await;
    let trace = market.blob_files().into_iter().map(|file| std::fs::read(file).unwrap());
    let trace = trace.into_iter().find(|bytes| bytes.starts_with(b"IOT1")).unwrap();
    let trace = TraceBlob::parse(&trace).unwrap();
    assert_eq!(trace.checkpoints(), Checkpoints::new(4, 2));
    empty_the_store(&market);
    beside(&worker, async {
        let ops = market.ask(&address, Item::ops(1));
        let units = market.ask(&address, Item::traces(0));
        market.answered(&[ops, units]).await;
        let pages: Vec<Address> = (0..4).map(|op| market.ask(&address, Item::page(1, op, 0))).collect();
        market.answered(&pages).await;
        let chunks: Vec<Address> = (0..4).map(|op| market.ask(&address, Item::chunk(1, op, 0))).collect();
        market.answered(&chunks).await;
    })
    .await;
    assert_eq!(market.node.failures(), 0, "no transaction was sent in vain");
}

/// The next worker answers for the results of a killed one: from the journal, or from the store if that is lost.
#[tokio::test]
async fn a_worker_answers_for_what_it_computed_before_it_was_killed() {
    for lost in ["store", "journal", "traces"] {
        let market = Market::start();
        let address = {
            let worker = market.started().await;
            market.revealed(&worker, 1).await
        };
        let first = market.ask(&address, Item::ops(2));
        let wiped: Vec<_> = match lost {
            "store" => market.blob_files(),
            "journal" => market.journal("data"),
            // The trace can be recomputed from the input, which both have.
            _ => {
                let is_trace = |file: &std::path::PathBuf| {
                    let bytes = std::fs::read(file).unwrap();
                    bytes.starts_with(b"IOT1\x01")
                };
                let all = market.blob_files().into_iter().chain(market.journal("data"));
                all.filter(is_trace).collect()
            }
        };
        assert!(wiped.len() >= 2, "{lost}");
        wiped.iter().for_each(|file| std::fs::remove_file(file).unwrap());
        let worker = market.started().await;
        beside(&worker, async {
            market.answered(&[first]).await;
            let rest = [Item::traces(0), Item::page(2, 0, 0)].map(|item| market.ask(&address, item));
            market.answered(&rest).await;
            let chunk = market.ask(&address, Item::chunk(2, 0, 0));
            market.answered(&[chunk]).await;
        })
        .await;
        assert_eq!(market.node.failures(), 0, "{lost}");
    }
}

fn answerer(market: &Market) -> Answerer {
    Answerer {
        key: market.supplier.key.pubkey(),
        device: market.supplier.device,
        payout: market.supplier.wallet(),
    }
}

/// Whatever part of an answer an earlier process sent, the next one copes with it.
#[tokio::test]
async fn an_answer_that_was_begun_is_continued_or_started_over() {
    for begun in [&b"rubbish"[..], &[1; HASHES * 32]] {
        let market = Market::start();
        let worker = market.started().await;
        let address = market.revealed(&worker, 1).await;
        beside(&worker, async {
            let ops = market.ask(&address, Item::ops(1));
            market.answered(&[ops]).await;
            let page = market.ask(&address, Item::page(1, 0, 0));
            market.answered(&[page]).await;
        })
        .await;
        drop(worker);
        let asked = Item::chunk(1, 0, 0);
        let chunk = market.ask(&address, asked);
        let piece = answerer(&market).chunk(&address, asked, 0, begun.to_vec(), None);
        market.node.with(|world| world.send(piece, &[&market.supplier.key]));
        let worker = market.started().await;
        beside(&worker, market.answered(&[chunk])).await;
        assert_eq!(market.node.failures(), 0);
    }
}

/// A result whose page of units takes [`PIECES`], and a demand for that page.
async fn ask_for_a_full_page(market: &Market, worker: &Worker) -> (Address, Address) {
    let terms = JobTerms {
        inputs: market.upload(PAGE, 1).await,
        units: PAGE,
        start_price: 1,
        max_price: 1,
        ..tests::terms()
    };
    let address = market.open(1, terms);
    beside(worker, market.reaches(&address, Status::Revealed)).await;
    (address, market.ask(&address, Item::traces(0)))
}

/// Only the failed piece is sent again, even if the node does not know the earlier ones yet.
#[tokio::test]
async fn an_answer_continues_after_a_failed_piece() {
    let market = Market::start();
    let worker = market.started().await;
    let (_, demand) = ask_for_a_full_page(&market, &worker).await;
    market.node.stumble(29, demand);
    beside(&worker, market.answered(&[demand])).await;
    assert_eq!(market.node.effective::<AnswerUnits>(), PIECES);
    assert_eq!(market.node.failures(), 1);
    let most = market.node.most_units_asked::<AnswerUnits>();
    assert!((15_000..=30_000).contains(&most), "{most}: the reserve of the hot key relies on it");
}

/// A stop leaves time for the rest of an answer.
#[tokio::test]
async fn a_stop_waits_for_the_end_of_an_answer() {
    let market = Market::start();
    let (worker, stop) = market.worker(market.settings("data")).await;
    let worker = worker.unwrap();
    let (_, demand) = ask_for_a_full_page(&market, &worker).await;
    let stopping = async {
        while market.node.effective::<AnswerUnits>() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker.run(), stopping);
    ended.unwrap();
    assert!(market.demand(&demand).unwrap().answered.get());
}

/// Somebody keeps out whatever offers less than the highest price, and too little time is left for a second offer.
#[tokio::test]
async fn a_late_answer_outbids_others() {
    let market = Market::start();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    let address = market.revealed(&worker, 1).await;
    let demand = market.ask(&address, Item::traces(0));
    market.node.keep_out::<AnswerUnits>(HIGHEST);
    let deadline = market.demand(&demand).unwrap().deadline_at.get();
    market.node.with(|world| {
        let left = u32::try_from(deadline - world.now().unix).unwrap();
        world.pass(left - 80, 0);
    });
    beside(&worker, logs(&mut events, "answered", &["retry"])).await;
    assert!(market.demand(&demand).unwrap().answered.get());
}

/// The next process answers at once, even if the last one left a transaction in flight.
#[tokio::test]
async fn an_answer_does_not_wait_for_a_transaction_in_flight() {
    let market = Market::start();
    let worker = market.started().await;
    let address = market.revealed(&worker, 1).await;
    market.node.hold();
    let next = market.order(2).await;
    beside(&worker, market.node.in_flight(1)).await;
    drop(worker);
    market.node.lose();
    let demand = market.ask(&address, Item::ops(0));
    let worker = tokio::time::timeout(Duration::from_secs(120), market.started()).await.unwrap();
    beside(&worker, market.answered(&[demand])).await;
    assert_eq!(market.job(&next).unwrap().status, Status::Open);
}

/// Only at the end does it show that the pieces on chain belong to a different answer.
#[tokio::test]
async fn an_answer_starts_over_when_the_program_refuses_its_end() {
    let market = Market::start();
    let worker = market.started().await;
    let (address, demand) = ask_for_a_full_page(&market, &worker).await;
    let by = answerer(&market);
    let rubbish = by.units(&address, Item::traces(0), 0, vec![[7; 32]; HASHES], None);
    market.node.with(|world| world.send(rubbish, &[&market.supplier.key]));
    beside(&worker, market.answered(&[demand])).await;
    assert_eq!(market.node.effective::<AnswerUnits>(), PIECES - 2 + PIECES);
    assert_eq!(market.node.failures(), 1);
}

/// A search that hangs does not delay answers to known demands.
#[tokio::test]
async fn an_answer_continues_while_a_search_hangs() {
    let market = Market::start();
    let worker = market.started().await;
    let address = market.revealed(&worker, 1).await;
    beside(&worker, async {
        market.node.hold();
        let first = market.ask(&address, Item::ops(0));
        market.node.in_flight(1).await;
        market.node.stop_searches();
        market.node.search_hangs::<DemandHeader>().await;
        market.node.release();
        let second = market.ask(&address, Item::ops(1));
        market.answered(&[first, second]).await;
    })
    .await;
}

/// Nor does the disk. Here it is so slow that another demand is answered before it has given the file.
#[cfg(unix)]
#[tokio::test]
async fn an_answer_does_not_wait_for_a_large_file() {
    for (file, item) in [("trace", Item::traces(0)), ("input", Item::ops(0))] {
        // Its ops between checkpoints take the input.
        let market = Market::of_checkpoints();
        let worker = market.started().await;
        let (slow, quick) = (market.order(1).await, market.order(2).await);
        beside(&worker, async {
            for address in [&slow, &quick] {
                market.reaches(address, Status::Revealed).await;
            }
        })
        .await;
        // A named pipe: the worker waits until its other end is opened, filled and closed.
        let path = market.journal_file("data", &slow, file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (reads, is_read) = tokio::sync::oneshot::channel();
        let (fill, filled) = std::sync::mpsc::channel();
        let disk = std::thread::spawn(move || {
            let mut pipe = std::fs::File::options().write(true).open(&path).unwrap();
            reads.send(()).unwrap();
            let in_time = filled.recv_timeout(Duration::from_secs(60)).is_ok();
            pipe.write_all(&bytes).unwrap();
            in_time
        });
        beside(&worker, async {
            let first = market.ask(&slow, item);
            is_read.await.unwrap();
            let second = market.ask(&quick, Item::traces(0));
            market.answered(&[second]).await;
            // Fails if it is too late.
            let _ = fill.send(());
            market.answered(&[first]).await;
        })
        .await;
        assert!(disk.join().unwrap(), "the answer waits for the {file}");
    }
}

/// A node without subscriptions does not delay answers either. Refused subscriptions are logged once for jobs and once for demands.
#[tokio::test]
async fn an_answer_does_not_wait_for_a_subscription() {
    for (mute, warnings) in [(Mute::Hangs, 0), (Mute::Refuses, 2), (Mute::Silent, 0)] {
        let market = Market::start();
        market.node.stop_news(mute);
        let settings = Settings {
            scan: Duration::from_secs(3_600),
            ..market.settings("data")
        };
        let address = market.order(1).await;
        let (mut events, log) = hear("event");
        let worker = market.worker(settings).await.0.unwrap();
        beside(&worker, async {
            market.reaches(&address, Status::Revealed).await;
            let demand = market.ask(&address, Item::ops(0));
            market.answered(&[demand]).await;
        })
        .await;
        drop((worker, log));
        let mut logged = 0;
        while let Some(event) = events.recv().await {
            logged += usize::from(event == "unpushed");
        }
        assert_eq!(logged, warnings, "{mute:?}");
    }
}

/// A store without blobs, on which uploads hang, and a notification of each upload.
async fn slow_store() -> (String, Arc<Notify>) {
    let given = Arc::new(Notify::new());
    let telling = given.clone();
    let put = move || {
        telling.notify_one();
        std::future::pending::<StatusCode>()
    };
    let routes = Router::new().route("/{address}", get(StatusCode::NOT_FOUND).put(put));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, given)
}

/// Answers do not use the threads that compute jobs.
#[tokio::test]
async fn an_answer_does_not_wait_for_a_job() {
    let market = Market::start();
    let worker = market.started().await;
    let address = market.revealed(&worker, 1).await;
    drop(worker);
    // The revealed result waits for the store, and so does every op's output of the next job.
    let (slow, given) = slow_store().await;
    let mut settings = Settings {
        trace: TraceMode::Full,
        ..market.settings("data")
    };
    settings.blobs.insert(0, slow);
    let worker = market.worker(settings).await.0.unwrap();
    let long = market.order_of(2, 100).await;
    beside(&worker, async {
        given.notified().await;
        given.notified().await;
        for part in [Item::ops(1), Item::page(1, 0, 0), Item::chunk(1, 0, 0)] {
            let demand = market.ask(&address, part);
            market.answered(&[demand]).await;
        }
        assert_eq!(market.job(&long).unwrap().status, Status::Assigned);
    })
    .await;
}

/// A wrong result is answered for as it was committed to, so that its chunk convicts it.
#[tokio::test]
async fn a_liar_answers_with_its_lie() {
    let market = Market::start();
    let worker = market.started().await.with_fault(Fault {
        unit: 1,
        op: 0,
        element: 17,
        bit: 3,
    });
    let address = market.revealed(&worker, 1).await;
    empty_the_store(&market);
    beside(&worker, ask_for_all(&market, &address)).await;
    assert_eq!(market.node.failures(), 0);
}

#[tokio::test]
async fn a_silenced_worker_stores_nothing_and_answers_nothing() {
    let market = Market::start();
    let worker = market.started().await.silenced();
    let address = market.revealed(&worker, 1).await;
    assert_eq!(market.blob_files().len(), 1, "the consumer's input");
    beside(&worker, async {
        let demand = market.ask(&address, Item::ops(0));
        let asked = market.now();
        // A hundred times as many slots as an answer takes above.
        while market.now().slot < asked.slot + 100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!market.demand(&demand).unwrap().answered.get());
    })
    .await;
}
