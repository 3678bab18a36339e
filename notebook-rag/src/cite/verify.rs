//! The last check before a citation is shown.

use notebook_core::{ErrorKind, Result, SourceId, TenantScope, document::Span, store::SourceStore};

/// Whether the stored canonical text at `span` is exactly `quote`.
///
/// A source that was deleted meanwhile, or a span outside its text, is `false`: the citation is dropped.
///
/// # Errors
/// Those of the store, other than that the place does not exist.
pub async fn verify(
    store: &(impl SourceStore + ?Sized),
    scope: &TenantScope,
    source: SourceId,
    span: Span,
    quote: &str,
) -> Result<bool> {
    is_quote(store.text(scope, source, span).await, quote)
}

/// The same of what a store answered when it was asked for the canonical text of the place.
///
/// # Errors
/// As [`verify`].
pub fn is_quote(stored: Result<String>, quote: &str) -> Result<bool> {
    match stored {
        Ok(text) => Ok(!quote.is_empty() && text == quote),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
