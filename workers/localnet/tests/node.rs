//! The client against the embedded chain: a real node must behave as the fake in the client's own tests does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chain::sysvar::{Seed, SlotHashes};
use chain::{Chain, Error, Filter, Outcome, Pending, SendOptions, Uncertain};
use futures_util::StreamExt;
use localnet::{Node, NodeOptions};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use solana_system_interface::{instruction::transfer, program as system_program};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SOL: u64 = 1_000_000_000;

async fn node(slot: Duration) -> (Node, Chain, Keypair) {
    let node = Node::start(&NodeOptions {
        rpc_port: 0,
        ws_port: 0,
        slot,
    })
    .await
    .unwrap();
    let chain = Chain::connect(node.cluster());
    let payer = Keypair::new();
    node.fund(&payer.pubkey(), 100 * SOL).await.unwrap();
    (node, chain, payer)
}

fn pay(payer: &Keypair, to: &Address) -> Vec<Instruction> {
    vec![transfer(&payer.pubkey(), to, SOL)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_confirmed_and_seen() {
    let (node, chain, payer) = node(Duration::from_millis(50)).await;
    let to = Address::new_unique();
    let mut watch = chain.watch(to);
    assert_eq!(watch.next().await.unwrap().account, None);
    let mut pushed = chain.network().account_changes(&to).await.unwrap();
    let mut of_program = chain
        .network()
        .program_changes(&system_program::ID, &[Filter::Size(0)])
        .await
        .unwrap();
    let start = Instant::now();
    let receipt = chain.send(&pay(&payer, &to), &[&payer], &SendOptions::default()).await.unwrap();
    println!("confirmed in {:?} in slot {}", start.elapsed(), receipt.slot);
    assert_eq!(receipt.fee, 5_000);
    // The receipt does not wait for the details.
    let landed = chain.network().landed(&receipt.signature).await.unwrap().unwrap();
    assert_eq!((landed.fee, landed.compute_units), (5_000, 300));
    assert!(landed.logs.is_some_and(|logs| !logs.is_empty()));
    assert_eq!(watch.next().await.unwrap().account.unwrap().lamports, SOL);
    println!("seen in {:?}", start.elapsed());
    // Pushed by the node, not found by polling.
    let of_account = async { assert_eq!(pushed.next().await.unwrap().1.lamports, SOL) };
    let of_program = async { while of_program.next().await.unwrap().0 != to {} };
    let both = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(of_account, of_program) });
    both.await.expect("not pushed");
    node.stop().await.unwrap();
}

