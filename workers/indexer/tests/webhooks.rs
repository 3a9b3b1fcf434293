//! Webhooks: every wanted event arrives in order, at least once and signed, whatever the receiver does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "../../worker/tests/common/log.rs"]
mod log;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use common::{Node, store, story};
use daemon::Backoff;
use hmac::{Hmac, Mac};
use indexer::{Follower, Store, webhooks};
use serde_json::Value;
use sha2::Sha256;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "correct horse battery staple";
const QUICK: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(20));

/// A receiver that refuses so many requests, and accepts the rest.
#[derive(Clone)]
struct Receiver {
    refusals: Arc<AtomicUsize>,
    taken: mpsc::UnboundedSender<(i64, Value)>,
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&body);
    let wanted = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(headers["ionet-signature"], wanted.as_str());
    let left = receiver.refusals.load(Ordering::Relaxed);
    if left > 0 {
        receiver.refusals.store(left - 1, Ordering::Relaxed);
        return match left % 2 {
            0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            _ => Redirect::temporary("/elsewhere").into_response(),
        };
    }
    let event: Value = serde_json::from_slice(&body).unwrap();
    let number: i64 = headers["ionet-event"].to_str().unwrap().parse().unwrap();
    receiver.taken.send((number, event)).unwrap();
    StatusCode::OK.into_response()
}

impl Receiver {
    fn new(refusals: usize) -> (Self, mpsc::UnboundedReceiver<(i64, Value)>) {
        let (taken, all) = mpsc::unbounded_channel();
        let refusals = Arc::new(AtomicUsize::new(refusals));
        (Self { refusals, taken }, all)
    }

    /// Listens at `address`, or at any, until `stop`.
    async fn listen(&self, address: Option<SocketAddr>, stop: CancellationToken) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = tokio::net::TcpListener::bind(address.unwrap_or(any)).await.unwrap();
        let address = listener.local_addr().unwrap();
        // A followed redirect shows as the number -1.
        let elsewhere = post(async |State(receiver): State<Receiver>| receiver.taken.send((-1, Value::Null)).unwrap());
        let router = Router::new()
            .route("/", post(take))
            .route("/elsewhere", elsewhere)
            .with_state(self.clone());
        let served = tokio::spawn(async move {
            // Drops requests in flight.
            tokio::select! {
                () = stop.cancelled() => {}
                ended = axum::serve(listener, router) => ended.unwrap(),
            }
        });
        (address, served)
    }
}

