//! The parser, one case of the specification a test. Each case runs under every chunking.

use std::time::Duration;

use notebook_core::sse::{MAX_RETRY, Parser, SseError, is_done, is_event_stream};

use crate::{
    reference::End,
    support::{data, event, events, parse_every_way},
};

#[test]
fn s1_a_bom_is_stripped_once() {
    assert_eq!(data("\u{FEFF}data: a\n\n"), ["a"]);
    assert_eq!(data("\u{FEFF}\ndata: a\n\n"), ["a"]);
    assert_eq!(data("\u{FEFF}"), [""; 0]);
}

#[test]
fn s2_a_second_bom_is_kept() {
    // It makes the field's name another one; within a value it is text.
    assert_eq!(data("\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n"), ["b"]);
    assert_eq!(data("data: a\n\n\u{FEFF}data: b\n\n"), ["a"]);
    assert_eq!(data("\u{FEFF}data: \u{FEFF}a\n\n"), ["\u{FEFF}a"]);
    assert_eq!(data("data:\u{FEFF}\n\n"), ["\u{FEFF}"]);
}

#[test]
fn s3_a_bom_may_be_cut() {
    let mut parser = Parser::new();
    for chunk in [&b"\xEF"[..], b"\xBB", b"\xBFdata: a\n"] {
        assert_eq!(parser.events(chunk).count(), 0);
    }
    assert_eq!(parser.events(b"\n").next().unwrap().unwrap().data, "a");
}

#[test]
fn s3_the_beginning_of_a_bom_is_no_bom() {
    assert_eq!(data(b"\xEF\xBBdata: a\n\ndata: b\n\n"), ["b"]);
    assert_eq!(data(b"\xEF\ndata: a\n\n"), ["a"]);
    assert_eq!(data(b"\xEF\xBB\r\rdata: a\n\n"), ["a"]);
    assert_eq!(data(b"\xBB\xBFdata: a\n\ndata: b\n\n"), ["b"]);
    assert_eq!(parse_every_way(b"\xEF\xBB").end, End::Truncated);
}

#[test]
fn s4_lf_ends_lines() {
    assert_eq!(data("data: a\n\ndata: b\ndata: c\n\n"), ["a", "b\nc"]);
}

#[test]
fn s5_cr_ends_lines() {
    assert_eq!(data("data: a\r\rdata: b\rdata: c\r\r"), ["a", "b\nc"]);
}

#[test]
fn s6_crlf_ends_lines() {
    assert_eq!(data("data: a\r\n\r\ndata: b\r\ndata: c\r\n\r\n"), ["a", "b\nc"]);
}

#[test]
fn s7_line_ends_may_be_mixed() {
    assert_eq!(data("data: a\n\rdata: b\r\n\ndata: c\rdata: d\n\r\n"), ["a", "b", "c\nd"]);
    assert_eq!(data("data: a\r\n\rdata: b\n\r\r\n\ndata: c\r\n\n"), ["a", "b", "c"]);
}

#[test]
fn s8_cr_and_lf_in_two_chunks_are_one_end() {
    let mut parser = Parser::new();
    assert_eq!(parser.events(b"data: a\r").count(), 0);
    assert_eq!(parser.events(b"\ndata: b\r").count(), 0, "the LF was taken for a blank line");
    assert_eq!(parser.events(b"").count(), 0);
    assert_eq!(parser.events(b"\n\r").next().unwrap().unwrap().data, "a\nb");
    assert_eq!(parser.events(b"\n").count(), 0);
}

#[test]
fn s9_cr_at_the_end_of_a_chunk_dispatches_once_and_at_once() {
    let mut parser = Parser::new();
    assert_eq!(parser.events(b"data: a\r\n\r").count(), 1, "must not wait for an LF");
    assert_eq!(parser.events(b"\n").count(), 0);
    assert!(parser.finish().is_ok());
}

#[test]
fn s10_a_character_may_be_cut() {
    assert_eq!(data("data: é€😀\n\nevent: é\ndata: 漢\ndata: 字\n\n"), ["é€😀", "漢\n字"]);
    assert_eq!(events("event: 漢\nid: €\ndata: 😀\n\n"), [event("漢", "😀", Some("€"))]);
}

#[test]
fn s11_invalid_utf8_becomes_replacement_characters() {
    assert_eq!(data(b"data: a\xFFb\n\ndata: c\n\n"), ["a\u{FFFD}b", "c"]);
    // A cut character, an overlong one, a surrogate, one out of range.
    assert_eq!(data(b"data: \xE2\x82\n\n"), ["\u{FFFD}"]);
    assert_eq!(data(b"data: \xE2\x82\ndata: \xAC\n\n"), ["\u{FFFD}\n\u{FFFD}"]);
    assert_eq!(data(b"data: \xC0\xAF\n\n"), ["\u{FFFD}\u{FFFD}"]);
    assert_eq!(data(b"data: \xED\xA0\x80\n\n"), ["\u{FFFD}\u{FFFD}\u{FFFD}"]);
    assert_eq!(data(b"data: \xF4\x90\x80\x80\n\n"), ["\u{FFFD}".repeat(4)]);
    assert_eq!(data(b"data: \xF0\x9F\x98x\n\n"), ["\u{FFFD}x"]);
    let replaced = event("\u{FFFD}", "x", Some("\u{FFFD}"));
    assert_eq!(events(b"event: \xFF\nid: \x80\ndata: x\n\n"), [replaced]);
}

