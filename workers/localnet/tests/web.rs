//! The market in a browser. Needs the built programs: `cargo xtask build`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chain::localnet::Record;
use chain::market::token_account;
use localnet::{Localnet, Options, WebOptions, mint};
use protocol::units::IO;
use serde_json::{Value, json};
use solana_address::Address;
use std::{path::Path, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Options of a market with one page as its web app.
fn options(dir: &Path) -> Options {
    let app = dir.join("app");
    std::fs::create_dir_all(&app).unwrap();
    std::fs::write(app.join("index.html"), "<title>ionet</title>").unwrap();
    let mut options = Options {
        dir: dir.join("net"),
        programs: Path::new(ROOT).join("target/deploy"),
        web: Some(WebOptions { port: 0, app }),
        ..Options::default()
    }
    .on_free_ports();
    options.node.slot = Duration::from_millis(50);
    options
}

/// Sends a request; returns the head and body of the response.
async fn ask(url: &str, method: &str, path: &str, headers: &str, body: &str) -> (String, Vec<u8>) {
    let host = url.split_once("://").unwrap().1.trim_end_matches('/');
    let mut socket = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

/// Sends a request to the faucet; returns the status and body.
async fn drip(url: &str, headers: &str, body: &str) -> (String, Value) {
    let (head, body) = ask(url, "POST", "/faucet", headers, body).await;
    (head[9..12].to_owned(), serde_json::from_slice(&body).unwrap_or_default())
}

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn app_history_and_faucet_are_served_at_one_address() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    std::fs::create_dir_all(&options.dir).unwrap();
    std::fs::write(options.dir.join("history.db"), "of an earlier chain").unwrap();
    let localnet = Localnet::start(&options).await.unwrap();
    let record = Record::load(&options.dir).unwrap();
    let web = record.web.clone().unwrap();
    assert!(record.to_string().contains(&format!("Web app    {web}\n")), "{record}");

    let (head, page) = ask(&web, "GET", "/jobs", "", "").await;
    assert!(head.starts_with("http/1.1 200") && page == b"<title>ionet</title>", "{head}");
    let config: Value = serde_json::from_slice(&ask(&web, "GET", "/config.json", "", "").await.1).unwrap();
    let expected = json!({
        "cluster": "localnet", "chain": "solana:localnet", "rpc": record.rpc, "ws": record.ws, "blobs": record.blobs,
        "mint": record.mint, "genesis": localnet.node().genesis().to_string(), "faucet": true,
    });
    assert_eq!(config, expected);

    // The old history is gone, and that of this chain is indexed.
    let mut stream = TcpStream::connect(web.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"GET /v1/stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut news = BufReader::new(stream).lines();
    while serde_json::from_slice::<Value>(&ask(&web, "GET", "/v1/events?name=GpuModelChanged", "", "").await.1).unwrap()["rows"]
        .as_array()
        .unwrap()
        .is_empty()
    {
        news.next_line().await.unwrap().unwrap();
    }
    localnet.stop().await.unwrap();
    assert!(
        TcpStream::connect(web.strip_prefix("http://").unwrap()).await.is_err(),
        "it is still served"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faucet_pays_for_well_formed_requests() {
    let folder = tempfile::tempdir().unwrap();
    let localnet = Localnet::start(&options(folder.path())).await.unwrap();
    let web = localnet.record().web.clone().unwrap();
    let wanted = |to: &Address| json!({ "address": to.to_string() }).to_string();

    let to = Address::new_unique();
    let (status, given) = drip(&web, JSON, &wanted(&to)).await;
    assert_eq!(
        (status.as_str(), given["lamports"].as_u64()),
        ("200", Some(10_000_000_000)),
        "{given}"
    );
    let accounts = localnet
        .chain()
        .network()
        .accounts(&[to, token_account(&to, &mint())])
        .await
        .unwrap()
        .1;
    let [Some(wallet), Some(tokens)] = accounts.as_slice() else {
        panic!("{accounts:?}")
    };
    assert_eq!(wallet.lamports, 10_000_000_000);
    assert_eq!(u64::from_le_bytes(tokens.data[64..72].try_into().unwrap()), 10_000 * IO);

    let refused = [
        (JSON, "{\"address\": \"nobody\"}", "400", "is not an address"),
        (JSON, "{\"address\": 7}", "422", "is not JSON like"),
        (JSON, "{", "400", "is not JSON like"),
        (
            "content-type: text/plain\r\n",
            "{\"address\": \"nobody\"}",
            "415",
            "is not JSON like",
        ),
        (JSON, &"x".repeat(2_000), "413", "is not JSON like"),
    ];
    for (headers, body, status, sentence) in refused {
        let (got, said) = drip(&web, headers, body).await;
        assert_eq!(got, status, "{body}: {said}");
        assert!(said["error"].as_str().unwrap().contains(sentence), "{said}");
    }
    let preflight =
        "origin: http://elsewhere.example\r\naccess-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n";
    let (head, _) = ask(&web, "OPTIONS", "/faucet", preflight, "").await;
    assert!(
        !head.contains("access-control-allow"),
        "a page of another origin may use the faucet: {head}"
    );

    // However many requests come at once, each gets a response.
    let mut asked = JoinSet::new();
    for _ in 0..12 {
        let (web, body) = (web.clone(), wanted(&Address::new_unique()));
        asked.spawn(async move { drip(&web, JSON, &body).await });
    }
    let answers = asked.join_all().await;
    assert!(
        answers.iter().all(|(status, _)| ["200", "429"].contains(&status.as_str())),
        "{answers:?}"
    );
    localnet.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_and_subscriptions_answer_pages_of_other_origins() {
    let folder = tempfile::tempdir().unwrap();
    let localnet = Localnet::start(&options(folder.path())).await.unwrap();
    let (record, origin) = (localnet.record(), "origin: http://app.example\r\n");
    let preflight =
        format!("{origin}access-control-request-method: POST\r\naccess-control-request-headers: content-type, solana-client\r\n");
    let (head, _) = ask(&record.rpc, "OPTIONS", "/", &preflight, "").await;
    for header in ["allow-origin: http://app.example", "allow-headers: content-type, solana-client"] {
        assert!(head.contains(&format!("access-control-{header}")), "{header} in {head}");
    }
    let question = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getGenesisHash\"}";
    let (head, body) = ask(&record.rpc, "POST", "/", &format!("{origin}{JSON}"), question).await;
    assert!(head.contains("access-control-allow-origin: http://app.example"), "{head}");
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["result"], localnet.node().genesis().to_string(), "{answer}");

    let mut socket = TcpStream::connect(record.ws.strip_prefix("ws://").unwrap()).await.unwrap();
    let shake = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{origin}connection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(shake.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 101");
    localnet.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_build_is_named_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    let web = options.web.as_mut().unwrap();
    std::fs::remove_file(web.app.join("index.html")).unwrap();
    let error = Localnet::start(&options).await.unwrap_err().to_string();
    assert!(
        error.contains("the web app is not built into") && error.contains("cargo xtask build"),
        "{error}"
    );
    assert!(!options.dir.exists(), "something was started");
}