fn write(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("webhooks.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// A webhook in the file.
fn entry(address: SocketAddr) -> String {
    format!("[[webhook]]\nurl = 'http://{address}/'\nsecret = '{SECRET}'\n")
}

/// Waits until so many webhooks have started: the database has them then.
async fn begun(path: &Path, count: i64) {
    while hooks_known(path).await < count {
        tokio::task::yield_now().await;
    }
}

async fn tell(node: &Node, follower: &mut Follower, told: usize) {
    node.told.store(told, Ordering::Relaxed);
    while follower.round().await.unwrap().taken > 0 {}
}

fn deliver(file: &Path, store: &Store, stop: &CancellationToken) {
    for hook in webhooks::read(file).unwrap() {
        tokio::spawn(hook.deliver(store.clone(), QUICK, stop.clone()));
    }
}

#[tokio::test]
async fn every_event_arrives_in_order_whatever_the_receiver_does() {
    let dir = tempfile::tempdir().unwrap();
    let node = Arc::new(Node::new(&story()));
    let store = store(&dir.path().join("history.db")).await;
    let mut follower = Follower::new(node.clone(), store.clone());
    // Events before the webhook starts are not posted.
    tell(&node, &mut follower, 40).await;
    let before = *store.watch().borrow();

    let (receiver, mut taken) = Receiver::new(5);
    let alive = CancellationToken::new();
    let (address, served) = receiver.listen(None, alive.clone()).await;
    let (dead, mut never) = Receiver::new(usize::MAX);
    let (refusing, _) = dead.listen(None, CancellationToken::new()).await;
    let file = write(dir.path(), &(entry(address) + &entry(refusing)));
    let stop = CancellationToken::new();
    deliver(&file, &store, &stop);
    begun(&dir.path().join("history.db"), 2).await;
    tell(&node, &mut follower, 80).await;
    let newest = *store.watch().borrow();
    let mut numbers = Vec::new();
    while numbers.last() != Some(&newest) {
        let (number, event) = taken.recv().await.unwrap();
        assert_eq!(event["id"], number);
        numbers.push(number);
    }
    assert_eq!(numbers, (before + 1..=newest).collect::<Vec<_>>());

    // Both sides stop. Events in the meantime arrive once they are back.
    alive.cancel();
    served.await.unwrap();
    tell(&node, &mut follower, 120).await;
    stop.cancel();
    let alive = CancellationToken::new();
    receiver.listen(Some(address), alive).await;
    let stop = CancellationToken::new();
    deliver(&file, &store, &stop);
    let later = *store.watch().borrow();
    let mut numbers = Vec::new();
    while numbers.last() != Some(&later) {
        numbers.push(taken.recv().await.unwrap().0);
    }
    // At least once: the last event before the stop may come again.
    numbers.dedup();
    let first = numbers[0];
    assert!([newest, newest + 1].contains(&first), "{first} after {newest}");
    assert_eq!(numbers, (first..=later).collect::<Vec<_>>());
    // The receiver that refuses everything has not delayed the other.
    assert!(never.try_recv().is_err());
    stop.cancel();
}

/// The waits for a receiver are not those for the database.
#[tokio::test]
async fn events_are_posted_once_the_database_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (node, path) = (Arc::new(Node::new(&story())), dir.path().join("history.db"));
    let store = store(&path).await;
    let mut follower = Follower::new(node.clone(), store.clone());
    tell(&node, &mut follower, 40).await;
    let (receiver, mut taken) = Receiver::new(0);
    let (address, _) = receiver.listen(None, CancellationToken::new()).await;
    let file = write(dir.path(), &entry(address));
    let (hour, stop) = (Duration::from_secs(3_600), CancellationToken::new());
    let hook = webhooks::read(&file).unwrap().remove(0);
    tokio::spawn(hook.deliver(store.clone(), Backoff::new(hour, hour), stop.clone()));
    begun(&path, 1).await;

    let database = sqlx::AnyPool::connect(&common::url(&path)).await.unwrap();
    let (mut errors, _guard) = log::hear("error");
    sqlx::query("ALTER TABLE webhooks RENAME TO elsewhere")
        .execute(&database)
        .await
        .unwrap();
    tell(&node, &mut follower, 80).await;
    let logged = errors.recv().await.unwrap();
    assert!(logged.contains("no such table"), "{logged}");
    sqlx::query("ALTER TABLE elsewhere RENAME TO webhooks")
        .execute(&database)
        .await
        .unwrap();
    let came = tokio::time::timeout(Duration::from_secs(60), taken.recv()).await;
    came.expect("the events arrive").unwrap();
    stop.cancel();
}

async fn hooks_known(path: &Path) -> i64 {
    let pool = sqlx::AnyPool::connect(&common::url(path)).await.unwrap();
    sqlx::query_scalar("SELECT COUNT(*) FROM webhooks").fetch_one(&pool).await.unwrap()
}

/// A new webhook with a new database: the past is not posted, in however many rounds it is indexed and however late the node shows it.
#[tokio::test]
async fn the_past_is_not_posted() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::new(&story());
    let late = node.insert(20, Vec::new());
    *node.unknown.lock().unwrap() = Some(late);
    let node = Arc::new(node);
    node.told.store(40, Ordering::Relaxed);
    let path = dir.path().join("history.db");
    let store = store(&path).await;
    let mut follower = Follower::in_rounds_of(3, node.clone(), store.clone());
    let (receiver, mut taken) = Receiver::new(0);
    let (address, _) = receiver.listen(None, CancellationToken::new()).await;
    let file = write(dir.path(), &entry(address));
    let stop = CancellationToken::new();
    // A faulty webhook would start now, while nothing has been indexed.
    deliver(&file, &store, &stop);
    tokio::task::yield_now().await;
    while follower.round().await.unwrap().taken > 0 {
        assert_eq!(hooks_known(&path).await, 0);
    }
    assert!(*store.watch().borrow() > 0);
    assert_eq!(hooks_known(&path).await, 0, "one transaction is missing");
    *node.unknown.lock().unwrap() = None;
    while follower.round().await.unwrap().whole_before.is_none() {
        assert_eq!(hooks_known(&path).await, 0);
    }
    let before = *store.watch().borrow();
    begun(&path, 1).await;
    tell(&node, &mut follower, 80).await;
    assert_eq!(taken.recv().await.unwrap().0, before + 1);
    stop.cancel();
}

