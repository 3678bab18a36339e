//! E6: the vendors' own clients get cited answers from a server, by an API key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod talker;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use common::{
    PATIENCE, Server, Setup, folder,
    people::{Person, with_accounts},
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use talker::{Talker, says};

/// E6: OpenAI's client for chat completions, responses, embeddings and models, and the AI SDK's for its UI message stream.
#[tokio::test]
async fn e6_the_vendors_clients_get_cited_answers() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path()))
        .with("NOTEBOOK__EMBEDDING__PROVIDER", "candle")
        .start();
    let ada = Person::register(&server, "ada").await;
    let notebook = ada.made("/api/notebooks", json!({ "name": "Rivers" })).await;
    let notebook = notebook["id"].as_str().unwrap();
    let text =
        "The Wensum is a river in Norfolk.\n\nThe Wensum is 78 kilometres long and joins the Yare.";
    let body = json!({ "name": "wensum.md", "text": text });
    let source = ada.made(&format!("/api/notebooks/{notebook}/sources/text"), body).await;
    let path = format!("/api/sources/{}", source["id"].as_str().unwrap());
    ada.until(&path, |source| source["stage"] == "ready").await;
    let conversations = format!("/api/notebooks/{notebook}/conversations");
    let conversation = ada.made(&conversations, json!({ "title": "for the AI SDK" })).await;
    let key = json!({ "name": "clients", "scopes": ["notebook.read", "chat"] });
    let key = ada.made("/api/keys", key).await;
    let models = ada.json("/v1/models").await;
    let models = models["data"].as_array().unwrap();
    let embedding = models.iter().find(|model| model["owned_by"] == "embeddings").unwrap();
    let settings = json!({
        "url": server.url, "key": key["secret"], "notebook": notebook, "conversation": conversation["id"],
        "question": "How long is the Wensum in kilometres?", "answer": "78 kilometres", "embedding": embedding["id"],
    });
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    assert!(
        web.join("node_modules/openai").is_dir(),
        "the page's packages are missing: run `make web`"
    );
    let mut node = tokio::process::Command::new("node");
    node.arg("e2e/facade-clients.mjs")
        .arg(settings.to_string())
        .current_dir(web)
        .kill_on_drop(true);
    let done = tokio::time::timeout(PATIENCE * 2, node.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(said.lines().count(), 6, "{said}");
}

/// E6: links in answers begin with the configured address, whatever a request claims of itself.
#[tokio::test]
async fn e6_links_begin_with_the_configured_address() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path()))
        .with("NOTEBOOK__AUTH__PUBLIC_URL", "https://notebook.example.org")
        .start();
    let ada = Person::register(&server, "ada").await;
    let notebook = ada.made("/api/notebooks", json!({ "name": "Rivers" })).await;
    let notebook = notebook["id"].as_str().unwrap();
    let body = json!({ "name": "wensum.md", "text": "The Wensum is 78 kilometres long and joins the Yare." });
    let source = ada.made(&format!("/api/notebooks/{notebook}/sources/text"), body).await;
    let path = format!("/api/sources/{}", source["id"].as_str().unwrap());
    ada.until(&path, |source| source["stage"] == "ready").await;
    let key = json!({ "name": "clients", "scopes": ["notebook.read", "chat"] });
    let key = ada.made("/api/keys", key).await["secret"].as_str().unwrap().to_owned();
    let question = json!({ "role": "user", "content": "How long is the Wensum in kilometres?" });
    let body = json!({ "model": format!("notebook:{notebook}"), "messages": [question] });
    let request = server.http.post(format!("{}/v1/chat/completions", server.url)).json(&body);
    let request = request.bearer_auth(key).header("x-forwarded-proto", "http");
    let reply = request.header("host", "evil.example").send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let reply: serde_json::Value = reply.json().await.unwrap();
    let url = &reply["choices"][0]["message"]["annotations"][0]["url_citation"]["url"];
    let wanted = format!("https://notebook.example.org{path}/passage?");
    assert!(url.as_str().unwrap().starts_with(&wanted), "{reply}");
}

/// A request with a good model and question, and these fields set; null where one is to be absent altogether is `"-"`.
fn request(notebook: &str, path: &str, fields: Value) -> Value {
    let question = "How long is the Wensum in kilometres?";
    let mut body = json!({ "model": format!("notebook:{notebook}") });
    match path {
        "/v1/responses" => body["input"] = json!(question),
        _ => body["messages"] = json!([{ "role": "user", "content": question }]),
    }
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.as_object_mut().unwrap().retain(|_, value| value != "-");
    body
}

async fn with_river(server: &Server) -> String {
    let notebook = server.notebook().await;
    let text = "The Wensum is 78 kilometres long and joins the Yare.";
    server.ready(notebook, "wensum.txt", text.into()).await;
    notebook.to_string()
}

