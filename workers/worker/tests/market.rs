//! A worker among consumers, rivals and rubbish.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/log.rs"]
mod log;

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use common::{AbortOnDrop, Market, UNITS, Wrong, beside};
use jobs::instruction::{ClaimJob, CommitResult};
use jobs::{JobTerms, Status};
use log::hear;
use protocol::batch::BatchHeader;
use protocol::blob::{TensorBlob, TraceBlob};
use protocol::demand::Item;
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use worker::settings::TraceMode;
use worker::{Error, Fault, Settings};

async fn settled(market: &Market, address: &solana_address::Address) {
    market.settle(address);
    emptied(market).await;
}

/// Completes when nothing is kept of any job.
async fn emptied(market: &Market) {
    while !market.journal("data").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_job_is_found_done_and_paid() {
    let market = Market::start();
    // Lamports where the payout account is to be are none.
    let (owner, tokens) = (&market.supplier.owner, &market.supplier.tokens);
    market.node.with(|world| {
        let all = chain::market::stake::stake(&owner.pubkey(), &market.supplier.device, tokens, world.balance(tokens));
        world.send(all, &[owner]);
        world.plant(*tokens, Account::default());
        world.give_sol(tokens, 890_880);
    });
    // After the search that follows the subscription nothing but a push finds it.
    let settings = Settings {
        scan: Duration::from_secs(3_600),
        ..market.settings("data")
    };
    let worker = market.worker(settings).await.0.unwrap();
    let address = beside(&worker, async {
        market.node.searched(2).await;
        let address = market.order(1).await;
        market.reaches(&address, Status::Revealed).await;
        address
    })
    .await;
    assert_eq!(market.node.searches(), 2);
    let job = market.job(&address).unwrap();
    let (input, output) = (
        market.store().get(&job.inputs).await.unwrap(),
        market.store().get(&job.outputs).await.unwrap(),
    );
    let (_, inputs) = BatchHeader::parse(&input).unwrap();
    let (header, outputs) = BatchHeader::parse(&output).unwrap();
    assert_eq!(header.units(), UNITS);
    for (small, large) in inputs.iter().zip(outputs.iter()) {
        for (index, code) in large.iter().enumerate() {
            let (row, column, channel) = (index / 24, index / 3 % 8, index % 3);
            assert_eq!(*code, small[row / 2 * 12 + column / 2 * 3 + channel], "element {index}");
        }
    }
    let before = market.earned();
    beside(&worker, settled(&market, &address)).await;
    let quote = job.quote_at(protocol::units::Amount(job.price.get())).unwrap();
    assert_eq!(market.earned() - before, quote.supplier_gets.0);
}

/// With `trace = "full"` every op's output is to be had at its TENSOR; a faulty worker shows and delivers what it computed from the flipped
/// bit.
#[tokio::test]
async fn a_full_trace_shows_every_value_also_of_a_faulty_worker() {
    for fault in [
        None,
        Some(Fault {
            unit: 1,
            op: 0,
            element: 17,
            bit: 3,
        }),
    ] {
        let market = Market::start();
        let mut settings = market.settings("data");
        settings.trace = TraceMode::Full;
        let mut worker = market.worker(settings).await.0.unwrap();
        if let Some(fault) = fault {
            worker = worker.with_fault(fault);
        }
        let address = market.order(1).await;
        beside(&worker, market.reaches(&address, Status::Revealed)).await;
        let job = market.job(&address).unwrap();
        let store = market.store();
        let (trace, input, output) = (
            store.get(&job.traces).await.unwrap(),
            store.get(&job.inputs).await.unwrap(),
            store.get(&job.outputs).await.unwrap(),
        );
        let trace = TraceBlob::parse(&trace).unwrap();
        assert_eq!((trace.checkpoints().n_ops(), trace.units()), (1, UNITS));
        let (_, inputs) = BatchHeader::parse(&input).unwrap();
        let (_, outputs) = BatchHeader::parse(&output).unwrap();
        for (unit, (small, large)) in (0..).zip(inputs.iter().zip(outputs.iter())) {
            let blob = store.get(&trace.unit(unit).unwrap()[0]).await.unwrap();
            let tensor = TensorBlob::parse(&blob).unwrap();
            assert_eq!(
                (tensor.value_id(), tensor.codes()),
                (1, large),
                "the only op's output is the graph's"
            );
            let wrong: Vec<usize> = (0..large.len())
                .filter(|index| large[*index] != small[index / 48 * 12 + index / 6 % 4 * 3 + index % 3])
                .collect();
            let expected: &[usize] = if fault.is_some() && unit == 1 { &[17] } else { &[] };
            assert_eq!(wrong, expected, "unit {unit}");
        }
    }
}

#[tokio::test]
async fn more_jobs_than_places_are_all_done() {
    let market = Market::start();
    let mut jobs = Vec::new();
    for id in 1..=5 {
        jobs.push(market.order(id).await);
    }
    let worker = market.started().await;
    beside(&worker, async {
        for job in &jobs {
            market.reaches(job, Status::Revealed).await;
        }
    })
    .await;
    assert_eq!(market.node.effective::<ClaimJob>(), 5);
    assert_eq!(market.node.failures(), 0);
}

#[tokio::test]
async fn what_does_not_fit_is_left_alone_and_the_next_job_is_served() {
    let market = Market::start();
    let inputs = market.upload(UNITS, 0).await;
    let good = JobTerms {
        inputs,
        units: UNITS,
        ..tests::terms()
    };
    let other_mint = market.node.with(|world| world.mint("other", 6));
    let bad = [
        ("another GPU", JobTerms { gpu_model: 77, ..good }),
        ("more memory", JobTerms { min_vram_gb: 25, ..good }),
        (
            "a faster GPU",
            JobTerms {
                min_multiplier_x100: 201,
                ..good
            },
        ),
        ("experience", JobTerms { min_jobs_done: 1, ..good }),
        (
            "too low a price",
            JobTerms {
                start_price: 5,
                max_price: 9,
                ..good
            },
        ),
        ("no time", JobTerms { run_seconds: 1, ..good }),
        (
            "a bond beyond the stake",
            JobTerms {
                bond: 1_000_000 * protocol::units::IO,
                ..good
            },
        ),
        (
            "a blob of a gigabyte",
            JobTerms {
                units: 1 << 20,
                start_price: 100,
                max_price: 100,
                ..good
            },
        ),
        ("units the input does not have", JobTerms { units: UNITS + 1, ..good }),
        ("an input nobody has", JobTerms { inputs: [9; 32], ..good }),
    ];
    let bad: Vec<_> = bad
        .into_iter()
        .zip(10..)
        .map(|((what, terms), id)| (what, market.open(id, terms)))
        .collect();
    let foreign = market.node.with(|world| {
        let consumer = world.consumer_in("foreigner", &other_mint);
        world.open(&consumer, 1, good)
    });
    let mut settings = market.settings("data");
    settings.accept = vec!["io:10".parse().unwrap()];
    let worker = market.worker(settings).await.0.unwrap();
    // It is known from an earlier job at this address.
    let (_, longer) = bad.iter().find(|(what, _)| *what == "units the input does not have").unwrap();
    std::fs::copy(&market.blob_files()[0], market.journal_file("data", longer, "input")).unwrap();
    beside(&worker, async {
        // Twice, so that the rubbish has been looked at in between.
        for id in [1, 2] {
            let address = market.order(id).await;
            market.reaches(&address, Status::Revealed).await;
        }
    })
    .await;
    for (what, address) in bad.iter().chain([&("another mint", foreign)]) {
        assert_eq!(market.job(address).unwrap().status, Status::Open, "{what}");
    }
    assert_eq!(market.node.effective::<ClaimJob>(), 2);
    assert_eq!(market.node.failures(), 0);
}

#[tokio::test]
async fn a_blob_that_lies_is_refused_until_it_is_right() {
    let market = Market::start();
    let inputs = market.upload(UNITS, 0).await;
    let file = market.blob_files().remove(0);
    let right = std::fs::read(&file).unwrap();
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    std::fs::write(&file, wrong).unwrap();
    let address = market.open(
        1,
        JobTerms {
            inputs,
            units: UNITS,
            ..tests::terms()
        },
    );
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async { while events.recv().await.unwrap() != "refused" {} }).await;
    assert_eq!(market.job(&address).unwrap().status, Status::Open);
    std::fs::write(&file, right).unwrap();
    beside(&worker, market.reaches(&address, Status::Revealed)).await;
}

