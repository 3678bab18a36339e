//! Server-sent events out: the one place where replies become event streams.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use notebook_core::sse::encode;
use tokio_util::sync::CancellationToken;

/// The most bytes handed to a connection at once.
const PIECE: usize = 16 << 10;
/// The most blocks taken from their source at once.
const TOGETHER: usize = 64;
/// How often a comment shows that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A reply that streams blocks, is never cached and passes proxies unbuffered. What is there at once leaves at once, in
/// pieces that a slow reader cannot make large. It ends when `ending` is cancelled, with a hint when to come back.
pub(crate) fn reply<S>(blocks: S, ending: CancellationToken) -> Response
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
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
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
    if count == waiting.len() {
        // Nothing is kept for a connection that waits.
        return together(std::mem::take(waiting).into_iter(), bytes);
    }
    together(waiting.drain(..count), bytes)
}

/// Blocks as one; a single one is not copied.
fn together(mut blocks: impl ExactSizeIterator<Item = Bytes>, bytes: usize) -> Bytes {
    if blocks.len() == 1 {
        return blocks.next().unwrap_or_default();
    }
    let mut piece = BytesMut::with_capacity(PIECE.min(bytes));
    blocks.for_each(|block| piece.extend_from_slice(&block));
    piece.freeze()
}

/// Between 1 and 4 seconds, so that the readers of a server that goes down do not come back all at once.
fn retry_hint() -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() % 3_000;
    Duration::from_millis(1_000 + u64::try_from(random).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S52: a stream that has nothing to say for ten minutes shows that it lives, more often than a proxy with the
    /// sample configuration loses patience.
    #[tokio::test(start_paused = true)]
    async fn s52_a_silent_stream_stays_alive_behind_a_proxy() {
        let sample = include_str!("../../../deploy/nginx.conf");
        let patience = sample.lines().find_map(|line| {
            line.trim().strip_prefix("proxy_read_timeout ")?.strip_suffix("s;")?.parse().ok()
        });
        let patience = Duration::from_secs(patience.unwrap());
        let silent = reply(stream::pending(), CancellationToken::new());
        let mut pieces = silent.into_body().into_data_stream();
        let begun = tokio::time::Instant::now();
        let mut last = begun;
        while begun.elapsed() < Duration::from_secs(600) {
            let piece = pieces.next().await.unwrap().unwrap();
            // A comment: no reader takes it for an event.
            assert_eq!(piece, ": heartbeat\n\n");
            assert!(last.elapsed() * 2 < patience, "{:?}", last.elapsed());
            last = tokio::time::Instant::now();
        }
    }
}
