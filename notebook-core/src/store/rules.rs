//! What every adapter of the store decides alike: pure functions over what was read.

use std::str::FromStr;

use super::Embedding;
use crate::{
    Error, ErrorKind, Result, SourceId,
    document::Span,
    model::{Chunk, Conversation, Notebook, Page, PageRequest, Source, Stage},
    vector::VectorSpace,
};

/// The most items in one page of a list.
pub const MAX_PAGE: usize = 1000;

/// A checked [`PageRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<Id> {
    /// Start after this id.
    pub after: Option<Id>,
    /// 1 to [`MAX_PAGE`].
    pub limit: usize,
}

/// Checks a page request.
///
/// # Errors
/// `InvalidInput` when the cursor is no id of the list's kind or the limit is not 1 to 1,000.
pub fn cursor<Id: FromStr>(operation: &'static str, page: &PageRequest) -> Result<Cursor<Id>> {
    if !(1..=MAX_PAGE).contains(&page.limit) {
        return Err(Error::invalid(operation, "limit", format!("give 1 to {MAX_PAGE}")));
    }
    let after = match &page.after {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Error::invalid(operation, "after", "give back `next` of the page before, unchanged")
        })?),
    };
    Ok(Cursor { after, limit: page.limit })
}

/// Makes a page of up to `limit` items out of up to `limit + 1` that were read.
#[must_use]
pub fn page<T, Id: ToString>(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> Id) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(|item| id(item).to_string()) } else { None };
    Page { items, next }
}

/// `new` with what an update leaves alone taken from `stored`.
#[must_use]
pub fn updated_notebook(stored: &Notebook, new: Notebook) -> Notebook {
    Notebook { id: stored.id, created_at: stored.created_at, ..new }
}

/// `new` with what an update leaves alone taken from `stored`, as the next revision.
///
/// # Errors
/// `Conflict` when it was made from another revision than `stored`.
pub fn updated_source(operation: &'static str, stored: &Source, new: Source) -> Result<Source> {
    if stored.revision != new.revision {
        return Err(changed_meanwhile(operation));
    }
    let revision = stored.revision.saturating_add(1);
    let Source { id, notebook, created_at, .. } = *stored;
    Ok(Source { id, notebook, created_at, revision, ..new })
}

/// The error of an update that was made from an earlier revision.
#[must_use]
pub fn changed_meanwhile(operation: &'static str) -> Error {
    Error::new(ErrorKind::Conflict, operation)
        .with("reason", "the source was changed meanwhile; read it again")
}

/// `new` with what an update leaves alone taken from `stored`.
#[must_use]
pub fn updated_conversation(stored: &Conversation, new: Conversation) -> Conversation {
    Conversation { id: stored.id, notebook: stored.notebook, created_at: stored.created_at, ..new }
}

/// Whether an index that follows the store holds the source.
#[must_use]
pub const fn is_indexed(source: &Source) -> bool {
    source.keywords_ready && is_visible(source.stage)
}

/// Checks that every vector has the length of the space.
///
/// # Errors
/// `InvalidInput` that names the first that has not.
pub fn check_embeddings(
    operation: &'static str,
    space: &VectorSpace,
    vectors: &[Embedding],
) -> Result<()> {
    match vectors.iter().find(|(_, vector)| vector.len() != space.dimensions) {
        None => Ok(()),
        Some((ordinal, vector)) => {
            Err(Error::invalid(operation, "vector", "embed with the space's model")
                .with("chunk", ordinal.to_string())
                .with("dimensions", vector.len().to_string())
                .with("expected", space.dimensions.to_string()))
        }
    }
}

/// Checks that every chunk is of source `id`.
///
/// # Errors
/// `InvalidInput` when one is not.
pub fn check_chunks(operation: &'static str, id: SourceId, chunks: &[Chunk]) -> Result<()> {
    if chunks.iter().all(|chunk| chunk.key.source == id) {
        return Ok(());
    }
    Err(Error::invalid(operation, "chunks.key.source", "store chunks with their own source"))
}

/// Checks a span against the length of the text. Whether it cuts a character is for
/// [`invalid_span`]'s caller to see, who has the text.
///
/// # Errors
/// `InvalidInput` when the span starts after its end or ends after the text.
pub fn check_span(operation: &'static str, span: Span, text_bytes: usize) -> Result<()> {
    if span.start <= span.end && span.end <= text_bytes {
        return Ok(());
    }
    Err(invalid_span(operation, span, text_bytes))
}

/// The error for a span that is not one of the text.
#[must_use]
pub fn invalid_span(operation: &'static str, span: Span, text_bytes: usize) -> Error {
    let fix = format!("give character boundaries with start <= end <= {text_bytes}");
    Error::invalid(operation, "span", fix).with("span", format!("{}..{}", span.start, span.end))
}

/// Whether retrieval may see chunks of a source in this stage.
#[must_use]
pub const fn is_visible(stage: Stage) -> bool {
    !matches!(stage, Stage::Deleting)
}
