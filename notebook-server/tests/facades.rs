//! E6: the vendors' own clients get cited answers from a server, by an API key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::Path;

use common::{
    PATIENCE, Setup, folder,
    people::{Person, with_accounts},
};
use serde_json::json;

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