#[test]
fn s11_invalid_utf8_in_names_and_comments_is_skipped() {
    assert_eq!(data(b"\xFF: a\n: \xFF\ndata\xFF: b\ndata: c\n\n"), ["c"]);
}

#[test]
fn s12_the_charset_does_not_count() {
    for accepted in [
        "text/event-stream",
        "text/event-stream;charset=utf-8",
        "text/event-stream; charset=windows-1251",
        "Text/Event-Stream ; x=y",
    ] {
        assert!(is_event_stream(accepted), "{accepted}");
    }
    for refused in ["", "text/plain", "text/event-streams", "application/json; text/event-stream"] {
        assert!(!is_event_stream(refused), "{refused}");
    }
}

#[test]
fn s13_an_id_with_null_is_ignored() {
    assert_eq!(
        events("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: \0\ndata: c\n\n"),
        [
            event("message", "a", Some("1")),
            event("message", "b", Some("1")),
            event("message", "c", Some("1")),
        ]
    );
    // Not even the id of the same block is lost.
    assert_eq!(events("id: 1\nid: 2\0\ndata: a\n\n"), [event("message", "a", Some("1"))]);
}

#[test]
fn s14_an_empty_id_resets() {
    let reset = [event("message", "a", Some("1")), event("message", "b", None)];
    assert_eq!(events("id: 1\ndata: a\n\nid:\ndata: b\n\n"), reset);
    assert_eq!(events("id: 1\ndata: a\n\nid\ndata: b\n\n"), reset);
    assert_eq!(events("id: 1\ndata: a\n\nid: \ndata: b\n\n"), reset);
    assert_eq!(parse_every_way(b"id: 1\n\nid\n\n").last_id, None);
}

#[test]
fn s15_an_id_without_data_is_kept_for_later_events() {
    assert_eq!(parse_every_way(b"id: 1\n\n").last_id.as_deref(), Some("1"));
    assert_eq!(
        events("id: 1\n\ndata: a\n\ndata: b\n\n"),
        [event("message", "a", Some("1")), event("message", "b", Some("1"))]
    );
}

#[test]
fn s15_an_id_counts_from_its_blank_line_on() {
    let outcome = parse_every_way(b"id: 1\ndata: a\n\nid: 2\ndata: b\n");
    assert_eq!(outcome.last_id.as_deref(), Some("1"), "the event with id 2 never came whole");
}

#[test]
fn s16_a_retry_that_is_no_number_is_ignored() {
    for value in ["1x", "x1", "-1", "+1", "1.5", "1 ", "  1", "0x1", "1e3", "١"] {
        let outcome = parse_every_way(format!("retry: 5\nretry: {value}\ndata: a\n\n").as_bytes());
        assert_eq!(outcome.retry, Some(Duration::from_millis(5)), "{value:?}");
    }
}

#[test]
fn s16_a_retry_is_read_with_and_without_an_event() {
    let outcome = parse_every_way(b"retry: 2500\n\ndata: a\nretry:0007\n\ndata: b\n\n");
    let retries: Vec<_> = outcome.events.iter().map(|event| event.retry).collect();
    assert_eq!(retries, [Some(Duration::from_millis(7)), None]);
    assert_eq!(parse_every_way(b"retry: 2500\n\n").retry, Some(Duration::from_millis(2500)));
}

#[test]
fn s17_an_empty_retry_is_ignored() {
    for line in ["retry", "retry:", "retry: "] {
        let outcome = parse_every_way(format!("retry: 5\n{line}\ndata: a\n\n").as_bytes());
        assert_eq!(outcome.retry, Some(Duration::from_millis(5)), "{line:?}");
    }
}

#[test]
fn s18_a_huge_retry_is_clamped() {
    for digits in ["3600001", "18446744073709551616", &"9".repeat(500)] {
        let outcome = parse_every_way(format!("retry: {digits}\n\n").as_bytes());
        assert_eq!(outcome.retry, Some(MAX_RETRY), "{digits}");
    }
    let zeros = format!("retry: {}1\n\n", "0".repeat(100));
    assert_eq!(parse_every_way(zeros.as_bytes()).retry, Some(Duration::from_millis(1)));
}

#[test]
fn s19_a_line_without_colon_is_a_field_without_value() {
    assert_eq!(data("data\n\n"), [""]);
    assert_eq!(data("data\ndata\n\n"), ["\n"]);
    assert_eq!(events("event: a\nevent\ndata: b\n\n"), [event("message", "b", None)]);
    assert_eq!(data("dat\nda\nd\ndatab\nxxxxxxxxxx\ndata\n\n"), [""]);
}