/// On a busy chain every round takes something in.
#[tokio::test]
async fn a_webhook_starts_while_transactions_keep_coming() {
    let dir = tempfile::tempdir().unwrap();
    let node = Arc::new(Node::new(&story()));
    let path = dir.path().join("history.db");
    let store = store(&path).await;
    let mut follower = Follower::new(node.clone(), store.clone());
    let (receiver, _taken) = Receiver::new(0);
    let (address, _) = receiver.listen(None, CancellationToken::new()).await;
    let file = write(dir.path(), &entry(address));
    let stop = CancellationToken::new();
    deliver(&file, &store, &stop);
    node.told.store(40, Ordering::Relaxed);
    assert!(follower.round().await.unwrap().taken > 0);
    let begins = tokio::time::timeout(Duration::from_secs(60), begun(&path, 1)).await;
    begins.expect("the webhook starts");
    stop.cancel();
}

#[tokio::test]
async fn only_wanted_events_are_posted() {
    let dir = tempfile::tempdir().unwrap();
    let node = Arc::new(Node::new(&story()));
    let store = store(&dir.path().join("history.db")).await;
    let mut follower = Follower::new(node.clone(), store.clone());
    let (receiver, mut taken) = Receiver::new(0);
    let (address, _) = receiver.listen(None, CancellationToken::new()).await;
    let model = story().model;
    tell(&node, &mut follower, 0).await;
    let filters = format!("programs = ['jobs']\nnames = ['JobOpened', 'JobSettled']\naddresses = ['{model}']\n");
    let stop = CancellationToken::new();
    deliver(&write(dir.path(), &(entry(address) + &filters)), &store, &stop);
    begun(&dir.path().join("history.db"), 1).await;
    tell(&node, &mut follower, usize::MAX).await;
    // All jobs but one are on this model, which `JobSettled` does not name.
    for _ in 0..33 {
        let (_, event) = taken.recv().await.unwrap();
        assert_eq!(
            (event["name"].as_str().unwrap(), event["data"]["model"].as_str().unwrap()),
            ("JobOpened", model.to_string().as_str())
        );
    }
    stop.cancel();
}

#[test]
fn invalid_webhooks_are_refused_without_showing_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let valid = "[[webhook]]\nurl = 'http://a/'\nsecret = 'hidden hidden hidden'\n";
    let cases = [
        (
            "[[webhook]]\nurl = 'ftp://a/'\nsecret = 'sixteen bytes or more'",
            "not an http(s) URL",
        ),
        ("[[webhook]]\nurl = 'http://a/'\nsecret = 'hidden'", "shorter than 16"),
        ("[[webhook]]\nurl = 'http://a/'\nsecret = hidden", "correct it"),
        (&format!("{valid}colour = 1"), "unknown field"),
        (&format!("{valid}addresses = ['x']"), "not an address"),
        (
            &format!("{valid}programs = ['jobs', 'job']"),
            "there is no program \"job\"; choose among costaking, governance, jobs, referee, staking",
        ),
        (
            &format!("{valid}names = ['JobSetled']"),
            "no event \"JobSetled\"; choose among AuditClosed,",
        ),
        (
            &format!("{valid}programs = ['referee']\nnames = ['LogCut', 'JobSettled']"),
            "no event \"JobSettled\"; choose among EvidenceClosed, EvidenceCompleted, EvidenceSealed, LogCut",
        ),
        (&valid.repeat(2), "the URL of another"),
    ];
    for (text, words) in cases {
        let error = webhooks::read(&write(dir.path(), text)).err().unwrap().to_string();
        assert!(error.contains(words) && !error.contains("hidden"), "{error}");
    }
}
