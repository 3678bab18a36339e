//! Sources as resources.

use notebook_agent::shown_name;
use notebook_auth::rbac::Permission;
use notebook_core::{
    Error, ErrorKind, Result, SourceId,
    document::Span,
    model::{PageRequest, Source},
};
use rmcp::model::{
    ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};

use super::Asker;
use crate::app::App;

const SCHEME: &str = "notebook://sources/";
/// The most bytes of a source that are read as a resource; `read_source` reads the rest.
pub(super) const MOST: usize = 256 << 10;

pub(super) fn template() -> ResourceTemplate {
    let mut template = ResourceTemplate::new(format!("{SCHEME}{{id}}"), "source");
    template.description = Some("The text of a source, up to 256 KiB of it.".to_owned());
    template.mime_type = Some("text/plain".to_owned());
    template
}

/// The sources of one notebook after the other: a page is a notebook, and the cursor the one before.
pub(super) async fn list(
    app: &App,
    asker: &Asker,
    cursor: Option<String>,
) -> Result<ListResourcesResult> {
    let scope = asker.may(Permission::NotebookRead)?;
    let page = PageRequest { after: cursor, limit: 1 };
    let page = app.store.notebooks(scope, false, page).await?;
    let mut resources = Vec::new();
    for notebook in page.items {
        let sources = app.store.sources(scope, notebook.id).await?;
        resources.extend(sources.into_iter().map(|source| resource(source, &notebook.name)));
    }
    let mut listed = ListResourcesResult::with_all_items(resources);
    listed.next_cursor = page.next;
    Ok(listed)
}

fn resource(source: Source, notebook: &str) -> Resource {
    let mut resource = Resource::new(format!("{SCHEME}{}", source.id), shown_name(&source));
    resource.description = Some(format!("A source of the notebook {notebook}"));
    resource.mime_type = Some("text/plain".to_owned());
    resource.size = Some(source.text_bytes);
    resource
}

pub(super) async fn read(app: &App, asker: &Asker, uri: &str) -> Result<ReadResourceResult> {
    let scope = asker.may(Permission::NotebookRead)?;
    let id: Option<SourceId> = uri.strip_prefix(SCHEME).and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| Error::not_found("read resource", "resource"))?;
    let source = app.store.source(scope, id).await?;
    let text = text(app, scope, &source, 0, MOST).await?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri)]))
}

/// Text of a source from a byte on, cut at the end of a character.
pub(super) async fn text(
    app: &App,
    scope: &notebook_core::TenantScope,
    source: &Source,
    start: usize,
    most: usize,
) -> Result<String> {
    let whole = usize::try_from(source.text_bytes).unwrap_or(usize::MAX);
    let mut end = start.saturating_add(most).min(whole);
    for _ in 0..4 {
        match app.store.text(scope, source.id, Span { start, end }).await {
            // In the middle of a character.
            Err(error) if error.kind() == ErrorKind::InvalidInput && end > start && end < whole => {
                end -= 1;
            }
            text => return text,
        }
    }
    Err(Error::invalid("read source", "start", "begin at the first byte of a character"))
}
