//! S30: what the parser holds is bounded, whatever the stream sends. Counted by the allocator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
// An allocator cannot be written without.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use notebook_core::sse::{Parser, SseError};

const MIB: usize = 1024 * 1024;
const SLACK: isize = 64 * 1024;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(more: usize, less: usize) {
    // During the end of a thread there is nothing to count for.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + more.cast_signed() - less.cast_signed());
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Feeds `start`, then `chunk` until `total` bytes have gone in. Returns whether that was an error, and
/// the most memory held.
fn feed(start: &[u8], chunk: &[u8], total: usize) -> (bool, isize) {
    let before = HELD.get();
    PEAK.set(before);
    let mut parser = Parser::with_max_event_bytes(MIB);
    let mut failed = false;
    let mut fed = 0;
    let mut next = start;
    while fed < total {
        fed += next.len();
        match parser.next_event(&mut next) {
            Ok(event) => assert!(event.is_none()),
            Err(SseError::TooLarge { limit }) => {
                assert_eq!(limit, MIB);
                failed = true;
            }
            Err(other) => panic!("{other}"),
        }
        next = chunk;
    }
    (failed, PEAK.get() - before)
}

#[track_caller]
fn assert_bounded(start: &str, chunk: &[u8]) {
    let (failed, peak) = feed(start.as_bytes(), chunk, 1024 * MIB);
    assert!(failed, "{start:?} was no error");
    assert!(peak <= MIB.cast_signed() + SLACK, "{start:?} held {peak} bytes");
}

#[test]
fn s30_a_line_without_end_is_an_error_within_bounded_memory() {
    let chunk = vec![b'1'; 64 * 1024];
    for start in ["data: ", "event: ", "id: ", "retry: ", ": ", "unknown: ", "", "\u{FEFF}data:"] {
        assert_bounded(start, &chunk);
    }
}

#[test]
fn s30_an_event_without_end_is_an_error_within_bounded_memory() {
    assert_bounded("", &b"data: 0123456789\n".repeat(4000));
    assert_bounded("", &b"data:\n".repeat(4000));
    assert_bounded("event: name\nid: 1\n", &b": comment\ndata: x\n".repeat(4000));
}

#[test]
fn s30_replacement_characters_count() {
    assert_bounded("data: ", &vec![0xFF; 64 * 1024]);
    assert_bounded("data: ", &b"\xE2\x82".repeat(32 * 1024));
}

#[test]
fn s30_fields_cannot_share_the_limit_out_to_exceed_it() {
    for long in [8 * 1024, 500 * 1024].map(|length| "x".repeat(length)) {
        for first in ["event", "id", "data"] {
            let ones = vec![b'1'; 64 * 1024];
            assert_bounded(&format!("{first}: {long}\n"), &ones);
            for then in ["event", "data"] {
                let replaced = format!("{first}: {long}\n{first}: short\n{then}: ");
                assert_bounded(&replaced, &ones);
            }
        }
        let spent = format!("event: {long}\nid: {long}\n\nid: 1\n\nid: 2\n\ndata: ");
        assert_bounded(&spent, &vec![b'1'; 64 * 1024]);
    }
}

#[test]
fn s30_comments_without_end_are_no_error_and_hold_nothing() {
    let (failed, peak) = feed(b"", &b": ping\n\n".repeat(8 * 1024), 32 * MIB);
    assert!(!failed);
    assert_eq!(peak, 0);
}

/// The memory of a large event is given back when the next one begins.
#[test]
fn an_idle_parser_is_small() {
    let before = HELD.get();
    let mut parser = Parser::new();
    let (short, long) = ("x".repeat(8 * 1024), "x".repeat(4 * MIB));
    let large = format!("event: {short}\nid: {short}\ndata: {long}\n");
    drop((short, long));
    for half in [large.as_bytes(), b"\nid: 1\ndata: x", b"\n\n: now it is quiet\n"] {
        let mut rest = half;
        while parser.next_event(&mut rest).unwrap().is_some() {}
    }
    let held = HELD.get() - before - large.capacity().cast_signed();
    assert!(held <= SLACK, "{held}");
}
