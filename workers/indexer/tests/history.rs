//! The history of a whole market, indexed at once, in pieces, and by processes that are killed: the books are always the same, and match
//! the accounts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use ::jobs::JobTerms;
use anchor_lang::Discriminator;
use chain::market::{job, permit};
use common::{Node, dump, store, story, take_all, url};
use indexer::{Error, Follower, PROGRAMS, Store, check};
use protocol::units::IO;
use solana_account::Account;
use solana_signer::Signer;
use sqlx::Row;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tests::{Entry, Work, World, revealing, terms, tiny_run};
use tokio_util::sync::CancellationToken;

/// How often a test kills the indexing process.
const DEATHS: usize = 50;
/// Most rounds that the process lives for.
const ROUNDS: usize = 4;

#[tokio::test]
async fn the_books_match_the_accounts() {
    let world = story();
    let node = Arc::new(Node::new(&world));
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("whole.db")).await;
    take_all(&node, &store).await;
    assert_eq!(check::check(&*node, &store).await.unwrap(), []);
    // A difference is found.
    let mut other = Node::new(&world);
    let mut accounts = other.accounts.iter();
    let is_device = |account: &Account| account.data.starts_with(staking::Device::DISCRIMINATOR) && account.owner == staking::ID;
    let place = accounts.position(|(_, account)| is_device(account)).unwrap();
    let offset = 8 + std::mem::offset_of!(staking::Device, own_stake);
    other.accounts[place].1.data[offset] ^= 1;
    let address = other.accounts[place].0;
    let differences = check::check(&other, &store).await.unwrap();
    assert_eq!(differences.len(), 1);
    assert_eq!((differences[0].address, differences[0].what), (address, "own_stake"));
    // An account that cannot be read is not passed over.
    other.accounts[place].1.data.pop();
    let refusal = check::check(&other, &store).await.unwrap_err().to_string();
    assert!(refusal.contains(&address.to_string()), "{refusal}");
}

/// Anybody can name the programs in a transaction that calls none of them, whose log is empty.
#[tokio::test]
async fn a_transaction_with_an_empty_log_blocks_nothing() {
    let mut node = Node::new(&story());
    let silent = node.insert(40, Vec::new());
    let node = Arc::new(node);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("silent.db")).await;
    take_all(&node, &store).await;
    assert_eq!(check::check(&*node, &store).await.unwrap(), []);
    let cursor = store.cursor(&jobs::ID).await.unwrap().unwrap();
    assert!(node.place(&cursor) > node.place(&silent));
}

#[tokio::test]
async fn a_node_without_details_is_polled_less_and_less_often() {
    let mut node = Node::new(&story());
    let unknown = node.insert(40, Vec::new());
    *node.unknown.lock().unwrap() = Some(unknown);
    let node = Arc::new(node);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("unknown.db")).await;
    take_all(&node, &store).await;
    let (mut follower, stop) = (Follower::new(node.clone(), store.clone()), CancellationToken::new());
    let (ended, mut rounds) = (stop.clone(), node.rounds.subscribe());
    let before = *rounds.borrow_and_update();
    let started = Instant::now();
    let following = tokio::spawn(async move { follower.run(Duration::from_millis(1), &ended).await });
    rounds.wait_for(|rounds| *rounds >= before + 4).await.unwrap();
    // Pauses of 200, 400 and 800 milliseconds.
    assert!(started.elapsed() >= Duration::from_millis(1_400), "{:?}", started.elapsed());
    stop.cancel();
    following.await.unwrap();
}

