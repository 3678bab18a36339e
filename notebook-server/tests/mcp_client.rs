//! D4: tools of other programs in researches: of public MCP servers, and of one that does what no server should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod programs;
mod talker;

use common::{Server, folder};
use notebook_core::model::Run;
use programs::{
    asked, calls_noted, decide, everything, failures, fake, notebook, noted, offered, research,
    set, setup, until,
};
use serde_json::{Value, json};
use talker::{Reply, Talker, calls, results, says};

/// Calls one tool, and says what it answered.
fn caller(tool: &'static str, arguments: &'static str) -> impl Fn(&Value) -> Reply + Send + Sync {
    move |request| match results(request).last() {
        None => calls(&[(tool, arguments)]),
        Some(result) => says(format!("It says: {}", result.replace('\n', " "))),
    }
}

async fn ended(server: &Server, run: &Run) -> Vec<Value> {
    let events = server.events(run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed", "{events:#?}");
    events
}

/// D4, D5: a tool of a public server is offered where the notebook allows that server, shown to a person with its exact arguments and whose it is,
/// called when they allow it, and its answer is in the run.
#[tokio::test]
async fn d4_a_tool_of_a_public_server_is_called_once_a_person_allows_it() {
    let echo = caller("everything__echo", r#"{"message": "how do you do"}"#);
    let (folder, talker) = (folder(), Talker::start(echo).await);
    let server = setup(folder.path(), &talker, &everything("everything")).start();
    let known = until(&server, "everything", "connected").await;
    assert_eq!(known["protocol"], "2025-11-25", "{known}");
    let tools = known["tools"].as_array().unwrap();
    assert!(tools.iter().any(|tool| tool["name"] == "everything__echo" && tool["tool"] == "echo"));
    assert!(tools.iter().all(|tool| tool["class"] == "outward"), "{tools:#?}");

    let (notebook, conversation) =
        notebook(&server, json!({ "mcp_servers": ["everything"] })).await;
    let run = research(&server, conversation, "Do it.").await;
    let approval = asked(&server, &run).await;
    assert!(approval["tool"].as_str().unwrap().starts_with("everything__echo@"), "{approval}");
    assert_eq!(approval["arguments"], r#"{"message":"how do you do"}"#);
    let reason = approval["reason"].as_str().unwrap();
    assert!(reason.contains("the tool `echo` of the MCP server `everything`"), "{reason}");
    assert_eq!(talker.requests().len(), 1, "nothing goes on before somebody answers");
    decide(&server, &approval, "approve").await;
    let events = ended(&server, &run).await;
    assert_eq!(failures(&events), [Value::Null]);
    let said = server.message(&run).await.text;
    assert!(
        said.contains("What the MCP server everything answered: Echo: how do you do"),
        "{said}"
    );
    // What it answered stands between marks, as data.
    let result = results(&talker.requests()[1]).remove(0);
    assert!(result.starts_with("<result ") && result.ends_with('>'), "{result}");

    // A notebook that does not name the server has none of its tools.
    assert_eq!(set(&server, notebook, json!({})).await, 200);
    let before = talker.requests().len();
    ended(&server, &research(&server, conversation, "Do it.").await).await;
    let names = offered(&talker, before);
    assert!(names.contains(&"search_sources".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("__")), "{names:?}");
    assert_eq!(set(&server, notebook, json!({ "mcp_servers": ["nothing"] })).await, 422);
}

/// D5: what a person refuses is never called.
#[tokio::test]
async fn d5_a_refused_call_never_reaches_the_program() {
    let keep = caller("fake__keep", r#"{"text": "a"}"#);
    let (folder, talker) = (folder(), Talker::start(keep).await);
    let notes = folder.path().join("notes");
    let server = setup(folder.path(), &talker, &fake("fake", &notes, &[], "")).start();
    until(&server, "fake", "connected").await;
    let (place, conversation) = notebook(&server, json!({ "mcp_servers": ["fake"] })).await;
    let run = research(&server, conversation, "Do it.").await;
    // It says of itself that it only reads, and is not believed.
    decide(&server, &asked(&server, &run).await, "refuse").await;
    let events = ended(&server, &run).await;
    assert_eq!(failures(&events), ["refused"]);
    assert_eq!(calls_noted(&notes), 0, "{:?}", noted(&notes));
    // Another conversation: earlier answers may be made of anything.
    let conversation = server.conversation(place).await;
    let run = research(&server, conversation, "Do it.").await;
    decide(&server, &asked(&server, &run).await, "approve").await;
    assert_eq!(failures(&ended(&server, &run).await), [Value::Null]);
    assert_eq!(calls_noted(&notes), 1);
}
