//! Pages of the web, read through the guard of addresses that people give.

use std::time::Duration;

use async_trait::async_trait;
use notebook_core::{
    Result,
    http::egress::{Allowed, EgressClient, EgressConfig},
};
use notebook_rag::ingest::{FetchedPage, Web};

use crate::config::Config;

/// The client for pages: `limits.page_bytes`, `limits.page_seconds`.
///
/// # Errors
/// Those of building an HTTP client.
pub(crate) fn pages(config: &Config) -> Result<EgressClient> {
    EgressClient::new(EgressConfig {
        allowed: Allowed::new(config.egress.allow.iter().map(String::as_str))?,
        time: Duration::from_secs(config.limits.page_seconds.into()),
        bytes: config.limits.page_bytes,
        extra_roots: config.egress.extra_roots.clone(),
    })
}

/// Reads pages by that client.
pub(crate) struct Pages(pub(crate) EgressClient);

#[async_trait]
impl Web for Pages {
    async fn fetch(&self, url: &str) -> Result<FetchedPage> {
        let fetched = self.0.get(url).await?;
        Ok(FetchedPage {
            url: fetched.url,
            status: fetched.status,
            content_type: fetched.content_type,
            body: fetched.body,
        })
    }
}
