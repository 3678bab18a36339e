//! Calls to addresses that people give: webhooks, pages to be read.
//!
//! Such an address must not lead into this machine, the network around it, or a cloud's own services, whatever it looks like, however its
//! name resolves, and wherever it redirects:
//! - the address is parsed once, by the parser that the call uses, and refused where parsers differ;
//! - a name is resolved once, all of its addresses are looked at, and the connection goes to these and no others;
//! - only the ports of the web are called, and others that an operator names;
//! - every redirect is checked as the first address was;
//! - no proxy is used, of the environment or otherwise, for it would resolve names by itself;
//! - bodies are bounded in length and time, and are not unpacked.

mod address;
mod target;

use std::{collections::BTreeSet, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION},
};

use self::{
    address::{is_forbidden, is_public},
    target::Target,
};
use super::{HttpClient, HttpConfig, HttpRequest, HttpResponse, Timeouts, error::retry_after};
use crate::{Error, ErrorKind, Result};

/// How many redirects are followed.
const REDIRECTS: usize = 5;
/// How long the body of an answer to a message is waited for: its status has come already.
const BODY_TIME: Duration = Duration::from_secs(2);

/// Hosts with ports that an operator lets through although they are not public, or not of the web.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(BTreeSet<(String, u16)>);

impl Allowed {
    /// Those in a list of `host:port`.
    ///
    /// # Errors
    /// `InvalidInput` for one that is not of this form.
    pub fn new<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let parse = |text: &str| {
            let (host, port) = text.rsplit_once(':')?;
            Some((host.to_ascii_lowercase(), port.parse().ok()?))
        };
        let parse = |text| {
            parse(text).filter(|(host, _)| !host.is_empty()).ok_or_else(|| {
                Error::invalid("read egress.allow", "egress.allow", "write host:port")
            })
        };
        list.into_iter().map(parse).collect::<Result<_>>().map(Self)
    }

    fn contains(&self, host: &str, port: u16) -> bool {
        self.0.contains(&(host.to_ascii_lowercase(), port))
    }

    fn names(&self, host: &str) -> bool {
        self.0.iter().any(|(name, _)| name.eq_ignore_ascii_case(host))
    }
}

/// What calls may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressConfig {
    /// What is let through although it is not public.
    pub allowed: Allowed,
    /// How long a call may take in all, redirects and body included.
    pub time: Duration,
    /// The most bytes of a body.
    pub bytes: usize,
    /// Files with more certificate authorities to trust, as PEM.
    pub extra_roots: Vec<PathBuf>,
}

impl Default for EgressConfig {
    /// Nothing but the public internet, 30 seconds, 10 MiB.
    fn default() -> Self {
        Self {
            allowed: Allowed::default(),
            time: Duration::from_secs(30),
            bytes: 10 << 20,
            extra_roots: Vec::new(),
        }
    }
}

/// Finds the addresses of names.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a name.
    ///
    /// # Errors
    /// When there are none.
    async fn lookup(&self, name: &str) -> io::Result<Vec<SocketAddr>>;
}

/// The machine's own way.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it came from, after redirects.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// The media type that it says it is, in lower case; it may lie.
    pub media_type: String,
    /// The same with its parameters, as it came, cut to 200 characters.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What the receiver of a message said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status. A redirect is not followed: its status is the answer.
    pub status: u16,
    /// The beginning of the body, as far as it came in time; empty when it is packed.
    pub body: Vec<u8>,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Calls addresses that people give. Clones share connections.
#[derive(Debug, Clone)]
pub struct EgressClient {
    http: HttpClient,
    config: EgressConfig,
}

impl EgressClient {
    /// A client that resolves names as the machine does.
    ///
    /// # Errors
    /// Those of building an HTTP client.
    pub fn new(config: EgressConfig) -> Result<Self> {
        Self::with_lookup(config, Arc::new(SystemLookup))
    }

    /// A client that resolves names in another way.
    ///
    /// # Errors
    /// Those of building an HTTP client.
    pub fn with_lookup(config: EgressConfig, lookup: Arc<dyn Lookup>) -> Result<Self> {
        let guard = Guard { lookup, allowed: config.allowed.clone() };
        let extra_roots = config.extra_roots.clone();
        let http =
            HttpClient::resolving(&HttpConfig { extra_roots, ..HttpConfig::default() }, guard)?;
        Ok(Self { http, config })
    }

