//! `cargo xtask demo --web`, as a browser sees it. A page of this test stands for the web app.
//!
//! `cargo xtask test` builds the binaries first; they are looked for in `target/bin`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use governance::Status;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The demo in its own folder, run by a user whose settings are about another market.
struct Demo {
    child: Child,
    said: BufReader<ChildStdout>,
    dir: tempfile::TempDir,
}

/// How long a test waits for processes.
const PATIENCE: Duration = Duration::from_secs(300);

/// An address where nobody answers.
const ELSEWHERE: &str = "http://127.0.0.1:9";

/// The flag for the port of the web app.
const PORT: &str = "--web-port";

impl Demo {
    fn start() -> Self {
        Self::at(0)
    }

    /// The demo with the web app at this port, or at any free one.
    fn at(port: u16) -> Self {
        Self::run(|demo, dir| {
            let app = dir.join("app");
            std::fs::create_dir(&app).unwrap();
            std::fs::write(app.join("index.html"), "<title>ionet</title>").unwrap();
            demo.args(["--web", "--no-open", PORT, &port.to_string(), "--web-dir"]).arg(app);
        })
    }

    /// The demo with the arguments added.
    fn run(add: impl FnOnce(&mut Command, &Path)) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let settings = dir.path().join("home/.config/ionet");
        std::fs::create_dir_all(&settings).unwrap();
        std::fs::write(
            settings.join("config.toml"),
            format!("url = \"{ELSEWHERE}\"\nblobs = \"{ELSEWHERE}\"\n"),
        )
        .unwrap();
        let mut demo = Command::new(root.join("target/bin/demo"));
        demo.current_dir(&root)
            .env("HOME", dir.path().join("home"))
            .envs(["IONET_URL", "IONET_BLOBS"].map(|variable| (variable, ELSEWHERE)))
            .env("RUST_LOG", "off")
            .args(["--output", "json", "--dir"])
            .arg(dir.path().join("market"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        add(&mut demo, dir.path());
        let mut child = demo.spawn().expect("the binaries are not built; run `cargo xtask build`");
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said, dir }
    }

    /// Names of the processes that run in the market's folder.
    fn processes(&self) -> Vec<String> {
        let market = self.dir.path().join("market");
        let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let there = all.filter(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == market));
        let mut names: Vec<String> = there
            .filter_map(|process| std::fs::read_to_string(process.path().join("comm")).ok())
            .map(|name| name.trim().to_owned())
            .collect();
        names.sort();
        names
    }

    /// Asks it to end and waits until it has, then checks that nothing it started is left.
    fn end(mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        assert!(self.child.wait().unwrap().success(), "the demo did not end cleanly");
        assert_eq!(self.processes(), Vec::<String>::new(), "processes are left");
        let record = self.dir.path().join("market/.ionet/localnet/localnet.json");
        assert!(!record.exists(), "the local market did not end cleanly");
        let kept = self.dir.path().join("home/.local/share/ionet");
        assert!(!kept.exists(), "records of the demo's jobs are among the user's");
    }
}

impl Drop for Demo {
    /// A test that fails must not leave a market behind.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        }
    }
}

/// Head and body of an answer.
fn get(host: &str, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(host).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn json(host: &str, path: &str) -> Value {
    let (head, body) = get(host, path);
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}\n{body}");
    serde_json::from_str(&body).unwrap()
}

/// The row of a list in which `column` is `value`.
fn row<'a>(list: &'a Value, column: &str, value: &Value) -> Option<&'a Value> {
    list["rows"].as_array().unwrap().iter().find(|row| row[column] == *value)
}

