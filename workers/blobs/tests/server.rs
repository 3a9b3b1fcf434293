//! A store behind a real socket whose server is honest, lying, disconnecting or busy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../worker/tests/common/log.rs"]
mod log;

use blobs::{
    BlobStore, Error, MAX_TEXT, address, local_folder, parse_address,
    server::{Limits, serve},
};
use bytes::Bytes;
use protocol::{
    batch::{BatchError, BatchHeader},
    blob::{TensorBlob, TraceBlob},
    hash::Hash,
    tensor::Shape,
    trace::Checkpoints,
};
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

/// A blob of one small output tensor, whose last byte is `content`.
fn blob(content: u8) -> Bytes {
    let header = BatchHeader::outputs(1, 0, Shape::new(1, 1, 10)).unwrap();
    [&header.encode()[..], b"012345678", &[content]].concat().into()
}

/// A blob of 3 MiB.
fn large() -> Bytes {
    let header = BatchHeader::outputs(1, 0, Shape::new(1024, 1024, 3)).unwrap();
    [&header.encode()[..], &vec![7; 3 << 20]].concat().into()
}

/// A blob of 48 MiB: more than socket buffers hold when the client does not read.
fn huge() -> Bytes {
    let header = BatchHeader::outputs(16, 0, Shape::new(1024, 1024, 3)).unwrap();
    [&header.encode()[..], &vec![7; 48 << 20]].concat().into()
}

/// The op roots of two units of three ops.
fn trace() -> Bytes {
    TraceBlob::new(Checkpoints::all(3), &[[7; 32]; 6]).unwrap().encode().into()
}

/// One value of 24 elements.
fn tensor() -> Bytes {
    TensorBlob::new(5, Shape::new(2, 3, 4), &[9; 24]).unwrap().encode().into()
}

fn hash(blob: &Bytes) -> Hash {
    address(blob).unwrap()
}

/// A blob server on a free port with a store in memory. It stops with the test.
async fn server(limits: Limits) -> (BlobStore, String) {
    let store = BlobStore::open("memory:///").unwrap();
    (store.clone(), serving(store, limits).await)
}

/// A blob server on a free port with the given store. It stops with the test.
async fn serving(store: BlobStore, limits: Limits) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(listener, store, limits, std::future::pending()));
    host
}

fn client(host: &str) -> BlobStore {
    BlobStore::open(&format!("http://{host}/blobs")).unwrap()
}

/// Sends raw text and returns the whole answer.
async fn raw(host: &str, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(host).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An upload of a blob of 50 bytes without its body, with more headers.
fn put(blob: &Bytes, headers: &str) -> String {
    let path = format!("/blobs/{}", hex::encode(hash(blob)));
    format!("PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 50\r\n{headers}\r\n")
}

async fn ask(host: &str, method: &str, path: &str, headers: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
    raw(host, request.as_bytes()).await
}

/// Answers every connection with the same bytes, whatever is asked, then hangs up.
async fn impostor(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(&answer).await;
        }
    });
    host
}

#[tokio::test]
async fn a_stored_blob_can_be_read_back() {
    let (store, host) = server(Limits::default()).await;
    let client = client(&host);
    for bytes in [blob(0), large(), trace(), tensor()] {
        let hash = client.put(bytes.clone()).await.unwrap();
        assert_eq!(hash, address(&bytes).unwrap());
        assert_eq!(client.get(&hash).await.unwrap(), bytes);
        assert_eq!(store.get(&hash).await.unwrap(), bytes);
        assert_eq!(client.put(bytes).await.unwrap(), hash, "a second upload changes nothing");
    }
}

#[tokio::test]
async fn a_missing_blob_names_the_server_and_the_address() {
    let (_, host) = server(Limits::default()).await;
    let error = client(&host).get(&[9; 32]).await.unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&host) && text.contains(&"09".repeat(32)), "{text}");
}

