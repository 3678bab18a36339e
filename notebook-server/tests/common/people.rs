//! People with accounts, as a program that keeps its tokens itself.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Server, Setup};

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Person {
    pub url: String,
    pub http: reqwest::Client,
    pub access: String,
    pub refresh: String,
    pub session: Value,
}

/// A server with accounts that anyone may make.
pub fn with_accounts(setup: Setup) -> Setup {
    setup
        .with("NOTEBOOK__AUTH__MODE", "accounts")
        .with("NOTEBOOK__AUTH__REGISTRATION", "open")
        // Tests ask more than people do.
        .with("NOTEBOOK__RATE_LIMITS__ENABLED", "false")
}

pub const PASSWORD: &str = "correct horse battery staple";

impl Person {
    /// Makes an account.
    pub async fn register(server: &Server, name: &str) -> Self {
        let body = json!({ "email": format!("{name}@example.org"), "name": name,
            "password": PASSWORD, "transport": "bearer" });
        let response = server.post("/api/auth/register", body).await;
        assert_eq!(response.status(), 201, "{}", response.text().await.unwrap());
        Self::of(server, response.json().await.unwrap())
    }

    /// Signs in anew.
    pub async fn sign_in(server: &Server, name: &str) -> Self {
        let body = json!({ "email": format!("{name}@example.org"), "password": PASSWORD,
            "transport": "bearer" });
        let response = server.post("/api/auth/login", body).await;
        assert_eq!(response.status(), 200);
        Self::of(server, response.json().await.unwrap())
    }

    pub fn of(server: &Server, session: Value) -> Self {
        let text = |name: &str| session[name].as_str().unwrap().to_owned();
        Self {
            url: server.url.clone(),
            http: server.http.clone(),
            access: text("access_token"),
            refresh: text("refresh_token"),
            session,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.access)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path).json(&body).send().await.unwrap()
    }

    /// The reply's JSON, which must be a success.
    pub async fn json(&self, path: &str) -> Value {
        good(path, self.get(path).await).await
    }

    /// The same for a `POST`.
    pub async fn made(&self, path: &str, body: Value) -> Value {
        good(path, self.post(path, body).await).await
    }

    /// The thing at a path once `done` says so.
    pub async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let deadline = std::time::Instant::now() + super::PATIENCE;
        loop {
            let now = self.json(path).await;
            if done(&now) {
                return now;
            }
            assert!(std::time::Instant::now() < deadline, "{path} stays {now}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

async fn good(path: &str, response: Response) -> Value {
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}
