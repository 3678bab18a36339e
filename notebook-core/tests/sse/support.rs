//! Running the parser over every kind of chunking.

use notebook_core::sse::{DEFAULT_MAX_EVENT_BYTES, Event, Parser, SseError};

use crate::reference::{self, End, Outcome};

/// Parses `chunks` by the borrowing interface.
pub fn parse<'c>(chunks: impl IntoIterator<Item = &'c [u8]>, limit: usize) -> Outcome {
    let mut parser = Parser::with_max_event_bytes(limit);
    let mut events = Vec::new();
    for mut chunk in chunks {
        while let Ok(Some(event)) = parser.next_event(&mut chunk) {
            events.push(Event::from(event));
        }
        assert!(chunk.is_empty(), "the parser left bytes unread");
    }
    let end = match parser.finish() {
        Ok(()) => End::Clean,
        Err(SseError::Truncated) => End::Truncated,
        Err(SseError::TooLarge { .. }) => End::TooLarge,
        Err(other) => panic!("{other}"),
    };
    let last_id = parser.last_event_id().map(str::to_owned);
    Outcome { events, end, last_id, retry: parser.retry() }
}

/// Numbers that look random and are the same in every run.
pub struct Numbers(u64);

impl Numbers {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Cuts `bytes` into chunks of up to `longest`, some of them empty.
pub fn cut_randomly<'b>(bytes: &'b [u8], longest: usize, numbers: &mut Numbers) -> Vec<&'b [u8]> {
    let mut chunks = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(numbers.below(longest + 1).min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// Parses a stream unsplit, byte by byte, cut in two at every place, and cut at random, and
/// by the reference. All must agree; returns what they agree on.
#[track_caller]
pub fn parse_every_way(stream: &[u8]) -> Outcome {
    parse_every_way_within(stream, DEFAULT_MAX_EVENT_BYTES)
}

#[track_caller]
pub fn parse_every_way_within(stream: &[u8], limit: usize) -> Outcome {
    let outcome = parse([stream], limit);
    assert_eq!(reference::parse(stream, limit), outcome, "the reference");
    assert_eq!(parse(stream.chunks(1), limit), outcome, "byte by byte");
    for at in 0..=stream.len() {
        let (left, right) = stream.split_at(at);
        assert_eq!(parse([left, right], limit), outcome, "cut at {at}");
    }
    let mut numbers = Numbers::new(7);
    for longest in (1..=40).chain([100, 1000]) {
        for _ in 0..5 {
            let chunks = cut_randomly(stream, longest, &mut numbers);
            assert_eq!(parse(chunks.iter().copied(), limit), outcome, "{chunks:?}");
        }
    }
    outcome
}

/// The data of every event of a stream that ends cleanly.
#[track_caller]
pub fn data(stream: impl AsRef<[u8]>) -> Vec<String> {
    let outcome = parse_every_way(stream.as_ref());
    assert_eq!(outcome.end, End::Clean);
    outcome.events.into_iter().map(|event| event.data).collect()
}

/// Name, data and id of every event of a stream that ends cleanly.
#[track_caller]
pub fn events(stream: impl AsRef<[u8]>) -> Vec<(String, String, Option<String>)> {
    let outcome = parse_every_way(stream.as_ref());
    assert_eq!(outcome.end, End::Clean);
    let fields = |event: Event| (event.event.into_owned(), event.data, event.id);
    outcome.events.into_iter().map(fields).collect()
}

/// An event for comparison with [`events`].
pub fn event(name: &str, data: &str, id: Option<&str>) -> (String, String, Option<String>) {
    (name.to_owned(), data.to_owned(), id.map(str::to_owned))
}
