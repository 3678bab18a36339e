//! D4: public clients of the Model Context Protocol list, search, read and ask a notebook.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::path::Path;

use common::{
    PATIENCE, Setup, folder,
    people::{Person, with_accounts},
};
use serde_json::{Value, json};

async fn furnish(person: &Person, name: &str, text: &str) -> (Value, Value) {
    let notebook = person.made("/api/notebooks", json!({ "name": name })).await["id"].clone();
    let path = format!("/api/notebooks/{}/sources/text", notebook.as_str().unwrap());
    let source = person.made(&path, json!({ "name": "a.md", "text": text })).await["id"].clone();
    let path = format!("/api/sources/{}", source.as_str().unwrap());
    person.until(&path, |source| source["stage"] == "ready").await;
    (notebook, source)
}

/// D4, T1: by the clients of the 2025 revisions and of the current one, with keys; another's things are as ones that are not there.
#[tokio::test]
async fn d4_public_clients_use_notebooks() {
    let folder = folder();
    let server = with_accounts(Setup::new(folder.path())).start();
    let (ada, eve) =
        (Person::register(&server, "ada").await, Person::register(&server, "eve").await);
    let text =
        "The Wensum is a river in Norfolk.\n\nThe Wensum is 78 kilometres long. Grüße aus Norwich.";
    let (notebook, source) = furnish(&ada, "Rivers", text).await;
    let (foreign, foreign_source) =
        furnish(&eve, "Secrets", "The Wensum is a secret of Eve.").await;
    let key = async |scopes: &[&str]| {
        let key = ada.made("/api/keys", json!({ "name": "mcp", "scopes": scopes })).await;
        key["secret"].clone()
    };
    let settings = json!({
        "url": server.url, "notebook": notebook, "source": source,
        "key": key(&["notebook.read", "chat"]).await, "reader": key(&["notebook.read"]).await,
        "question": "How long is the Wensum in kilometres?", "answer": "78 kilometres",
        "foreign": { "notebook": foreign, "source": foreign_source },
    });
    // Without a key nobody is anybody.
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
    let request = server.http.post(format!("{}/mcp", server.url)).json(&initialize);
    let said =
        request.header("accept", "application/json, text/event-stream").send().await.unwrap();
    let said = said.text().await.unwrap();
    assert!(!said.contains("list_notebooks") && said.contains("Sign in"), "{said}");
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    assert!(
        web.join("node_modules/@modelcontextprotocol/client").is_dir(),
        "the page's packages are missing: run `make web`"
    );
    let mut node = tokio::process::Command::new("node");
    node.arg("e2e/mcp-clients.mjs").arg(settings.to_string()).current_dir(web).kill_on_drop(true);
    let done = tokio::time::timeout(PATIENCE * 2, node.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(said.lines().count(), 2, "{said}");
}
