//! Pages of the web: added by their address, fetched as a job, read as any other file.

use async_trait::async_trait;
use bytes::Bytes;
use notebook_core::{
    Error, ErrorKind, NotebookId, Result, SourceId, TenantScope,
    document::SourceKind,
    model::{Source, Stage, WebOrigin},
    queue::runner::{Ended, Work},
};
use object_store::{ObjectStoreExt as _, path::Path as BlobPath};
use sha2::{Digest as _, Sha256};
use tracing::info;

use super::{Ingest, Inner, blob_error};
use crate::parse::kind_from_name;

/// The longest address.
const MOST_URL: usize = 2_048;
/// The longest name.
const MOST_NAME: usize = 300;

/// What was at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPage {
    /// Where it came from, after redirects.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// The content type that came with it; it may lie.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Reads addresses that people give, and guards what must not be reached: that of this machine, of the network around it.
#[async_trait]
pub trait Web: Send + Sync + 'static {
    /// What is at an address, whatever the status. Redirects are followed, each guarded as the first address.
    ///
    /// # Errors
    /// `InvalidInput` with the context `fix` when it may not be read; `TooLarge`; `Timeout`; `Protocol`; `Unavailable`.
    async fn fetch(&self, url: &str) -> Result<FetchedPage>;
}

/// What a source is called that was added by its address: the address, without its scheme.
#[must_use]
pub fn link_name(url: &str) -> String {
    let bare = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    bare.chars().take(MOST_NAME).collect()
}

impl Ingest {
    /// Adds a page of the web, which is fetched as a job. Without a name it is called by its address, until its title is
    /// known.
    ///
    /// # Errors
    /// `NotFound` when the notebook does not exist; `InvalidInput` when the address is empty or over 2,048 characters,
    /// or the name over 300. Whether the address may be called is for the caller to ask, and is asked when it is.
    pub async fn add_link(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
        url: &str,
        name: Option<&str>,
    ) -> Result<Source> {
        let url = url.trim();
        if url.is_empty() || url.len() > MOST_URL {
            return Err(Error::invalid(
                "add source",
                "url",
                "give an address of 1 to 2,048 characters",
            ));
        }
        let name = name.filter(|name| !name.trim().is_empty());
        let name = name.map_or_else(|| link_name(url), str::to_owned);
        let url = url.to_owned();
        let origin = Some(WebOrigin { url, final_url: None, content_type: None, fetched_at: None });
        let blank = self.0.blank(notebook, &name)?;
        self.create(scope, Source { kind: SourceKind::Html, origin, ..blank }).await
    }
}

impl Inner {
    /// Fetches the page of a source, and keeps it as its original.
    pub(super) async fn fetch(&self, work: &Work, id: SourceId) -> Result<Ended> {
        let scope = &work.scope;
        let source = self.advance(scope, id, |source| source.stage = Stage::Fetch).await?;
        let (Some(web), Some(origin)) = (&self.parts.web, &source.origin) else {
            return Err(unfetched("unavailable", "Addresses are not read here."));
        };
        let page = web.fetch(&origin.url).await.map_err(|error| {
            info!(source = %id, %error, "fetching failed");
            why(&error)
        })?;
        check(&page)?;
        let FetchedPage { url, content_type, body, .. } = page;
        let (bytes, sha256) = (body.len() as u64, notebook_core::hex(Sha256::digest(&body)));
        // Always the same key: one that is fetched again leaves nothing behind.
        let blob = source.blob.clone().unwrap_or_else(|| format!("{}/{id}", scope.tenant()));
        let place = BlobPath::from(blob.as_str());
        self.parts.blobs.put(&place, Bytes::from(body).into()).await.map_err(blob_error)?;
        let fetched_at = Some(self.parts.clock.now());
        let fetched = |source: &mut Source| {
            source.stage = Stage::Parse;
            source.bytes = bytes;
            source.sha256.clone_from(&sha256);
            source.blob = Some(blob.clone());
            if let Some(origin) = &mut source.origin {
                origin.final_url = Some(url.clone());
                origin.content_type = Some(content_type.clone());
                origin.fetched_at = fetched_at;
            }
        };
        self.finish(work, id, None, fetched).await
    }
}

