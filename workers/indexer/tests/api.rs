//! The history over HTTP: pages, filters, what has not changed, and what cannot be understood.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use common::{Node, store, story, take_all};
use futures_util::StreamExt;
use indexer::{Follower, Store, api};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The story in a database.
struct Served {
    node: Arc<Node>,
    store: Store,
    _dir: TempDir,
}

impl Served {
    async fn new() -> Self {
        let node = Arc::new(Node::new(&story()));
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir.path().join("history.db")).await;
        take_all(&node, &store).await;
        Self { node, store, _dir: dir }
    }

    async fn ask(&self, path: &str, tag: Option<&str>) -> (StatusCode, String, Value) {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let router = api::router(self.store.clone(), CancellationToken::new());
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let tag = response.headers().get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, tag.unwrap_or_default(), serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.ask(path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }
}

#[tokio::test]
async fn pages_go_back_to_the_beginning() {
    let served = Served::new().await;
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("/v1/events?limit=200{next}")).await;
        all.extend(page["rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
        match page["next"].as_i64() {
            Some(before) => next = format!("&before={before}"),
            None => break,
        }
    }
    let newest = all[0];
    assert_eq!(all, (1..=newest).rev().collect::<Vec<_>>());
    assert_eq!(served.get("/v1/jobs?limit=5").await["rows"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn every_thing_can_be_found() {
    let served = Served::new().await;
    let settled = served.get("/v1/jobs?status=settled&limit=200").await;
    let settled = settled["rows"].as_array().unwrap();
    assert_eq!(settled.len(), 20);
    let first = settled[0]["address"].as_str().unwrap();
    let device = settled[0]["device"].as_str().unwrap();
    let job = served.get(&format!("/v1/jobs/{first}")).await;
    let names: Vec<&str> = job["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["JobOpened", "JobClaimed", "JobCommitted", "JobRevealed", "JobSettled"]);
    assert_eq!(job["events"][0]["data"]["terms"]["units"], job["units"]);
    // Two jobs have had this address: only the later one's story is told.
    let twice = served.get("/v1/jobs?limit=200").await;
    let twice = twice["rows"].as_array().unwrap();
    let reused = twice
        .iter()
        .find(|job| twice.iter().filter(|other| other["address"] == job["address"]).count() == 2)
        .unwrap();
    let reused = served.get(&format!("/v1/jobs/{}", reused["address"].as_str().unwrap())).await;
    assert_eq!(
        (reused["status"].as_str().unwrap(), reused["events"].as_array().unwrap().len()),
        ("cancelled", 2)
    );

    assert_eq!(served.get(&format!("/v1/devices/{device}")).await["jobs_done"], 20);
    assert_eq!(served.get("/v1/offers").await["rows"][0]["joined"], 10_000_000_000_i64);
    assert!(served.get("/v1/hours").await["rows"].as_array().unwrap().len() >= 2);
    let proposal = served.get("/v1/proposals").await["rows"][0].clone();
    assert_eq!(
        (proposal["title"].as_str().unwrap(), proposal["status"].as_i64().unwrap()),
        ("a proposal", 3)
    );
    let votes = served.get("/v1/events?name=VoteCast").await;
    assert_eq!(votes["rows"].as_array().unwrap().len(), 2);
    let network = served.get("/v1/network").await;
    assert_eq!(
        (&network["devices"], &network["jobs_settled"], &network["jobs"]),
        (&2.into(), &20.into(), &32.into())
    );
    let paths = served.get("/v1/openapi.json").await["paths"].as_object().unwrap().len();
    assert_eq!(paths, 10);
}

#[tokio::test]
async fn what_has_not_changed_is_not_said_again() {
    let served = Served::new().await;
    let (_, tag, _) = served.ask("/v1/jobs", None).await;
    assert!(!tag.is_empty());
    let (status, again, body) = served.ask("/v1/jobs", Some(&tag)).await;
    assert_eq!((status, again, body), (StatusCode::NOT_MODIFIED, tag, Value::Null));
    assert_eq!(served.ask("/v1/jobs", Some("\"0\"")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_cannot_be_understood_is_told_so() {
    let served = Served::new().await;
    let cases = [
        ("/v1/jobs?limit=0", 400, "1 to 200"),
        ("/v1/jobs?limit=201", 400, "1 to 200"),
        ("/v1/jobs?limit=x", 400, "malformed"),
        ("/v1/jobs?before=1e9", 400, "malformed"),
        ("/v1/jobs?colour=red", 400, "malformed"),
        (
            "/v1/jobs?owner=11111111111111111111111111111111",
            400,
            "cannot be narrowed by owner",
        ),
        ("/v1/jobs?device=x%27%20OR%201=1", 400, "not an address"),
        ("/v1/jobs/nothing", 400, "not an address"),
        ("/v1/jobs/11111111111111111111111111111111", 404, "nothing is known"),
        ("/v1/nothing", 404, "openapi.json"),
        ("/", 404, "openapi.json"),
    ];
    for (path, status, words) in cases {
        let (is, _, body) = served.ask(path, None).await;
        let said = body["error"].as_str().unwrap_or_default();
        assert_eq!(is.as_u16(), status, "{path}: {said}");
        assert!(said.contains(words), "{path}: {said}");
    }
    // What is asked is bound, never run.
    let (status, _, body) = served.ask("/v1/jobs?status=settled%27;DROP%20TABLE%20jobs;--", None).await;
    assert_eq!((status, body["rows"].as_array().unwrap().len()), (StatusCode::OK, 0));
    assert_eq!(served.get("/v1/network").await["jobs"], 32);
}

#[tokio::test]
async fn new_events_are_told_as_they_come() {
    let served = Served::new().await;
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("live.db")).await;
    let follower = Follower::new(served.node.clone(), store.clone());
    served.node.told.store(40, Ordering::Relaxed);
    follower.round().await.unwrap();
    let stop = CancellationToken::new();
    let router = api::router(store, stop.clone());
    let response = router
        .oneshot(Request::get("/v1/stream").body(Body::empty()).unwrap())
        .await
        .unwrap();
    let mut stream = response.into_body().into_data_stream();
    served.node.told.store(60, Ordering::Relaxed);
    follower.round().await.unwrap();
    let told = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(told.contains("data: [{") && told.contains("\"name\":"), "{told}");
    stop.cancel();
    assert!(stream.next().await.is_none());
}
