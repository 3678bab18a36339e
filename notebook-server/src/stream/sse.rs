//! Server-sent events out: the one place where replies become event streams.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use notebook_core::sse::encode;
use tokio_util::sync::CancellationToken;

/// The most bytes handed to a connection at once.
const PIECE: usize = 16 << 10;
/// The most blocks taken from their source at once.
const TOGETHER: usize = 256;
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
    unbuffered(response.headers_mut());
    response
}

/// The same for blocks that are encoded already. What is there at once leaves at once, in pieces that a slow reader
/// cannot make large.
pub(crate) fn reply_encoded<S>(blocks: S, ending: CancellationToken) -> Response
where
    S: Stream<Item = Bytes> + Send + 'static,
{
    let state = (Some(Box::pin(blocks.ready_chunks(TOGETHER))), VecDeque::new());
    let body = stream::unfold(state, move |(blocks, mut waiting)| {
        let ending = ending.clone();
        async move {
            // None after the farewell: nothing follows it.
            let mut blocks = blocks?;
            if waiting.is_empty() {
                let next = tokio::time::timeout(HEARTBEAT, blocks.next());
                match ending.run_until_cancelled(next).await {
                    Some(Ok(more)) => waiting.extend(more?),
                    Some(Err(_)) => waiting.push_back(Bytes::from_static(b": heartbeat\n\n")),
                    None => {
                        let mut farewell = Vec::new();
                        encode::retry(retry_hint(), &mut farewell);
                        return Some((Ok::<_, Infallible>(farewell.into()), (None, waiting)));
                    }
                }
            }
            Some((Ok(take(&mut waiting)), (Some(blocks), waiting)))
        }
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    unbuffered(headers);
    response
}

/// The next piece of at most [`PIECE`] bytes, unless a single block is longer.
fn take(waiting: &mut VecDeque<Bytes>) -> Bytes {
    let mut bytes = 0;
    let fits = |block: &&Bytes| {
        bytes += block.len();
        bytes <= PIECE
    };
    let count = waiting.iter().take_while(fits).count().max(1);
    if count == 1 {
        return waiting.pop_front().unwrap_or_default();
    }
    let mut piece = BytesMut::with_capacity(PIECE.min(bytes));
    waiting.drain(..count).for_each(|block| piece.extend_from_slice(&block));
    piece.freeze()
}

fn unbuffered(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// Between 1 and 4 seconds, so that the readers of a server that goes down do not come back all at once.
fn retry_hint() -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() % 3_000;
    Duration::from_millis(1_000 + u64::try_from(random).unwrap_or_default())
}
