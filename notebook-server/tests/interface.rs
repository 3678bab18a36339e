//! The interface as a stranger meets it: bad input, foreign origins, the documents that describe it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;

use common::{Setup, folder};
use notebook_core::NotebookId;
use reqwest::Method;
use serde_json::{Value, json};

/// Every error is a problem with a stable code, a sentence and the request's id.
#[tokio::test]
async fn g7_bad_input_gets_a_clear_error() {
    let folder = folder();
    let server =
        Setup::new(folder.path()).with("NOTEBOOK__LIMITS__DOCUMENT_BYTES", 100_000).start();
    let notebook = server.notebook().await;
    let conversation = server.conversation(notebook).await;
    let unknown = NotebookId::new();
    let runs = format!("/api/conversations/{conversation}/runs");
    let big = "x".repeat(1 << 20);
    let cases: Vec<(Method, String, Option<Value>, u16, &str)> = vec![
        (Method::GET, format!("/api/notebooks/{unknown}"), None, 404, "not_found"),
        (Method::GET, "/api/notebooks/nonsense".into(), None, 400, "invalid_input"),
        (
            Method::GET,
            format!("/api/notebooks/{}", notebook.to_string().to_uppercase()),
            None,
            400,
            "invalid_input",
        ),
        (Method::GET, "/api/notebooks?limit=0".into(), None, 422, "invalid_input"),
        (Method::GET, "/api/notebooks?limit=x".into(), None, 400, "invalid_input"),
        (Method::GET, "/api/notebooks?color=red".into(), None, 400, "invalid_input"),
        (Method::GET, "/api/nothing".into(), None, 404, "not_found"),
        (Method::POST, "/api/notebooks".into(), Some(json!({ "id": "x" })), 422, "invalid_input"),
        (
            Method::POST,
            "/api/notebooks".into(),
            Some(json!({ "id": unknown, "name": "" })),
            422,
            "invalid_input",
        ),
        (
            Method::POST,
            "/api/notebooks".into(),
            Some(json!({ "id": unknown, "tenant_id": "x" })),
            422,
            "invalid_input",
        ),
        (Method::POST, runs.clone(), Some(json!({ "question": big })), 413, "too_large"),
        (Method::POST, runs.clone(), Some(json!({ "question": " " })), 422, "invalid_input"),
        (Method::POST, runs.clone(), Some(json!({})), 422, "invalid_input"),
        (
            Method::POST,
            runs.clone(),
            Some(json!({ "question": "a", "settings": { "temperature": 9 } })),
            422,
            "invalid_input",
        ),
        (Method::POST, runs, Some(json!([1])), 422, "invalid_input"),
        (
            Method::POST,
            format!("/api/notebooks/{notebook}/sources"),
            Some(json!({})),
            400,
            "invalid_input",
        ),
    ];
    for (method, path, body, status, code) in cases {
        let mut request = server.http.request(method, format!("{}{path}", server.url));
        if let Some(body) = &body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], code, "{path}: {problem}");
        assert_eq!(problem["request_id"], id.as_str(), "{path}");
        assert!(problem["detail"].as_str().unwrap().len() > 10, "{path}: {problem}");
    }
    for (name, bytes, status) in [("empty.txt", vec![], 422), ("big.txt", vec![b'a'; 200_000], 413)]
    {
        let response = server.upload(notebook, name, bytes).await;
        assert_eq!(response.status(), status, "{name}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["field"], "file", "{name}: {problem}");
    }
    let spool = std::fs::read_dir(folder.path().join("spool")).unwrap().count();
    assert_eq!(spool, 0, "U38: a refused upload leaves nothing");
}

/// A person at a terminal need not make up ids; a client that does may send its request twice.
#[tokio::test]
async fn a1_ids_are_optional_and_make_creation_repeatable() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let create = async |path: &str, body: Value| {
        let response = server.post(path, body).await;
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned())
    };
    let (status, first) = create("/api/notebooks", json!({ "name": "a" })).await;
    let (_, second) = create("/api/notebooks", json!({ "name": "a" })).await;
    assert!(status == 201 && first != second);
    assert_eq!(create("/api/notebooks", json!({ "id": first })).await, (200, first.clone()));
    let path = format!("/api/notebooks/{first}/conversations");
    let (status, conversation) = create(&path, json!({})).await;
    assert_eq!(status, 201);
    assert_eq!(create(&path, json!({ "id": conversation })).await, (200, conversation.clone()));
}

/// An upload is limited by `limits.document_bytes` alone, not by the limit of JSON bodies.
#[tokio::test]
async fn a2_a_large_upload_is_taken() {
    let folder = folder();
    let server = Setup::new(folder.path()).with("NOTEBOOK__LIMITS__BODY_BYTES", 40_000).start();
    let notebook = server.notebook().await;
    let text = "The heron waits by the pond.\n\n".repeat(150_000);
    let response = server.upload(notebook, "large.txt", text.into_bytes()).await;
    assert_eq!(response.status(), 202);
    let body = json!({ "name": "x", "text": "y".repeat(50_000) });
    let response = server.post(&format!("/api/notebooks/{notebook}/sources/text"), body).await;
    assert_eq!(response.status(), 413);
}

/// Single-user mode has no login, so nothing but this machine's own page may reach it.
#[tokio::test]
async fn g7_foreign_hosts_and_origins_are_refused() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let url = format!("{}/api/notebooks", server.url);
    for (name, value) in [
        ("host", "evil.example"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let response = server.http.get(&url).header(name, value).send().await.unwrap();
        assert_eq!(response.status(), 403, "{name}: {value}");
    }
    let response = server.http.get(&url).header("origin", &server.url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    for header in ["content-security-policy", "x-content-type-options", "x-frame-options"] {
        assert!(response.headers().contains_key(header), "{header}");
    }
}

/// H8: the page's list of stages and failures, of which its tests ask a word in each language, is the server's.
#[tokio::test]
async fn h8_the_page_knows_every_stage_and_failure() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let schemas = &server.json("/openapi.json").await["components"]["schemas"];
    let page: serde_json::Value =
        serde_json::from_str(include_str!("../web/src/api/names.json")).unwrap();
    assert_eq!(page["stages"], schemas["AnswerStage"]["enum"]);
    assert_eq!(page["failures"], schemas["FailureCode"]["enum"]);
}

/// The routes in docs/rest.md and in the OpenAPI document are the same.
#[tokio::test]
async fn k4_the_documents_agree() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let openapi = server.json("/openapi.json").await;
    let mut described = BTreeSet::new();
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let document = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/");
        std::fs::read_to_string(format!("{folder}{name}")).unwrap()
    };
    let text = document("rest.md") + &document("accounts.md");
    let written: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .map(|route| route.split('?').next().unwrap().to_owned())
        .filter(|route| {
            [" /api/", " /v1/", " /ws/", " /.well-known/"].iter().any(|root| route.contains(root))
        })
        .collect();
    assert_eq!(written, described);
}

/// Two processes never work on one folder.
#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_notebook"))
        .args(["serve", "--port", "0", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("another notebook process"), "{said}");
    let ready = server.json("/ready").await;
    let statistics = &ready["checks"]["database"]["statistics"];
    assert_eq!(statistics["engine"], "sqlite");
    assert!(statistics["writes"]["most"].as_u64().unwrap() > 0, "{statistics}");
}
