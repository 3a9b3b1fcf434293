//! Addresses that are used again, and truncated logs that hide it: the uses are told apart, and no event stops the indexer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use ::jobs::JobTerms;
use chain::market::{self, costake, govern, job};
use common::{Node, random_events::RandomEvents, store, take_all, url};
use costaking::OfferTerms;
use governance::Status;
use indexer::{Store, check};
use protocol::units::IO;
use serde_json::{Value, json};
use solana_address::Address;
use sqlx::{AnyPool, AssertSqlSafe, Row};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tests::{Consumer, OFFER, Work, Worker, World, ending, revealing, terms, title};

/// A world that records transactions from now on.
fn world() -> World {
    let mut world = World::new();
    world.journal = Some(Vec::new());
    world
}

/// A history of everything that a node shows.
async fn history(node: Node) -> (Arc<Node>, Store, PathBuf, TempDir) {
    let (node, dir) = (Arc::new(node), tempfile::tempdir().unwrap());
    let path = dir.path().join("history.db");
    let store = store(&path).await;
    take_all(&node, &store).await;
    (node, store, path, dir)
}

/// Rows of numbers.
async fn numbers(path: &Path, sql: &str) -> Vec<Vec<i64>> {
    let pool = AnyPool::connect(&url(path)).await.unwrap();
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&pool).await.unwrap();
    let numbers = |row: &sqlx::any::AnyRow| (0..row.len()).map(|column| row.get::<i64, _>(column)).collect();
    rows.iter().map(numbers).collect()
}

/// Rows of text.
async fn texts(path: &Path, sql: &str) -> Vec<String> {
    let pool = AnyPool::connect(&url(path)).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&pool).await.unwrap()
}

#[tokio::test]
async fn an_offer_at_a_used_address_starts_afresh() {
    let mut world = world();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    world.govern();
    let offer = world.offer(&alice, OFFER);
    let stake = world.join(&carol, &offer, 0, 50 * IO);
    let hours: Vec<i64> = (0..4).map(|_| world.live(&[&alice])).collect();
    world.send(costake::retract(&alice.wallet(), &alice.device, &offer), &[&alice.owner]);
    world.send(stake.leaving(0, 50 * IO), &[&carol.wallet]);
    world.wait(7 * 86_400);
    world.send(stake.cooling(0), &[]);
    world.settle_and_collect(&[&alice], hours[2]);
    world.send(costake::end(&alice.wallet(), &alice.device, &offer), &[&alice.owner]);
    world.wait(14 * 86_400);
    world.send(stake.withdrawing(0), &[&carol.wallet]);
    world.send(stake.closing_by(&carol.address()), &[&carol.wallet]);
    world.send(costake::close(&alice.wallet(), &offer, &alice.tokens), &[]);
    let again = OfferTerms {
        capacity: 100 * IO,
        ticket: 20 * IO,
        share_bps: 2_000,
    };
    let mut earlier = world.clone();
    assert_eq!(world.offer(&alice, again), offer);
    let row = "SELECT status, capacity, ticket, share_bps, joined, rewards > 0, hours_rewarded > 0, COALESCE(last_hour, 0) > 0 FROM offers";
    let io = IO as i64;
    // To be sure that the test shows something: the first offer's row had all of it.
    earlier.journal = world.journal.clone();
    let mut first = Node::new(&earlier);
    first.entries.pop();
    let (_, _, path, _dir) = history(first).await;
    assert_eq!(numbers(&path, row).await, [[3, 200 * io, 10 * io, 4_000, 50 * io, 1, 1, 1]]);
    let (node, store, path, _dir) = history(Node::new(&world)).await;
    assert_eq!(numbers(&path, row).await, [[0, 100 * io, 20 * io, 2_000, 0, 0, 0, 0]]);
    assert_eq!(check::check(&*node, &store).await.unwrap(), []);
}

/// Settles a job whose window is over.
fn settle(world: &mut World, consumer: &Consumer, worker: &Worker, address: &Address) {
    world.wait_for_deadline(address);
    let settle = market::job::settle_job(&worker.wallet(), &ending(consumer, worker, address), &worker.tokens);
    world.send(settle, &[&worker.owner]);
}

