//! The tools that come with the notebook.

mod calculate;
#[cfg(feature = "fetch")]
pub mod fetch;
mod list;
pub mod note;
mod read;
mod search;
#[cfg(feature = "tables")]
pub mod table;

use std::sync::Arc;

use notebook_core::{
    Error, ErrorKind, Result, SourceId,
    model::{Source, Stage},
    store::Store,
};
use notebook_rag::retrieve::Retriever;

use super::{At, Registry};
use crate::graph::Failure;

pub use calculate::{Calculate, calculate};
pub use list::ListSources;
pub use read::ReadSpan;
pub use search::SearchSources;

/// The tools that need nothing but the store and retrieval: `search_sources`, `read_span`, `list_sources`, `calculate`.
///
/// # Errors
/// Those of [`Registry::with`].
pub fn reading(store: &Arc<dyn Store>, retriever: &Arc<Retriever>) -> Result<Registry> {
    Registry::new()
        .with(SearchSources::new(store.clone(), retriever.clone()))?
        .with(ReadSpan::new(store.clone()))?
        .with(ListSources::new(store.clone()))?
        .with(Calculate)
}

/// The source that a model named, if the run may see it. One of another tenant, of another notebook, that is switched off, that is being
/// deleted, or that never was: the same words.
async fn source(store: &dyn Store, at: At<'_>, id: &str) -> Result<Source, Failure> {
    let absent = || {
        let message = "there is no such source here; `list_sources` tells which there are";
        Failure::new("not_found", message)
    };
    let id: SourceId = id.trim().parse().map_err(|_: Error| absent())?;
    let found = match store.source(at.scope(), id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(absent()),
        found => found?,
    };
    if visible(at, &found) { Ok(found) } else { Err(absent()) }
}

fn visible(at: At<'_>, source: &Source) -> bool {
    source.notebook == at.place.notebook
        && source.stage != Stage::Deleting
        && at.place.sources.as_ref().is_none_or(|on| on.contains(&source.id))
}

/// No more of a text than this many characters.
fn brief(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
