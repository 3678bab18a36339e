//! Events from a stream of chunks.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    FutureExt, Stream, StreamExt,
    executor::block_on,
    stream::{self, FusedStream},
};
use notebook_core::sse::{Event, EventStream, Parser, SseError};

fn body(chunks: &[&'static str]) -> impl Stream<Item = Result<Bytes, io::Error>> + Unpin + use<> {
    stream::iter(chunks.iter().map(|&chunk| Ok(Bytes::from(chunk))).collect::<Vec<_>>())
}

fn collect(chunks: &[&'static str]) -> Vec<Result<Event, SseError>> {
    block_on(EventStream::new(body(chunks)).collect())
}

fn texts(found: &[Result<Event, SseError>]) -> Vec<&str> {
    found.iter().map_while(|event| event.as_ref().ok()).map(|event| &*event.data).collect()
}

#[test]
fn events_come_whatever_the_chunks() {
    let found = collect(&["data: a\n\ndata: b\n\nda", "", "ta: c\r\n\r", "\n: ping\n\n"]);
    assert_eq!(texts(&found), ["a", "b", "c"]);
    assert_eq!(found.len(), 3);
}

#[test]
fn s28_a_body_that_ends_inside_an_event_is_an_error() {
    for end in ["data: b", "data: b\n", "ev", "data: [DONE]"] {
        let found = collect(&["data: a\n\n", end]);
        assert_eq!(texts(&found), ["a"], "{end:?}");
        assert!(matches!(found[1..], [Err(SseError::Truncated)]), "{end:?}");
    }
    assert!(collect(&[]).is_empty());
    assert!(collect(&[": just a comment"]).is_empty());
}

#[test]
fn s30_an_event_over_the_limit_ends_the_stream() {
    let chunks = body(&["data: a\n\ndata: 123456789\n\n", "data: b\n\n"]);
    let events = EventStream::with_parser(chunks, Parser::with_max_event_bytes(8));
    // Taken, so that a stream that never ended would fail here and not fill the memory.
    let found: Vec<_> = block_on(events.take(5).collect());
    assert_eq!(texts(&found), ["a"]);
    assert!(matches!(found[1..], [Err(SseError::TooLarge { limit: 8 })]));
}

#[test]
fn a_failing_body_is_reported_with_its_cause() {
    let broken = io::Error::new(io::ErrorKind::ConnectionReset, "reset by peer");
    let body = stream::iter([Ok(Bytes::from("data: a\n\ndata: b")), Err(broken)]);
    let found: Vec<_> = block_on(EventStream::new(body).collect());
    assert_eq!(texts(&found), ["a"]);
    let [Err(error)] = &found[1..] else { panic!("{found:?}") };
    let cause = std::error::Error::source(error).expect("a cause");
    assert_eq!(cause.to_string(), "reset by peer");
}

#[test]
fn after_its_end_the_stream_stays_ended() {
    let mut events = EventStream::new(body(&["data: a\n\ndata"]));
    assert!(!events.is_terminated());
    assert!(block_on(events.next()).unwrap().is_ok());
    assert!(block_on(events.next()).unwrap().is_err());
    assert!(events.is_terminated());
    assert!(block_on(events.next()).is_none());
    assert!(block_on(events.next()).is_none());
}

/// A body that counts how often it was asked, and is gone when it is dropped.
struct Counted(Arc<AtomicUsize>, &'static str);

impl Stream for Counted {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Bytes::from(self.1))))
    }
}

#[test]
fn it_reads_no_further_than_it_must() {
    let polls = Arc::new(AtomicUsize::new(0));
    let mut events = EventStream::new(Counted(polls.clone(), "data: a\n\ndata: b\n\n"));
    for expected in [1, 1, 2, 2, 3] {
        assert!(block_on(events.next()).unwrap().is_ok());
        assert_eq!(polls.load(Ordering::Relaxed), expected);
    }
}

#[test]
fn a_body_of_comments_lets_other_tasks_run() {
    let polls = Arc::new(AtomicUsize::new(0));
    let mut events = EventStream::new(Counted(polls.clone(), ": ping\n\n"));
    assert!(events.next().now_or_never().is_none(), "it must give the thread back");
    assert!(polls.load(Ordering::Relaxed) > 1);
}

#[test]
fn the_body_is_dropped_as_soon_as_it_fails() {
    let polls = Arc::new(AtomicUsize::new(0));
    let parser = Parser::with_max_event_bytes(4);
    let mut events = EventStream::with_parser(Counted(polls.clone(), "data: 12345\n\n"), parser);
    assert!(block_on(events.next()).unwrap().is_err());
    assert_eq!(Arc::strong_count(&polls), 1, "the connection would stay open");
}

#[test]
fn s15_a_reconnection_goes_on_with_the_parser() {
    let mut events = EventStream::new(body(&["id: 1\ndata: a\n\nid: 2\n\nid: 3\ndata: lost"]));
    assert!(block_on(events.next()).unwrap().is_ok());
    assert!(block_on(events.next()).unwrap().is_err());
    assert_eq!(events.parser().last_event_id(), Some("2"));
    let mut events = EventStream::with_parser(body(&["data: b\n\n"]), events.into_parser());
    let event = block_on(events.next()).unwrap().unwrap();
    assert_eq!((&*event.data, event.id.as_deref()), ("b", Some("2")));
}
