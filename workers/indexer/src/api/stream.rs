//! New events as they come.

use super::{Refusal, lists::events_after};
use crate::Store;
use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::stream;
use serde_json::Value;
use std::{convert::Infallible, sync::Arc};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// New events from now on, until `stop`; it has one of `places` as long as it lasts.
pub fn follow(store: Store, stop: CancellationToken, places: Arc<Semaphore>) -> Response {
    let Ok(place) = places.try_acquire_owned() else {
        return Refusal::busy("too many clients follow the stream; try again later, or request the events after the newest you know")
            .into_response();
    };
    let watch = store.watch();
    let last = *watch.borrow();
    let events = stream::unfold((store, watch, last, stop, place), async |(store, mut watch, last, stop, place)| {
        loop {
            if let Ok(new) = events_after(&store, last).await
                && let Some(newest) = new.last().and_then(|row| row.get("id")).and_then(Value::as_i64)
            {
                let event = Event::default().id(newest.to_string()).json_data(new).unwrap_or_default();
                return Some((Ok::<_, Infallible>(event), (store, watch, newest, stop, place)));
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                changed = watch.changed() => changed.ok()?,
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
