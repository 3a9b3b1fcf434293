//! Jobs from the offer to the payment, with consumers and rivals.

use crate::common::{HIGHEST, Market, UNITS, beside, logs};
use crate::log::hear;
use crate::settled;
use jobs::instruction::{ClaimJob, CommitResult, RevealResult};
use jobs::{JobTerms, Status};
use protocol::batch::BatchHeader;
use protocol::blob::{TensorBlob, TraceBlob};
use solana_account::Account;
use solana_address::Address;
use solana_signer::Signer;
use std::time::Duration;
use worker::settings::TraceMode;
use worker::{Fault, Settings};

/// A setting `accept` that no job meets.
const MORE_THAN_ANY_PAYS: &str = "io:1000000000000";

/// Other software with the device's key has committed to a result that this worker does not compute.
#[tokio::test]
async fn a_foreign_commitment_has_its_own_word() {
    let market = Market::start();
    let address = market.order(1).await;
    market.node.with(|world| {
        world.claim(&market.supplier, &address);
        world.commit(&market.supplier, &address);
    });
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    beside(&worker, async {
        logs(&mut events, "foreign", &["missed"]).await;
    })
    .await;
}

/// Somebody keeps out whatever offers less than the highest price, and a reveal does not have the time for a second offer.
#[tokio::test]
async fn a_reveal_outbids_others() {
    let market = Market::start();
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    market.node.keep_out::<RevealResult>(HIGHEST);
    market.order(1).await;
    beside(&worker, logs(&mut events, "revealed", &["retry", "missed"])).await;
    assert_eq!(market.node.failures(), 0);
}

#[tokio::test]
async fn a_job_is_found_done_and_paid() {
    let market = Market::start();
    // Lamports at the address of the payout account do not make it exist.
    let (owner, tokens) = (&market.supplier.owner, &market.supplier.tokens);
    market.node.with(|world| {
        let all = chain::market::stake::stake(&owner.pubkey(), &market.supplier.device, tokens, world.balance(tokens));
        world.send(all, &[owner]);
        world.plant(*tokens, Account::default());
        world.give_sol(tokens, 890_880);
    });
    // After the search that follows the subscription, only a push can find the job.
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

/// With `trace = "full"`, every op's output is stored at its TENSOR. A faulty worker stores and delivers what it computed from the flipped
/// bit.
#[tokio::test]
async fn a_full_trace_stores_every_value_even_of_a_faulty_worker() {
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
        let address = market.revealed(&worker, 1).await;
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

/// What a decision depends on is read once for all jobs that have been pushed meanwhile.
#[tokio::test]
async fn jobs_pushed_together_are_judged_together() {
    let market = Market::start();
    let settings = Settings {
        accept: vec![MORE_THAN_ANY_PAYS.parse().unwrap()],
        scan: Duration::from_secs(3_600),
        ..market.settings("data")
    };
    let (mut events, _log) = hear("event");
    let worker = market.worker(settings).await.0.unwrap();
    let read = chain::market::job::config();
    beside(&worker, async {
        market.node.searched(2).await;
        // The checks at the start.
        while market.node.reads(&read) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for id in 1..=10 {
            market.open(id, tests::terms());
        }
        for _ in 0..10 {
            logs(&mut events, "refused", &["retry"]).await;
        }
    })
    .await;
    assert_eq!(market.node.reads(&read), 2);
}

/// Otherwise somebody who opens jobs faster than escrows are read would keep all others from being found.
#[tokio::test]
async fn an_escrow_is_read_once_for_all_its_jobs_and_not_for_those_that_do_not_fit() {
    for fits in [true, false] {
        let market = Market::start();
        let terms = JobTerms {
            min_jobs_done: u16::from(!fits),
            ..tests::terms()
        };
        let jobs: Vec<Address> = (1..=20).map(|id| market.open(id, terms)).collect();
        let escrow = market.job(&jobs[0]).unwrap().escrow;
        let settings = Settings {
            accept: vec![MORE_THAN_ANY_PAYS.parse().unwrap()],
            ..market.settings("data")
        };
        let (mut events, _log) = hear("event");
        let worker = market.worker(settings).await.0.unwrap();
        beside(&worker, async {
            for _ in &jobs {
                logs(&mut events, "refused", &["retry"]).await;
            }
            market.node.searched(market.node.searches() + 2).await;
        })
        .await;
        assert_eq!(market.node.reads(&escrow), usize::from(fits));
    }
}

#[tokio::test]
async fn jobs_that_do_not_fit_are_left_alone_and_the_next_is_served() {
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
    // The journal has an input of an earlier job at this address.
    let (_, longer) = bad.iter().find(|(what, _)| *what == "units the input does not have").unwrap();
    std::fs::copy(&market.blob_files()[0], market.journal_file("data", longer, "input")).unwrap();
    beside(&worker, async {
        // Twice, so that the others have been considered in between.
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
    // Claimed by a run of the worker that ended before it could commit: a commit already on disk would rightly be sent again.
    market.node.with(|world| {
        world.open_doors();
        world.send(world.claiming(&market.supplier, &late, 0), &[&market.supplier.key]);
        world.wait_for_deadline(&late);
    });
    // With one place, the next job is served only once the late one is dropped.
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

/// The time to commit goes on while a machine times its models.
#[tokio::test]
async fn a_job_in_hand_is_computed_before_the_models_are_timed() {
    let market = Market::start();
    let address = market.order(1).await;
    market.node.with(|world| {
        world.open_doors();
        world.send(world.claiming(&market.supplier, &address, 0), &[&market.supplier.key]);
    });
    let (mut events, _log) = hear("event");
    let worker = market.started().await;
    let both = async {
        let mut logged = Vec::new();
        while logged.len() < 2 {
            let event = events.recv().await.unwrap();
            logged.extend(["computed", "model"].into_iter().filter(|known| event == *known));
        }
        logged
    };
    assert_eq!(beside(&worker, both).await, ["computed", "model"]);
}

/// Whether a job that is gone was paid follows from the last transaction about it.
#[tokio::test]
async fn a_job_that_is_gone_is_logged_with_how_it_ended() {
    for (own, logged) in [(true, "paid"), (false, "ended")] {
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
                // The node's history lacks this settlement.
                false => market.settle(&address),
            }
            logs(&mut events, logged, &["paid", "ended"]).await;
        })
        .await;
    }
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
    let worker = market.started().await;
    market.node.hold();
    beside(&worker, async {
        let address = market.order(1).await;
        market.node.in_flight(1).await;
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
    // The jobs in hand were dropped with the first run, so this one has nothing to wait for.
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
