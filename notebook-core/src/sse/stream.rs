//! Events from a stream of chunks, as an HTTP client gives them.

use std::{
    error::Error as StdError,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use futures::stream::{FusedStream, Stream};

use super::{Event, Parser, SseError};

/// After so many chunks without an event, one poll lets other tasks run.
const CHUNKS_A_POLL: usize = 64;

/// The events of a body.
///
/// It reads no further ahead than the chunk that the last event ended in. An error is the
/// last item; the body is dropped as soon as it ends or fails, and with this value.
///
/// ```
/// use bytes::Bytes;
/// use futures::{StreamExt, executor::block_on, stream};
/// use notebook_core::sse::{EventStream, SseError};
///
/// // A provider that breaks off in the middle of an event.
/// let chunks = ["data: one\n\nda", "ta: two\n\n", "data: thr"].map(Bytes::from);
/// let body = stream::iter(chunks.map(Ok::<_, std::io::Error>));
/// let events: Vec<_> = block_on(EventStream::new(body).collect());
///
/// assert_eq!(events[1].as_ref().unwrap().data, "two");
/// assert!(matches!(events[2], Err(SseError::Truncated)));
/// assert_eq!(events.len(), 3);
/// ```
pub struct EventStream<S> {
    /// `None` once it ended.
    body: Option<Pin<Box<S>>>,
    chunk: Bytes,
    parser: Parser,
}

impl<S> EventStream<S> {
    /// The events of `body`, with the default limit on an event's size.
    pub fn new(body: S) -> Self {
        Self::with_parser(body, Parser::new())
    }

    /// The events of `body`, read by `parser`: for another limit, or to go on after a
    /// reconnection with the parser of [`into_parser`](Self::into_parser).
    pub fn with_parser(body: S, parser: Parser) -> Self {
        Self { body: Some(Box::pin(body)), chunk: Bytes::new(), parser }
    }

    /// The parser, which knows the last event id and the reconnection time.
    pub const fn parser(&self) -> &Parser {
        &self.parser
    }

    /// The parser, ready for another connection: an event not yet read whole is dropped.
    #[must_use]
    pub fn into_parser(mut self) -> Parser {
        // What ended this stream was reported by it, or does not matter to one who leaves.
        let _ = self.parser.finish();
        self.parser
    }

    /// The next event of the chunk at hand.
    fn next_of_chunk(&mut self) -> Result<Option<Event>, SseError> {
        let mut rest: &[u8] = &self.chunk;
        let event = self.parser.next_event(&mut rest)?.map(Event::from);
        let left = rest.len();
        self.chunk.advance(self.chunk.len() - left);
        Ok(event)
    }

    fn end(&mut self, error: Option<SseError>) -> Poll<Option<Result<Event, SseError>>> {
        self.body = None;
        self.chunk = Bytes::new();
        Poll::Ready(error.map(Err))
    }
}

impl<S, E> Stream for EventStream<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    type Item = Result<Event, SseError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        for _ in 0..CHUNKS_A_POLL {
            // Before anything else: a parser that gave up repeats its error on every call.
            if this.body.is_none() {
                return Poll::Ready(None);
            }
            match this.next_of_chunk() {
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Ok(None) => {}
                Err(error) => return this.end(Some(error)),
            }
            let Some(body) = &mut this.body else {
                return Poll::Ready(None);
            };
            match ready!(body.as_mut().poll_next(cx)) {
                Some(Ok(chunk)) => this.chunk = chunk,
                Some(Err(error)) => return this.end(Some(SseError::Body(error.into()))),
                None => {
                    let error = this.parser.finish().err();
                    return this.end(error);
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S, E> FusedStream for EventStream<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    fn is_terminated(&self) -> bool {
        self.body.is_none()
    }
}

impl<S> fmt::Debug for EventStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("ended", &self.body.is_none())
            .field("parser", &self.parser)
            .finish_non_exhaustive()
    }
}