#[test]
fn s20_only_the_first_space_is_removed() {
    assert_eq!(data("data:a\n\ndata: a\n\ndata:  a\n\ndata: \n\n"), ["a", "a", " a", ""]);
    assert_eq!(data("data:a \n\n"), ["a "]);
    assert_eq!(events("event:  x\nid:  1\ndata\n\n"), [event(" x", "", Some(" 1"))]);
}

#[test]
fn s21_a_tab_is_not_removed() {
    assert_eq!(data("data:\ta\n\ndata: \tb\n\n"), ["\ta", "\tb"]);
}

#[test]
fn s22_an_unknown_field_is_ignored() {
    assert_eq!(data("foo: x\ndata: a\nx\n{\"error\":1}\n\nfoo: x\n\n"), ["a"]);
    assert_eq!(data(" data: x\ndata : x\ndatas: x\ndata\0: x\ndata: a\n\n"), ["a"]);
}

#[test]
fn s23_field_names_mind_their_case() {
    assert_eq!(data("Data: x\nDATA: x\ndata: a\n\n"), ["a"]);
    assert_eq!(events("Event: x\nID: 1\nRETRY: 1\ndata\n\n"), [event("message", "", None)]);
}

#[test]
fn s24_comments_are_skipped() {
    assert_eq!(data(":\n: data: x\n:data: x\ndata: a\n:\ndata: b\n::\n\n:\n\n:"), ["a\nb"]);
    let outcome = parse_every_way(b": ping\n\n: and the next is cut of");
    assert_eq!((outcome.events.len(), outcome.end), (0, End::Clean));
}

#[test]
fn s25_an_empty_data_line_makes_an_event() {
    assert_eq!(data("data:\n\ndata\n\ndata: \n\n"), ["", "", ""]);
}

#[test]
fn s26_data_lines_are_joined_by_lf() {
    assert_eq!(data("data: a\ndata: b\ndata: c\n\n"), ["a\nb\nc"]);
    assert_eq!(data("data:\ndata: a\ndata:\n\ndata:\ndata:\n\n"), ["\na\n", "\n"]);
    assert_eq!(data("data: a\n: x\nid: 1\nevent: y\ndata: b\n\n"), ["a\nb"]);
}

#[test]
fn s27_a_block_without_data_makes_no_event_and_resets_the_type() {
    assert_eq!(events("event: x\n\ndata: a\n\n"), [event("message", "a", None)]);
    assert_eq!(data("\n\n\nid: 1\n\nretry: 1\n\n\n"), [""; 0]);
    assert_eq!(
        events("event: x\ndata: a\n\ndata: b\n\n"),
        [event("x", "a", None), event("message", "b", None)]
    );
    assert_eq!(events("event: x\nevent: y\ndata\n\n"), [event("y", "", None)]);
}

#[test]
fn s28_an_event_without_its_blank_line_is_dropped() {
    for end in
        ["data: b", "data: b\n", "data: b\r", "dat", "d", "event: x\n", "id: 9", "x", "retry"]
    {
        let outcome = parse_every_way(format!("data: a\n\n{end}").as_bytes());
        assert_eq!(outcome.events.len(), 1, "{end:?}");
        assert_eq!((outcome.end, outcome.last_id), (End::Truncated, None), "{end:?}");
    }
}

#[test]
fn s28_a_finished_parser_starts_over() {
    let mut parser = Parser::new();
    assert_eq!(parser.events(b"id: 1\nretry: 5\n\nevent: x\ndata: lost").count(), 0);
    assert!(matches!(parser.finish(), Err(SseError::Truncated)));
    assert!(parser.finish().is_ok());
    let event = parser.events("\u{FEFF}data: a\n\n".as_bytes()).next().unwrap().unwrap();
    assert_eq!((&*event.event, &*event.data), ("message", "a"));
    assert_eq!(event.id.as_deref(), Some("1"), "the last event id outlives the connection");
    assert_eq!(parser.retry(), Some(Duration::from_millis(5)));
}

#[test]
fn s29_null_in_data_is_kept() {
    assert_eq!(data("data: a\0b\n\n"), ["a\0b"]);
    assert_eq!(events("event: x\0\ndata: \0\n\n"), [event("x\0", "\0", None)]);
}

#[test]
fn s35_done_is_recognised_in_its_variants() {
    for line in ["data: [DONE]", "data:[DONE]", "data:  [DONE] ", "data: [done]", "data:\t[DONE]"] {
        for end in ["\n\n", "\r\n\r\n", "\r\r"] {
            assert!(is_done(&data(format!("{line}{end}"))[0]), "{line:?}");
        }
    }
    for other in ["DONE", "[DONE", "{\"a\":\"[DONE]\"}", "", "[DONE][DONE]", "[D ONE]"] {
        assert!(!is_done(other), "{other:?}");
    }
}
