//! Server-sent events out: the one place where replies become event streams.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::{HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;

/// How often a comment shows that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A reply that streams events, is never cached and passes proxies unbuffered. It ends when `ending` is
/// cancelled, with a hint when to come back.
pub(crate) fn reply<S>(events: S, ending: CancellationToken) -> Response
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    let farewell = stream::once({
        let ending = ending.clone();
        async move { ending.is_cancelled() }
    })
    .filter_map(async |ending| ending.then(|| Ok(Event::default().retry(retry_hint()))));
    let events = events.take_until(ending.cancelled_owned()).chain(farewell);
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat"));
    let mut response = sse.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Between 1 and 4 seconds, so that the readers of a server that goes down do not come back all at once.
fn retry_hint() -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() % 3_000;
    Duration::from_millis(1_000 + u64::try_from(random).unwrap_or_default())
}
