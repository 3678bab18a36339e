//! The event stream parser under any cut of any bytes, against the naive reference: for the fuzz
//! target, and for the tests that replay its seeds.
//!
//! An input is a stream and, at its end, how to read it: the last byte is the number of steps (its
//! low three bits), before it stand the steps, taken in turn as the lengths of the chunks, and
//! before those one byte for the limit. So a recorded stream with a few bytes more is a seed.

use notebook_core::sse::{Event, Parser, SseError};

use crate::reference::{self, End, Outcome};

/// The reference knows limits from here on.
const LEAST_LIMIT: usize = 8;

/// Panics if the parser and the reference differ on `input`.
pub fn check(input: &[u8]) {
    let Some((stream, limit, steps)) = plan(input) else { return };
    let expected = reference::parse(stream, limit);
    assert_eq!(cut_by(stream, limit, &steps), expected, "limit {limit}, steps {steps:?}");
    assert_eq!(cut_by(stream, limit, &[1]), expected, "limit {limit}, byte by byte");
    assert_eq!(cut_by(stream, limit, &[usize::MAX]), expected, "limit {limit}, in one piece");
}

fn plan(input: &[u8]) -> Option<(&[u8], usize, Vec<usize>)> {
    let (&last, rest) = input.split_last()?;
    let (rest, steps) = rest.split_at_checked(rest.len().checked_sub(usize::from(last & 7))?)?;
    let (&limit, stream) = rest.split_last()?;
    // Small limits are where the edges are; the largest is beyond any input.
    let limit = if limit > 250 { 1 << 20 } else { LEAST_LIMIT + usize::from(limit) };
    let steps: Vec<usize> = steps.iter().map(|&step| usize::from(step)).collect();
    // Empty chunks are welcome, as long as some chunk moves on.
    let steps = if steps.iter().all(|&step| step == 0) { vec![7] } else { steps };
    Some((stream, limit, steps))
}

fn cut_by(stream: &[u8], limit: usize, steps: &[usize]) -> Outcome {
    let mut parser = Parser::with_max_event_bytes(limit);
    let mut events = Vec::new();
    let mut end = End::Clean;
    let mut rest = stream;
    for &step in steps.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (mut chunk, after) = rest.split_at(step.min(rest.len()));
        rest = after;
        if read(&mut parser, &mut chunk, &mut events).is_err() {
            end = End::TooLarge;
            break;
        }
    }
    match parser.finish() {
        Ok(()) => assert_eq!(end, End::Clean),
        Err(SseError::Truncated) => end = End::Truncated,
        Err(_) => assert_eq!(end, End::TooLarge),
    }
    let last_id = parser.last_event_id().map(str::to_owned);
    Outcome { events, end, last_id, retry: parser.retry() }
}

fn read(parser: &mut Parser, chunk: &mut &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
    while let Some(event) = parser.next_event(chunk)? {
        events.push(event.into());
    }
    assert!(chunk.is_empty(), "a chunk was left unread");
    Ok(())
}
