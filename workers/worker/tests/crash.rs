//! Kills the worker at every step of a job and restarts it on the same folder: the job must be done and paid exactly once, whatever was
//! lost in between. Also stops computations whose result nobody needs any more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/log.rs"]
mod log;

use chain::market::demand::Answerer;
use common::drawn::Drawn;
use common::{Market, UNITS, beside, logs};
use fail::FailScenario;
use jobs::instruction::{ClaimJob, CommitResult, RevealResult, SettleJob};
use jobs::{AuditStage, Status};
use log::hear;
use protocol::batch::unit_leaves;
use protocol::blob::TraceBlob;
use protocol::demand::Item;
use protocol::merkle;
use solana_address::Address;
use solana_signer::Signer;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;
use worker::{Settings, Worker};

/// Every point at which a worker can be stopped, in order.
const POINTS: [&str; 20] = [
    "claim_prepared",
    "claim_recorded",
    "claim_landed",
    "claim_settled",
    "compute_done",
    "output_recorded",
    "output_stored",
    "trace_stored",
    "commit_prepared",
    "commit_recorded",
    "commit_landed",
    "commit_settled",
    "reveal_prepared",
    "reveal_recorded",
    "reveal_landed",
    "reveal_settled",
    "settle_prepared",
    "settle_recorded",
    "settle_landed",
    "settle_settled",
];

/// Runs a test with all fail points off, given the steps of its workers, and waits until their computations have ended.
fn with_steps<T, F: Future<Output = T>>(test: impl FnOnce(mpsc::UnboundedReceiver<String>) -> F) -> T {
    let scenario = FailScenario::setup();
    let (steps, _log) = hear("step");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(test(steps));
    drop(runtime);
    scenario.teardown();
    outcome
}

async fn until(steps: &mut mpsc::UnboundedReceiver<String>, point: &str) {
    while steps.recv().await.unwrap() != point {}
}

/// A worker that settles its jobs without waiting for others to do it.
async fn settling(market: &Market, data: &str) -> Worker {
    let settings = Settings {
        crank_after: Some(Duration::ZERO),
        ..market.settings(data)
    };
    market.worker(settings).await.0.unwrap()
}

/// Runs a worker and kills it at `point`.
async fn kill_at(market: &Market, data: &str, point: &str, steps: &mut mpsc::UnboundedReceiver<String>) {
    fail::cfg(point, "return").unwrap();
    let worker = settling(market, data).await;
    beside(&worker, until(steps, point)).await;
    fail::remove(point);
}

/// Asserts that there was one claim, commitment, reveal and settlement, that no fee was wasted, and that the job is paid.
fn assert_done_once(market: &Market, job: &jobs::Job, earned_before: u64, what: &str) {
    let node = &market.node;
    let effects = [
        node.effective::<ClaimJob>(),
        node.effective::<CommitResult>(),
        node.effective::<RevealResult>(),
        node.effective::<SettleJob>(),
    ];
    assert_eq!(effects, [1; 4], "{what}: claims, commitments, reveals, settlements");
    assert_eq!(node.failures(), 0, "{what}: a fee was paid for nothing");
    let quote = job.quote_at(protocol::units::Amount(job.price.get())).unwrap();
    assert_eq!(market.earned() - earned_before, quote.supplier_gets.0, "{what}: the pay");
}

/// Starts a worker and lets it finish the job.
async fn finish(market: &Market, data: &str, address: &Address) -> jobs::Job {
    let worker = settling(market, data).await;
    beside(&worker, async {
        if let Some(job) = market.job(address) {
            market.reaches(address, Status::Revealed).await;
            let revealed = market.job(address).unwrap_or(job);
            market.node.with(|world| world.wait_for_deadline(address));
            market.closes(address).await;
            // The worker deletes the files once it has seen the end.
            market.forgets(data).await;
            revealed
        } else {
            panic!("the job is gone before it was revealed")
        }
    })
    .await
}

