//! `fetch_url`: the text of a page of the web.

use std::{
    fmt,
    io::{Seek as _, Write as _},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use notebook_core::{Error, ErrorKind, Result, http::egress::EgressClient};
use notebook_rag::parse::{ChildParser, Opened, Parsed};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    graph::Failure,
    tools::{At, Observation, Tool, ToolClass, ToolInfo},
};

const FETCH: &str = "read page";

/// A page as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageText {
    /// Where it came from, after redirects.
    pub url: String,
    /// Its title.
    pub title: Option<String>,
    /// What it says.
    pub text: String,
}

/// Reads pages.
#[async_trait]
pub trait Pages: Send + Sync + 'static {
    /// The page at an address that a model gave.
    ///
    /// # Errors
    /// `InvalidInput` naming `url` when it may not be called; `Unsupported` when the page is nothing to read; those of the call.
    async fn read(&self, url: &str) -> Result<PageText>;
}

/// Pages of the web: called through the checks of [`EgressClient`], parsed in a child process.
#[derive(Debug, Clone)]
pub struct WebPages {
    egress: EgressClient,
    parser: ChildParser,
}

impl WebPages {
    /// With this client and parser.
    #[must_use]
    pub const fn new(egress: EgressClient, parser: ChildParser) -> Self {
        Self { egress, parser }
    }
}

/// Whether a page is something to read.
fn is_text(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    matches!(
        essence,
        "text/html"
            | "application/xhtml+xml"
            | "text/plain"
            | "text/markdown"
            | "text/csv"
            | "application/pdf"
            | "application/json"
            | "application/xml"
            | "text/xml"
    )
}

fn unread(media_type: &str) -> Error {
    let media_type: String = media_type.chars().take(100).collect();
    Error::new(ErrorKind::Unsupported, FETCH).with("media_type", media_type)
}

#[async_trait]
impl Pages for WebPages {
    async fn read(&self, url: &str) -> Result<PageText> {
        let fetched = self.egress.get(url).await?;
        if !(200..300).contains(&fetched.status) {
            return Err(Error::new(ErrorKind::Unavailable, FETCH)
                .with("status", fetched.status.to_string()));
        }
        if !is_text(&fetched.media_type) {
            return Err(unread(&fetched.media_type));
        }
        let io = |error: std::io::Error| Error::new(ErrorKind::Unavailable, FETCH).caused_by(error);
        let body = fetched.body;
        let file = tokio::task::spawn_blocking(move || {
            let mut file = tempfile::tempfile()?;
            file.write_all(&body)?;
            file.rewind()?;
            Ok(file)
        });
        let file = file
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, FETCH).caused_by(error))?
            .map_err(io)?;
        // As a source that is added by its address: by what its bytes are, in the encoding that it came with.
        let opened = self.parser.open_page(file, "", Some(&fetched.content_type)).await;
        let opened = opened.map_err(|failure| {
            Error::new(ErrorKind::Unsupported, FETCH).with("reason", failure.to_string())
        })?;
        match opened {
            Opened::Parsed(Parsed { document, .. }) => {
                Ok(PageText { url: fetched.url, title: document.title, text: document.text })
            }
            Opened::Recording(_) => Err(unread(&fetched.media_type)),
        }
    }
}

/// Reads a page of the web.
#[derive(Clone)]
pub struct FetchUrl(Arc<dyn Pages>);

impl FetchUrl {
    /// With this to read pages.
    #[must_use]
    pub fn new(pages: Arc<dyn Pages>) -> Self {
        Self(pages)
    }
}

impl fmt::Debug for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FetchUrl")
    }
}

/// What to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The whole address, beginning with https:// or http://
    #[schemars(length(min = 1, max = 2000))]
    url: String,
}

#[async_trait]
impl Tool for FetchUrl {
    type Arguments = Arguments;

    fn info(&self) -> ToolInfo {
        ToolInfo {
            class: ToolClass::Outward,
            time: Duration::from_secs(45),
            ..ToolInfo::new(
                "fetch_url",
                "Reads a page of the public web and returns its text. Use it only for addresses that the user gave, or asked you to look up. The user \
                 may be asked first, and may refuse.",
            )
        }
    }

    async fn call(&self, _: At<'_>, arguments: Arguments) -> Result<Observation, Failure> {
        let page = self.0.read(&arguments.url).await?;
        let title = page.title.unwrap_or_default();
        Ok(Observation::text(format!("{}\n{title}\n\n{}", page.url, page.text)))
    }
}
