//! Properties over generated streams and events.

use std::time::Duration;

use notebook_core::sse::{DEFAULT_MAX_EVENT_BYTES, Event, encode};
use proptest::{collection::vec, option, prelude::*};

use crate::{
    reference,
    support::{Numbers, cut_randomly, parse},
};

/// Pieces that streams are made of, and that break them.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let fixed: Vec<&[u8]> = vec![
        b"data",
        b"event",
        b"id",
        b"retry",
        b"da",
        b"ev",
        b":",
        b": ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\n\r\n",
        b"\xEF\xBB\xBF",
        b"\xEF\xBB",
        b"\0",
        b" ",
        b"0",
        b"123",
        b"x",
        b"\xFF",
        b"\xE2\x82",
        b"\xAC",
        "😀".as_bytes(),
        "é".as_bytes(),
        b"data: ",
        b"data:\n",
        b": comment\n",
        b"id: 7\n",
    ];
    prop_oneof![
        8 => prop::sample::select(fixed).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    vec(piece(), 0..60).prop_map(|pieces| pieces.concat())
}

pub fn written() -> impl Strategy<Value = Event> {
    let name = prop_oneof![Just("message".to_owned()), "[^\r\n\0]{1,12}"];
    let data = prop_oneof!["[a\r\n \u{FEFF}😀:]{0,12}", any::<String>()];
    let retry = option::of((0_u64..3_600_001).prop_map(Duration::from_millis));
    (name, data, option::of("[^\r\n\0]{0,8}"), retry).prop_map(|(event, data, id, retry)| Event {
        event: event.into(),
        data,
        id,
        retry,
    })
}

/// What a reader makes of what was written: line ends are LF, and an id stays until the next.
fn as_read(written: &[Event]) -> Vec<Event> {
    let mut last_id = None;
    let read = |event: &Event| {
        if let Some(id) = &event.id {
            last_id = Some(id.clone()).filter(|id| !id.is_empty());
        }
        Event { data: line_ends(&event.data), id: last_id.clone(), ..event.clone() }
    };
    written.iter().map(read).collect()
}

/// Every line end as LF.
pub fn line_ends(data: &str) -> String {
    data.replace("\r\n", "\n").replace('\r', "\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_stream_under_any_chunking_parses_as_the_reference_does(
        stream in stream(),
        limit in prop_oneof![Just(DEFAULT_MAX_EVENT_BYTES), 8_usize..64],
        seed: u64,
        longest in 1_usize..32,
    ) {
        let expected = reference::parse(&stream, limit);
        prop_assert_eq!(&parse([&stream[..]], limit), &expected);
        prop_assert_eq!(&parse(stream.chunks(1), limit), &expected);
        let chunks = cut_randomly(&stream, longest, &mut Numbers::new(seed));
        prop_assert_eq!(&parse(chunks, limit), &expected);
    }

    /// The specification decodes before it looks for lines. The parser looks first.
    #[test]
    fn s11_decoding_before_or_after_finding_lines_is_the_same(stream in stream()) {
        let decoded = String::from_utf8_lossy(&stream).into_owned();
        let limit = DEFAULT_MAX_EVENT_BYTES;
        let (raw, decoded) = (parse([&stream[..]], limit), parse([decoded.as_bytes()], limit));
        prop_assert_eq!(raw, decoded);
    }

    #[test]
    fn s36_what_is_written_reads_back(written in vec(written(), 0..6), seed: u64, longest in 1_usize..64) {
        let mut wire = Vec::new();
        for event in &written {
            encode::event(&event.as_ref(), &mut wire).unwrap();
            encode::comment(&event.data, &mut wire);
        }
        let chunks = cut_randomly(&wire, longest, &mut Numbers::new(seed));
        let outcome = parse(chunks, DEFAULT_MAX_EVENT_BYTES);
        prop_assert_eq!(outcome.end, reference::End::Clean);
        prop_assert_eq!(outcome.events, as_read(&written));
    }

    /// Written again, what was read is the same.
    #[test]
    fn s36_reading_and_writing_is_idempotent(stream in stream()) {
        let first = parse([&stream[..]], DEFAULT_MAX_EVENT_BYTES).events;
        let mut wire = Vec::new();
        for event in &first {
            // A NUL is legal in a name that is read, and refused in one that is written.
            prop_assume!(!event.event.contains('\0'));
            // What resets the id on the wire reads as an event without one.
            let event = Event { id: event.id.clone().or(Some(String::new())), ..event.clone() };
            encode::event(&event.as_ref(), &mut wire).unwrap();
        }
        prop_assert_eq!(parse([&wire[..]], DEFAULT_MAX_EVENT_BYTES).events, first);
    }
}
