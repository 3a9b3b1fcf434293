//! The order is the same however the history is indexed: live or as a backfill of many rounds, from a node that answers late or in parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "../../worker/tests/common/log.rs"]
mod log;

use common::{Node, dump, store, story, take_all, url};
use indexer::{Follower, Store, check};
use solana_signature::Signature;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A node that shows the whole story, and the books of an indexer that has followed it from the start.
async fn followed() -> (Arc<Node>, Vec<String>) {
    let node = Arc::new(Node::new(&story()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live.db");
    let mut follower = Follower::new(node.clone(), store(&path).await);
    for told in 1..=node.entries.len() {
        node.told.store(told, Ordering::Relaxed);
        follower.round().await.unwrap();
    }
    let live = dump(&url(&path)).await;
    assert!(live.len() > 1_000, "{} rows", live.len());
    (node, live)
}

#[tokio::test]
async fn a_backfill_of_many_rounds_gives_the_same_books_as_following() {
    let (node, live) = followed().await;
    let dir = tempfile::tempdir().unwrap();
    for most in [1, 3, 20] {
        node.lists.store(0, Ordering::Relaxed);
        let path = dir.path().join(format!("{most}.db"));
        let mut follower = Follower::in_rounds_of(most, node.clone(), store(&path).await);
        let mut rounds = 0;
        while follower.round().await.unwrap().taken > 0 {
            rounds += 1;
        }
        assert!(rounds * most * 10 >= node.entries.len(), "{rounds} rounds");
        // Everything is listed at the start, and what has come since once that has been taken in.
        let lists = node.lists.load(Ordering::Relaxed);
        assert!(lists <= 30, "{lists} lists in {rounds} rounds");
        assert!(dump(&url(&path)).await == live, "{most} in a round");
    }
}

/// What a node has told before it refuses a request is not asked again.
#[tokio::test]
async fn a_refused_lookup_costs_no_progress() {
    let (node, live) = followed().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("refused.db");
    let mut follower = Follower::new(node.clone(), store(&path).await);
    node.lists.store(0, Ordering::Relaxed);
    node.lookups.store(0, Ordering::Relaxed);
    node.refuses.store(20, Ordering::Relaxed);
    let mut rounds = 0;
    while follower.round().await.map_or(true, |round| round.taken > 0) {
        rounds += 1;
        assert!(rounds < node.entries.len(), "no progress");
    }
    // Everything is listed at the start, and what has come since once that has been taken in.
    let lists = node.lists.load(Ordering::Relaxed);
    assert!(rounds > 10 && lists <= 30, "{lists} lists in {rounds} rounds");
    let lookups = node.lookups.load(Ordering::Relaxed);
    assert!(lookups < 2 * node.entries.len(), "{lookups} lookups");
    assert!(dump(&url(&path)).await == live);
}

/// A round may consist of failed transactions alone.
#[tokio::test]
async fn failed_transactions_block_nothing() {
    let mut node = Node::new(&story());
    node.entries[40..140].iter_mut().for_each(|(_, entry)| entry.failed = true);
    let (node, dir) = (Arc::new(node), tempfile::tempdir().unwrap());
    let [whole, pieces] = ["whole.db", "pieces.db"].map(|name| dir.path().join(name));
    take_all(&node, &store(&whole).await).await;
    let mut follower = Follower::in_rounds_of(2, node.clone(), store(&pieces).await);
    while follower.round().await.unwrap().taken > 0 {}
    assert!(dump(&url(&pieces)).await == dump(&url(&whole)).await);
}

/// A transaction that calls only the job program, with this many others after it.
fn of_jobs_alone(node: &Node, after: usize) -> Signature {
    let is_alone = |logs: &[String]| {
        let calls: Vec<&String> = logs.iter().filter(|line| line.contains(" invoke [")).collect();
        let of_jobs = format!("Program {} invoke [1]", jobs::ID);
        calls.len() == 1 && *calls[0] == of_jobs
    };
    let until = node.entries.len() - after;
    let found = node.entries[..until]
        .iter()
        .rfind(|(_, entry)| !entry.failed && is_alone(&entry.logs));
    found.unwrap().0
}

#[tokio::test]
async fn a_transaction_that_a_node_is_late_to_show_comes_in_its_place() {
    let (node, live) = followed().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("late.db");
    let store = store(&path).await;
    *node.unknown.lock().unwrap() = Some(of_jobs_alone(&node, 100));
    take_all(&node, &store).await;
    assert!(dump(&url(&path)).await.len() * 2 > live.len());
    *node.unknown.lock().unwrap() = None;
    take_all(&node, &store).await;
    assert!(dump(&url(&path)).await == live);
}

/// Catches up with a node that is released by `release` after three polls in vain.
async fn catches_up_once(node: &Arc<Node>, store: &Store, release: impl FnOnce()) {
    let mut follower = Follower::new(node.clone(), store.clone());
    let mut rounds = node.rounds.subscribe();
    let before = *rounds.borrow_and_update();
    let mut catching_up = tokio::spawn(async move { follower.catch_up().await });
    // The first request is for the slot.
    tokio::select! {
        ended = &mut catching_up => panic!("it has not waited: {ended:?}"),
        asked = rounds.wait_for(|rounds| *rounds >= before + 4) => drop(asked.unwrap()),
    }
    release();
    let ended = tokio::time::timeout(Duration::from_secs(60), catching_up).await;
    ended.expect("it ends").unwrap().unwrap();
}

/// The last transaction is in the current slot: books and accounts are compared only once that is over.
#[tokio::test]
async fn a_check_waits_for_the_current_slot_to_end() {
    let node = Arc::new(Node::new(&story()));
    node.busy.store(true, Ordering::Relaxed);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("busy.db")).await;
    take_all(&node, &store).await;
    assert_ne!(check::check(&*node, &store).await.unwrap(), []);
    catches_up_once(&node, &store, || node.busy.store(false, Ordering::Relaxed)).await;
    assert_eq!(check::check(&*node, &store).await.unwrap(), []);
}

#[tokio::test]
async fn a_check_waits_for_details_that_the_node_lacks() {
    let node = Arc::new(Node::new(&story()));
    let (last, _) = node.entries.last().unwrap();
    *node.unknown.lock().unwrap() = Some(*last);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("withheld.db")).await;
    catches_up_once(&node, &store, || {
        *node.unknown.lock().unwrap() = None;
        node.idle.store(true, Ordering::Relaxed);
    })
    .await;
    assert_eq!(check::check(&*node, &store).await.unwrap(), []);
}

