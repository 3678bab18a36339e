//! The encoder.

use std::time::Duration;

use notebook_core::sse::{EventRef, SseError, encode};

use crate::support::{data, parse_every_way};

fn encoded(event: &EventRef<'_>) -> String {
    let mut wire = Vec::new();
    encode::event(event, &mut wire).unwrap();
    String::from_utf8(wire).unwrap()
}

#[test]
fn an_event_is_written_field_by_field() {
    let event = EventRef {
        event: "delta",
        data: "a\nb",
        id: Some("r:1"),
        retry: Some(Duration::from_millis(1500)),
    };
    assert_eq!(encoded(&event), "event: delta\nid: r:1\nretry: 1500\ndata: a\ndata: b\n\n");
    assert_eq!(encoded(&EventRef::message("")), "data: \n\n");
    assert_eq!(encoded(&EventRef { event: "", ..EventRef::message("x") }), "data: x\n\n");
    assert_eq!(encoded(&EventRef { id: Some(""), ..EventRef::message("x") }), "id: \ndata: x\n\n");
}

#[test]
fn s36_data_is_cut_at_every_kind_of_line_end() {
    for (written, read) in [
        ("a\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("a\r\nb", "a\nb"),
        ("a\n\rb", "a\n\nb"),
        ("a\n", "a\n"),
        ("\n", "\n"),
        ("\r\n\r\n", "\n\n"),
        ("a\r\ndata: b\r\n\r\nevent: c", "a\ndata: b\n\nevent: c"),
        (" a", " a"),
        ("\u{FEFF}", "\u{FEFF}"),
        ("a\u{2028}b\u{85}c\u{B}d", "a\u{2028}b\u{85}c\u{B}d"),
    ] {
        assert_eq!(data(encoded(&EventRef::message(written))), [read], "{written:?}");
    }
}

#[test]
fn s37_names_and_ids_that_would_inject_are_refused() {
    for bad in ["a\ndata: b", "a\rb", "\n", "a\r\n\r\n", "a\0"] {
        let found = bad.chars().find(|&char| char < ' ').unwrap();
        for (field, event) in [
            ("event", EventRef { event: bad, ..EventRef::message("x") }),
            ("id", EventRef { id: Some(bad), ..EventRef::message("x") }),
        ] {
            let mut wire = b"before".to_vec();
            match encode::event(&event, &mut wire) {
                Err(SseError::IllegalCharacter { field: named, found: char }) => {
                    assert_eq!((named, char), (field, found));
                }
                other => panic!("{field} {bad:?}: {other:?}"),
            }
            assert_eq!(wire, b"before", "nothing is written");
        }
    }
}

#[test]
fn s37_a_comment_cannot_break_out() {
    let mut wire = Vec::new();
    encode::comment("ping\ndata: x\r\n\r\ndata: y", &mut wire);
    assert_eq!(wire, b": ping\n: data: x\n:\n: data: y\n\n");
    assert_eq!(data(&wire), [""; 0]);
    wire.clear();
    encode::comment("", &mut wire);
    assert_eq!(wire, b":\n\n");
}

#[test]
fn a_retry_block_sets_the_time_and_nothing_else() {
    let mut wire = Vec::new();
    encode::retry(Duration::from_micros(2_500_900), &mut wire);
    assert_eq!(wire, b"retry: 2500\n\n");
    let outcome = parse_every_way(&wire);
    assert_eq!((outcome.events.len(), outcome.retry), (0, Some(Duration::from_millis(2500))));
}
