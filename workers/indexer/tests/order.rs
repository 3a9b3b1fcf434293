//! One order, however the history is taken in: live or as a backfill of many rounds, from a node that tells of it late or in parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Node, dump, store, story, take_all, url};
use indexer::{Follower, Store, check};
use solana_signature::Signature;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A node that tells of all that has happened, and what is in the books of an indexer that has followed it from the start.
async fn followed() -> (Arc<Node>, Vec<String>) {
    let node = Arc::new(Node::new(&story()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live.db");
    let follower = Follower::new(node.clone(), store(&path).await);
    for told in 1..=node.entries.len() {
        node.told.store(told, Ordering::Relaxed);
        follower.round().await.unwrap();
    }
    let live = dump(&url(&path)).await;
    assert!(live.len() > 1_000, "{} rows", live.len());
    (node, live)
}

#[tokio::test]
async fn a_backfill_of_many_rounds_comes_to_the_same_as_following() {
    let (node, live) = followed().await;
    let dir = tempfile::tempdir().unwrap();
    for most in [1, 3, 20] {
        node.lists.store(0, Ordering::Relaxed);
        let path = dir.path().join(format!("{most}.db"));
        let follower = Follower::in_rounds_of(most, node.clone(), store(&path).await);
        let mut rounds = 0;
        while follower.round().await.unwrap().taken > 0 {
            rounds += 1;
        }
        assert!(rounds * most * 10 >= node.entries.len(), "{rounds} rounds");
        // All is listed when it begins, and what has come since when that has been taken in.
        let lists = node.lists.load(Ordering::Relaxed);
        assert!(lists <= 30, "{lists} questions in {rounds} rounds");
        assert!(dump(&url(&path)).await == live, "{most} at once");
    }
}

/// Rounds of nothing but what failed are rounds.
#[tokio::test]
async fn failed_transactions_hold_nothing_up() {
    let mut node = Node::new(&story());
    node.entries[40..140].iter_mut().for_each(|(_, entry)| entry.failed = true);
    let (node, dir) = (Arc::new(node), tempfile::tempdir().unwrap());
    let [whole, pieces] = ["whole.db", "pieces.db"].map(|name| dir.path().join(name));
    take_all(&node, &store(&whole).await).await;
    let follower = Follower::in_rounds_of(2, node.clone(), store(&pieces).await);
    while follower.round().await.unwrap().taken > 0 {}
    assert!(dump(&url(&pieces)).await == dump(&url(&whole)).await);
}

/// A transaction of the job program's alone, with this many others after it.
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
async fn what_a_node_is_late_to_tell_comes_in_its_place() {
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

/// Catches up with a node that is let go on once it has been asked three times in vain.
async fn catches_up_once(node: &Arc<Node>, store: &Store, go_on: impl FnOnce()) {
    let follower = Follower::new(node.clone(), store.clone());
    let mut rounds = node.rounds.subscribe();
    let before = *rounds.borrow_and_update();
    let mut catching_up = tokio::spawn(async move { follower.catch_up().await });
    // First for the slot alone.
    tokio::select! {
        ended = &mut catching_up => panic!("it has not waited: {ended:?}"),
        asked = rounds.wait_for(|rounds| *rounds >= before + 4) => drop(asked.unwrap()),
    }
    go_on();
    let ended = tokio::time::timeout(Duration::from_secs(60), catching_up).await;
    ended.expect("it ends").unwrap().unwrap();
}

/// The last thing that happened is in the slot that is on: books and accounts are not compared before that is over.
#[tokio::test]
async fn a_check_waits_for_the_slot_that_is_on() {
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
async fn a_check_waits_for_what_the_node_has_yet_to_tell() {
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

/// One of the machines that a node is has yet to hear of a job that another tells of, which a device has claimed since.
#[tokio::test]
async fn a_list_that_is_not_whole_yet_is_waited_for() {
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

/// The chain goes on as fast as the machine that lists the job program's, which never gets to the slot that is on.
#[tokio::test]
async fn who_is_always_a_little_behind_is_waited_for() {
    let (node, live) = followed().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("slow.db");
    let store = store(&path).await;
    let follower = Follower::new(node.clone(), store.clone());
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

/// On a chain that never rests there is always something in the slot that is on.
#[tokio::test]
async fn a_check_does_not_wait_for_what_happens_meanwhile() {
    let node = Arc::new(Node::new(&story()));
    node.told.store(100, Ordering::Relaxed);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("news.db")).await;
    catches_up_once(&node, &store, || node.told.store(301, Ordering::Relaxed)).await;
    // All of the first hundred; of the slot that is on now nothing.
    let (round, slot) = (
        Follower::new(node.clone(), store.clone()).round().await.unwrap(),
        node.entries[300].1.slot,
    );
    assert_eq!((round.taken, round.waiting, round.whole_before), (0, true, Some(slot)));
}
