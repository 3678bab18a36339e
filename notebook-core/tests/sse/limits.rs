//! The limit on an event's size, and streams that try the parser's patience.

use notebook_core::sse::{MAX_FIELD_BYTES, Parser, SseError};

use crate::{
    reference::End,
    support::{parse, parse_every_way_within},
};

/// What `stream` comes to within a limit of 16 bytes: events and end.
#[track_caller]
fn within_16(stream: &[u8]) -> (usize, End) {
    let outcome = parse_every_way_within(stream, 16);
    (outcome.events.len(), outcome.end)
}

#[test]
fn s30_the_limit_is_exact_under_every_chunking() {
    assert_eq!(within_16(b"data: 0123456789abcdef\n\n"), (1, End::Clean));
    assert_eq!(within_16(b"data: 0123456789abcdefg\n\n"), (0, End::TooLarge));
    assert_eq!(within_16(b"data: 0123456\ndata: 89abcdef\n\n"), (1, End::Clean));
    assert_eq!(within_16(b"data: 01234567\ndata: 89abcdef\n\n"), (0, End::TooLarge));
    assert_eq!(within_16(b"event: 01234567\ndata: 89abcdef\n\n"), (1, End::Clean));
    assert_eq!(within_16(b"event: 01234567\ndata: 89abcdefg\n\n"), (0, End::TooLarge));
    assert_eq!(within_16(b"data: 89abcdefg\nid: 01234567\n\n"), (0, End::TooLarge));
    // The last event id is held as well.
    assert_eq!(within_16(b"id: 01234567\n\ndata: 89abcdefg\n\n"), (0, End::TooLarge));
}

#[test]
fn s30_decoded_bytes_count() {
    assert_eq!(within_16(b"data: \xFF\xFF\xFF\xFF\xFF\n\n"), (1, End::Clean));
    assert_eq!(within_16(b"data: \xFF\xFF\xFF\xFF\xFF\xFF\n\n"), (0, End::TooLarge));
    assert_eq!(within_16("data: 😀😀😀😀\n\n".as_bytes()), (1, End::Clean));
    assert_eq!(within_16("data: 😀😀😀😀a".as_bytes()), (0, End::TooLarge));
}

#[test]
fn s30_a_long_line_is_an_error_before_it_ends_whatever_it_is() {
    for line in ["data: ", "event: ", "id: ", "retry: ", ":", "unknown: ", ""] {
        let long = format!("data: a\n\n{line}{}", "1".repeat(17));
        assert_eq!(within_16(long.as_bytes()), (1, End::TooLarge), "{line:?}");
    }
}

#[test]
fn s30_names_and_ids_have_a_limit_of_their_own() {
    for field in ["event", "id", "retry"] {
        for (length, end) in [(MAX_FIELD_BYTES, End::Clean), (MAX_FIELD_BYTES + 1, End::TooLarge)] {
            let stream = format!("{field}: {}\n\n", "1".repeat(length));
            for size in [1, 100, stream.len()] {
                let outcome = parse(stream.as_bytes().chunks(size), 1 << 20);
                assert_eq!(outcome.end, end, "{field}, {length} bytes by {size}");
            }
        }
    }
}

#[test]
fn s30_events_and_comments_within_the_limit_may_go_on_for_ever() {
    assert_eq!(within_16("data: 0123456789\n\n".repeat(20).as_bytes()), (20, End::Clean));
    assert_eq!(within_16(":0123456789\n".repeat(20).as_bytes()), (0, End::Clean));
}

#[test]
fn s30_a_failed_parser_stays_failed_until_it_is_finished() {
    let mut parser = Parser::with_max_event_bytes(8);
    let found: Vec<_> = parser.events(b"data: 1\n\ndata: 123456789\n\ndata: 2\n\n").collect();
    assert!(matches!(found[..], [Ok(_), Err(SseError::TooLarge { limit: 8 })]));
    for mut chunk in [&b"data: 3\n\n"[..], b"\n\n", b"\xEF", b"data: 4\n\n"] {
        assert!(matches!(parser.next_event(&mut chunk), Err(SseError::TooLarge { .. })));
        assert!(chunk.is_empty());
    }
    assert!(matches!(parser.finish(), Err(SseError::TooLarge { .. })));
    assert_eq!(parser.events(b"data: 4\n\n").count(), 1);
}

/// A parser that looked again at what it has would need half a billion kilobytes of reading.
#[test]
fn s31_a_million_tiny_chunks_for_one_event() {
    let mut parser = Parser::new();
    let mut feed = |chunk: &[u8]| parser.events(chunk).next().transpose().unwrap();
    assert_eq!(feed(b"data: "), None);
    for _ in 0..1_000_000 {
        assert_eq!(feed(b"x"), None);
    }
    let event = feed(b"\n\n").expect("the event");
    assert_eq!(event.data.len(), 1_000_000);
}

#[test]
fn s32_ten_thousand_fields() {
    let stream = "data: x\nid: 1\nevent: e\nunknown: y\n".repeat(2500) + "\n";
    for size in [1, 7, 4096, stream.len()] {
        let outcome = parse(stream.as_bytes().chunks(size), 1 << 20);
        assert_eq!(outcome.events.len(), 1);
        assert_eq!(outcome.events[0].data, ["x"; 2500].join("\n"));
    }
}

#[test]
fn an_error_says_what_to_do_with_it() {
    use notebook_core::{Error, ErrorKind};
    let error = Error::from(SseError::TooLarge { limit: 8 });
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::TooLarge, false));
    let error = Error::from(SseError::Truncated);
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    let error = Error::from(SseError::IllegalCharacter { field: "id", found: '\n' });
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("id"), "{error}");
}