#[test]
fn killed_at_any_point_the_job_is_done_once() {
    for point in &POINTS[..16] {
        with_steps(|mut steps| async move {
            let market = Market::start();
            let address = market.order(1).await;
            let before = market.earned();
            kill_at(&market, "data", point, &mut steps).await;
            let job = finish(&market, "data", &address).await;
            assert_done_once(&market, &job, before, point);
        });
    }
}

#[test]
fn killed_while_settling_it_is_paid_once() {
    for point in &POINTS[16..] {
        with_steps(|mut steps| async move {
            let market = Market::start();
            let address = market.order(1).await;
            let before = market.earned();
            beside(&market.started().await, market.reaches(&address, Status::Revealed)).await;
            let job = market.job(&address).unwrap();
            market.node.with(|world| world.wait_for_deadline(&address));
            kill_at(&market, "data", point, &mut steps).await;

            beside(&settling(&market, "data").await, async {
                market.closes(&address).await;
                market.forgets("data").await;
            })
            .await;
            assert_done_once(&market, &job, before, point);
        });
    }
}

/// A transaction is in flight when the worker dies, and lands before or only after the next worker starts.
#[test]
fn killed_while_a_transaction_is_in_flight() {
    for (action, early) in [
        ("claim", true),
        ("claim", false),
        ("commit", true),
        ("commit", false),
        ("reveal", true),
        ("reveal", false),
    ] {
        with_steps(|mut steps| async move {
            let market = Market::start();
            let address = market.order(1).await;
            let before = market.earned();
            kill_at(&market, "data", &format!("{action}_prepared"), &mut steps).await;
            market.node.hold();
            let worker = market.started().await;
            beside(&worker, market.node.in_flight(1)).await;
            drop(worker);
            let job = if early {
                market.node.release();
                finish(&market, "data", &address).await
            } else {
                let landing = async {
                    // By now the next worker has the job in hand.
                    market.node.read_again(&address, 1).await;
                    market.node.release();
                };
                tokio::join!(landing, finish(&market, "data", &address)).1
            };
            assert_done_once(&market, &job, before, action);
        });
    }
}

/// The disk of the worker is lost: results are computed again, and nonces are derived from the key.
#[test]
fn a_lost_disk_loses_no_job() {
    for point in ["claim_settled", "commit_landed", "commit_settled"] {
        with_steps(|mut steps| async move {
            let market = Market::start();
            let address = market.order(1).await;
            let before = market.earned();
            kill_at(&market, "old", point, &mut steps).await;
            let job = finish(&market, "new", &address).await;
            assert_done_once(&market, &job, before, point);
        });
    }
}

/// The blob store loses the output or the trace that it had acknowledged, and the disk may have lost it too.
#[test]
fn a_lost_output_or_trace_is_stored_again() {
    for (magic, extension, kept) in [
        (b"IOB1", "output", true),
        (b"IOB1", "output", false),
        (b"IOT1", "trace", true),
        (b"IOT1", "trace", false),
    ] {
        with_steps(|mut steps| async move {
            let market = Market::start();
            let address = market.order(1).await;
            let before = market.earned();
            let inputs = market.blob_files();
            kill_at(&market, "data", "trace_stored", &mut steps).await;
            let is_lost = |file: &std::path::PathBuf| !inputs.contains(file) && std::fs::read(file).unwrap().starts_with(magic);
            let lost: Vec<_> = market.blob_files().into_iter().filter(is_lost).collect();
            assert_eq!(lost.len(), 1);
            std::fs::remove_file(&lost[0]).unwrap();
            if !kept {
                std::fs::remove_file(market.journal_file("data", &address, extension)).unwrap();
            }
            let job = finish(&market, "data", &address).await;
            assert_done_once(&market, &job, before, "output or trace lost");
            let outputs = market.store().get(&job.outputs).await.unwrap();
            assert_eq!(outputs.len(), 40 + UNITS as usize * 8 * 8 * 3);
            let trace = market.store().get(&job.traces).await.unwrap();
            assert_eq!(trace.len(), 16 + UNITS as usize * 32, "one op");
        });
    }
}

