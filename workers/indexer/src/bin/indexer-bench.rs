//! Measures how fast the indexer indexes and answers: `cargo xtask bench indexer` writes the output to `bench/indexer.md`.

use chain::idl::Event;
use clap::Parser;
use indexer::{Result, Store, Taken, api};
use serde_json::{Value, json};
use solana_address::Address;
use solana_signature::Signature;
use sqlx::{AnyPool, AssertSqlSafe};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Measure the indexer on this machine
#[derive(Parser)]
struct Arguments {
    /// Folder for the database; one left there is removed first
    #[arg(long, default_value = "target/indexer-bench")]
    dir: PathBuf,
    /// Jobs to index, from opening to settlement
    #[arg(long, default_value_t = 20_000)]
    jobs: u64,
    /// Jobs in the table that is queried
    #[arg(long, default_value_t = 1_000_000)]
    table: u64,
    /// Requests a second
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// Seconds of requests
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// Transactions in a round, as in a follower that is behind.
const ROUND: usize = 2_000;
/// Devices that share the jobs.
const DEVICES: u64 = 1_000;
/// Client connections.
const CLIENTS: u64 = 8;

fn address(kind: u8, number: u64) -> Address {
    let mut bytes = [kind; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Address::new_from_array(bytes)
}

fn event(program: &'static str, name: &'static str, values: Value) -> Event {
    let values = values.as_object().cloned().unwrap_or_default();
    Event { program, name, values }
}

/// The transactions of a job from opening to settlement, with their events.
fn life(number: u64) -> Vec<Vec<Event>> {
    let [job, escrow, device] =
        [address(1, number), address(2, number % 100), address(3, number % DEVICES)].map(|address| address.to_string());
    let hash = "ab".repeat(32);
    let moved = |kind: &str| {
        let values = json!({ "escrow": escrow, "kind": kind, "amount": 1_000, "free": 5_000, "locked": 1_000, "fees": 10 });
        event("jobs", "EscrowMoved", values)
    };
    let bond = |locked: bool| {
        let values = json!({ "device": device, "locked": locked, "bond": 100, "penalty": 0, "locked_bond": 100, "open_jobs": 1 });
        event("staking", "BondMoved", values)
    };
    let terms = json!({ "inputs": hash, "start_price": 1, "max_price": 2, "units": 12, "bond": 0, "window_seconds": 5,
        "replicas": 1, "replica": 0 });
    let opened = json!({ "job": job, "escrow": escrow, "model": address(4, 1).to_string(), "mint": address(6, 1).to_string(),
        "foreign_mint": false, "bounty": 5_000, "id": number, "terms": terms });
    let claimed = json!({ "job": job, "device": device, "price": 2, "deadline": 9, "bond": 100 });
    let settled =
        json!({ "job": job, "device": device, "consumer_pays": 9, "supplier_gets": 8, "fees": 1, "auditor_gets": 0, "outputs": hash });
    vec![
        vec![moved("Locked"), event("jobs", "JobOpened", opened)],
        vec![bond(true), event("jobs", "JobClaimed", claimed)],
        vec![event(
            "jobs",
            "JobCommitted",
            json!({ "job": job, "commitment": hash, "deadline": 9 }),
        )],
        vec![event(
            "jobs",
            "JobRevealed",
            json!({ "job": job, "traces": hash, "outputs": hash, "window_ends": 9 }),
        )],
        vec![bond(false), moved("Paid"), event("jobs", "JobSettled", settled)],
    ]
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.dir)?;
    for name in ["bench.db", "bench.db-wal", "bench.db-shm"] {
        let _ = std::fs::remove_file(arguments.dir.join(name));
    }
    let url = format!("sqlite://{}", arguments.dir.join("bench.db").display());
    let store = Store::open(&url).await?;
    let (count, seconds, median) = take_in(&store, arguments.jobs).await?;
    println!(
        "| taken in: {} jobs' lives, {count} events | {:.0} events/s, median round {median:.0} |",
        arguments.jobs,
        count as f64 / seconds
    );

    let pool = AnyPool::connect(&url).await?;
    let fill = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1000000000 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000 + {} - 1) \
         INSERT INTO jobs (opened, address, status, escrow, model, mint, foreign_mint, bounty, units, max_price, inputs, \
         replicas, replica, device, price, updated) \
         SELECT i, 'job' || i, CASE i % 10 WHEN 0 THEN 'open' ELSE 'settled' END, 'escrow' || (i % 100), 'model', 'mint', 0, 5000, 12, \
         2, '', 1, 0, 'device' || (i % 1000), 2, i FROM n",
        arguments.table
    );
    sqlx::query(AssertSqlSafe(fill)).execute(&pool).await?;
    let mut times = ask(store, &arguments).await?;
    times.sort_unstable();
    let at = |share: f64| {
        times
            .get(((times.len() as f64 - 1.0) * share) as usize)
            .copied()
            .unwrap_or_default()
            .as_secs_f64()
            * 1_000.0
    };
    println!(
        "| answered: {} requests at {} a second, {} jobs in the table | p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, worst {:.1} ms |",
        times.len(),
        arguments.rate,
        arguments.table,
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

/// Indexes whole jobs; returns the number of events, the seconds, and the median of the rounds' events per second.
async fn take_in(store: &Store, jobs: u64) -> Result<(usize, f64, f64)> {
    let mut number = 0u64;
    let registered = (0..DEVICES).map(|device| {
        let values = json!({ "device": address(3, device).to_string(), "owner": address(5, device).to_string(),
            "gpu_model": device % 20, "quantity": 1 });
        vec![event("staking", "DeviceRegistered", values)]
    });
    let transactions = registered.chain((0..jobs).flat_map(life)).map(|events| {
        number += 1;
        let mut bytes = [1; 64];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Taken {
            signature: Signature::from(bytes),
            slot: number / 100,
            time: Some(number as i64 / 250),
            fee: 5_000,
            compute_units: 5_000,
            events,
        }
    });
    let all: Vec<Taken> = transactions.collect();
    let (start, mut rates) = (Instant::now(), Vec::new());
    for round in all.chunks(ROUND) {
        let begun = Instant::now();
        let cursors: Vec<_> = round.last().map(|last| (jobs::ID, last.signature)).into_iter().collect();
        store.write(round, &cursors).await?;
        let events: usize = round.iter().map(|taken| taken.events.len()).sum();
        rates.push(events as f64 / begun.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    let count = all.iter().map(|taken| taken.events.len()).sum();
    let median = rates.get(rates.len() / 2).copied().unwrap_or_default();
    Ok((count, start.elapsed().as_secs_f64(), median))
}

/// Sends requests over loopback at a steady rate, independent of the answers; returns the time of each from when it was due.
async fn ask(store: Store, arguments: &Arguments) -> std::result::Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let stop = CancellationToken::new();
    let listener = api::listen(([127, 0, 0, 1], 0).into()).await?;
    let address_of = listener.local_addr()?;
    let served = tokio::spawn(api::serve(listener, api::router(store, stop.clone()), stop.clone()));
    let device = address(3, 7).to_string();
    let job = address(1, 77).to_string();
    let paths = [
        "/v1/jobs".to_owned(),
        "/v1/jobs?status=open&limit=50".to_owned(),
        "/v1/jobs?before=1000500000&limit=200".to_owned(),
        format!("/v1/jobs?device={device}"),
        format!("/v1/jobs/{job}"),
        format!("/v1/events?address={device}"),
        "/v1/network".to_owned(),
    ];
    let start = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (paths, rate, count) = (paths.clone(), arguments.rate, arguments.rate * arguments.seconds / CLIENTS);
        clients.spawn(async move {
            let mut times = Vec::new();
            // Keeps one connection.
            let http = reqwest::Client::builder().no_proxy().build()?;
            for index in 0..count {
                let number = index * CLIENTS + client;
                let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
                tokio::time::sleep_until(due.into()).await;
                let path = paths.get(number as usize % paths.len()).map_or("/", String::as_str);
                let answer = http.get(format!("http://{address_of}{path}")).send().await?;
                answer.error_for_status()?.bytes().await?;
                times.push(due.elapsed());
            }
            reqwest::Result::Ok(times)
        });
    }
    let mut all = Vec::new();
    while let Some(times) = clients.join_next().await {
        all.extend(times??);
    }
    stop.cancel();
    served.await?;
    Ok(all)
}