    /// Reads what is at an address.
    ///
    /// # Errors
    /// `InvalidInput` naming `url` when it may not be called; `TooLarge`; `Timeout`; `Protocol` when it redirects in
    /// a circle or the body is packed; `Unavailable` when nothing answers.
    pub async fn get(&self, url: &str) -> Result<Fetched> {
        const OPERATION: &str = "read page";
        let target = Target::parse(url, &self.config.allowed)?;
        self.in_time(OPERATION, self.follow(OPERATION, target)).await
    }

    /// Whether an address may be called, as far as it says itself: a name is looked at when it is called.
    ///
    /// # Errors
    /// `InvalidInput` naming `url`.
    pub fn check(&self, url: &str) -> Result<()> {
        Target::parse(url, &self.config.allowed).map(drop)
    }

    /// Sends a message to an address. Redirects are not followed. An answer counts by its status: of a body that is
    /// longer than `bytes`, or too slow, the beginning is taken.
    ///
    /// # Errors
    /// `InvalidInput` naming `url` when it may not be called; `Timeout`; `Unavailable` when nothing answers.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Posted> {
        const OPERATION: &str = "send message";
        let target = Target::parse(url, &self.config.allowed)?;
        let timeouts = Timeouts { first_byte: self.config.time, idle: self.config.time };
        let request = HttpRequest::post(OPERATION, target.as_str(), timeouts, headers, body)?;
        let deadline = tokio::time::Instant::now() + self.config.time;
        let mut response = self.in_time(OPERATION, self.send(request)).await?;
        let rest = deadline.saturating_duration_since(tokio::time::Instant::now());
        let body = if is_packed(&response) {
            Vec::new()
        } else {
            response.beginning_of(self.config.bytes, rest.min(BODY_TIME)).await
        };
        Ok(Posted {
            status: response.status().as_u16(),
            body,
            retry_after: retry_after(response.headers()),
        })
    }

    async fn in_time<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::time::timeout(self.config.time, work).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, operation)
                .with("limit", format!("{} s", self.config.time.as_secs())))
        })
    }

    async fn follow(&self, operation: &'static str, mut target: Target) -> Result<Fetched> {
        let timeouts = Timeouts { first_byte: self.config.time, idle: self.config.time };
        for _ in 0..=REDIRECTS {
            let request = HttpRequest::get(operation, target.as_str(), timeouts);
            let response = self.send(request).await?;
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            match location.filter(|_| response.status().is_redirection()) {
                Some(location) => target = target.redirect(location, &self.config.allowed)?,
                None => return self.read(&target, response).await,
            }
        }
        Err(Error::new(ErrorKind::Protocol, operation)
            .with("reason", "it redirects again and again"))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        self.http
            .send(request)
            .await
            .map_err(|error| if was_refused(&error) { target::not_public() } else { error })
    }

    async fn read(&self, target: &Target, mut response: HttpResponse) -> Result<Fetched> {
        if is_packed(&response) {
            return Err(Error::new(ErrorKind::Protocol, "read page")
                .with("reason", "the body is packed, which was not asked for"));
        }
        Ok(Fetched {
            url: target.as_str().to_owned(),
            status: response.status().as_u16(),
            media_type: response.media_type(),
            content_type: content_type(&response),
            body: response.bytes(self.config.bytes).await?,
        })
    }
}

fn content_type(response: &HttpResponse) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().chars().take(200).collect()
}

/// Whether the body is not what it was, for nobody here unpacks it.
fn is_packed(response: &HttpResponse) -> bool {
    let packed = response.headers().get(CONTENT_ENCODING);
    packed.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Resolves a name once, and lets a connection go to public addresses only.
struct Guard {
    lookup: Arc<dyn Lookup>,
    allowed: Allowed,
}

/// Why a name is not called.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that is not public")]
struct NotPublic;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allowed) = (Arc::clone(&self.lookup), self.allowed.names(name.as_str()));
        Box::pin(async move {
            let found = lookup.lookup(name.as_str()).await?;
            // One private address among public ones is a trap, not a choice.
            let refused = |ip| is_forbidden(ip) || (!allowed && !is_public(ip));
            if found.is_empty() || found.iter().any(|found| refused(found.ip())) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn was_refused(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<NotPublic>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

#[cfg(test)]
mod tests;