/// Two settled jobs with different terms, one after the other at the same address.
fn two_uses(mint: Option<Address>) -> World {
    let mut world = world();
    let (alice, io) = (world.worker("alice"), world.io);
    let mint = mint.unwrap_or(io);
    let consumer = world.consumer_in("bob", &mint);
    let first = world.open(&consumer, 1, terms());
    world.work(&alice, &first);
    settle(&mut world, &consumer, &alice, &first);
    world.wait(3_600);
    let dearer = JobTerms {
        units: 3,
        start_price: 2 * IO,
        inputs: [0x2B; 32],
        ..terms()
    };
    let second = world.open(&consumer, 1, dearer);
    assert_eq!(second, first);
    world.work(&alice, &second);
    settle(&mut world, &consumer, &alice, &second);
    world
}

/// Everything that the books have about jobs, except the bounty and the numbers of events.
const JOBS: &str = "SELECT address || ' ' || status || ' ' || escrow || ' ' || model || ' ' || mint || ' ' || foreign_mint || ' ' || \
    units || ' ' || \
    max_price || ' ' || device || ' ' || price || ' ' || outputs || ' ' || consumer_pays || ' ' || inputs || ' ' || replicas || ' ' || \
    opened_at || ' ' || claimed_at || ' ' || ended_at || ' ' || latency FROM jobs ORDER BY opened";
/// All figures about jobs.
const FIGURES: [&str; 5] = [
    "SELECT hour, opened, settled, refunded, convicted, units FROM throughput ORDER BY hour",
    "SELECT hour, gpu_model, jobs, units, paid, low, high FROM prices ORDER BY hour",
    "SELECT hour, seconds, jobs FROM latencies ORDER BY hour, seconds",
    "SELECT value FROM counters WHERE name <> 'log_cuts' ORDER BY name",
    "SELECT jobs FROM models",
];

#[tokio::test]
async fn a_job_opened_in_a_truncated_log_is_told_from_an_earlier_one() {
    let world = two_uses(None);
    let (_, _, path, _whole) = history(Node::new(&world)).await;
    let mut node = Node::new(&world);
    node.cut_last_log("open_job", 0);
    let (node, store, cut, _cut) = history(node).await;
    let jobs = texts(&cut, JOBS).await;
    assert_eq!(jobs.len(), 2);
    assert_eq!(jobs, texts(&path, JOBS).await);
    for figures in FIGURES {
        assert_eq!(numbers(&cut, figures).await, numbers(&path, figures).await, "{figures}");
    }
    assert_eq!(check::check(&*node, &store).await.unwrap(), []);
    assert_eq!(numbers(&cut, "SELECT value FROM counters WHERE name = 'log_cuts'").await, [[1]]);
}

/// Not even if the opening of the escrow, in a mint of the consumer's own, was in a truncated log too.
#[tokio::test]
async fn a_truncated_log_brings_no_worthless_mint_into_the_figures() {
    let worthless = World::new().mint("worthless", 0);
    let mut whole = world();
    assert_eq!(whole.mint("worthless", 0), worthless);
    let (alice, consumer) = (whole.worker("alice"), whole.consumer_in("bob", &worthless));
    let payout = whole.give_tokens(&alice.wallet(), &worthless, 0);
    let job = whole.open(&consumer, 1, terms());
    whole.work(&alice, &job);
    whole.wait_for_deadline(&job);
    let settle = market::job::settle_job(&alice.wallet(), &ending(&consumer, &alice, &job), &payout);
    whole.send(settle, &[&alice.owner]);
    let mut node = Node::new(&whole);
    node.cut_last_log("open_escrow", 0);
    node.cut_last_log("open_job", 0);
    let (_, _, path, _dir) = history(node).await;
    let known =
        "SELECT jobs.mint || ' ' || foreign_mint || ' ' || escrows.mint || ' ' || owner FROM jobs JOIN escrows ON escrow = escrows.address";
    let wanted = format!("{worthless} 1 {worthless} {}", consumer.wallet());
    assert_eq!(texts(&path, known).await, [wanted]);
    for figures in &FIGURES[..3] {
        assert!(numbers(&path, figures).await.is_empty(), "{figures}");
    }
}