/// If each were confirmed before the next is sent, they would take a slot each.
#[tokio::test(flavor = "multi_thread")]
async fn ordered_transactions_do_not_wait_for_votes() {
    let (node, chain, payer) = node(Duration::from_secs(2)).await;
    let to = Address::new_unique();
    let steps: Vec<Instruction> = (1..=6).map(|sol| transfer(&payer.pubkey(), &to, sol * SOL)).collect();
    let last = chain.send_in_order(&steps, &[&payer], &SendOptions::default()).await.unwrap();
    assert_eq!(chain.account(&to).await.unwrap().unwrap().lamports, 21 * SOL);
    let history = chain.network().history(&to, None, last.slot).await.unwrap();
    assert_eq!(history.len(), steps.len());
    let first = chain.network().landed(&history[5].1).await.unwrap().unwrap();
    assert!(last.slot - first.slot < 5, "in slots {} to {}", first.slot, last.slot);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_explained() {
    let (node, chain, payer) = node(Duration::from_millis(50)).await;
    let to = Address::new_unique();
    let too_much = vec![transfer(&payer.pubkey(), &to, 1_000 * SOL)];
    let error = chain.send(&too_much, &[&payer], &SendOptions::default()).await.unwrap_err();
    assert!(
        error.to_string().contains("too little SOL") && error.to_string().contains("system error 1"),
        "{error}"
    );

    let poor = Keypair::new();
    let error = chain.send(&pay(&poor, &to), &[&poor], &SendOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("too little SOL"), "{error}");

    // Passes simulation; then the balance shrinks before it lands.
    let prepared = chain.prepare(&pay(&payer, &to), &[&payer], &SendOptions::default()).await.unwrap();
    node.fund(&payer.pubkey(), SOL / 2).await.unwrap();
    let outcome = chain.submit(&prepared, &SendOptions::default()).await;
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.explanation.name, "ResultWithNegativeLamports");
    assert_eq!(failure.receipt.unwrap().fee, 5_000);
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_transaction_is_certainly_dead() {
    let (node, chain, payer) = node(Duration::from_millis(5)).await;
    let prepared = chain
        .prepare(&pay(&payer, &Address::new_unique()), &[&payer], &SendOptions::default())
        .await
        .unwrap();
    while chain.network().block_height().await.unwrap() <= prepared.last_valid_block_height {
        tokio::task::yield_now().await;
    }
    let outcome = chain.submit(&prepared, &SendOptions::default()).await;
    assert!(matches!(outcome, Outcome::Unknown(Uncertain { expired: true, .. })), "{outcome:?}");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_transaction_is_resolved_after_a_crash() {
    let (node, chain, payer) = node(Duration::from_millis(50)).await;
    let folder = tempfile::tempdir().unwrap();
    let to = Address::new_unique();
    let pending = Pending::open(&folder.path().join("pending.jsonl")).unwrap();
    let prepared = chain.prepare(&pay(&payer, &to), &[&payer], &SendOptions::default()).await.unwrap();
    pending.record("pay", &prepared).unwrap();
    // Sent, but the process dies before it hears the answer.
    chain.submit(&prepared, &SendOptions::default()).await.confirmed().unwrap();
    drop(pending);

    let pending = Pending::open(&folder.path().join("pending.jsonl")).unwrap();
    let left = pending.unsettled().remove(0);
    let outcome = chain.resolve(&pending, &left.prepared, &SendOptions::default()).await.unwrap();
    assert!(matches!(outcome, Outcome::Confirmed(_)), "{outcome:?}");
    assert_eq!(chain.account(&to).await.unwrap().unwrap().lamports, SOL, "paid once");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn time_passes_and_can_be_skipped() {
    let wall = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let start = wall();
    let (node, chain, _) = node(Duration::from_millis(20)).await;
    let before = chain.now().await.unwrap();
    // The clock advances with each block and does not catch up when blocks are late.
    assert!(
        (start..=wall() + 1).contains(&before.unix.unsigned_abs()),
        "the chain's clock starts at the system's"
    );
    node.skip(Duration::from_secs(14 * 86_400)).await.unwrap();
    let after = chain.now().await.unwrap();
    assert!(after.unix - before.unix >= 14 * 86_400 - 1);
    assert!(after.slot > before.slot);

    // Each slot adds a hash.
    let later = after.slot + 3;
    let seed = loop {
        match SlotHashes::read(&chain).await.unwrap().first_after(later) {
            Seed::NotYet => tokio::task::yield_now().await,
            seed => break seed,
        }
    };
    assert!(matches!(seed, Seed::Known(slot, _) if slot > later), "{seed:?}");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_read_whole_or_in_part() {
    let (node, chain, _) = node(Duration::from_millis(50)).await;
    let address = Address::new_unique();
    node.set_account(&address, SOL, &[7; 100], &Address::new_unique()).await.unwrap();
    assert_eq!(chain.account(&address).await.unwrap().unwrap().data, [7; 100]);
    for (limit, read) in [(0, 0), (10, 10), (200, 100)] {
        let account = chain.account_prefix(&address, limit).await.unwrap().unwrap();
        assert_eq!((account.lamports, account.data.len()), (SOL, read));
    }
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_in_use_are_refused_and_free_after_the_stop() {
    let (node, chain, _) = node(Duration::from_millis(50)).await;
    let port = |url: &str| url.rsplit_once(':').unwrap().1.parse().unwrap();
    let options = NodeOptions {
        rpc_port: port(&node.cluster().rpc),
        ws_port: port(&node.cluster().ws),
        slot: Duration::from_millis(50),
    };
    let taken = format!("{:#}", Node::start(&options).await.unwrap_err());
    assert!(taken.contains(&options.rpc_port.to_string()), "{taken}");
    assert!(taken.contains("another with --port"), "{taken}");

    let program = Address::new_unique();
    let error = chain.check(&[program]).await.unwrap_err();
    assert!(matches!(error, Error::WrongCluster { .. }), "{error}");
    node.stop().await.unwrap();
    let error = chain.check(&[program]).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    println!("{error}");
    Node::start(&options).await.unwrap().stop().await.unwrap();
}
