//! The client and its requests.

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::{
    HttpConfig, HttpResponse, Redactor, Timeouts,
    error::{transport, waited_too_long},
    tls,
};
use crate::{Error, ErrorKind, Result, Secret};

const USER_AGENT: &str = concat!("notebook/", env!("CARGO_PKG_VERSION"));

/// Sends requests and keeps connections for later ones. Clones share the connections.
#[derive(Debug, Clone)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// A client with these settings.
    ///
    /// # Errors
    /// `InvalidInput` when the proxy is not a URL or a certificate file cannot be read.
    pub fn new(config: &HttpConfig) -> Result<Self> {
        Self::build(config, |builder| builder)
    }

    /// The same, with a resolver of its own for names.
    pub(super) fn resolving<R: reqwest::dns::Resolve + 'static>(
        config: &HttpConfig,
        resolver: R,
    ) -> Result<Self> {
        Self::build(config, |builder| builder.dns_resolver(std::sync::Arc::new(resolver)))
    }

    fn build(
        config: &HttpConfig,
        change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self> {
        #[allow(clippy::disallowed_methods)] // This is the one place that may.
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(config.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tls_backend_preconfigured(tls::client_config(&config.extra_roots)?);
        let builder = match &config.proxy {
            None => builder,
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy).map_err(|error| {
                Error::invalid("build HTTP client", "proxy", "give the URL of a proxy")
                    .caused_by(error.without_url())
            })?),
        };
        let client = change(builder).build().map_err(|error| {
            Error::new(ErrorKind::Internal, "build HTTP client").caused_by(error.without_url())
        })?;
        Ok(Self(client))
    }

    /// Sends a request and waits for the head of the answer, whatever its status is.
    ///
    /// - Cancelled: the connection is closed.
    ///
    /// # Errors
    /// `Unavailable` when there is no connection, `Timeout`, `Protocol` when the other side does
    /// not speak HTTP, or TLS where it should.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let HttpRequest { operation, method, url, headers, body, timeouts, redactor } = request;
        let deadline = Instant::now() + timeouts.first_byte;
        let mut builder = self.0.request(method, url).headers(headers);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        match timeout_at(deadline, builder.send()).await {
            Ok(Ok(response)) => Ok(HttpResponse::new(operation, response, timeouts, redactor)),
            Ok(Err(error)) => Err(transport(operation, error)),
            Err(_) => Err(waited_too_long(operation, "first byte", timeouts.first_byte)),
        }
    }
}

/// One call, built step by step. Its `Debug` does not show secret headers or the body.
pub struct HttpRequest {
    operation: &'static str,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    timeouts: Timeouts,
    redactor: Redactor,
}

impl HttpRequest {
    /// A GET. `operation` names the call in errors, such as `"list models"`.
    #[must_use]
    pub fn get(operation: &'static str, url: impl Into<String>, timeouts: Timeouts) -> Self {
        Self {
            operation,
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: None,
            timeouts,
            redactor: Redactor::default(),
        }
    }

    /// A DELETE.
    #[must_use]
    pub fn delete(operation: &'static str, url: impl Into<String>, timeouts: Timeouts) -> Self {
        Self { method: Method::DELETE, ..Self::get(operation, url, timeouts) }
    }

    /// A POST of JSON.
    ///
    /// # Errors
    /// `Internal` when the body cannot be serialised.
    pub fn post_json(
        operation: &'static str,
        url: impl Into<String>,
        timeouts: Timeouts,
        body: &impl Serialize,
    ) -> Result<Self> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::new(ErrorKind::Internal, operation).caused_by(error))?;
        let mut request = Self::get(operation, url, timeouts);
        request.method = Method::POST;
        request.body = Some(body);
        request
            .headers
            .insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(request)
    }

    /// A POST of bytes with headers.
    ///
    /// # Errors
    /// `InvalidInput` when a value is not allowed in a header.
    pub fn post(
        operation: &'static str,
        url: impl Into<String>,
        timeouts: Timeouts,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Self> {
        let mut request = Self::get(operation, url, timeouts);
        request.method = Method::POST;
        request.body = Some(body);
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| {
                Error::invalid(operation, name, "remove line ends and control characters")
            })?;
            request.headers.insert(HeaderName::from_static(name), value);
        }
        Ok(request)
    }

    /// Says that the answer is a long stream. Over plain HTTP, which is spoken to servers nearby, its
    /// connection is then not used again: llama.cpp's server promises to keep it and closes it after
    /// a stream, so that the next call on it would be lost.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        if self.url.starts_with("http://") {
            let close = HeaderValue::from_static("close");
            self.headers.insert(reqwest::header::CONNECTION, close);
        }
        self
    }

    /// Says which kind of answer is wanted.
    #[must_use]
    pub fn accept(mut self, media_type: &'static str) -> Self {
        self.headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static(media_type));
        self
    }

    /// Asks for what follows the first `bytes` of a file.
    #[must_use]
    pub fn range_from(mut self, bytes: u64) -> Self {
        // Digits are always allowed in a header.
        if let Ok(value) = HeaderValue::from_str(&format!("bytes={bytes}-")) {
            self.headers.insert(reqwest::header::RANGE, value);
        }
        self
    }

    /// Adds a header that may be shown.
    ///
    /// # Errors
    /// `InvalidInput` when the value is not allowed in a header.
    pub fn plain_header(mut self, name: &'static str, value: &str) -> Result<Self> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            Error::invalid(self.operation, name, "remove line ends and control characters")
        })?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// Adds a header whose value is not shown anywhere. `field` names it in errors.
    ///
    /// # Errors
    /// `InvalidInput` when the name or the value is not allowed in a header.
    pub fn secret_header(self, field: &str, name: &str, secret: &Secret) -> Result<Self> {
        self.header(field, name, secret, secret)
    }

    fn header(mut self, field: &str, name: &str, value: &Secret, secret: &Secret) -> Result<Self> {
        let invalid = |fix| Error::invalid(self.operation, field, fix);
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid("use letters, digits and - in the name of a header"))?;
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| invalid("remove line ends and control characters from the value"))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self.redactor.0.push(secret.clone());
        Ok(self)
    }

    /// Adds `Authorization: Bearer …`, if there is a key.
    ///
    /// # Errors
    /// `InvalidInput` when the key is not allowed in a header.
    pub fn bearer(self, key: Option<&Secret>) -> Result<Self> {
        match key {
            None => Ok(self),
            Some(key) => {
                let value = Secret::new(format!("Bearer {}", key.expose()));
                self.header("api_key", "authorization", &value, key)
            }
        }
    }
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}