/// The key leaks while a job is in hand, its owner rotates it, and the worker continues with the new one: before the commitment on an empty
/// disk, after it with the files of the old worker.
#[test]
fn a_rotated_key_loses_no_job() {
    for (point, data) in [
        ("claim_settled", "new"),
        ("output_recorded", "data"),
        ("commit_recorded", "data"),
        ("commit_landed", "data"),
        ("commit_settled", "data"),
        ("reveal_recorded", "data"),
    ] {
        with_steps(|mut steps| async move {
            let mut market = Market::start();
            let address = market.order(1).await;
            let before = market.earned();
            kill_at(&market, "data", point, &mut steps).await;
            market.supplier.key = market.rotate_key(&market.supplier, "device.json");
            let job = finish(&market, data, &address).await;
            let quote = job.quote_at(protocol::units::Amount(job.price.get())).unwrap();
            assert_eq!(market.earned() - before, quote.supplier_gets.0, "{point}");
        });
    }
}

/// Blocks computations after each unit, until the returned sender is dropped. The receiver gets an item per computed unit.
fn held_units() -> (mpsc::UnboundedReceiver<()>, std::sync::mpsc::Sender<()>) {
    let (computed, units) = mpsc::unbounded_channel();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let hold_unit = move || {
        let _ = computed.send(());
        let _ = held.lock().unwrap().recv();
    };
    fail::cfg_callback("unit_computed", hold_unit).unwrap();
    (units, hold)
}

/// A worker with one place for jobs and audits.
async fn with_one_place(market: &Market) -> Worker {
    let settings = Settings {
        parallel_jobs: 1,
        ..market.settings("data")
    };
    market.worker(settings).await.0.unwrap()
}

/// A late result is worth nothing.
#[test]
fn a_job_is_computed_no_further_once_it_is_late() {
    let mut units = with_steps(|_| async {
        let (mut units, hold) = held_units();
        let market = Market::start();
        let worker = with_one_place(&market).await;
        let late = market.order(1).await;
        beside(&worker, async {
            units.recv().await.unwrap();
            market.node.with(|world| world.wait_for_deadline(&late));
            // The place is free at once.
            let next = market.order(2).await;
            market.reaches(&next, Status::Assigned).await;
            drop(hold);
            market.reaches(&next, Status::Revealed).await;
        })
        .await;
        assert_eq!(market.node.failures(), 0);
        units
    });
    let further = std::iter::from_fn(|| units.try_recv().ok()).count();
    assert_eq!(further, UNITS as usize, "those of the next job");
}

#[test]
fn an_audit_is_computed_no_further_once_it_is_late() {
    let mut units = with_steps(|_| async {
        let (mut units, hold) = held_units();
        let drawn = Drawn::uploaded(tests::terms()).await;
        let market = &drawn.market;
        let worker = with_one_place(market).await;
        let (mut events, _log) = hear("event");
        beside(&worker, async {
            units.recv().await.unwrap();
            market.node.with(|world| world.wait_for_deadline(&drawn.job));
            while events.recv().await.unwrap() != "audit missed" {}
            let next = market.order(2).await;
            market.reaches(&next, Status::Assigned).await;
            drop(hold);
            market.reaches(&next, Status::Revealed).await;
        })
        .await;
        assert_eq!(
            (market.job(&drawn.job).unwrap().audit, market.node.failures()),
            (AuditStage::Taken as u8, 0)
        );
        // It is logged once.
        assert!(std::iter::from_fn(|| events.try_recv().ok()).all(|event| event != "audit missed"));
        units
    });
    let further = std::iter::from_fn(|| units.try_recv().ok()).count();
    assert_eq!(further, UNITS as usize, "those of the job");
}

/// An engine that failed once would fail again. The place is free for other work, and only the bond is left to wait for.
#[test]
fn an_audit_whose_engine_fails_is_given_up() {
    with_steps(|_| async {
        fail::cfg("unit_computed", "panic").unwrap();
        let drawn = Drawn::uploaded(tests::terms()).await;
        let market = &drawn.market;
        let (mut events, _log) = hear("event");
        let worker = with_one_place(market).await;
        beside(&worker, async {
            logs(&mut events, "audit failed", &["retry"]).await;
            fail::remove("unit_computed");
            let next = market.order(2).await;
            market.reaches(&next, Status::Revealed).await;
            market.node.with(|world| world.wait_for_deadline(&drawn.job));
            while events.recv().await.unwrap() != "audit missed" {}
        })
        .await;
    });
}