#[tokio::test]
async fn a_job_whose_deadline_passed_is_dropped_and_the_next_is_served() {
    let market = Market::start();
    let late = market.order(1).await;
    // Taken by a run of the worker that ended before it could commit: a commit already on disk would rightly be sent again.
    market.node.with(|world| {
        world.open_doors();
        world.send(world.claiming(&market.supplier, &late, 0), &[&market.supplier.key]);
        world.wait_for_deadline(&late);
    });
    // With room for one job, the next is served only once the late one is dropped.
    let settings = Settings {
        parallel_jobs: 1,
        ..market.settings("data")
    };
    let worker = market.worker(settings).await.0.unwrap();
    beside(&worker, async {
        let next = market.order(2).await;
        market.reaches(&next, Status::Revealed).await;
    })
    .await;
    assert_eq!(market.job(&late).unwrap().status, Status::Assigned);
    assert_eq!(market.node.effective::<CommitResult>(), 1, "for the next job alone");
    assert_eq!(market.node.failures(), 0);
}

/// A time to commit passes while a machine takes the times of its models.
#[tokio::test]
async fn what_is_in_hand_is_computed_before_times_are_taken() {
    let market = Market::start();
    let address = market.order(1).await;
    market.node.with(|world| {
        world.open_doors();
        world.send(world.claiming(&market.supplier, &address, 0), &[&market.supplier.key]);
    });
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    let both = async {
        let mut told = Vec::new();
        while told.len() < 2 {
            let event = events.recv().await.unwrap();
            told.extend(["computed", "model"].into_iter().filter(|known| event == *known));
        }
        told
    };
    assert_eq!(beside(&worker, both).await, ["computed", "model"]);
}