#[tokio::test]
async fn a_long_wait_for_the_node_and_its_end_are_logged_once() {
    let node = Arc::new(Node::new(&story()));
    let (last, _) = node.entries.last().unwrap();
    *node.unknown.lock().unwrap() = Some(*last);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("silent.db")).await;
    take_all(&node, &store).await;
    let (mut messages, _guard) = log::hear("message");
    let mut follower = Follower::new(node.clone(), store);
    for _ in 0..30 {
        assert_eq!(follower.round().await.unwrap().taken, 0);
    }
    *node.unknown.lock().unwrap() = None;
    assert!(follower.round().await.unwrap().taken > 0);
    let mut heard = Vec::new();
    while let Ok(message) = messages.try_recv() {
        heard.extend(message.starts_with("the node").then_some(message));
    }
    assert_eq!(
        heard,
        [
            "the node is behind, or lists transactions that it does not have; waiting for it",
            "the node has what it lists; going on"
        ]
    );
}

#[tokio::test]
async fn a_node_that_has_forgotten_what_was_indexed_last_is_reported() {
    let world = story();
    let (node, dir) = (Arc::new(Node::new(&world)), tempfile::tempdir().unwrap());
    let store = store(&dir.path().join("gap.db")).await;
    let (mut messages, _guard) = log::hear("message");
    for told in [40, 80] {
        node.told.store(told, Ordering::Relaxed);
        take_all(&node, &store).await;
    }
    assert!(messages.try_recv().is_err());
    let mut short = Node::new(&world);
    short.entries.drain(..160);
    take_all(&Arc::new(short), &store).await;
    let warning = messages.try_recv().unwrap();
    assert!(warning.starts_with("the node has forgotten"), "{warning}");
}

#[tokio::test]
async fn programs_that_were_quiet_for_longer_than_the_node_remembers_are_not_reported() {
    let (node, dir) = (Arc::new(Node::new(&story())), tempfile::tempdir().unwrap());
    let (mut messages, _guard) = log::hear("message");
    let mut follower = Follower::new(node.clone(), store(&dir.path().join("quiet.db")).await);
    node.told.store(80, Ordering::Relaxed);
    assert!(follower.round().await.unwrap().taken > 0);
    node.forgotten.store(80, Ordering::Relaxed);
    node.told.store(usize::MAX, Ordering::Relaxed);
    assert!(follower.round().await.unwrap().taken > 0);
    while let Ok(message) = messages.try_recv() {
        assert!(!message.starts_with("the node has forgotten"), "{message}");
    }
}

/// The machine that lists the job program's transactions has not seen the opening of a job; others show that a device has claimed it.
#[tokio::test]
async fn an_incomplete_list_is_waited_for() {
    let (node, live) = followed().await;
    node.behind.store(node.last("open_job"), Ordering::Relaxed);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("behind.db");
    let store = store(&path).await;
    let round = Follower::new(node.clone(), store.clone()).round().await.unwrap();
    catches_up_once(&node, &store, || {
        node.behind.store(usize::MAX, Ordering::Relaxed);
        node.idle.store(true, Ordering::Relaxed);
    })
    .await;
    assert!(dump(&url(&path)).await == live);
    assert_eq!((round.taken, round.waiting, round.whole_before), (0, true, None));
}

/// The machine that lists the job program's transactions always lags a little, and never reaches the current slot.
#[tokio::test]
async fn a_machine_that_always_lags_is_waited_for() {
    let (node, live) = followed().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("slow.db");
    let store = store(&path).await;
    let mut follower = Follower::new(node.clone(), store.clone());
    let mut taken = Vec::new();
    for (told, known) in [(100, 90), (200, 190), (300, 290)] {
        node.told.store(told, Ordering::Relaxed);
        node.behind.store(known, Ordering::Relaxed);
        taken.push(follower.round().await.unwrap().taken > 0);
    }
    assert_eq!(taken, [false, true, false]);
    node.told.store(usize::MAX, Ordering::Relaxed);
    node.behind.store(usize::MAX, Ordering::Relaxed);
    take_all(&node, &store).await;
    assert!(dump(&url(&path)).await == live);
}

/// On a busy chain there is always something in the current slot.
#[tokio::test]
async fn a_check_does_not_wait_for_later_transactions() {
    let node = Arc::new(Node::new(&story()));
    node.told.store(100, Ordering::Relaxed);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("news.db")).await;
    catches_up_once(&node, &store, || node.told.store(301, Ordering::Relaxed)).await;
    // All of the first hundred, and nothing of the current slot.
    let (round, slot) = (
        Follower::new(node.clone(), store.clone()).round().await.unwrap(),
        node.entries[300].1.slot,
    );
    assert_eq!((round.taken, round.waiting, round.whole_before), (0, true, Some(slot)));
}