#[test]
fn a_market_has_something_of_everything_and_ends_cleanly() {
    let mut demo = Demo::start();
    let mut record = String::new();
    demo.said.read_line(&mut record).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap_or_else(|_| {
        let mut said = String::new();
        demo.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("the demo is not up:\n{said}")
    });
    println!("up after {} s", record["seconds"]);
    let host = record["web"].as_str().unwrap().strip_prefix("http://").unwrap();
    let running = ["ionet-localnet", "ionet-watchtowe", "ionet-worker", "ionet-worker"];
    assert_eq!(demo.processes(), running, "comm has fifteen letters");

    // The indexer may not have read the latest transactions yet: the next event tells when to look again.
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /v1/stream HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut news = BufReader::new(stream).lines();
    let rewarded = |list: &str, address: &Value| {
        let list = json(host, list);
        row(&list, "address", address).is_some_and(|row| row["rewards"].as_i64() > Some(0))
    };
    while !rewarded("/v1/devices", &record["devices"][0]) || !rewarded("/v1/offers", &record["offers"][0]) {
        news.next().unwrap().unwrap();
    }

    let jobs = json(host, "/v1/jobs");
    assert_eq!(record["jobs"].as_array().unwrap().len(), 4);
    for job in record["jobs"].as_array().unwrap() {
        assert_eq!(row(&jobs, "address", job).unwrap()["status"], "settled", "{job}");
    }
    assert_eq!(row(&jobs, "address", &record["convicted"]).unwrap()["status"], "convicted");
    assert_eq!(json(host, "/v1/events?name=ModelSealed")["rows"].as_array().unwrap().len(), 2);
    let figures = json(host, "/v1/network");
    assert_eq!(
        (&figures["devices"], &figures["jobs_settled"], &figures["jobs_convicted"]),
        (&2.into(), &4.into(), &1.into())
    );

    let offers = json(host, "/v1/offers");
    let offer = row(&offers, "address", &record["offers"][0]).unwrap();
    let number = |name: &str| offer[name].as_i64().unwrap();
    assert_eq!((&offer["device"], number("status")), (&record["devices"][1], 0));
    assert!(0 < number("joined") && number("joined") < number("capacity"), "{offer}");
    let hours = json(host, "/v1/hours");
    let paid = hours["rows"]
        .as_array()
        .unwrap()
        .iter()
        .any(|hour| hour["enterprise"].as_i64() > Some(0));
    assert!(paid, "{hours}");

    let proposals = json(host, "/v1/proposals");
    for (which, status) in [("executed", Status::Executed), ("voting", Status::Voting)] {
        let proposal = row(&proposals, "number", &record["proposals"][which]).unwrap();
        assert_eq!(proposal["status"], status as i64, "{proposal}");
        assert!(proposal["yes"].as_i64() > Some(0), "{proposal}");
    }

    let config = json(host, "/config.json");
    for name in ["rpc", "ws", "blobs"] {
        assert_eq!(config[name], record[name], "{name}");
    }
    assert!(
        get(host, "/jobs").1.contains("<title>ionet</title>"),
        "the app's own paths are its page"
    );
    demo.end();
}

#[test]
fn it_ends_cleanly_while_starting() {
    let mut demo = Demo::start();
    // The reader is kept until the demo has ended: writing into a pipe without a reader fails.
    let mut progress = BufReader::new(demo.child.stderr.take().unwrap()).lines();
    let up = progress.any(|line| line.unwrap().contains("the chain is up"));
    assert!(up && !demo.processes().is_empty());
    demo.end();
    drop(progress);
}

#[test]
fn a_killed_demo_leaves_no_market_behind() {
    let mut demo = Demo::start();
    let mut progress = BufReader::new(demo.child.stderr.take().unwrap()).lines();
    assert!(progress.any(|line| line.unwrap().contains("the chain is up")));
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    let market = demo.dir.path().join("market/.ionet/localnet");
    // The local market holds the lock for as long as it runs.
    let lock = File::open(market.join("lock")).unwrap();
    let (ended, has_ended) = mpsc::channel();
    std::thread::spawn(move || ended.send(lock.lock()));
    has_ended.recv_timeout(PATIENCE).expect("the local market still runs").unwrap();
    assert!(!market.join("localnet.json").exists(), "the local market did not end cleanly");
}

/// Left alone, a crank and a consumer who waits for a result would go on for ever.
#[test]
fn a_killed_demo_leaves_no_command_behind() {
    let mut demo = Demo::run(|_, _| ());
    let mut progress = BufReader::new(demo.child.stderr.take().unwrap()).lines();
    assert!(progress.any(|line| line.unwrap().contains("a crank are running")));
    let log = demo.dir.path().join("market/ionet-worker.log");
    until("a job is claimed", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains("\"event\":\"claimed\""))
    });
    let command = "ionet".to_owned();
    assert!(demo.processes().contains(&command), "neither crank nor consumer runs");
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    // The worker takes its time: it tries to deliver.
    until("crank and consumer have ended", || !demo.processes().contains(&command));
}

/// Waits for what no event tells of: what processes do that another one started.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for five minutes until {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_taken_port_is_refused_with_the_demos_own_flag() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut demo = Demo::at(other.local_addr().unwrap().port());
    let mut said = String::new();
    demo.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!demo.child.wait().unwrap().success());
    assert!(said.contains(&format!("another with {PORT}")), "{said}");
}