#[tokio::test]
async fn a_cut_log_hides_no_conviction() {
    let mut node = Node::new(&story());
    let signature = node.cut_log("convict");
    let signature = signature.to_string();
    let node = Arc::new(node);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.db");
    let store = store(&path).await;
    // Accounts as they were before the transaction must not be used.
    node.stale.store(true, Ordering::Relaxed);
    let round = Follower::new(node.clone(), store.clone()).round().await.unwrap();
    assert!(round.taken > 0 && round.waiting && round.whole_before.is_none(), "{round:?}");
    node.stale.store(false, Ordering::Relaxed);
    take_all(&node, &store).await;
    assert_eq!(check::check(&*node, &store).await.unwrap(), []);

    let pool = sqlx::AnyPool::connect(&url(&path)).await.unwrap();
    let events = "SELECT name, data FROM events WHERE signature = $1";
    let events = sqlx::query(events).bind(signature).fetch_all(&pool).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].get::<String, _>(0), "LogCut");
    let said: serde_json::Value = serde_json::from_str(&events[0].get::<String, _>(1)).unwrap();
    assert_eq!(said["instruction"], "convict");
    let job = "SELECT status, (SELECT jobs_convicted FROM devices WHERE address = jobs.device), \
               (SELECT value FROM counters WHERE name = 'log_cuts') FROM jobs WHERE address = $1";
    let job = sqlx::query(job).bind(said["job"].as_str().unwrap()).fetch_one(&pool).await.unwrap();
    let known: (String, i64, i64) = (job.get(0), job.get(1), job.get(2));
    assert_eq!(known, ("convicted".to_owned(), 1, 1));
}

#[tokio::test]
async fn an_error_by_permit_costs_the_device_neither_the_jackpot_nor_the_returned_bond() {
    const SECRET: [u8; 32] = [0x5E; 32];
    let mut world = World::new();
    world.journal = Some(Vec::new());
    let (mallory, consumer, admin) = (world.worker("mallory"), world.consumer("bob"), world.admin.clone());
    let (challenger, io, payer) = (world.wallet("dora"), world.io, world.payer.pubkey());
    let purse = world.give_tokens(&admin.pubkey(), &io, 100 * IO);
    let tokens = world.give_tokens(&challenger.pubkey(), &io, 0);
    let seal = protocol::permit::seal(mallory.device.as_array(), &SECRET);
    let issue = permit::issue(&payer, &admin.pubkey(), &io, &purse, seal, 10_000, 100, 70 * IO);
    world.send(issue, &[&admin]);
    let run = tiny_run(1, Some((3, 17)));
    let inputs = run.claim.inputs;
    let address = world.open(&consumer, 1, JobTerms { inputs, ..terms() });
    let work = Work {
        nonce: protocol::permit::nonce(&SECRET, &world.job(&address).job_hash),
        ..Work::of(&run)
    };
    world.claim(&mallory, &address);
    world.commit_to(&mallory, &address, work);
    world.send(revealing(&mallory, &address, work), &[&mallory.key]);
    let evidence = world.show(&challenger, &address, &run.element(3, 0, 17));
    let (who, compensated) = (challenger.pubkey(), chain::market::token_account(&consumer.wallet(), &io));
    let convict = job::convict(
        &who,
        &address,
        &world.model,
        &consumer.escrow,
        &mallory.device,
        &evidence,
        &compensated,
    );
    world.send(convict, &[&challenger]);
    world.send(permit::open(&address, &mallory.device, SECRET), &[]);
    world.wait(30);
    let award = job::award(&who, &address, &world.conviction(&address), &tokens);
    world.send(award, &[&challenger]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("permits.db");
    take_all(&Arc::new(Node::new(&world)), &store(&path).await).await;
    let pool = sqlx::AnyPool::connect(&url(&path)).await.unwrap();
    let row = "SELECT reward, compensation, burned, jackpot, (SELECT value FROM counters WHERE name = 'challengers_paid') FROM disputes";
    let row = sqlx::query(row).fetch_one(&pool).await.unwrap();
    let told: [i64; 5] = [0, 1, 2, 3, 4].map(|column| row.get(column));
    let (io, paid) = (IO as i64, world.balance(&tokens) as i64);
    assert_eq!(told, [3 * io, 2 * io, 0, 70 * io, paid]);
    assert_eq!(paid, 73 * io);
}

#[tokio::test]
async fn a_database_belongs_to_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whole.db");
    let first = store(&path).await;
    first.belong_to("one").await.unwrap();
    drop(first);
    let again = store(&path).await;
    again.belong_to("one").await.unwrap();
    let refusal = again.belong_to("two").await.unwrap_err();
    assert!(
        matches!(&refusal, Error::OtherChain { genesis, .. } if genesis == "one"),
        "{refusal}"
    );
    assert_eq!(refusal.exit_code(), 2);
}