/// Another process with the same key may answer first.
#[test]
fn a_lost_trace_is_computed_no_further_once_nobody_waits_for_the_answer() {
    let mut units = with_steps(|_| async {
        let market = Market::start();
        let address = market.revealed(&market.started().await, 1).await;
        let traces = market.job(&address).unwrap().traces;
        let blob = market.store().get(&traces).await.unwrap();
        // The store still has a blob at the address of the trace, so the upload does not recompute the trace.
        let stored = market.blob_files().into_iter().find(|file| std::fs::read(file).unwrap() == *blob);
        std::fs::write(stored.unwrap(), b"rubbish").unwrap();
        std::fs::remove_file(market.journal_file("data", &address, "trace")).unwrap();

        let (mut units, hold) = held_units();
        let item = Item::ops(1);
        market.ask(&address, item);
        let (mut events, _log) = hear("event");
        let worker = market.started().await;
        beside(&worker, async {
            units.recv().await.unwrap();
            let trace = TraceBlob::parse(&blob).unwrap();
            let path = merkle::path(&unit_leaves(0, &trace.traces().collect::<Vec<_>>()), item.unit);
            let by = Answerer {
                key: market.supplier.key.pubkey(),
                device: market.supplier.device,
                payout: market.supplier.wallet(),
            };
            let answer = by.ops(&address, item, 0, trace.unit(item.unit).unwrap().to_vec(), Some(path));
            market.node.with(|world| world.send(answer, &[&market.supplier.key]));
            while events.recv().await.unwrap() != "lapsed" {}
        })
        .await;
        drop(hold);
        units
    });
    assert!(units.try_recv().is_err());
}

#[test]
fn a_worker_that_has_stopped_computes_no_further() {
    let mut units = with_steps(|_| async {
        let (mut units, hold) = held_units();
        let market = Market::start();
        market.order(1).await;
        let settings = Settings {
            drain: Duration::ZERO,
            ..market.settings("data")
        };
        let (worker, stop) = market.worker(settings).await;
        let worker = worker.unwrap();
        let stopping = async {
            units.recv().await.unwrap();
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(worker.run(), stopping);
        ended.unwrap();
        drop(hold);
        units
    });
    assert!(units.try_recv().is_err());
}

/// An operator who restarts a worker sees what it found.
#[test]
fn a_worker_says_what_an_earlier_run_left() {
    const FIELDS: &str = "jobs results transactions";
    for (point, left) in [("claim_recorded", ["1", "0", "1"]), ("output_recorded", ["1", "1", "0"])] {
        with_steps(|mut steps| async move {
            let market = Market::start();
            market.order(1).await;
            let (mut said, log) = hear(FIELDS);
            drop(market.started().await);
            assert!(said.try_recv().is_err(), "a first run");
            drop(log);
            kill_at(&market, "data", point, &mut steps).await;
            let (mut said, _log) = hear(FIELDS);
            drop(market.started().await);
            let said: Vec<_> = std::iter::from_fn(|| said.try_recv().ok()).collect();
            assert_eq!(said, left, "{FIELDS} at {point}");
        });
    }
}

/// Two machines share one key: each step takes effect once, and both see the job end.
#[test]
fn two_workers_with_one_key_do_it_once() {
    with_steps(|_steps| async move {
        let market = Market::start();
        let one = market.worker(market.settings("one")).await.0.unwrap();
        let two = market.worker(market.settings("two")).await.0.unwrap();
        let address = market.order(1).await;
        beside(&one, beside(&two, market.reaches(&address, Status::Revealed))).await;
        let node = &market.node;
        assert_eq!(
            (
                node.effective::<ClaimJob>(),
                node.effective::<CommitResult>(),
                node.effective::<RevealResult>()
            ),
            (1, 1, 1)
        );
        market.settle(&address);
        let seen = async {
            market.forgets("one").await;
            market.forgets("two").await;
        };
        beside(&one, beside(&two, seen)).await;
    });
}
