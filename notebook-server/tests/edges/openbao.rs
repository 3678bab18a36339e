//! G9: secrets of a real OpenBao, which `scripts/need-test.sh` fetches.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    SECRET,
    common::{PATIENCE, Setup, folder, http},
    notebook,
};

const ROOT: &str = "root-of-the-test";

/// A server in memory, with the KV engine at `secret/`. Dropping it kills it.
struct OpenBao {
    child: Child,
    url: String,
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    let cache = std::env::var_os("NOTEBOOK_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache/notebook"),
        PathBuf::from,
    );
    let program = cache.join("bin/openbao/bao");
    assert!(program.is_file(), "OpenBao is missing: scripts/need-test.sh fetches it");
    program
}

impl OpenBao {
    async fn start(folder: &Path) -> Self {
        // Free a moment ago; somebody who takes it meanwhile makes the start fail, and the test say so.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = std::fs::File::create(folder.join("openbao.log")).unwrap();
        let child = Command::new(program())
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-dev-listen-address={free}"))
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { child, url: format!("http://{free}") };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let health = http().get(format!("{}/v1/sys/health", server.url)).send().await;
            if health.is_ok_and(|health| health.status() == 200) {
                return server;
            }
            assert!(Instant::now() < deadline, "OpenBao does not start: see {}", folder.display());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// As its administrator, in a namespace or in none.
    async fn post(&self, namespace: &str, path: &str, body: Value) -> Value {
        let request = http().post(format!("{}/v1/{path}", self.url)).header("x-vault-token", ROOT);
        let request = request.header("x-vault-namespace", namespace).json(&body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Whether a token is good, and for how many seconds.
    async fn life(&self, token: &str) -> Option<u64> {
        let url = format!("{}/v1/auth/token/lookup-self", self.url);
        let response = http().get(url).header("x-vault-token", token).send().await.unwrap();
        let body: Value = response.json().await.unwrap();
        body["data"]["ttl"].as_u64()
    }

    async fn policy(&self, namespace: &str) {
        let policy = "path \"secret/data/notebook/*\" { capabilities = [\"read\"] }";
        self.post(namespace, "sys/policies/acl/notebook", json!({ "policy": policy })).await;
    }

    fn setup(&self, folder: &Path) -> Setup {
        Setup::new(folder)
            .with("NOTEBOOK__SECRETS__VAULT__ADDRESS", &self.url)
            .with("NOTEBOOK__AUTH__MODE", "accounts")
            .with("NOTEBOOK__AUTH__SECRETS__1", "vault:notebook/prod#auth")
    }
}

/// A token of a few seconds outlives them, for it is renewed; what may not be read, was deleted, or is not there is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_openbao_gives_secrets_and_its_token_is_renewed() {
    let data = folder();
    let bao = OpenBao::start(data.path()).await;
    bao.policy("").await;
    bao.post("", "secret/data/notebook/prod", json!({ "data": { "auth": SECRET } })).await;
    let new = json!({ "policies": ["notebook"], "ttl": "3s", "renewable": true });
    let made = bao.post("", "auth/token/create", new).await;
    let token = made["auth"]["client_token"].as_str().unwrap().to_owned();
    let server = bao.setup(data.path()).with("NOTEBOOK__SECRETS__VAULT__TOKEN", &token).start();
    assert!(!data.path().join("auth-secret").exists());
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(bao.life(&token).await.is_some(), "the token was renewed");
    drop(server);

    bao.post("", "secret/data/notebook/gone", json!({ "data": { "a": "b" } })).await;
    bao.post("", "secret/delete/notebook/gone", json!({ "versions": [1] })).await;
    let new = json!({ "policies": ["notebook"], "ttl": "1h" });
    let made = bao.post("", "auth/token/create", new).await;
    let token = made["auth"]["client_token"].as_str().unwrap().to_owned();
    let settings = [
        ("NOTEBOOK__SECRETS__VAULT__ADDRESS", bao.url.as_str()),
        ("NOTEBOOK__SECRETS__VAULT__TOKEN", token.as_str()),
        ("NOTEBOOK__SECRETS__VAULT__TIMEOUT_SECONDS", "2"),
        ("NOTEBOOK__AUTH__SECRETS__1", "vault:notebook/prod#other"),
        ("NOTEBOOK__STORAGE__POSTGRES", "vault:team/prod#url"),
        ("NOTEBOOK__CHAT__OPENAI__API_KEY", "vault:notebook/gone#a"),
        ("NOTEBOOK__CHAT__GOOGLE__API_KEY", "vault:notebook/never#a"),
    ];
    let (started, said) = notebook(data.path(), &["serve", "--port", "0"], &settings);
    assert!(!started && !said.contains(SECRET) && !said.contains(&token), "{said}");
    for part in [
        "auth.secrets.1 is to be read of vault:secret/notebook/prod#other: there is no such field, but: auth",
        "storage.postgres is to be read of vault:secret/team/prod#url: permission denied",
        "chat.openai.api_key is to be read of vault:secret/notebook/gone#a: its newest version was deleted at 20",
        "chat.google.api_key is to be read of vault:secret/notebook/never#a: there is nothing at",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    bao.post("", "sys/seal", json!({})).await;
    let (started, said) = notebook(data.path(), &["serve", "--port", "0"], &settings);
    assert!(!started && said.contains("it is sealed"), "{said}");
}

/// An AppRole in a namespace, whose tokens cannot live long: the server signs in again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_openbao_knows_the_role_in_its_namespace() {
    let data = folder();
    let bao = OpenBao::start(data.path()).await;
    let team = "team-a";
    bao.post("", "sys/namespaces/team-a", json!({})).await;
    bao.post(team, "sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } }))
        .await;
    bao.policy(team).await;
    bao.post(team, "sys/auth/approle", json!({ "type": "approle" })).await;
    let role = json!({ "token_policies": ["notebook"], "token_ttl": "2s", "token_max_ttl": "4s" });
    bao.post(team, "auth/approle/role/server", role).await;
    let id = http()
        .get(format!("{}/v1/auth/approle/role/server/role-id", bao.url))
        .header("x-vault-token", ROOT)
        .header("x-vault-namespace", team)
        .send();
    let id: Value = id.await.unwrap().json().await.unwrap();
    let secret = bao.post(team, "auth/approle/role/server/secret-id", json!({})).await;
    bao.post(team, "secret/data/notebook/prod", json!({ "data": { "auth": SECRET } })).await;
    let file = data.path().join("secret-id");
    std::fs::write(&file, secret["data"]["secret_id"].as_str().unwrap()).unwrap();
    let log = data.path().join("log");
    let server = bao
        .setup(data.path())
        .with("NOTEBOOK__SECRETS__VAULT__NAMESPACE", team)
        .with("NOTEBOOK__SECRETS__VAULT__ROLE_ID", id["data"]["role_id"].as_str().unwrap())
        .with("NOTEBOOK__SECRETS__VAULT__SECRET_ID__FILE", file.display())
        .with("RUST_LOG", "warn,notebook_server::vault=debug")
        .logging_to(log.clone())
        .start();
    // Longer than any of its tokens can live.
    tokio::time::sleep(Duration::from_secs(8)).await;
    drop(server);
    let log = std::fs::read_to_string(log).unwrap();
    let renewed = log.matches("the token of Vault was renewed").count();
    assert!(renewed >= 4 && !log.contains("could not be renewed"), "{log}");
    assert!(!log.contains(secret["data"]["secret_id"].as_str().unwrap()));
}
