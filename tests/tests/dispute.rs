//! The cost of a dispute in which every step must be forced: the worker serves nothing off chain, and all lists are as long as a model
//! allows.
//!
//! The test fails above a limit, or if the committed table, `bench/dispute.md`, is out of date.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chain::market;
use chain::market::referee::PIECE;
use jobs::Status;
use protocol::demand::Item;
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use protocol::testing::{Graph, Rng, Run};
use solana_signer::Signer;
use std::fmt::Write;
use tests::{Receipt, World, golden_within, thousands};

/// Limit on the number of transactions.
const MOST_TRANSACTIONS: usize = 150;
/// Limit on base fees in lamports: 0.001 SOL.
const MOST_FEES: u64 = 1_000_000;

/// Number of products that each element of the wrong op adds up.
const K: u16 = 4_096;
/// Number of ops of the model: the maximum.
const OPS: u32 = 1_024;

/// Small ops, then a product of two factors whose result of 1 MiB fills a page of chunk hashes.
fn graph() -> Graph {
    let rng = &Rng::new(11);
    let mut graph = Graph {
        inputs: vec![Shape::new(1, 1_024, K), Shape::new(1, 1, 1)],
        ..Graph::default()
    };
    let table = OpKind::Table8 { table: [0; 32] };
    for _ in 1..OPS {
        assert!(graph.push(table, &[1], 0, 1 << 24, rng));
    }
    let product = OpKind::Matmul {
        weights: [0; 32],
        channels: [0; 32],
        requantise: Requantise {
            shift: 20,
            zero_point: 0,
            lo: -128,
            hi: 127,
        },
    };
    assert!(graph.push(product, &[0], 1_024, 1 << 24, rng));
    graph
}

/// The steps of the dispute, each with the receipts of its transactions.
fn dispute() -> Vec<(String, Vec<Receipt>)> {
    let graph = graph();
    let rng = &Rng::new(12);
    let fill = |shape: &Shape| Graph::bytes(rng, shape.elements().unwrap() as usize);
    // None of the trace was computed, so any element that is opened contradicts its inputs, except by a chance of 1 in 256.
    let run = Run::of_values(&graph, vec![graph.shapes().iter().map(fill).collect()]);
    let op = OPS - 1;

    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let challenger = world.wallet("carol");
    let wallet = challenger.pubkey();
    let job = world.run_job(&consumer, &worker, 1, &run);
    let mut steps = Vec::new();
    for (asked, answered, item) in [
        ("ask for a unit's op outputs", "show 1,024 of them", Item::ops(0)),
        ("ask for a page of chunk hashes", "show 1,024 of them", Item::page(0, op, 0)),
        ("ask for a chunk", "show its bytes", Item::chunk(0, op, 0)),
    ] {
        let open = world.asking(&challenger, &job, item);
        steps.push((format!("challenger: {asked}"), vec![world.send(open, &[&challenger])]));
        steps.push((format!("worker: {answered}"), world.answer(&worker, &job, &run, item)));
    }
    let evidence = run.element(0, op as usize, 0);
    let seal = protocol::referee::seal(&evidence, wallet.as_array(), job.as_array());
    let sealing = market::referee::seal_evidence(&wallet, &job, seal, evidence.len() as u32);
    steps.push(("challenger: seal the evidence".into(), vec![world.send(sealing, &[&challenger])]));
    world.pass(0, 1);
    let pieces = world.write(&challenger, &seal, 0, &evidence);
    assert_eq!(pieces.len(), evidence.len().div_ceil(PIECE));
    steps.push((
        format!("challenger: {} bytes of evidence", thousands(evidence.len() as u64)),
        pieces,
    ));
    let facts = world.job(&job);
    let address = market::referee::evidence(&wallet, &seal);
    let convict = market::job::convict(
        &wallet,
        &job,
        &facts.model,
        &consumer.escrow,
        &worker.device,
        &address,
        &consumer.tokens,
    );
    steps.push(("challenger: convict".into(), vec![world.send(convict, &[&challenger])]));
    assert_eq!(world.job(&job).status, Status::Convicted);
    steps
}

/// Base fees of these transactions with one signature each. The kit's transactions have another, of the wallet that pays for tests.
fn fees(transactions: usize) -> u64 {
    transactions as u64 * 5_000
}

fn render(steps: &[(String, Vec<Receipt>)]) -> String {
    let mut text = String::from(
        "# What a forced dispute costs\n\n\
         A worker that serves nothing off chain, with a model of 1,024 ops, an op output of 1 MiB and an element over 4,096 products: \
         every list is as long as it can be. Transactions are of ordinary size (1,232 bytes) with one signature each. Measured in LiteSVM \
         by `tests/tests/dispute.rs`, written by `cargo xtask bench cu`. Rents return, and each answer earns the worker the demand's \
         fee.\n\n\
         | step | transactions | compute units | base fees, lamports |\n|---|--:|--:|--:|\n",
    );
    let mut total = (0, 0);
    for (step, receipts) in steps {
        let (count, units) = (receipts.len(), receipts.iter().map(|receipt| receipt.units).sum());
        total = (total.0 + count, total.1 + units);
        writeln!(text, "| {step} | {count} | {} | {} |", thousands(units), thousands(fees(count))).unwrap();
    }
    writeln!(
        text,
        "| **all** | **{}** | **{}** | **{}** |",
        total.0,
        thousands(total.1),
        thousands(fees(total.0))
    )
    .unwrap();
    text
}

#[test]
fn a_dispute_whose_every_step_is_forced_keeps_its_limits_and_the_committed_table_is_true() {
    let steps = dispute();
    let transactions: usize = steps.iter().map(|(_, receipts)| receipts.len()).sum();
    assert!(transactions <= MOST_TRANSACTIONS, "{transactions} transactions");
    assert!(fees(transactions) <= MOST_FEES);
    let dearest = steps.iter().flat_map(|(_, receipts)| receipts).map(|receipt| receipt.units).max();
    assert!(dearest <= Some(200_000), "{dearest:?} CU in one transaction");
    golden_within("bench/dispute.md", &render(&steps), 3, 5);
}
