//! D4, D5: an MCP server that does what none should: it hangs, floods, dies, boasts, changes its mind, and will not end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod programs;
mod talker;

use std::time::{Duration, Instant};

use common::{PATIENCE, Server, folder};
use notebook_core::model::Run;
use programs::{
    asked, calls_noted, decide, failures, fake, gone, is_alive, notebook, noted, obedient, pids,
    research, setup, until,
};
use serde_json::{Value, json};
use talker::Talker;

const READS: &str = "read_only_tools = [\"*\"]\ntimeout_seconds = 2";

async fn ended(server: &Server, run: &Run) -> Vec<Value> {
    let events = server.events(run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed", "{events:#?}");
    events
}

fn allowed() -> Value {
    json!({ "mcp_servers": ["fake"] })
}

/// The most memory that a process has had, in bytes.
fn peak(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// D5: once something untrusted was read, a tool that reaches out is locked, and never called; an operator's word that it reads opens it.
#[tokio::test]
async fn d5_a_run_that_has_read_a_source_does_not_reach_out() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let notes = folder.path().join("notes");
    let server = setup(folder.path(), &talker, &fake("fake", &notes, &[], "")).start();
    until(&server, "fake", "connected").await;
    let (_, conversation) = notebook(&server, allowed()).await;
    let run = research(&server, conversation, "search_sources, then fake__keep").await;
    let events = ended(&server, &run).await;
    assert_eq!(failures(&events), [Value::Null, json!("not_allowed")]);
    assert_eq!(calls_noted(&notes), 0);
    drop(server);
    let asking = setup(folder.path(), &talker, &fake("fake", &notes, &[], ""));
    let server = asking.with("NOTEBOOK__TOOLS__OUTWARD_WHEN_TAINTED", "ask").start();
    until(&server, "fake", "connected").await;
    let run = research(&server, conversation, "search_sources, then fake__keep").await;
    decide(&server, &asked(&server, &run).await, "refuse").await;
    assert_eq!(failures(&ended(&server, &run).await), [Value::Null, json!("refused")]);
    assert_eq!(calls_noted(&notes), 0);
    drop(server);
    let reads = fake("fake", &notes, &[], "read_only_tools = [\"keep\"]");
    let server = setup(folder.path(), &talker, &reads).start();
    until(&server, "fake", "connected").await;
    let run = research(&server, conversation, "search_sources, then fake__keep").await;
    assert_eq!(failures(&ended(&server, &run).await), [Value::Null, Value::Null]);
    // What it answered is untrusted, too: another tool of it, that nobody vouched for, is locked.
    let (_, fresh) = notebook(&server, allowed()).await;
    let run = research(&server, fresh, "fake__keep, then fake__fail").await;
    assert_eq!(failures(&ended(&server, &run).await), [Value::Null, json!("not_allowed")]);
    assert_eq!(calls_noted(&notes), 2);
}

/// D4: calls that hang, fail, answer 50 MB, flood without end, or kill the server are failures of the call; the run goes on, memory stays bounded,
/// and the server is begun anew.
#[tokio::test]
async fn d4_a_server_that_misbehaves_costs_a_call_and_no_more() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let notes = folder.path().join("notes");
    let server = setup(folder.path(), &talker, &fake("fake", &notes, &[], READS)).start();
    until(&server, "fake", "connected").await;
    let (_, conversation) = notebook(&server, allowed()).await;
    let before = peak(server.pid());
    let run = research(&server, conversation, "fake__hang, fake__fail, fake__keep").await;
    let said = failures(&ended(&server, &run).await);
    assert_eq!(said, [json!("timeout"), json!("tool_failed"), Value::Null]);
    assert!(server.message(&run).await.text.contains("It is kept: a"));
    for tool in ["die", "large", "flood"] {
        let first = *pids(&notes).last().unwrap();
        let question = format!("fake__{tool}");
        let run = research(&server, conversation, &question).await;
        assert_eq!(failures(&ended(&server, &run).await), ["tool_failed"], "{tool}");
        gone(first).await;
        let deadline = Instant::now() + PATIENCE;
        while *pids(&notes).last().unwrap() == first {
            assert!(Instant::now() < deadline, "it is not begun anew after {tool}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        until(&server, "fake", "connected").await;
    }
    let grown = peak(server.pid()).saturating_sub(before);
    assert!(grown < 48 << 20, "{} MiB", grown >> 20);
    let run = research(&server, conversation, "fake__keep").await;
    assert_eq!(failures(&ended(&server, &run).await), [Value::Null]);
}

/// D4: ten thousand tools are cut to what a prompt can have; what is no tool is left out, and told.
#[tokio::test]
async fn d4_offers_that_are_too_much_or_none_are_told() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let notes = folder.path().join("notes");
    let toml = fake("many", &notes, &["many"], "") + &fake("wrong", &notes, &["wrong"], "");
    let toml = toml
        + "[mcp.servers.none]\ncommand = \"/does/not/exist\"\n[mcp.servers.mute]\ncommand = \"sleep\"\nargs = [\"600\"]\n[mcp.servers.off]\ncommand = \"x\"\nenabled = false\n";
    let server = setup(folder.path(), &talker, &toml).start();
    let many = until(&server, "many", "connected").await;
    assert_eq!(
        (many["tools"].as_array().unwrap().len(), &many["not_offered"]),
        (64, &json!(9_936))
    );
    let wrong = until(&server, "wrong", "connected").await;
    let tools = wrong["tools"].as_array().unwrap();
    assert_eq!(
        (tools.len(), &tools[0]["tool"], &wrong["not_offered"]),
        (1, &json!("keep"), &json!(5)),
        "{wrong:#}"
    );
    assert!(!wrong.to_string().contains("<|im_start|>"), "{wrong:#}");
    let none = until(&server, "none", "error").await;
    assert!(none["reason"].as_str().unwrap().contains("could not be started"), "{none}");
    until(&server, "mute", "disconnected").await;
    let all = server.json("/api/mcp/servers").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 4, "one is switched off");
    // A server that cannot be asked costs a warning.
    let (_, conversation) = notebook(&server, json!({ "mcp_servers": ["none", "many"] })).await;
    let run = research(&server, conversation, "hello").await;
    let events = ended(&server, &run).await;
    let warned = |event: &&Value| {
        event["code"] == "mcp_away" && event["message"].as_str().unwrap().contains("none")
    };
    assert_eq!(events.iter().filter(warned).count(), 1, "{events:#?}");
}

/// D4: a definition that cannot be read, or a name that is there twice, costs that tool alone: it is said which and why.
#[tokio::test]
async fn d4_one_definition_that_cannot_be_read_costs_no_other_tool() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let notes = folder.path().join("notes");
    let toml = fake("fake", &notes, &["unreadable"], READS);
    let server = setup(folder.path(), &talker, &toml).start();
    let known = until(&server, "fake", "connected").await;
    let tools = known["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["tool"].as_str().unwrap()).collect();
    assert_eq!((names, &known["not_offered"]), (vec!["first", "last"], &json!(5)), "{known:#}");
    for (place, (name, why)) in [
        ("no_map", "cannot be read"),
        ("no_schema", "inputSchema"),
        ("(without a name)", "integer"),
        ("odd", "cannot be read"),
        ("first", "same name"),
    ]
    .into_iter()
    .enumerate()
    {
        let told = known["refused"][place].as_str().unwrap();
        assert!(told.starts_with(&format!("{name}: ")) && told.contains(why), "{told}");
    }
    let (_, conversation) = notebook(&server, allowed()).await;
    let run = research(&server, conversation, "fake__last").await;
    assert_eq!(failures(&ended(&server, &run).await), [Value::Null]);
}

/// D4: a server that lives and does not reply is ended and begun anew; one whose tool is slow, and that replies to a ping, is not.
#[tokio::test]
async fn d4_a_server_that_hangs_but_lives_is_begun_anew() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let notes = folder.path().join("notes");
    let reads = "read_only_tools = [\"*\"]\ntimeout_seconds = 1";
    let server = setup(folder.path(), &talker, &fake("fake", &notes, &[], reads)).start();
    until(&server, "fake", "connected").await;
    let first = *pids(&notes).last().unwrap();
    let (place, conversation) = notebook(&server, allowed()).await;
    let run = research(&server, conversation, "fake__hang, fake__hang, fake__hang").await;
    assert_eq!(failures(&ended(&server, &run).await), ["timeout"; 3]);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let run = research(&server, server.conversation(place).await, "fake__keep").await;
    assert_eq!(failures(&ended(&server, &run).await), [Value::Null]);
    assert_eq!(pids(&notes), [first], "it has replied");

    // It is stopped by a signal: its pipes stay open, and nothing comes.
    // One after the other: of calls at once some may be answered before it stops.
    for tool in ["fake__freeze", "fake__keep", "fake__keep"] {
        let run = research(&server, server.conversation(place).await, tool).await;
        assert_eq!(failures(&ended(&server, &run).await), ["timeout"]);
    }
    let known = until(&server, "fake", "error").await;
    assert!(known["reason"].as_str().unwrap().starts_with("it does not reply"), "{known}");
    gone(first).await;
    until(&server, "fake", "connected").await;
    assert_eq!(pids(&notes).len(), 2);
    let run = research(&server, server.conversation(place).await, "fake__keep").await;
    assert_eq!(failures(&ended(&server, &run).await), [Value::Null]);
}