#[tokio::test]
async fn a_lying_server_is_named() {
    let (right, wrong) = (blob(1), blob(2));
    let host = impostor([b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n", &wrong[..]].concat()).await;
    let error = client(&host).get(&hash(&right)).await.unwrap_err();
    assert!(matches!(error, Error::Mismatch { actual, .. } if actual == hash(&wrong)), "{error}");
    let text = error.to_string();
    assert!(text.contains(&host) && text.contains(&hex::encode(hash(&right))), "{text}");

    let host = impostor(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<html>\0\0\0".to_vec()).await;
    let error = client(&host).get(&hash(&right)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Malformed {
                reason: BatchError::Header,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains(&host), "{error}");
}

/// A text is stored under its SHA-256, which is what a proposal commits to. Bytes that are not a text, or are too long, are refused.
#[tokio::test]
async fn a_text_is_kept_under_its_hash() {
    let (store, host) = server(Limits::default()).await;
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let put = |body: &str| {
        format!(
            "PUT /blobs/{hello} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let refused = raw(&host, put("hello!").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 422"), "{refused}");
    let stored = raw(&host, put("hello").as_bytes()).await;
    assert!(stored.starts_with("HTTP/1.1 201"), "{stored}");
    let hash = parse_address(hello).unwrap();
    assert_eq!(client(&host).get(&hash).await.unwrap(), "hello");

    let longest = Bytes::from(vec![b'x'; MAX_TEXT]);
    assert!(store.put(longest.clone()).await.is_ok());
    for none in [[&longest[..], b"x"].concat(), b"hel\0lo".to_vec(), b"\xff".to_vec(), Vec::new()] {
        let error = store.put(none.into()).await.unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
}

/// Traces and tensors are verified like batches: a single flipped bit is refused on upload and on download.
#[tokio::test]
async fn a_trace_or_tensor_with_one_bit_off_is_refused() {
    let store = BlobStore::open("memory:").unwrap();
    for right in [trace(), tensor()] {
        let mut wrong = right.to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        let wrong = Bytes::from(wrong);
        let put = store.put_at(&hash(&right), wrong.clone(), "a liar").await.unwrap_err();
        assert!(matches!(put, Error::Mismatch { actual, .. } if actual == hash(&wrong)), "{put}");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", wrong.len());
        let liar = impostor([head.as_bytes(), &wrong].concat()).await;
        let got = client(&liar).get(&hash(&right)).await.unwrap_err();
        assert!(matches!(got, Error::Mismatch { actual, .. } if actual == hash(&wrong)), "{got}");
    }
}

#[tokio::test]
async fn a_body_cut_short_is_an_error() {
    let host = impostor(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nwrong".to_vec()).await;
    let error = client(&host).get(&hash(&blob(1))).await.unwrap_err();
    assert!(matches!(error, Error::Store { action: "reading", .. }), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_by_its_announced_size() {
    let host = impostor(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec()).await;
    let error = client(&host).get(&hash(&blob(1))).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { size: 99_999_999_999, .. }), "{error}");
}

#[tokio::test]
async fn wrong_and_oversized_uploads_are_refused_and_not_stored() {
    let limits = Limits {
        blob: 50,
        ..Limits::default()
    };
    let (store, host) = server(limits).await;
    let answer = raw(&host, &[put(&blob(1), "").as_bytes(), &blob(2)].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    assert!(!store.contains(&hash(&blob(1))).await.unwrap());
    assert!(!store.contains(&hash(&blob(2))).await.unwrap());

    let large = large();
    assert!(matches!(
        client(&host).put(large.clone()).await.unwrap_err(),
        Error::Store { action: "writing", .. }
    ));
    assert!(!store.contains(&hash(&large)).await.unwrap());
    let refused = client(&host).with_limit(60).put(large).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::TooLarge {
                size: 3_145_768,
                limit: 60,
                ..
            }
        ),
        "{refused}"
    );
}

/// An upload that is cut short, or whose chunks are malformed, is not reported as too large.
#[tokio::test]
async fn an_upload_that_breaks_off_is_refused_as_such() {
    let (store, host) = server(Limits::default()).await;
    let path = format!("/blobs/{}", hex::encode(hash(&blob(1))));
    let put = format!("PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    for sent in ["content-length: 50\r\n\r\nno more", "transfer-encoding: chunked\r\n\r\nno size\r\n"] {
        let mut socket = TcpStream::connect(&host).await.unwrap();
        socket.write_all(format!("{put}{sent}").as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("broke off"), "{answer}");
    }
    assert!(!store.contains(&hash(&blob(1))).await.unwrap());
}

/// A failure of the store is in the log, with the store's name, and the client is told no more than that.
#[tokio::test]
async fn a_failing_store_is_logged_and_not_shown_to_clients() {
    let (mut errors, _guard) = log::hear("error");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    let host = serving(BlobStore::open(place.to_str().unwrap()).unwrap(), Limits::default()).await;
    let path = format!("/blobs/{}", hex::encode(hash(&blob(1))));
    let missing = ask(&host, "GET", &path, "").await;
    assert!(
        missing.starts_with("HTTP/1.1 404") && missing.contains("this server has no blob"),
        "{missing}"
    );
    std::fs::remove_dir(&place).unwrap();
    std::fs::write(&place, "no folder any more").unwrap();
    let failed = raw(&host, &[put(&blob(1), "").as_bytes(), &blob(1)].concat()).await;
    assert!(failed.starts_with("HTTP/1.1 502"), "{failed}");
    let shown = place.to_str().unwrap();
    for answer in [missing, failed] {
        assert!(!answer.contains(shown), "{answer}");
    }
    let logged = errors.try_recv().unwrap();
    assert!(logged.contains(shown), "{logged}");
}

#[tokio::test]
async fn ranges_validators_and_heads() {
    let (store, host) = server(Limits::default()).await;
    let hash = hex::encode(store.put(blob(b'9')).await.unwrap());
    let path = format!("/blobs/{hash}");

    let head = ask(&host, "HEAD", &path, "").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    for header in [
        "content-length: 50",
        "immutable",
        "accept-ranges: bytes",
        &format!("etag: \"{hash}\""),
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }

    let cases = [
        ("range: bytes=42-44\r\n", "206", "bytes 42-44/50", "234"),
        ("range: bytes=47-\r\n", "206", "bytes 47-49/50", "789"),
        ("range: bytes=-2\r\n", "206", "bytes 48-49/50", "89"),
        ("range: bytes=48-99\r\n", "206", "bytes 48-49/50", "89"),
        ("range: bytes=0-0,5-5\r\n", "200", "", "0123456789"),
        ("range: bytes=50-\r\n", "416", "bytes */50", ""),
        ("range: bytes=42-44\r\nif-range: \"other\"\r\n", "200", "", "0123456789"),
    ];
    for (headers, status, shown, body) in cases {
        let answer = ask(&host, "GET", &path, headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{headers} gave {answer}");
        assert!(answer.contains(shown), "{headers} gave {answer}");
        let start = if status == "200" { "\r\n\r\nIOB1" } else { "\r\n\r\n" };
        assert!(answer.contains(start) && answer.ends_with(body), "{headers} gave {answer}");
    }

    let same = ask(&host, "GET", &path, &format!("if-none-match: \"{hash}\"\r\n")).await;
    assert!(same.starts_with("HTTP/1.1 304"), "{same}");
    let nonsense = ask(&host, "GET", "/blobs/xyz", "").await;
    assert!(
        nonsense.starts_with("HTTP/1.1 400") && nonsense.contains("'xyz' is not a blob address"),
        "{nonsense}"
    );
}

#[tokio::test]
async fn pages_of_other_origins_may_read_and_write() {
    let (_, host) = server(Limits::default()).await;
    let path = format!("/blobs/{}", hex::encode(hash(&blob(1))));
    let origin = "origin: http://app.example\r\n";
    let preflight = format!("{origin}access-control-request-method: PUT\r\naccess-control-request-headers: content-type\r\n");
    let allowed = ask(&host, "OPTIONS", &path, &preflight).await;
    assert!(allowed.starts_with("HTTP/1.1 200"), "{allowed}");
    for header in [
        "access-control-allow-origin: *",
        "access-control-allow-methods: GET,HEAD,PUT",
        "access-control-allow-headers: *",
    ] {
        assert!(allowed.contains(header), "{header} in {allowed}");
    }

    let stored = raw(&host, &[put(&blob(1), origin).as_bytes(), &blob(1)].concat()).await;
    let got = ask(&host, "GET", &path, origin).await;
    let refused = ask(&host, "GET", "/blobs/xyz", origin).await;
    for (answer, status) in [(stored, "201"), (got, "200"), (refused, "400")] {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        for header in ["access-control-allow-origin: *", "access-control-expose-headers: *"] {
            assert!(answer.contains(header), "{header} in {answer}");
        }
    }
}

#[tokio::test]
async fn many_uploads_of_one_blob_leave_one_blob() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path().to_str().unwrap()).unwrap();
    let mut uploads = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        uploads.spawn(async move { store.put(large()).await.unwrap() });
    }
    while let Some(hash) = uploads.join_next().await {
        assert_eq!(store.get(&hash.unwrap()).await.unwrap(), large());
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary files stay behind"
    );
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path().to_str().unwrap()).unwrap();
    let hash = store.put(blob(1)).await.unwrap();
    std::fs::write(folder.path().join(hex::encode(hash)), blob(2)).unwrap();
    assert!(matches!(store.get(&hash).await.unwrap_err(), Error::Mismatch { .. }));
}

#[tokio::test]
async fn a_full_server_says_so_at_once() {
    let (_, host) = server(Limits {
        uploads: 1,
        upload_time: Duration::from_secs(3600),
        ..Limits::default()
    })
    .await;
    let request = put(&blob(1), "expect: 100-continue\r\n");
    let mut held = stuck_upload(&host, "127.0.0.1").await.expect("the server reads the first upload");
    let refused = raw(&host, request.as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after"), "{refused}");
    held.write_all(&blob(1)).await.unwrap();
    let mut answer = String::new();
    held.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("201"), "{answer}");
}

/// Connects from the given address.
async fn connect(host: &str, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(host.parse().unwrap()).await.unwrap()
}

/// Starts an upload from the given address and sends no body. `None` if the server refuses it.
async fn stuck_upload(host: &str, from: &str) -> Option<TcpStream> {
    let request = put(&blob(1), "expect: 100-continue\r\n");
    let mut stuck = connect(host, from).await;
    stuck.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    stuck.read_exact(&mut answer).await.unwrap();
    let goes_on = answer.starts_with(b"HTTP/1.1 100");
    assert!(goes_on || answer.starts_with(b"HTTP/1.1 503"));
    goes_on.then_some(stuck)
}

/// An upload gets more time as its bytes arrive; one that sends nothing times out.
#[tokio::test]
async fn an_upload_has_the_time_that_its_bytes_take() {
    let (_, host) = server(Limits {
        uploads: 2,
        rate: 1,
        upload_time: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let request = put(&blob(1), "");
    let mut slow = TcpStream::connect(&host).await.unwrap();
    slow.write_all(&[request.as_bytes(), &blob(1)[..40]].concat()).await.unwrap();
    let mut stuck = stuck_upload(&host, "127.0.0.1").await.unwrap();
    let mut answer = String::new();
    stuck.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    slow.write_all(&blob(1)[40..]).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[tokio::test]
async fn uploads_of_one_peer_leave_places_to_others() {
    let (_, host) = server(Limits {
        uploads: 3,
        peer_uploads: 2,
        upload_time: Duration::from_secs(3600),
        ..Limits::default()
    })
    .await;
    let places = [(), (), ()].map(|()| stuck_upload(&host, "127.0.0.2"));
    let [first, second, third] = futures_util::future::join_all(places).await.try_into().unwrap();
    assert_eq!([&first, &second, &third].into_iter().flatten().count(), 2);
    client(&host).put(blob(2)).await.unwrap();
}

/// Uploads a blob from the given address; returns the answer.
async fn upload(host: &str, from: &str, blob: &Bytes) -> String {
    let mut socket = connect(host, from).await;
    socket.write_all(&[put(blob, "").as_bytes(), blob].concat()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_peer_fills_no_more_than_its_share_of_a_store() {
    let (_, host) = server(Limits {
        peer_bytes: 99,
        ..Limits::default()
    })
    .await;
    let first = upload(&host, "127.0.0.2", &blob(1)).await;
    assert!(first.starts_with("HTTP/1.1 201"), "{first}");
    let second = upload(&host, "127.0.0.2", &blob(2)).await;
    assert!(
        second.starts_with("HTTP/1.1 429") && second.contains("retry-after: 3") && second.contains("another server"),
        "{second}"
    );
    assert_eq!(client(&host).get(&hash(&blob(1))).await.unwrap(), blob(1));
    let other = upload(&host, "127.0.0.3", &blob(2)).await;
    assert!(other.starts_with("HTTP/1.1 201"), "{other}");
}

#[tokio::test]
async fn a_full_disk_takes_no_uploads_and_still_serves() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path().to_str().unwrap()).unwrap();
    store.put(blob(1)).await.unwrap();
    let limits = Limits {
        min_free: u64::MAX,
        ..Limits::default()
    };
    let full = serving(store.clone(), limits).await;
    let refusal = upload(&full, "127.0.0.1", &blob(2)).await;
    assert!(
        refusal.starts_with("HTTP/1.1 507") && refusal.contains("another server"),
        "{refusal}"
    );
    assert_eq!(client(&full).get(&hash(&blob(1))).await.unwrap(), blob(1));
    assert!(!store.contains(&hash(&blob(2))).await.unwrap());
    let roomy = serving(store, Limits { min_free: 0, ..limits }).await;
    let taken = upload(&roomy, "127.0.0.1", &blob(2)).await;
    assert!(taken.starts_with("HTTP/1.1 201"), "{taken}");
}

/// A server with one blob in a folder, which it sends in parts. Returns the folder, the host and the path.
async fn in_parts(limits: Limits) -> (TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path().to_str().unwrap()).unwrap();
    let path = format!("/blobs/{}", hex::encode(store.put(huge()).await.unwrap()));
    (folder, serving(store, limits).await, path)
}

/// Downloads from the given address, and reads no further than the status.
async fn stuck_answer(host: &str, from: &str, path: &str) -> (TcpStream, String) {
    let mut stuck = connect(host, from).await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stuck.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stuck.read_exact(&mut status).await.unwrap();
    (stuck, String::from_utf8_lossy(&status).into_owned())
}

/// The slot is freed when the client reads nothing for too long, and when the whole response takes too long.
#[tokio::test]
async fn a_reader_that_does_not_read_keeps_no_place() {
    let (long, short) = (Duration::from_secs(3_600), Duration::from_millis(200));
    for (read_time, answer_time) in [(short, long), (long, short)] {
        let limits = Limits {
            requests: 1,
            rate: u64::MAX,
            read_time,
            answer_time,
            ..Limits::default()
        };
        let (_folder, host, path) = in_parts(limits).await;
        let (mut stuck, status) = stuck_answer(&host, "127.0.0.1", &path).await;
        assert_eq!(status, "HTTP/1.1 200");
        let next = async {
            loop {
                let answer = ask(&host, "GET", &path, "range: bytes=0-3\r\n").await;
                if !answer.starts_with("HTTP/1.1 503") {
                    break answer;
                }
            }
        };
        let next = tokio::time::timeout(Duration::from_secs(60), next)
            .await
            .expect("the slot is free again");
        assert!(next.starts_with("HTTP/1.1 206"), "{next}");
        // The first client's response was cut off.
        let mut rest = Vec::new();
        let _ = stuck.read_to_end(&mut rest).await;
        assert!(rest.len() < huge().len(), "{} bytes", rest.len());
    }
}

/// A response gets more time as its bytes are read, here a second for each byte.
#[tokio::test]
async fn an_answer_has_the_time_that_its_bytes_take() {
    let limits = Limits {
        rate: 1,
        answer_time: Duration::from_millis(200),
        ..Limits::default()
    };
    let (_folder, host, path) = in_parts(limits).await;
    let (mut slow, _) = stuck_answer(&host, "127.0.0.1", &path).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() >= huge().len(), "{} bytes", rest.len());
}

#[tokio::test]
async fn readers_of_one_peer_leave_places_to_others() {
    let limits = Limits {
        requests: 3,
        peer_requests: 2,
        ..Limits::default()
    };
    let (mut logged, _guard) = log::hear("status");
    let (_folder, host, path) = in_parts(limits).await;
    let mut held = Vec::new();
    for expected in ["200", "200", "503"] {
        let (stuck, status) = stuck_answer(&host, "127.0.0.2", &path).await;
        assert_eq!(status, format!("HTTP/1.1 {expected}"));
        assert_eq!(logged.try_recv().unwrap(), expected);
        held.push(stuck);
    }
    let (_stuck, status) = stuck_answer(&host, "127.0.0.1", &path).await;
    assert_eq!(status, "HTTP/1.1 200");
}

#[test]
fn locations_that_cannot_hold_blobs_are_refused() {
    for location in ["ftp://host/blobs", "http://", "file://elsewhere/x", "/proc/none/blobs"] {
        let error = BlobStore::open(location).unwrap_err();
        assert!(matches!(error, Error::Location { .. }), "{location}: {error}");
        assert!(error.to_string().contains(location), "{error}");
    }
}

#[test]
fn a_location_may_name_a_local_folder() {
    for (location, folder) in [
        ("blobs", Some("blobs")),
        ("/var/blobs", Some("/var/blobs")),
        ("file:///var/blobs", Some("/var/blobs")),
        ("http://host/blobs", None),
        ("memory:///", None),
    ] {
        assert_eq!(local_folder(location).as_deref(), folder.map(Path::new), "{location}");
    }
    let refusal = BlobStore::open("file://blobs/x").unwrap_err().to_string();
    assert!(
        refusal.contains("file://blobs/x") && refusal.contains("it names no local path"),
        "{refusal}"
    );
}

#[tokio::test]
async fn an_unreachable_server_gives_a_one_sentence_error() {
    // The port is bound, so nobody else can take it, but nobody listens.
    let down = TcpSocket::new_v4().unwrap();
    down.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let place = format!("http://{}/blobs", down.local_addr().unwrap());
    let error = BlobStore::open(&place).unwrap().get(&[7; 32]).await.unwrap_err();
    let (hash, told) = (hex::encode([7; 32]), error.to_string());
    assert!(told.starts_with(&format!("reading blob {hash} at {place} failed (")), "{told}");
    assert!(told.contains("refused") && !told.contains("retries"), "{told}");
}

#[test]
fn credentials_in_a_url_stay_out_of_messages() {
    for (location, shown) in [
        ("http://user:secret@host/blobs", "http://host/blobs"),
        ("s3://key:secret@bucket/blobs", "s3://bucket/blobs"),
        ("s3://key:secret@bucket/a%40b", "s3://bucket/a%40b"),
    ] {
        assert_eq!(BlobStore::open(location).unwrap().to_string(), shown);
    }
    for location in [
        "ftp://user:secret@host/blobs",
        "http://user:sec/ret@host/blobs",
        "http://user:12/secret@host/blobs",
        "http://user:?secret@host/blobs",
        "s3://key/secret@host/blobs",
        "file://user:secret@host/blobs",
    ] {
        let refusal = BlobStore::open(location).unwrap_err().to_string();
        assert!(refusal.contains("host/blobs"), "{refusal}");
        assert!(!refusal.contains("sec"), "{refusal}");
    }
}