/// The binary exits at once, and creates no database.
#[test]
fn an_unreachable_chain_is_reported_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    for command in [&[][..], &["check"]] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ionet-indexer"))
            .current_dir(dir.path())
            .args(["--cluster", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"])
            .args(command)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut said).unwrap();
        if !said.starts_with("error: no Solana node answers at http://127.0.0.1:9") {
            process.kill().unwrap();
        }
        assert_eq!(process.wait().unwrap().code(), Some(3), "{said}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn pieces_of_any_size_give_the_same_books() {
    let world = story();
    let node = Arc::new(Node::new(&world));
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.db");
    take_all(&node, &store(&whole).await).await;
    let wanted = dump(&url(&whole)).await;
    assert!(wanted.len() > 1_000, "{} rows", wanted.len());
    for seed in 0..8 {
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let path = dir.path().join(format!("{seed}.db"));
        let store = store(&path).await;
        let mut follower = Follower::new(node.clone(), store.clone());
        node.told.store(0, Ordering::Relaxed);
        while node.told().len() < node.entries.len() {
            node.told.fetch_add(rng.usize(1..60), Ordering::Relaxed);
            follower.round().await.unwrap();
        }
        while follower.round().await.unwrap().taken > 0 {}
        assert!(dump(&url(&path)).await == wanted, "seed {seed}");
    }
}

/// A version whose books differ only has to empty the old ones: the events suffice to rebuild them.
#[tokio::test]
async fn books_that_a_migration_emptied_are_rebuilt() {
    let mut node = Node::new(&story());
    node.cut_log("settle_job");
    let node = Arc::new(node);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("before.db");
    take_all(&node, &store(&path).await).await;
    let wanted = dump(&url(&path)).await;
    common::empty_books(&url(&path)).await;
    assert!(dump(&url(&path)).await != wanted);
    drop(store(&path).await);
    assert!(dump(&url(&path)).await == wanted);
    // Only once.
    let again = store(&path).await;
    take_all(&node, &again).await;
    assert!(dump(&url(&path)).await == wanted);
}

/// What a node tells of a transaction: its slot, whether it failed, its fee and its log.
type Told = (u64, bool, u64, Vec<String>);

/// The process that the next test kills. It indexes the story in a file, a few transactions per round, and prints a line at the start of
/// each round. Once its input is closed it continues to the end.
#[tokio::test]
async fn victim() {
    let Some(dir) = std::env::var_os("INDEXER_VICTIM") else { return };
    let dir = Path::new(&dir);
    let told: Vec<Told> = serde_json::from_slice(&std::fs::read(dir.join("story.json")).unwrap()).unwrap();
    let entry = |(slot, failed, fee, logs)| Entry {
        slot,
        failed,
        fee,
        instructions: Vec::new(),
        logs,
    };
    let node = Arc::new(Node::of(told.into_iter().map(entry).collect(), Vec::new()));
    let store = store(&dir.join("killed.db")).await;
    // A node never shows less than before.
    let mut told = 0;
    for program in PROGRAMS {
        let cursor = store.cursor(&program).await.unwrap();
        told = cursor.map_or(0, |cursor| node.place(&cursor)).max(told);
    }
    let mut follower = Follower::new(node.clone(), store);
    // All its lives together must not reach the end of the story.
    let few = node.entries.len() / (DEATHS * ROUNDS);
    assert!(few > 0, "{} transactions", node.entries.len());
    for _ in 0..ROUNDS {
        told += few;
        node.told.store(told, Ordering::Relaxed);
        println!("victim: round");
        follower.round().await.unwrap();
    }
    std::io::stdin().read_line(&mut String::new()).unwrap();
    node.told.store(usize::MAX, Ordering::Relaxed);
    while follower.round().await.unwrap().taken > 0 {}
    println!("victim: done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_indexer_loses_and_repeats_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, path) = (dir.path().join("whole.db"), dir.path().join("killed.db"));
    let node = Arc::new(Node::new(&story()));
    take_all(&node, &store(&whole).await).await;
    let told = node
        .entries
        .iter()
        .map(|(_, entry)| (entry.slot, entry.failed, entry.fee, entry.logs.clone()));
    let story = serde_json::to_vec(&told.collect::<Vec<Told>>()).unwrap();
    std::fs::write(dir.path().join("story.json"), story).unwrap();
    let mut rng = fastrand::Rng::with_seed(20_261_125);
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["victim", "--exact", "--nocapture"])
            .env("INDEXER_VICTIM", dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    for _ in 0..DEATHS {
        let mut victim = start();
        let mut lines = BufReader::new(victim.stdout.take().unwrap())
            .lines()
            .map_while(std::result::Result::ok)
            .filter(|line| line.contains("victim:"));
        // Kills it at a random point of a random round.
        for _ in 0..rng.usize(1..ROUNDS) {
            lines.next().unwrap();
        }
        for _ in 0..rng.u32(..200_000) {
            std::hint::spin_loop();
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
    }
    let last = start().wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&last.stdout).contains("victim: done"));
    assert!(dump(&url(&path)).await == dump(&url(&whole)).await);
}

/// Waits until everything that the node shows has been indexed.
async fn caught_up(node: &Node, store: &Store) {
    let mut watch = store.watch();
    let all = watch.wait_for(|newest| *newest == node.events());
    tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .expect("events arrive")
        .unwrap();
}

#[tokio::test]
async fn news_wake_it_and_a_lost_connection_loses_nothing() {
    let node = Arc::new(Node::new(&story()));
    node.idle.store(true, Ordering::Relaxed);
    node.told.store(40, Ordering::Relaxed);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("woken.db")).await;
    let (long, stop) = (Duration::from_secs(3_600), CancellationToken::new());
    // Only news can wake it.
    let mut follower = Follower::new(node.clone(), store.clone()).auditing_every(long);
    let ended = stop.clone();
    let following = tokio::spawn(async move { follower.run(long, &ended).await });
    caught_up(&node, &store).await;
    for told in [60, 80, 100] {
        node.told.store(told, Ordering::Relaxed);
        node.push();
        caught_up(&node, &store).await;
    }
    // What happens without a subscription is found once there is one again.
    node.cut();
    node.told.store(120, Ordering::Relaxed);
    caught_up(&node, &store).await;
    node.told.store(140, Ordering::Relaxed);
    node.push();
    caught_up(&node, &store).await;
    stop.cancel();
    following.await.unwrap();
}

#[tokio::test]
async fn a_node_that_pushes_nothing_is_polled() {
    let node = Arc::new(Node::new(&story()));
    node.idle.store(true, Ordering::Relaxed);
    node.deaf.store(true, Ordering::Relaxed);
    node.told.store(40, Ordering::Relaxed);
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("asked.db")).await;
    let (mut follower, stop) = (Follower::new(node.clone(), store.clone()), CancellationToken::new());
    let ended = stop.clone();
    let following = tokio::spawn(async move { follower.run(Duration::from_millis(10), &ended).await });
    for told in [60, 80] {
        node.told.store(told, Ordering::Relaxed);
        caught_up(&node, &store).await;
    }
    stop.cancel();
    following.await.unwrap();
}

#[test]
fn errors_say_what_to_do() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime
        .block_on(Store::open("sqlite:///nowhere/at/all.db"))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("/nowhere/at/all.db") && error.contains("check that"), "{error}");
}
