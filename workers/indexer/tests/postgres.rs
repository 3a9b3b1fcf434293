//! PostgreSQL holds the same rows and gives the same answers as SQLite. `cargo xtask test` fetches PostgreSQL and puts the folder of its
//! programs in IONET_POSTGRES; otherwise Debian's is used. Without either the test says that it is skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use common::{Node, dump, random_events::RandomEvents, store, story, take_all, url};
use indexer::{Follower, Store, api, check};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A PostgreSQL server with its data and its socket in a temporary folder.
struct Postgres {
    process: Child,
    dir: TempDir,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Folder of PostgreSQL's programs.
fn installed() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("IONET_POSTGRES") {
        return Some(PathBuf::from(named));
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("initdb").exists()).max()
}

/// Copies the Python package that contains `bin`, and the libraries next to it, into `dir`; returns the folder of the programs there.
fn copied(bin: &Path, dir: &Path) -> PathBuf {
    let packages = bin.ancestors().nth(3).unwrap();
    let into = dir.join("programs");
    let copy = Command::new("cp").arg("-r").arg(packages).arg(&into).status().unwrap();
    assert!(copy.success());
    into.join(bin.strip_prefix(packages).unwrap())
}

impl Postgres {
    /// Starts a server. Without PostgreSQL, says that the test is skipped, and does so past the capture of its output.
    #[allow(clippy::explicit_write, reason = "eprintln! is captured")]
    fn start() -> Option<Self> {
        let Some(mut bin) = installed() else {
            writeln!(std::io::stderr(), "skipped: PostgreSQL is not installed").unwrap();
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        // PostgreSQL refuses to run as root.
        let is_root = fs::metadata(dir.path()).unwrap().uid() == 0;
        if is_root && std::env::var_os("IONET_POSTGRES").is_some() {
            // Other users cannot read root's home.
            bin = copied(&bin, dir.path());
        }
        let command = |name: &str| {
            let program = bin.join(name);
            match is_root {
                false => Command::new(program),
                true => {
                    let mut command = Command::new("setpriv");
                    command
                        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"])
                        .arg(program);
                    command
                }
            }
        };
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = dir.path().join("data");
        let made = command("initdb")
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut process = command("postgres")
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(dir.path())
            .arg("-D")
            .arg(&data)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("ready to accept connections")), "it does not start");
        // The server would block if nobody read its output.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, dir })
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.dir.path().display())
    }

    /// Creates a database with this name; returns its URL.
    async fn database(&self, name: &'static str) -> String {
        sqlx::any::install_default_drivers();
        let pool = sqlx::AnyPool::connect(&self.url("postgres")).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&pool).await.unwrap();
        self.url(name)
    }
}

/// The answers of a store's API, by path.
async fn answers(store: &Store) -> Vec<(String, Value)> {
    let router = api::router(store.clone(), CancellationToken::new());
    let ask = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    };
    let document = ask("/v1/openapi.json").await;
    let mut all = Vec::new();
    for (path, says) in document["paths"].as_object().unwrap() {
        if path == "/v1/stream" || path.contains('{') {
            continue;
        }
        let whole = ask(path).await;
        // Each list by each of its filters, and its second page.
        let first = &whole["rows"][0];
        for parameter in says["get"]["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            let value = &first[name];
            if let Some(value) = value.as_str().map(str::to_owned).or_else(|| Some(value.as_i64()?.to_string())) {
                let path = format!("{path}?{name}={value}");
                all.push((path.clone(), ask(&path).await));
            }
        }
        if let Some(next) = whole["next"].as_i64() {
            let path = format!("{path}?limit=200&before={next}");
            all.push((path.clone(), ask(&path).await));
        }
        if ["/v1/jobs", "/v1/devices"].contains(&path.as_str()) {
            let path = format!("{path}/{}", first["address"].as_str().unwrap());
            all.push((path.clone(), ask(&path).await));
        }
        all.push((path.clone(), whole));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_has_the_same_rows_and_answers() {
    let Some(postgres) = Postgres::start() else { return };
    let mut node = Node::new(&story());
    node.cut_log("settle_job");
    let node = Arc::new(node);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whole.db");
    let sqlite = store(&path).await;
    take_all(&node, &sqlite).await;
    let wanted = dump(&url(&path)).await;

    let whole = postgres.database("whole").await;
    let store = Store::open(&whole).await.unwrap();
    take_all(&node, &store).await;
    assert!(dump(&whole).await == wanted);
    assert_eq!(check::check(&*node, &store).await.unwrap(), []);
    let (ours, theirs) = (answers(&store).await, answers(&sqlite).await);
    assert!(ours.len() > 40, "{}", ours.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }

    // In pieces, with the store reopened each time.
    let pieces = postgres.database("pieces").await;
    let mut rng = fastrand::Rng::with_seed(3);
    node.told.store(0, Ordering::Relaxed);
    while node.told().len() < node.entries.len() {
        let mut follower = Follower::new(node.clone(), Store::open(&pieces).await.unwrap());
        node.told.fetch_add(rng.usize(30..200), Ordering::Relaxed);
        follower.round().await.unwrap();
    }
    take_all(&node, &Store::open(&pieces).await.unwrap()).await;
    assert!(dump(&pieces).await == wanted);

    // With books that a migration emptied.
    common::empty_books(&pieces).await;
    assert!(dump(&pieces).await != wanted);
    drop(Store::open(&pieces).await.unwrap());
    assert!(dump(&pieces).await == wanted);

    // Random events.
    let (said, path) = (postgres.database("said").await, dir.path().join("said.db"));
    let stores = [Store::open(&said).await.unwrap(), common::store(&path).await];
    for store in &stores {
        store.write(&RandomEvents::new(0).take(1_500), &[]).await.unwrap();
    }
    assert!(dump(&said).await == dump(&url(&path)).await);
    for (ours, theirs) in answers(&stores[0]).await.iter().zip(&answers(&stores[1]).await) {
        assert_eq!(ours, theirs);
    }
}

/// A query that nobody waits for any more does not keep its connection.
#[tokio::test]
async fn a_query_that_takes_too_long_is_ended() {
    let Some(postgres) = Postgres::start() else { return };
    let url = postgres.database("busy").await;
    let store = Store::open(&url).await.unwrap();
    let database = sqlx::AnyPool::connect(&url).await.unwrap();
    let router = api::router(store, CancellationToken::new());
    let ask = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    };
    // More queries than connections wait for this lock.
    let mut lock = database.begin().await.unwrap();
    sqlx::query("LOCK TABLE events").execute(&mut *lock).await.unwrap();
    let stuck = futures_util::future::join_all([(); 16].map(|()| ask("/v1/events"))).await;
    assert_eq!(stuck, [StatusCode::SERVICE_UNAVAILABLE; 16]);
    assert_eq!(ask("/v1/jobs").await, StatusCode::OK);
}