/// D5: a tool that is described differently once it was shown is not called, whatever was allowed; also when all were killed meanwhile.
#[tokio::test]
async fn d5_what_was_allowed_is_the_tool_as_it_was_described() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let notes = folder.path().join("notes");
    let description = folder.path().join("notes.description");
    let setup = setup(folder.path(), &talker, &fake("fake", &notes, &["told"], ""));
    let mut server = setup.start();
    for is_killed in [false, true] {
        let before = until(&server, "fake", "connected").await;
        let (place, conversation) = notebook(&server, allowed()).await;
        let run = research(&server, conversation, "fake__keep").await;
        let approval = asked(&server, &run).await;
        let other = format!("Sends all of it away. {is_killed}");
        if is_killed {
            server.kill();
            std::fs::write(&description, other).unwrap();
            server = setup.start();
        } else {
            std::fs::write(&description, other).unwrap();
        }
        let deadline = Instant::now() + PATIENCE;
        while until(&server, "fake", "connected").await["tools"][0] == before["tools"][0] {
            assert!(Instant::now() < deadline, "the change is not heard");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        decide(&server, &approval, "approve").await;
        let events = ended(&server, &run).await;
        assert_eq!(failures(&events), ["definition_changed"], "killed: {is_killed}");
        assert_eq!(calls_noted(&notes), 0, "{:?}", noted(&notes));
        // Asked anew it is another question, with another sign.
        let conversation = server.conversation(place).await;
        let run = research(&server, conversation, "fake__keep").await;
        let again = asked(&server, &run).await;
        assert_ne!((&again["tool"], &again["digest"]), (&approval["tool"], &approval["digest"]));
        decide(&server, &again, "refuse").await;
        ended(&server, &run).await;
    }
}