/// The name by which the parser may tell what was fetched: for most of the web, a path's ending is that of a program.
pub(super) fn name_of(origin: &WebOrigin) -> &str {
    let declared = origin.content_type.as_deref().unwrap_or_default();
    let declared = declared.split(';').next().unwrap_or_default().trim();
    if !matches!(declared, "" | "text/plain" | "application/octet-stream") {
        return "";
    }
    let url = origin.final_url.as_deref().unwrap_or(&origin.url);
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    // A host is no name.
    if kind_from_name(name).is_some() && path.matches('/').count() > 2 { name } else { "" }
}

fn check(page: &FetchedPage) -> Result<()> {
    match page.status {
        200..=299 if page.body.is_empty() => {
            Err(unfetched("empty", "There is nothing at this address."))
        }
        200..=299 => Ok(()),
        404 | 410 => Err(unfetched(
            "page_not_found",
            "There is no page at this address. Check the address, then choose retry.",
        )),
        401 | 402 | 403 | 407 | 451 => Err(unfetched(
            "page_refused",
            "The page is not open to everybody. Save it as a file, and upload that.",
        )),
        status => Err(unfetched(
            "page_failed",
            &format!(
                "The server of the page answered with an error ({status}). Choose retry later."
            ),
        )),
    }
}

/// What to tell a person of a page that could not be fetched.
fn why(error: &Error) -> Error {
    let (code, message) = match error.kind() {
        ErrorKind::InvalidInput => {
            let fix = error.context("fix").unwrap_or("give an address on the public internet");
            ("address_refused", format!("This address is not read: {fix}."))
        }
        ErrorKind::TooLarge => (
            "too_large",
            "What is at this address is larger than may be fetched. Download it, and upload the file.".to_owned(),
        ),
        ErrorKind::Timeout => (
            "timeout",
            "The server of the page took too long to answer. Choose retry later.".to_owned(),
        ),
        ErrorKind::Protocol => (
            "page_failed",
            "The server of the page answered in a way that cannot be read. Download the page, and upload the file.".to_owned(),
        ),
        _ => (
            "unreachable",
            "The server of the page could not be reached. Check the address, then choose retry.".to_owned(),
        ),
    };
    unfetched(code, &message)
}

fn unfetched(code: &str, message: &str) -> Error {
    // Whoever added it is there to choose retry: nothing is tried again behind their back.
    Error::new(ErrorKind::InvalidInput, "fetch page").with("code", code).with("message", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_links() {
        assert_eq!(link_name("https://example.org/a/b?c=d"), "example.org/a/b?c=d");
        assert_eq!(link_name("http://example.org/"), "example.org");
        assert_eq!(link_name(&format!("https://{}", "x".repeat(2_000))).len(), 300);
    }

    #[test]
    fn u50_endings_count_only_where_the_type_says_nothing() {
        let name = |url: &str, content_type: &str| {
            let origin = WebOrigin {
                url: url.into(),
                final_url: None,
                content_type: Some(content_type.into()),
                fetched_at: None,
            };
            name_of(&origin).to_owned()
        };
        assert_eq!(
            name("https://e.org/a/notes.md?x=1.pdf", "text/plain; charset=utf-8"),
            "notes.md"
        );
        assert_eq!(name("https://e.org/a.php", "text/html"), "");
        assert_eq!(name("https://e.org/paper.pdf", "application/octet-stream"), "paper.pdf");
        assert_eq!(name("https://example.md", ""), "");
    }

    #[test]
    fn u44_each_status_has_its_reason() {
        let page = |status, body: &[u8]| FetchedPage {
            url: String::new(),
            status,
            content_type: String::new(),
            body: body.to_vec(),
        };
        let code =
            |status| check(&page(status, b"x")).unwrap_err().context("code").unwrap().to_owned();
        assert!(check(&page(200, b"x")).is_ok());
        assert_eq!(check(&page(200, b"")).unwrap_err().context("code"), Some("empty"));
        assert_eq!(
            [404, 410, 403, 500, 304].map(code),
            ["page_not_found", "page_not_found", "page_refused", "page_failed", "page_failed"]
        );
    }
}
