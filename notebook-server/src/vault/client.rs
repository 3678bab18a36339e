//! Calls of Vault, through the one HTTP client.

use std::time::Duration;

use notebook_core::{
    Error, Result, Secret,
    http::{BaseUrl, HttpClient, HttpConfig, HttpRequest, Timeouts},
};
use serde_json::{Value, json};

use super::answer::{self, Fault, Fields, Grant};
use crate::config::Vault;

const READ: &str = "read secret";
const SIGN_IN: &str = "sign in to Vault";
const TIMES: Timeouts =
    Timeouts { first_byte: Duration::from_secs(10), idle: Duration::from_secs(10) };
/// The most bytes of an answer.
const MOST: usize = 1 << 20;

/// Talks to Vault.
pub(super) struct Client<'s> {
    http: HttpClient,
    base: BaseUrl,
    settings: &'s Vault,
}

impl<'s> Client<'s> {
    pub(super) fn new(settings: &'s Vault) -> Result<Self> {
        let address = settings.address.as_deref().unwrap_or_default();
        let config = HttpConfig {
            connect_timeout: Duration::from_secs(5),
            extra_roots: settings.extra_roots.clone(),
            ..HttpConfig::default()
        };
        Ok(Self { http: HttpClient::new(&config)?, base: BaseUrl::parse(address)?, settings })
    }

    /// A token: the one that was given, or one of the AppRole.
    pub(super) async fn sign_in(&self) -> Result<Grant, Fault> {
        let Vault { token, role_id, secret_id, approle_mount, .. } = self.settings;
        if let Some(token) = token {
            let (status, body) = self.get(SIGN_IN, "auth/token/lookup-self", token).await?;
            return answer::looked_up(status, &body, token);
        }
        let secret = secret_id.as_ref().map(Secret::expose);
        let path = format!("auth/{approle_mount}/login");
        let given = json!({ "role_id": role_id, "secret_id": secret });
        let (status, body) = self.post(SIGN_IN, &path, None, &given).await?;
        answer::grant(status, &body)
    }

    /// Makes a token live longer.
    pub(super) async fn renew(&self, token: &Secret) -> Result<Grant, Fault> {
        let path = "auth/token/renew-self";
        let (status, body) = self.post("renew token", path, Some(token), &json!({})).await?;
        answer::grant(status, &body)
    }

    /// What is kept at a path.
    pub(super) async fn read(&self, token: &Secret, path: &str) -> Result<Fields, Fault> {
        let path = format!("{}/data/{path}", self.settings.mount);
        let (status, body) = self.get(READ, &path.replace(' ', "%20"), token).await?;
        answer::read(status, &body, &path)
    }

    async fn get(
        &self,
        operation: &'static str,
        path: &str,
        token: &Secret,
    ) -> Result<(u16, Vec<u8>)> {
        let request = HttpRequest::get(operation, self.base.join(&format!("v1/{path}")), TIMES);
        self.send(request, Some(token)).await
    }

    async fn post(
        &self,
        operation: &'static str,
        path: &str,
        token: Option<&Secret>,
        body: &Value,
    ) -> Result<(u16, Vec<u8>)> {
        let url = self.base.join(&format!("v1/{path}"));
        self.send(HttpRequest::post_json(operation, url, TIMES, body)?, token).await
    }

    async fn send(
        &self,
        request: HttpRequest,
        token: Option<&Secret>,
    ) -> Result<(u16, Vec<u8>), Error> {
        // What a proxy that was told to (Vault's agent) wants to see, so that no form of a page can cause it.
        let mut request = request.plain_header("x-vault-request", "true")?;
        if let Some(namespace) = &self.settings.namespace {
            request = request.plain_header("x-vault-namespace", namespace)?;
        }
        if let Some(token) = token {
            request = request.secret_header("secrets.vault.token", "x-vault-token", token)?;
        }
        let mut response = self.http.send(request).await?;
        let body = response.bytes(MOST).await?;
        Ok((response.status().as_u16(), body))
    }
}
