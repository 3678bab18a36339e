//! G9: secrets of Vault's KV engine, as its HTTP interface documents it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    SECRET,
    common::{PATIENCE, Setup, folder},
    notebook,
    vault_server::{ROLE, VaultServer},
};

const TOKEN: &str = "hvs.of-the-operator";

fn setup(vault: &VaultServer, folder: &std::path::Path) -> Setup {
    Setup::new(folder)
        .with("NOTEBOOK__SECRETS__VAULT__ADDRESS", vault.url())
        .with("NOTEBOOK__SECRETS__VAULT__MOUNT", "kv")
        .with("NOTEBOOK__AUTH__MODE", "accounts")
        .with("NOTEBOOK__AUTH__SECRETS__1", "vault:notebook/prod#auth")
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Read at the start, whatever passes; the token is renewed while the server runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_secrets_come_from_vault_and_the_token_is_renewed() {
    let (vault, data) = (VaultServer::start().await, folder());
    vault.token(TOKEN, 2, 100);
    vault.keep("notebook/prod", json!({ "auth": SECRET, "other": "x" }));
    // Not ready yet, as after a restart of its own.
    vault.first(&[(503, "Vault is sealed"), (429, "rate limit quota exceeded"), (500, "internal")]);
    let token = data.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let server = setup(&vault, data.path())
        .with("NOTEBOOK__SECRETS__VAULT__TOKEN__FILE", token.display())
        .with("NOTEBOOK__SECRETS__VAULT__NAMESPACE", "team-a")
        .with("NOTEBOOK__CHAT__OPENAI__API_KEY", "{ vault = \"notebook/prod#other\" }")
        .start();
    assert!(!data.path().join("auth-secret").exists(), "the secret is that of Vault");
    assert_eq!(vault.count("GET /v1/kv/data/notebook/prod"), 1, "a path is read once");
    for asked in vault.asked() {
        assert_eq!(asked.token.as_deref(), Some(TOKEN), "{asked:?}");
        assert_eq!(asked.namespace.as_deref(), Some("team-a"), "{asked:?}");
    }
    until("renewed twice", || vault.count("POST /v1/auth/token/renew-self") >= 2).await;
    assert!(server.terminate().success());
}

/// An AppRole signs in, and again when its token comes to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_an_approle_signs_in_and_again() {
    let (vault, data) = (VaultServer::start().await, folder());
    vault.keep("notebook/prod", json!({ "auth": SECRET }));
    let server = setup(&vault, data.path())
        .with("NOTEBOOK__SECRETS__VAULT__ROLE_ID", ROLE.0)
        .with("NOTEBOOK__SECRETS__VAULT__SECRET_ID", ROLE.1)
        .start();
    let login = "POST /v1/auth/approle/login";
    assert!(vault.count(login) >= 1);
    // No renewal is granted.
    until("signed in anew", || vault.count(login) >= 2).await;
    drop(server);
}

/// Each refusal is told with the setting and the path, all at once, and without any value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_what_vault_refuses_is_told_by_setting_and_path() {
    let (vault, data) = (VaultServer::start().await, folder());
    vault.token(TOKEN, 0, 0);
    vault.keep("good", json!({ "text": SECRET, "number": 7 }));
    vault.say("denied", 403, json!({ "errors": ["1 error occurred: permission denied"] }));
    let gone = json!({ "data": { "data": null, "metadata": { "version": 2,
        "deletion_time": "2026-01-02T03:04:05.678Z", "destroyed": false } } });
    vault.say("gone", 404, gone);
    vault.say("sealed", 503, json!({ "errors": ["Vault is sealed"] }));
    let url = vault.url();
    let base = [
        ("NOTEBOOK__SECRETS__VAULT__ADDRESS", url.as_str()),
        ("NOTEBOOK__SECRETS__VAULT__MOUNT", "kv"),
        ("NOTEBOOK__SECRETS__VAULT__TIMEOUT_SECONDS", "1"),
        ("NOTEBOOK__JOBS__LEASE_SECONDS", "1"),
    ];
    let start = |token: &str, more: &[(&str, &str)]| {
        let all = [&base[..], &[("NOTEBOOK__SECRETS__VAULT__TOKEN", token)], more].concat();
        let (good, said) = notebook(data.path(), &["serve", "--port", "0"], &all);
        assert!(!good && !said.contains(SECRET) && !said.contains(token), "{said}");
        said
    };
    let said = start(
        TOKEN,
        &[
            ("NOTEBOOK__AUTH__SECRETS__1", "vault:good#number"),
            ("NOTEBOOK__AUTH__SECRETS__2", "vault:good#absent"),
            ("NOTEBOOK__STORAGE__POSTGRES", "vault:denied#url"),
            ("NOTEBOOK__STORAGE__REDIS", "vault:nowhere/else#url"),
            ("NOTEBOOK__CHAT__OPENAI__API_KEY", "vault:gone#key"),
            ("NOTEBOOK__CHAT__GOOGLE__API_KEY", "vault:sealed#key"),
        ],
    );
    for part in [
        "auth.secrets.1 is to be read of vault:kv/good#number: the field is no text",
        "auth.secrets.2 is to be read of vault:kv/good#absent: there is no such field, but: number, text",
        "storage.postgres is to be read of vault:kv/denied#url: permission denied",
        "storage.redis is to be read of vault:kv/nowhere/else#url: there is nothing at kv/data/nowhere/else",
        "chat.openai.api_key is to be read of vault:kv/gone#key: its newest version was deleted at 2026-01-02",
        "chat.google.api_key is to be read of vault:kv/sealed#key: it is sealed",
        // What has nothing to do with it is told too.
        "jobs.lease_seconds",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    assert!(vault.count("GET /v1/kv/data/sealed") > 1, "what may pass is tried again");
    assert_eq!(vault.count("GET /v1/kv/data/denied"), 1, "what will not is not");

    let said = start("hvs.unknown", &[("NOTEBOOK__AUTH__SECRETS__1", "vault:good#text")]);
    assert!(
        said.contains("auth.secrets.1 is to be read of vault:kv/good#text: permission denied"),
        "{said}"
    );
    let role = [
        ("NOTEBOOK__SECRETS__VAULT__ADDRESS", url.as_str()),
        ("NOTEBOOK__SECRETS__VAULT__ROLE_ID", ROLE.0),
        ("NOTEBOOK__SECRETS__VAULT__SECRET_ID", "hunter2-wrong"),
        ("NOTEBOOK__AUTH__SECRETS__1", "vault:good#text"),
    ];
    let (good, said) = notebook(data.path(), &["serve", "--port", "0"], &role);
    assert!(!good && said.contains("invalid role or secret ID"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let nobody = [
        ("NOTEBOOK__SECRETS__VAULT__ADDRESS", "http://127.0.0.1:9"),
        ("NOTEBOOK__SECRETS__VAULT__TIMEOUT_SECONDS", "1"),
        ("NOTEBOOK__SECRETS__VAULT__TOKEN", TOKEN),
        ("NOTEBOOK__AUTH__SECRETS__1", "vault:good#text"),
    ];
    let (good, said) = notebook(data.path(), &["serve", "--port", "0"], &nobody);
    assert!(!good && said.contains("secrets.vault: sign in to Vault: unavailable"), "{said}");
}