/// In one transaction, a consumer cancels a job, opens another at its address, and fills the log at some point.
#[tokio::test]
async fn events_heard_before_the_cut_are_not_applied_twice() {
    let mut world = world();
    let consumer = world.consumer("bob");
    let address = world.open(&consumer, 1, terms());
    let cancel = || job::cancel_job(&consumer.wallet(), &consumer.escrow, &address);
    let open = |units| {
        let terms = JobTerms { units, ..terms() };
        job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 1, terms)
    };
    let all = [cancel(), open(4), cancel(), open(5)];
    world.send_all(&all, &[&consumer.owner]);
    // Each instruction emits an event about the escrow and one about the job.
    let uses = [(10, "cancelled"), (4, "cancelled"), (5, "open")];
    let wanted: Vec<String> = uses.iter().map(|(units, status)| format!("{units} {status}")).collect();
    for heard in 0..=8 {
        let mut node = Node::new(&world);
        node.cut_last_log("open_job", heard);
        let (node, store, path, _dir) = history(node).await;
        let jobs = texts(&path, "SELECT units || ' ' || status FROM jobs ORDER BY opened").await;
        assert_eq!(jobs, wanted, "{heard} heard");
        let counted = "SELECT opened, settled, refunded, convicted FROM throughput";
        assert_eq!(numbers(&path, counted).await, [[3, 0, 2, 0]], "{heard} heard");
        assert_eq!(check::check(&*node, &store).await.unwrap(), [], "{heard} heard");
    }
}

/// Writes made-up events of the job program, in one transaction.
async fn write(store: &Store, number: u8, events: Vec<(&'static str, Value)>) {
    let events = events
        .into_iter()
        .map(|(name, values)| common::event("jobs", name, values))
        .collect();
    store.write(&[common::taken(number, events)], &[]).await.unwrap();
}

/// The node has forgotten the opening of a second job at an address: that job's events must not change the first one's row.
#[tokio::test]
async fn later_events_do_not_change_an_ended_job() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.db");
    let store = store(&path).await;
    let [job, device, challenger] = [1, 2, 3].map(|number| Address::new_from_array([number; 32]).to_string());
    let terms = json!({ "units": 12, "max_price": 2, "inputs": "1a", "replicas": 1, "replica": 0 });
    let opened = json!({ "job": job, "foreign_mint": false, "terms": terms });
    let claimed = json!({ "job": job, "device": device, "price": 2, "bond": 5 });
    let convicted = json!({ "job": job, "device": device, "challenger": challenger, "reward": 3, "burned": 2 });
    write(
        &store,
        1,
        vec![("JobOpened", opened), ("JobClaimed", claimed), ("JobConvicted", convicted)],
    )
    .await;
    write(
        &store,
        2,
        vec![("ChallengerAwarded", json!({ "job": job, "challenger": challenger, "reward": 3 }))],
    )
    .await;
    let everything = async || {
        let jobs = numbers(
            &path,
            "SELECT price, bond, COALESCE(window_ends, 0), ended_at, status = 'convicted', updated FROM jobs WHERE opened = 1",
        )
        .await;
        let disputes = numbers(&path, "SELECT jackpot, burned, sealed_slot, awarded_at FROM disputes WHERE id = 3").await;
        (jobs, disputes, numbers(&path, FIGURES[0]).await)
    };
    let before = everything().await;
    let later = json!({ "job": job, "device": device, "price": 9, "window_ends": 9, "bond": 9, "outputs": "2b" });
    for (name, number) in [
        "JobClaimed",
        "JobCommitted",
        "JobRevealed",
        "DemandAnswered",
        "ReplicaAgreed",
        "JobSettled",
    ]
    .into_iter()
    .zip(3..)
    {
        write(&store, number, vec![(name, later.clone())]).await;
    }
    write(&store, 20, vec![("JobRefunded", json!({ "job": job, "ending": "Cancelled" }))]).await;
    assert_eq!(everything().await, before);
    // The second job's conviction was in a truncated log: what follows it must not change the first one's dispute either.
    let cut = json!({ "job": job, "device": device, "instruction": "open_job", "heard": false, "arguments": { "units": 7 } });
    let convict = json!({ "job": job, "device": device, "instruction": "convict", "heard": false });
    write(&store, 21, vec![("LogCut", cut), ("LogCut", convict)]).await;
    let (_, disputes, _) = everything().await;
    let permit = json!({ "job": job, "returned": 1, "jackpot": 70 });
    let overtaken = json!({ "job": job, "challenger": device, "sealed_slot": 8 });
    write(&store, 22, vec![("PermitOpened", permit), ("ConvictionOvertaken", overtaken)]).await;
    write(
        &store,
        23,
        vec![("ChallengerAwarded", json!({ "job": job, "challenger": device, "reward": 73 }))],
    )
    .await;
    assert_eq!(everything().await.1, disputes);
    // A paid job has no conviction to overtake.
    let paid = Address::new_from_array([4; 32]).to_string();
    let opened = json!({ "job": paid, "foreign_mint": false, "terms": { "units": 5 } });
    write(
        &store,
        24,
        vec![("JobOpened", opened), ("JobSettled", json!({ "job": paid, "device": device }))],
    )
    .await;
    write(
        &store,
        25,
        vec![(
            "ConvictionOvertaken",
            json!({ "job": paid, "challenger": challenger, "sealed_slot": 8 }),
        )],
    )
    .await;
    let uses = "SELECT units || ' ' || status || ' ' || COALESCE(challenger, '') FROM jobs ORDER BY opened";
    assert_eq!(
        texts(&path, uses).await,
        [
            format!("12 convicted {challenger}"),
            format!("7 convicted {device}"),
            "5 settled ".to_owned()
        ]
    );
}

