//! What the encoder writes, read by the parser that the page uses.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use notebook_core::sse::{Event, encode};
use proptest::{
    collection::vec,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::Value;

use crate::property::{line_ends, written};

const STREAMS: usize = 1000;

#[test]
fn s36_the_parser_of_the_page_reads_what_is_written() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notebook-server/web");
    assert!(
        web.join("node_modules/eventsource-parser").is_dir(),
        "the page's packages are missing: run `make web` first"
    );
    let mut runner = TestRunner::deterministic();
    let strategy = vec(written(), 0..6);
    let streams: Vec<Vec<Event>> =
        (0..STREAMS).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let lines: String = streams.iter().map(|events| hex(&wire(events)) + "\n").collect();
    let read = run_node(&web, lines);
    assert_eq!(read.lines().count(), STREAMS);
    for (events, line) in streams.iter().zip(read.lines()) {
        let expected: Vec<_> = events.iter().map(as_the_peer_reads).collect();
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["failure"], Value::Null, "{events:?}");
        assert_eq!(line["events"], Value::Array(expected), "{events:?}");
    }
}

fn wire(events: &[Event]) -> Vec<u8> {
    let mut wire = Vec::new();
    for event in events {
        encode::event(&event.as_ref(), &mut wire).unwrap();
        encode::comment(&event.data, &mut wire);
    }
    wire
}

/// The peer gives the id and the name of the block alone, and neither if it is the default.
fn as_the_peer_reads(event: &Event) -> Value {
    let mut read = serde_json::json!({ "data": line_ends(&event.data) });
    if event.event != "message" {
        read["event"] = Value::from(event.event.as_ref());
    }
    if let Some(id) = &event.id {
        read["id"] = Value::from(id.as_str());
    }
    read
}

fn run_node(web: &Path, lines: String) -> String {
    let mut node = Command::new("node")
        .arg(web.join("e2e/read-event-streams.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js is needed for this test");
    let mut stdin = node.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let mut read = String::new();
    node.stdout.take().unwrap().read_to_string(&mut read).unwrap();
    writer.join().unwrap().unwrap();
    assert!(node.wait().unwrap().success());
    read
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
