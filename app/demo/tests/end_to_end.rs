//! The market over RPC, with the real binaries on a real local chain.
//!
//! `cargo xtask test` builds the binaries first; they are looked for in `target/bin`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use demo::{Market, Place, books};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn place(dir: &Path) -> Place {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let bin = root.join("target/bin");
    assert!(
        bin.join("ionet-worker").exists(),
        "the binaries are not built; run `cargo xtask build`"
    );
    Place {
        root,
        bin,
        dir: dir.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_pays_to_the_base_unit() {
    let dir = tempfile::tempdir().unwrap();
    let report = demo::run(&place(dir.path()), None).await.unwrap();
    let change = |what: &str| i128::from(report.after.places[what]) - i128::from(report.before.places[what]);

    // The split, recomputed from the rule: 12 tiles at one price, 0.25 % a side, rounded up; half of the fees burned, rounded up.
    let price = -(change("consumer's wallet") + change("consumer's escrow: free"));
    let supplier = change("supplier's wallet") + change("supplier's stake");
    let (base, fees) = ((price + supplier) / 2, price - supplier);
    let (side, burned) = ((base + 399) / 400, (fees + 1) / 2);
    assert_eq!(base % 12, 0, "twelve tiles at one price");
    assert_eq!((price - base, base - supplier), (side, side));
    assert_eq!(i128::from(report.burned().unwrap()), burned);
    assert_eq!(change("treasury's wallet"), fees - burned);
    assert_eq!(
        (
            report.after.places["consumer's escrow: locked"],
            report.after.places["fees, to treasury and burn"]
        ),
        (0, 0)
    );
}

/// Kills the worker with SIGKILL as soon as it logs a step and starts it again, while the consumer waits and a third party settles: each job must
/// be delivered and paid once. (The finer steps between sending and hearing of it are killed one by one in the worker's own tests.)
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_neither_loses_a_job_nor_is_paid_twice() {
    const STEPS: [&str; 5] = ["claimed", "computed", "stored", "committed", "revealed"];
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    let market = Market::start(&place).unwrap();
    market.supply().unwrap();
    market.publish().unwrap();
    market.fund().unwrap();
    let _cranker = market.cranker().unwrap();
    let photo = place.root.join("models/upscale/sample.png");

    for step in STEPS {
        let output = dir.path().join(format!("{step}.png"));
        let receipt = std::thread::scope(|scope| {
            let consumer = scope.spawn(|| market.enlarge(&photo, &output, "1s"));
            let mut worker = market.worker().unwrap();
            worker.wait_for(|line| line.contains(&format!("\"event\":\"{step}\""))).unwrap();
            worker.kill().unwrap();
            let _restarted = market.worker().unwrap();
            consumer
                .join()
                .unwrap()
                .unwrap_or_else(|error| panic!("killed when it had {step}: {error}"))
        });
        let last = receipt
            .pointer("/story")
            .and_then(Value::as_array)
            .and_then(|story| story.last())
            .unwrap();
        assert_eq!(
            last.pointer("/step").and_then(Value::as_str),
            Some("settled"),
            "killed when it had {step}"
        );
        assert!(output.exists());
    }

    // Every job ended once: as many settlements as jobs, no more claims, commitments or reveals than that, nothing left locked.
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for transaction in books::transactions(&market.rpc).await.unwrap() {
        for name in transaction.instructions {
            *counts.entry(name).or_default() += 1;
        }
    }
    for name in ["open_job", "claim_job", "commit_result", "reveal_result", "settle_job"] {
        assert_eq!(counts.get(name), Some(&STEPS.len()), "{name} in {counts:?}");
    }
    assert_eq!(counts.get("timeout_job"), None);
    assert_eq!(market.balances().await.unwrap().places["consumer's escrow: locked"], 0);
}
