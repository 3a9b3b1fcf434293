//! The stream of new events.

use super::{
    Served,
    common::{self, store},
    log,
};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use futures_util::StreamExt;
use indexer::{Follower, api};
use serde_json::{Value, json};
use sqlx::{AnyPool, AssertSqlSafe};
use std::{sync::atomic::Ordering, time::Duration};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

#[tokio::test]
async fn new_events_are_sent_as_they_come() {
    let served = Served::new().await;
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("live.db")).await;
    let mut follower = Follower::new(served.node.clone(), store.clone());
    served.node.told.store(40, Ordering::Relaxed);
    follower.round().await.unwrap();
    let begun = *store.watch().borrow();
    let stop = CancellationToken::new();
    let router = api::router(store, stop.clone());
    let response = router
        .oneshot(Request::get("/v1/stream").body(Body::empty()).unwrap())
        .await
        .unwrap();
    let mut stream = response.into_body().into_data_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), format!("id: {}\n\n", begun));
    served.node.told.store(60, Ordering::Relaxed);
    follower.round().await.unwrap();
    let told = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(told.contains("data: [{") && told.contains("\"name\":"), "{told}");
    stop.cancel();
    assert!(stream.next().await.is_none());
}

/// A client that reconnects continues after its last event, as browsers do automatically.
#[tokio::test]
async fn a_lost_stream_is_resumed() {
    let served = Served::new().await;
    let newest = *served.store.watch().borrow();
    let router = api::router(served.store.clone(), CancellationToken::new());
    let ask = async |last: &str| {
        let request = Request::get("/v1/stream").header("last-event-id", last);
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    // More events than fit in one message.
    let begun = newest - 450;
    let mut stream = ask(&begun.to_string()).await.into_body().into_data_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), format!("id: {begun}\n\n"));
    let mut told = Vec::new();
    while told.last() != Some(&newest) {
        let text = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        let events: Vec<Value> = serde_json::from_str(&line("data:")).unwrap();
        told.extend(events.iter().map(|event| event["id"].as_i64().unwrap()));
        assert_eq!(line("id:").parse::<i64>().unwrap(), *told.last().unwrap());
    }
    assert_eq!(told, (begun + 1..=newest).collect::<Vec<_>>());
    for wrong in ["", "x", "-1", "1.5", "9223372036854775808"] {
        let response = ask(wrong).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{wrong}");
        let body = to_bytes(response.into_body(), 1_000).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("Last-Event-ID has to be"), "{wrong}");
    }
    // A client whose last event is beyond this history, which may have been indexed again, gets the events from now on.
    let mut stream = ask(&i64::MAX.to_string()).await.into_body().into_data_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), format!("id: {newest}\n\n"));
    let extended = common::event("jobs", "JobExtended", json!({ "job": "x" }));
    served.store.write(&[common::taken(251, vec![extended])], &[]).await.unwrap();
    let text = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(text.contains(&format!("id: {}", newest + 1)), "{text}");
}

/// A stream that cannot read the database ends, so that its client knows; having received a number at the start, it can resume there.
#[tokio::test]
async fn a_stream_ends_when_the_database_fails() {
    let served = Served::new().await;
    let newest = *served.store.watch().borrow();
    let router = api::router_within(
        served.store.clone(),
        CancellationToken::new(),
        api::Limits { answers: 1, streams: 1 },
    );
    let ask = async |last: i64| {
        let request = Request::get("/v1/stream").header("last-event-id", last.to_string());
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        response.into_body().into_data_stream()
    };
    let database = AnyPool::connect(&common::url(&served.dir.path().join("history.db"))).await.unwrap();
    let rename = async |from: &str, to: &str| {
        let statement = AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
        sqlx::query(statement).execute(&database).await.unwrap();
    };
    rename("events", "elsewhere").await;
    let (mut errors, guard) = log::hear("error");
    let mut stream = ask(newest - 1).await;
    assert_eq!(stream.next().await.unwrap().unwrap(), format!("id: {}\n\n", newest - 1));
    let end = tokio::time::timeout(Duration::from_secs(60), stream.next()).await;
    assert!(end.expect("the stream ends").is_none());
    drop((stream, guard));
    let logged = errors.try_recv().unwrap();
    assert!(logged.contains("no such table"), "{logged}");
    rename("elsewhere", "events").await;
    let resumed: Vec<_> = ask(newest - 1).await.take(2).collect().await;
    let text = String::from_utf8(resumed[1].as_ref().unwrap().to_vec()).unwrap();
    assert!(text.contains(&format!("id: {newest}")), "{text}");
}
