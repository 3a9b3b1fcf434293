//! The stream of new events.

use super::{Refusal, lists::events_after};
use crate::Store;
use axum::{
    extract::Request,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use daemon::{Places, peer};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use std::convert::Infallible;
use tokio_util::sync::CancellationToken;

/// Header with the `id` of the last event that a client received, which browsers send when they reconnect.
pub const LAST: &str = "Last-Event-ID";

/// Streams the events after the client's last one, or from now on, until `stop` or an error of the database. The stream holds one of
/// `places` while it lasts. Its first message has no events, only the number after which they follow: a client that loses the stream before
/// the first event resumes there.
pub fn follow(store: Store, stop: CancellationToken, places: &Places, request: &Request) -> Response {
    let watch = store.watch();
    let newest = *watch.borrow();
    let last = match last(request) {
        Ok(last) => last.map_or(newest, |last| last.min(newest)),
        Err(refusal) => return refusal.into_response(),
    };
    let Some(place) = places.take(peer(request)) else {
        return Refusal::busy("too many clients follow the stream; try again later, or request the events after the newest you know")
            .into_response();
    };
    let events = stream::unfold((store, watch, last, stop, place), async |(store, mut watch, last, stop, place)| {
        loop {
            let new = match events_after(&store, last).await {
                Ok(new) => new,
                Err(error) => {
                    tracing::warn!(%error, "a stream ends; its client may resume it");
                    return None;
                }
            };
            if let Some(newest) = new.last().and_then(|row| row.get("id")).and_then(Value::as_i64) {
                let event = Event::default().id(newest.to_string()).json_data(new).unwrap_or_default();
                return Some((Ok(event), (store, watch, newest, stop, place)));
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                changed = watch.changed() => changed.ok()?,
            }
        }
    });
    let begun = stream::iter([Ok::<_, Infallible>(Event::default().id(last.to_string()))]);
    Sse::new(begun.chain(events)).keep_alive(KeepAlive::default()).into_response()
}

/// The client's last event, if it names one.
fn last(request: &Request) -> std::result::Result<Option<i64>, Refusal> {
    let Some(given) = request.headers().get(LAST) else {
        return Ok(None);
    };
    let number = given.to_str().ok().and_then(|text| text.parse().ok()).filter(|last| *last >= 0);
    let refuse = || Refusal::bad(format!("{LAST} has to be the id of an event, not {given:?}"));
    number.map(Some).ok_or_else(refuse)
}
