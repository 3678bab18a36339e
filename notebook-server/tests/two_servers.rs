//! S46, E5 in a browser: an answer in mid-air, reloaded, in two tabs, and served by a second server process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;
mod provider;

use cluster::Cluster;
use common::{Setup, folder};
use provider::{Provider, Script};

#[tokio::test]
async fn s46_one_answer_in_tabs_of_two_servers() {
    let cluster = Cluster::start();
    let words: Vec<String> = (1..=60).map(|number| format!("heron-{number} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let provider = Provider::start(Script::paced(&words, 200)).await;
    let folder = folder();
    let start = |name: &str| {
        let own = folder.path().join(name);
        std::fs::create_dir_all(&own).unwrap();
        Setup::new(&own)
            .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
            .with("NOTEBOOK__STORAGE__BLOBS", folder.path().join("blobs").display())
            .with("NOTEBOOK__CHAT__PROVIDER", "openai")
            .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", provider.url))
            .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
            .start()
    };
    let servers = [start("a"), start("b")];
    let notebook = servers[0].notebook().await;
    let text = b"The heron waits by the pond. It eats frogs.".to_vec();
    servers[0].ready(notebook, "heron.txt", text).await;
    let status = tokio::process::Command::new("node")
        .arg("e2e/two-servers.mjs")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web"))
        .env("URLS", format!("{},{}", servers[0].url, servers[1].url))
        .env("NOTEBOOK", notebook.to_string())
        .env("QUESTION", "What does the heron eat?")
        .env("EXPECTED", "^heron-1 .* heron-60$")
        .status()
        .await
        .expect("node is installed");
    assert!(status.success(), "the browser saw something else");
}
