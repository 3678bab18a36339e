//! The keyword index port: chunks ranked by BM25, with statistics of one tenant alone.

use async_trait::async_trait;

mod bm25;
#[cfg(feature = "conformance")]
pub mod conformance;
mod memory;

pub use bm25::Bm25;
pub use memory::MemoryKeywordIndex;

use crate::{
    Error, NotebookId, Result, SourceId, TenantScope,
    vector::{ChunkFilter, Hit, MAX_LIMIT},
};

/// One chunk to index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeywordRecord {
    /// Its place among its source's chunks.
    pub ordinal: u32,
    /// Text of the headings above it, searched with the chunk's own text.
    pub headings: String,
    /// The chunk's text.
    pub text: String,
}

/// Stores the words of chunks and finds them again.
///
/// # Behaviour
/// - What was added becomes visible to searches, all at once, when [`commit`](Self::commit) returns, and survives a crash from then on.
/// - A delete is visible when it returns.
/// - The score of a chunk depends on the tenant's own chunks only.
#[async_trait]
pub trait KeywordIndex: Send + Sync + 'static {
    /// Adds chunks of one source; the caller deletes the source first when it indexes it again.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn add(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
        source: SourceId,
        records: Vec<KeywordRecord>,
    ) -> Result<()>;

    /// Makes everything added so far visible and durable.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn commit(&self, scope: &TenantScope) -> Result<()>;

    /// Removes all chunks of a source; none is no error. Includes chunks added but not committed.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn delete_source(&self, scope: &TenantScope, source: SourceId) -> Result<()>;

    /// Removes all of the tenant, from the disk too. Repeated, or where there is nothing: does nothing. Nobody may write to the
    /// tenant meanwhile.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn remove_tenant(&self, scope: &TenantScope) -> Result<()>;

    /// The `limit` best chunks that hold at least one word of `text`, best first; equal scores by key.
    /// Any text is a valid query: it is words, not a query language. No word gives no hit.
    ///
    /// # Errors
    /// `InvalidInput` when the limit is not 1 to 1,000.
    async fn search(
        &self,
        scope: &TenantScope,
        text: &str,
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>>;

    /// How many committed chunks pass the filter.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn count(&self, scope: &TenantScope, filter: &ChunkFilter) -> Result<u64>;
}

/// Checks the limit of a search, for adapters.
///
/// # Errors
/// `InvalidInput` when it is not 1 to 1,000.
pub fn check_limit(limit: usize) -> Result<()> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(());
    }
    Err(Error::invalid("search keywords", "limit", "set it to 1 to 1000"))
}
