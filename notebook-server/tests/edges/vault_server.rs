//! A server that answers as Vault's HTTP interface documents it: KV version 2, tokens, AppRole.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, Uri},
};
use serde_json::{Value, json};

pub const ROLE: (&str, &str) = ("role-1", "secret-of-the-role");

/// What was asked: method, path, token, namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub what: String,
    pub token: Option<String>,
    pub namespace: Option<String>,
}

#[derive(Default)]
struct Inner {
    asked: Vec<Asked>,
    /// What is said to the next requests, before all else.
    first: VecDeque<(u16, Value)>,
    /// Paths below `data/`, and what is kept there: status and body.
    kept: BTreeMap<String, (u16, Value)>,
    /// Good tokens, and how many seconds each lives.
    tokens: BTreeMap<String, u64>,
    /// Renewals that are still granted.
    renewals: usize,
    made: usize,
}

#[derive(Clone)]
pub struct VaultServer {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl VaultServer {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, inner: Arc::default() };
        let app = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn token(&self, token: &str, seconds: u64, renewals: usize) {
        let mut inner = self.inner.lock().unwrap();
        inner.tokens.insert(token.to_owned(), seconds);
        inner.renewals = renewals;
    }

    pub fn keep(&self, path: &str, fields: Value) {
        let body = json!({ "data": { "data": fields, "metadata": { "version": 1,
            "deletion_time": "", "destroyed": false } } });
        self.say(path, 200, body);
    }

    pub fn say(&self, path: &str, status: u16, body: Value) {
        self.inner.lock().unwrap().kept.insert(path.to_owned(), (status, body));
    }

    /// What is said to the next requests, whatever they ask.
    pub fn first(&self, answers: &[(u16, &str)]) {
        let said = |(status, error): &(u16, &str)| (*status, json!({ "errors": [error] }));
        self.inner.lock().unwrap().first.extend(answers.iter().map(said));
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.inner.lock().unwrap().asked.clone()
    }

    pub fn count(&self, what: &str) -> usize {
        self.asked().iter().filter(|asked| asked.what == what).count()
    }
}

async fn answer(
    State(server): State<VaultServer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let asked = Asked {
        what: format!("{method} {}", uri.path()),
        token: text("x-vault-token"),
        namespace: text("x-vault-namespace"),
    };
    assert_eq!(text("x-vault-request").as_deref(), Some("true"));
    let mut inner = server.inner.lock().unwrap();
    inner.asked.push(asked.clone());
    let (status, body) = match inner.first.pop_front() {
        Some(first) => first,
        None => inner.answer(&asked, &body),
    };
    Response::builder().status(status).body(Body::from(body.to_string())).unwrap()
}

impl Inner {
    fn answer(&mut self, asked: &Asked, body: &[u8]) -> (u16, Value) {
        let denied = (403, json!({ "errors": ["permission denied"] }));
        if asked.what == "POST /v1/auth/approle/login" {
            let given: Value = serde_json::from_slice(body).unwrap();
            if given != json!({ "role_id": ROLE.0, "secret_id": ROLE.1 }) {
                return (400, json!({ "errors": ["invalid role or secret ID"] }));
            }
            self.made += 1;
            let token = format!("hvs.made-{}", self.made);
            self.tokens.insert(token.clone(), 2);
            return (200, auth(&token, 2));
        }
        let Some(token) = asked.token.clone() else { return denied };
        let Some(life) = self.tokens.get(&token).copied() else { return denied };
        match asked.what.as_str() {
            "GET /v1/auth/token/lookup-self" => {
                (200, json!({ "data": { "ttl": life, "renewable": life > 0 } }))
            }
            "POST /v1/auth/token/renew-self" if self.renewals > 0 => {
                self.renewals -= 1;
                (200, auth(&token, life))
            }
            "POST /v1/auth/token/renew-self" => denied,
            what => {
                let kept = what.split_once("/data/").and_then(|(mount, path)| {
                    (mount == "GET /v1/kv").then(|| self.kept.get(path)).flatten()
                });
                kept.cloned().unwrap_or((404, json!({ "errors": [] })))
            }
        }
    }
}

fn auth(token: &str, seconds: u64) -> Value {
    json!({ "auth": { "client_token": token, "lease_duration": seconds, "renewable": true } })
}