/// A second proposal at the address of a closed one leaves the first one's row and votes alone, and truncating the log of its creation
/// does not hide it.
#[tokio::test]
async fn proposals_of_one_address_are_told_apart() {
    let mut world = World::new();
    let (alice, proposer) = (world.worker("alice"), world.proposer("paul"));
    world.wait(7 * 86_400);
    world.govern();
    world.journal = Some(Vec::new());
    let (who, io) = (proposer.address(), world.io);
    let proposal = govern::proposal(&who, 0);
    let change = job::set_parameters(&govern::authority(), tests::PARAMETERS);
    let mut known = Vec::new();
    for again in [false, true] {
        let text_hash = [7 + u8::from(again); 32];
        world.send(govern::create(&who, 0, title("a proposal"), text_hash), &[&proposer.wallet]);
        for step in govern::include(&who, &proposal, 0, &change).unwrap() {
            world.send(step, &[&proposer.wallet]);
        }
        world.wait(1);
        world.send(govern::submit(&who, &proposal, &io), &[&proposer.wallet]);
        world.vote(&alice, &proposal, u8::from(again));
        known.push(world.proposal(&proposal).index.get() as i64);
        if !again {
            world.send(govern::cancel(&who, &proposal), &[&proposer.wallet]);
            let close_ballot = govern::close_ballot(&alice.wallet(), &proposal, &alice.device, &alice.wallet(), None);
            world.send(close_ballot, &[&alice.owner]);
            world.send(govern::release_deposit(&proposal, &who, &io), &[]);
            world.send(govern::close_payload(&proposal, &who, 0), &[]);
            world.send(govern::close(&proposal, &who), &[]);
        }
    }
    let all = "SELECT number, status, yes, no, abstain, veto, quorum, voting_ends, eta, expires_at, created_at, kind, instructions \
               FROM proposals ORDER BY number";
    let votes = "SELECT COALESCE(number, -1), choice FROM votes ORDER BY id";
    let (_, _, path, _dir) = history(Node::new(&world)).await;
    let whole = numbers(&path, all).await;
    let (cancelled, voting) = (Status::Cancelled as i64, Status::Voting as i64);
    assert_eq!(
        whole.iter().map(|row| (row[0], row[1], row[2] > 0, row[3] > 0)).collect::<Vec<_>>(),
        [(known[0], cancelled, true, false), (known[1], voting, false, true)]
    );
    assert_eq!(numbers(&path, votes).await, [[known[0], 0], [known[1], 1]]);
    let words = "SELECT title || text_hash || proposer || address FROM proposals ORDER BY number";
    let said = texts(&path, words).await;

    // Of a vote in a truncated log only the new totals are known.
    for unheard in [&["create_proposal"][..], &["create_proposal", "submit_proposal", "vote_stake"]] {
        let mut node = Node::new(&world);
        unheard.iter().for_each(|instruction| node.cut_last_log(instruction, 0));
        let (_, _, path, _dir) = history(node).await;
        assert_eq!(numbers(&path, all).await, whole, "{unheard:?}");
        assert_eq!(texts(&path, words).await, said, "{unheard:?}");
        assert_eq!(numbers(&path, votes).await.len(), 2 - unheard.len() / 3, "{unheard:?}");
    }
    // The first proposal, whose account is gone, is missing from the books, and the second is not confused with it.
    let mut node = Node::new(&world);
    let second = node.entries.split_off(node.last("create_proposal"));
    node.cut_last_log("create_proposal", 0);
    node.entries.extend(second);
    let (_, _, path, _dir) = history(node).await;
    assert_eq!(numbers(&path, all).await, whole[1..]);
    assert_eq!(numbers(&path, votes).await, [[-1, 0], [known[1], 1]]);
    // The node has forgotten the creation of the second one.
    let mut node = Node::new(&world);
    node.entries.remove(node.last("create_proposal"));
    let (_, _, path, _dir) = history(node).await;
    assert_eq!(numbers(&path, all).await, whole[..1]);
    assert_eq!(numbers(&path, votes).await, [[known[0], 0], [-1, 1]]);
}

