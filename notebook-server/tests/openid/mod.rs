//! A browser between the server and a real OpenID provider.
#![allow(unreachable_pub, reason = "a part of a test's own crate")]

mod provider;

use std::path::Path;

use reqwest::{Method, Response};
use serde_json::Value;

pub use self::provider::*;
use crate::common::{Server, Setup, people::with_accounts};

/// Where browsers come back to.
pub fn redirect(port: u16) -> String {
    format!("http://127.0.0.1:{port}/api/auth/oidc/example/callback")
}

/// A server with accounts that people may sign in to at the provider `example`; `more` is added to its settings.
pub fn setup(folder: &Path, port: u16, issuer: &str, more: &str) -> Setup {
    let provider = format!(
        "{{label=\"Example\", issuer=\"{issuer}\", client_id=\"{CLIENT}\", client_secret=\"{SECRET}\"{more}}}"
    );
    with_accounts(Setup::new(folder))
        .with("NOTEBOOK__AUTH__PUBLIC_URL", format!("http://127.0.0.1:{port}"))
        .with("NOTEBOOK__AUTH__OIDC__EXAMPLE", provider)
}

impl Browser {
    /// As a script of the server's own page.
    pub async fn by_script(
        &mut self,
        server: &Server,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Response {
        let headers =
            [("sec-fetch-site", "same-origin".to_owned()), ("origin", server.url.clone())];
        let body = body.map(|body| ("application/json", body.to_string()));
        self.send(method, &format!("{}{path}", server.url), &headers, body).await
    }

    /// To the provider and back: the address with the code.
    pub async fn round(&mut self, server: &Server, name: &str, query: &str) -> String {
        let start = format!("{}/api/auth/oidc/example/start{query}", server.url);
        let sent = self.get(&start).await;
        assert_eq!(sent.status(), 303);
        let place = location(&sent).unwrap();
        assert!(!place.starts_with(&server.url), "{place}");
        self.at_provider(place, &server.url, name).await
    }

    /// The whole way; gives where the browser ends.
    pub async fn sign_in(&mut self, server: &Server, name: &str) -> String {
        let back = self.round(server, name, "").await;
        self.arrive(server, &back).await
    }

    /// From the address with the code; gives where the browser is sent to, as a path.
    pub async fn arrive(&mut self, server: &Server, back: &str) -> String {
        let done = self.get(back).await;
        assert_eq!(done.status(), 303, "{:?}", done.text().await);
        let place = location(&done).unwrap();
        place.strip_prefix(&server.url).unwrap_or_else(|| panic!("{place} is elsewhere")).to_owned()
    }

    /// Who is signed in.
    pub async fn session(&mut self, server: &Server) -> Option<Value> {
        let reply = self.by_script(server, Method::GET, "/api/auth/session", None).await;
        if reply.status() == 401 {
            return None;
        }
        assert_eq!(reply.status(), 200);
        Some(reply.json().await.unwrap())
    }
}