/// That a job is gone does not say that it was paid: the last transaction about it does.
#[tokio::test]
async fn a_job_that_is_gone_is_told_by_how_it_ended() {
    for (own, told) in [(true, "paid"), (false, "ended")] {
        let market = Market::start();
        let address = market.order(1).await;
        let (mut events, _log) = hear("event");
        let settings = Settings {
            crank_after: own.then_some(Duration::ZERO),
            ..market.settings("data")
        };
        let worker = market.worker(settings).await.0.unwrap();
        beside(&worker, async {
            market.reaches(&address, Status::Revealed).await;
            match own {
                true => market.node.with(|world| world.wait_for_deadline(&address)),
                // The node does not remember what it has not sent.
                false => market.settle(&address),
            }
            loop {
                let event = events.recv().await.unwrap();
                assert!(event == told || !["paid", "ended"].contains(&event.as_str()), "{event}");
                if event == told {
                    break;
                }
            }
        })
        .await;
    }
}

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

/// A server of the market's blobs that refuses so many uploads, and its URL.
async fn refusing(market: &Market, refusals: &Arc<AtomicUsize>) -> (AbortOnDrop, String) {
    let refusals = refusals.clone();
    let refuse = move |request: Request, next: Next| {
        let refused = request.method() == Method::PUT && refusals.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        async move {
            match refused {
                // Not one of the failures for which the client itself tries again.
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

/// A store that refuses is asked again; nothing is computed again for it.
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

/// Settings of a worker whose store refuses everything, until the refusals are set to none.
async fn storeless(market: &Market) -> (Settings, Arc<AtomicUsize>, AbortOnDrop) {
    let refusals = Arc::new(AtomicUsize::new(usize::MAX));
    let (server, url) = refusing(market, &refusals).await;
    let settings = Settings {
        blobs: vec![url],
        ..market.settings("data")
    };
    (settings, refusals, server)
}

/// The store takes blobs again, which has the input alone, and gets traces and outputs.
async fn is_stored(market: &Market, refusals: &AtomicUsize) {
    assert_eq!(market.blob_files().len(), 1, "the consumer's input");
    refusals.store(0, Relaxed);
    while market.blob_files().len() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The chain does not wait for a store: what none has by the time for the reveal is revealed, and stored when one takes it.
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

/// Whoever has paid has the result, though it is stored only afterwards.
#[tokio::test]
async fn what_is_paid_for_before_it_is_stored_is_stored() {
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
        // The node has not seen who settled it.
        while events.recv().await.unwrap() != "ended" {}
        is_stored(&market, &refusals).await;
    })
    .await;
    assert_eq!(market.node.failures(), 0);
}

/// A result that was lost and cannot be computed again, as it was another, is not said to be stored.
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
    let address = market.order(1).await;
    beside(&liar, market.reaches(&address, Status::Revealed)).await;
    drop(liar);
    for blob in market.blob_files() {
        if !std::fs::read(&blob).unwrap().starts_with(b"IOB1\0") {
            std::fs::remove_file(blob).unwrap();
        }
    }
    let worker = market.worker(market.settings("anew")).await.0.unwrap();
    let (mut errors, _log) = hear("error");
    beside(&worker, async {
        while !errors.recv().await.unwrap().contains("another result than this worker's") {}
    })
    .await;
    assert_eq!(market.blob_files().len(), 1, "the consumer's input");
}

/// A worker that stops does not wait for a store: it may not be back by the time for the reveal.
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

/// What is at stake goes on without a disk; only new work waits until it is back.
#[tokio::test]
async fn a_disk_that_fails_costs_no_bond() {
    let market = Market::start();
    let worker = market.started().await;
    let first = market.order(1).await;
    beside(&worker, async {
        market.reaches(&first, Status::Revealed).await;
        market.node.hold();
        let in_hand = market.order(2).await;
        while market.node.held() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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

#[tokio::test]
async fn a_rival_may_be_faster() {
    let market = Market::start();
    let (worker, _stop) = market.worker(market.settings("data")).await;
    let rival = market.node.with(|world| world.worker("rival"));
    let inputs = market.upload(UNITS, 1).await;
    let address = market.node.with(|world| {
        let address = world.open(
            &market.consumer,
            1,
            JobTerms {
                inputs,
                units: UNITS,
                ..tests::terms()
            },
        );
        world.open_doors();
        world.send(world.claiming(&rival, &address, 0), &[&rival.key]);
        address
    });
    let worker = worker.unwrap();
    beside(&worker, async {
        let next = market.order(2).await;
        market.reaches(&next, Status::Revealed).await;
    })
    .await;
    assert_eq!(market.job(&address).unwrap().device, rival.device);
}

#[tokio::test]
async fn a_job_swapped_while_its_claim_is_on_the_way_is_dropped_and_the_next_is_served() {
    let market = Market::start();
    let (worker, _stop) = market.worker(market.settings("data")).await;
    let worker = worker.unwrap();
    market.node.hold();
    beside(&worker, async {
        let address = market.order(1).await;
        while market.node.held() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let mut trap = JobTerms {
            units: UNITS,
            bond: 1_000 * protocol::units::IO,
            run_seconds: 1,
            ..tests::terms()
        };
        trap.inputs = market.job(&address).unwrap().inputs;
        market.node.with(|world| {
            let consumer = &market.consumer;
            let swap = [
                chain::market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &address),
                chain::market::job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 1, trap),
            ];
            world.send_all(&swap, &[&consumer.owner]);
        });
        market.node.release();
        let next = market.order(2).await;
        market.reaches(&next, Status::Revealed).await;
        assert_eq!(market.job(&address).unwrap().status, Status::Open);
    })
    .await;
    assert_eq!(
        (market.node.failures(), market.node.effective::<jobs::instruction::ClaimJob>()),
        (1, 1)
    );
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

#[tokio::test]
async fn an_orderly_stop_reveals_what_is_in_hand_and_takes_nothing_new() {
    let market = Market::start();
    let address = market.order(1).await;
    let (worker, stop) = market.worker(market.settings("data")).await;
    let worker = worker.unwrap();
    beside(&worker, market.reaches(&address, Status::Assigned)).await;
    stop.cancel();
    let second = market.order(2).await;
    let (mut at_stake, log) = hear("at_stake");
    // What is in hand was dropped with the first run; this one has nothing to wait for.
    worker.run().await.unwrap();
    drop(log);
    assert_eq!(at_stake.recv().await.unwrap(), "1", "a job that is not committed yet");
    assert_eq!(market.job(&second).unwrap().status, Status::Open);
    drop(worker);

    let (worker, stop) = market.worker(market.settings("data")).await;
    let worker = worker.unwrap();
    let stopping = async {
        while market.job(&address).unwrap().status < Status::Committed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker.run(), stopping);
    ended.unwrap();
    assert_eq!(market.job(&address).unwrap().status, Status::Revealed);
}

#[tokio::test]
async fn what_keeps_it_from_work_is_told_at_the_start() {
    let market = Market::start();
    // Bound, so that nobody else takes the port, and not listened on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut settings = market.settings("data");
    settings.blobs = vec![format!("http://{}/blobs", socket.local_addr().unwrap())];
    market.has_lamports(4_000_000);
    let (mut problems, _log) = hear("check");
    let worker = market.worker(settings).await.0.unwrap();
    beside(&worker, async {
        assert_eq!(problems.recv().await.unwrap(), "blob store");
        assert_eq!(problems.recv().await.unwrap(), "SOL");
    })
    .await;
}

/// Nothing else tells of it before a demand comes.
#[tokio::test]
async fn a_job_in_hand_whose_model_is_gone_is_told() {
    let market = Market::start();
    let address = market.order(1).await;
    beside(&market.started().await, market.reaches(&address, Status::Revealed)).await;
    let settings = Settings {
        models: vec![concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/upscale").into()],
        ..market.settings("data")
    };
    let (mut problems, _log) = hear("check");
    let worker = market.worker(settings).await.0.unwrap();
    beside(&worker, async { while problems.recv().await.unwrap() != "models" {} }).await;
}

#[tokio::test]
async fn a_second_worker_on_the_same_folder_is_refused() {
    let market = Market::start();
    let first = market.started().await;
    let second = market.worker(market.settings("data")).await.0;
    assert!(matches!(second, Err(Error::Busy { .. })));
    drop(first);
    assert!(market.worker(market.settings("data")).await.0.is_ok());
}

#[tokio::test]
async fn a_wrong_setup_is_one_sentence() {
    let market = Market::start();
    let path = market.folder.path();
    chain::save_keypair(&Keypair::new(), &path.join("stranger.json")).unwrap();
    std::fs::create_dir(path.join("empty")).unwrap();
    std::fs::create_dir(path.join("broken")).unwrap();
    std::fs::write(path.join("broken/model.json"), "{").unwrap();
    std::fs::write(path.join("broken/tensors.safetensors"), "").unwrap();

    let settings = || market.settings("data");
    let stranger = || worker::Settings {
        keypair: path.join("stranger.json"),
        ..settings()
    };
    let cases = [
        (stranger(), "register it"),
        (
            worker::Settings {
                device: Some(market.supplier.device),
                ..stranger()
            },
            "not the hot key",
        ),
        (
            worker::Settings {
                keypair: path.join("none.json"),
                ..settings()
            },
            "none.json",
        ),
        (
            worker::Settings {
                models: vec![path.join("empty")],
                ..settings()
            },
            "no model package",
        ),
        (
            worker::Settings {
                models: vec![path.join("broken")],
                ..settings()
            },
            "broken",
        ),
        (
            worker::Settings {
                blobs: vec!["gopher://x".to_owned()],
                ..settings()
            },
            "gopher",
        ),
    ];
    for (settings, part) in cases {
        let text = market.worker(settings).await.0.map(drop).unwrap_err().to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn the_doctor_names_each_problem() {
    let market = Market::start();
    // Makes its folder, which the doctor does not.
    market.store();
    let mut lines = Vec::new();
    worker::doctor::examine(&market.settings("data"), &market.chain(), |line| lines.push(line))
        .await
        .unwrap();
    assert!(lines.iter().all(|line| line.starts_with("ok")), "{lines:#?}");

    let newcomer = market.node.with(|world| {
        let newcomer = world.newcomer("newcomer");
        world.plant(newcomer.key.pubkey(), Default::default());
        newcomer
    });
    let path = market.folder.path().join("newcomer.json");
    chain::save_keypair(&newcomer.key, &path).unwrap();
    let settings = worker::Settings {
        keypair: path,
        ..market.settings("data")
    };
    let mut lines = Vec::new();
    let problems = worker::doctor::examine(&settings, &market.chain(), |line| lines.push(line)).await;
    assert!(matches!(problems, Err(Error::Unwell(3))), "{lines:#?}");
    for part in ["SOL", "stake", "probation"] {
        assert!(
            lines.iter().any(|line| line.starts_with("problem") && line.contains(part)),
            "{part}: {lines:#?}"
        );
    }

    // What `ionet device register` gives a key is no problem; a third of it does not answer for a job beside a check-in.
    for (lamports, verdict, says, problems) in [
        (worker::FUND, "ok", "8 results", 2),
        (worker::FUND / 3, "problem", "send it 0.15", 3),
    ] {
        let given = solana_account::Account {
            lamports,
            ..Default::default()
        };
        market.node.with(|world| world.plant(newcomer.key.pubkey(), given));
        lines.clear();
        let found = worker::doctor::examine(&settings, &market.chain(), |line| lines.push(line)).await;
        assert!(matches!(found, Err(Error::Unwell(unwell)) if unwell == problems), "{lines:#?}");
        assert!(
            lines.iter().any(|line| line.starts_with(verdict) && line.contains(says)),
            "{lines:#?}"
        );
    }
}