#[tokio::test]
async fn agreement_ends_the_windows_of_replicas() {
    let mut world = world();
    let workers = ["alice", "dora"].map(|name| world.worker(name));
    let consumer = world.consumer("bob");
    let jobs = world.open_replicas(&consumer, 5, JobTerms { replicas: 2, ..terms() });
    world.open_doors();
    for (replica, worker) in workers.iter().enumerate() {
        let claim = world.claiming_replica(worker, &jobs, replica);
        world.send(claim, &[&worker.key]);
        world.commit(worker, &jobs[replica]);
    }
    let call = job::call_reveals(&world.living(&jobs));
    world.send(call, &[]);
    for (worker, address) in workers.iter().zip(&jobs) {
        world.send(revealing(worker, address, Work::SAMPLE), &[&worker.key]);
    }
    world.wait(60);
    let agree = job::agree_replicas(&world.living(&jobs));
    world.send(agree, &[]);
    let (node, _, path, _dir) = history(Node::new(&world)).await;
    let (_, last) = node.entries.last().unwrap();
    let agreed_at = common::time(last.slot);
    assert_eq!(numbers(&path, "SELECT window_ends FROM jobs").await, [[agreed_at], [agreed_at]]);
}

#[tokio::test]
async fn no_event_stops_the_indexer() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = [0; 11];
    for seed in 0..4 {
        let path = dir.path().join(format!("{seed}.db"));
        let store = store(&path).await;
        store.write(&RandomEvents::new(seed).take(1_500), &[]).await.unwrap();
        let tables = [
            "jobs",
            "escrows",
            "devices",
            "offers",
            "hours",
            "proposals",
            "models",
            "disputes",
            "slashes",
            "votes",
            "prices",
        ];
        for (rows, table) in rows.iter_mut().zip(tables) {
            *rows += numbers(&path, &format!("SELECT COUNT(*) FROM {table}")).await[0][0];
        }
    }
    // Every table was filled.
    assert!(!rows.contains(&0), "{rows:?}");
}