/// E6: what OpenAI's interface allows is taken, and a refusal names the field as that interface calls it.
#[tokio::test]
async fn e6_odd_requests_are_taken_or_refused_by_the_name_of_the_field() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = with_river(&server).await;
    let user = |content: Value| json!([{ "role": "user", "content": content }]);
    let refusal = json!([
        { "role": "user", "content": "One?" },
        { "role": "assistant", "content": [{ "type": "refusal", "refusal": "No." }] },
        { "role": "user", "content": "How long is the Wensum in kilometres?" },
    ]);
    let chat = "/v1/chat/completions";
    let missing = "notebook:01980000-0000-7000-8000-000000000001";
    let no_response = "resp_01980000-0000-7000-8000-000000000001";
    for (path, fields, param) in [
        (
            chat,
            json!({ "stream": null, "tools": null, "tool_choice": "auto", "logit_bias": {} }),
            None,
        ),
        (chat, json!({ "stream": null, "stream_options": { "include_usage": null } }), None),
        (chat, json!({ "messages": refusal }), None),
        (chat, json!({ "model": missing }), Some("model")),
        (chat, json!({ "messages": "-" }), Some("messages")),
        (chat, json!({ "messages": user(json!(" ")) }), Some("messages")),
        (chat, json!({ "messages": user(json!(5)) }), Some("messages[0].content")),
        (chat, json!({ "messages": [{ "content": "x" }] }), Some("messages[0].role")),
        (chat, json!({ "messages": user(json!("x".repeat(40_000))) }), Some("messages")),
        (chat, json!({ "max_tokens": -1 }), Some("max_tokens")),
        (chat, json!({ "max_completion_tokens": 0 }), Some("max_completion_tokens")),
        (chat, json!({ "logit_bias": { "1": 5 } }), Some("logit_bias")),
        (chat, json!({ "tool_choice": "required" }), Some("tool_choice")),
        (chat, json!({ "function_call": { "name": "x" } }), Some("function_call")),
        (chat, json!({ "web_search_options": {} }), Some("web_search_options")),
        ("/v1/responses", json!({ "stream": null, "instructions": null }), None),
        ("/v1/responses", json!({ "input": "" }), Some("input")),
        (
            "/v1/responses",
            json!({ "input": [{ "type": "item_reference", "id": "x" }] }),
            Some("input"),
        ),
        ("/v1/responses", json!({ "max_output_tokens": 0 }), Some("max_output_tokens")),
        ("/v1/responses", json!({ "prompt": { "id": "x" } }), Some("prompt")),
        ("/v1/responses", json!({ "tool_choice": "required" }), Some("tool_choice")),
        (
            "/v1/responses",
            json!({ "previous_response_id": no_response }),
            Some("previous_response_id"),
        ),
    ] {
        let reply = server.post(path, request(&notebook, path, fields.clone())).await;
        let status = reply.status().as_u16();
        let said: Value = reply.json().await.unwrap();
        assert_eq!(status == 200, param.is_none(), "{fields}: {said}");
        if let Some(param) = param {
            assert!((400..500).contains(&status), "{fields}: {said}");
            assert_eq!(said["error"]["param"], param, "{said}");
            assert!(!said["error"]["message"].as_str().unwrap().contains("untagged"), "{said}");
        }
    }
    // A program that calls what there is not is told so, in its own shape, and gets no page.
    for (path, status) in [("/v1/nothing", 404), ("/v1/responses/x/input_items", 404), (chat, 405)]
    {
        let reply = server.get(path).await;
        assert_eq!(reply.status(), status);
        let said: Value = reply.json().await.unwrap();
        assert!(said["error"]["type"].is_string(), "{path}: {said}");
        assert_ne!(said["error"]["code"], "page_not_built");
    }
    let refused = server.get(chat).await;
    assert_eq!(refused.headers()["allow"], "POST");
}

/// E6: what is not to be stored is gone also where the client goes away in the middle, and nobody goes on writing it.
#[tokio::test]
async fn e6_what_is_not_to_be_kept_goes_with_its_client() {
    let (folder, talker) = (folder(), Talker::gated(0, |_| says("78 kilometres [1].")).await);
    let server = Setup::new(folder.path())
        .with("NOTEBOOK__CHAT__PROVIDER", "openai")
        .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", talker.url))
        .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
        .start();
    let notebook = with_river(&server).await;
    let conversations = format!("/api/notebooks/{notebook}/conversations");
    let path = "/v1/chat/completions";
    for stream in [true, false] {
        let body = request(&notebook, path, json!({ "stream": stream, "store": false }));
        let asking = server.http.post(format!("{}{path}", server.url)).json(&body).send();
        if stream {
            let mut pieces = asking.await.unwrap().bytes_stream();
            pieces.next().await.unwrap().unwrap();
            assert_eq!(server.json(&conversations).await["items"].as_array().unwrap().len(), 1);
        } else {
            let gone = tokio::time::timeout(Duration::from_millis(700), asking).await;
            assert!(gone.is_err(), "the model says nothing yet");
        }
        let since = Instant::now();
        while !server.json(&conversations).await["items"].as_array().unwrap().is_empty() {
            assert!(since.elapsed() < PATIENCE, "the conversation is still there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