/// D4: what was started ends with us: by a signal, by `kill -9`, and also where it will not end by itself or never said a word.
#[tokio::test]
async fn d4_no_child_outlives_the_server() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let (notes, mute) = (folder.path().join("notes"), folder.path().join("mute"));
    let toml =
        fake("fake", &notes, &["stubborn"], "") + &fake("mute", &mute, &["mute", "stubborn"], "");
    let setup = setup(folder.path(), &talker, &toml);
    for is_killed in [true, false] {
        let (seen, server) = (pids(&mute).len(), setup.start());
        until(&server, "fake", "connected").await;
        let deadline = Instant::now() + PATIENCE;
        while pids(&mute).len() == seen {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let children = [*pids(&notes).last().unwrap(), *pids(&mute).last().unwrap()];
        assert!(children.into_iter().all(is_alive));
        if is_killed {
            server.kill();
        } else {
            server.terminate();
        }
        for child in children {
            gone(child).await;
        }
    }
}

/// D4, G9: a child gets what is named for it, works in a folder of its own, and what it was given as a secret stands nowhere.
#[tokio::test]
async fn d4_a_child_knows_what_it_was_told_and_no_more() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let (notes, log) = (folder.path().join("notes"), folder.path().join("log"));
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hunter2-of-the-fake\n").unwrap();
    let env = format!("env = {{ FAKE_TOKEN = {{ file = {secret:?} }} }}\n{READS}");
    let setup = setup(folder.path(), &talker, &fake("fake", &notes, &[], &env))
        .with("RUST_LOG", "info")
        .logging_to(log.clone());
    let server = setup.start();
    let known = until(&server, "fake", "connected").await;
    let (_, conversation) = notebook(&server, allowed()).await;
    let run = research(&server, conversation, "fake__environment").await;
    ended(&server, &run).await;
    let result = talker::results(talker.requests().last().unwrap()).remove(0);
    assert!(result.contains("hunter2-of-the-fake") && result.contains("\"PATH\""), "{result}");
    assert!(!result.contains("NOTEBOOK_") && !result.contains("CARGO"), "{result}");
    assert!(result.contains("/data/mcp/fake"), "{result}");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("a secret: …") && !log.contains("hunter2"), "{log}");
    assert!(!known.to_string().contains("python") && !known.to_string().contains("hunter2"));
}
