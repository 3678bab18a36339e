//! The vector index port: nearest chunks by inner product of unit vectors.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
mod memory;

pub use check::{MAX_LIMIT, check_query, check_records, check_space, inner_product};
pub use memory::MemoryVectorIndex;

use crate::{NotebookId, Result, SourceId, TenantScope, model::ChunkKey};

/// The model that an index was built with. Vectors of two models are never mixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorSpace {
    /// Name of the embedding model, with everything that changes its output.
    pub model: String,
    /// Length of every vector.
    pub dimensions: usize,
}

/// One vector to store.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorRecord {
    /// The chunk that it stands for.
    pub key: ChunkKey,
    /// The notebook of the chunk's source.
    pub notebook: NotebookId,
    /// `dimensions` finite numbers of unit length (within 1e-3).
    pub vector: Vec<f32>,
}

/// Which chunks may be returned. Both conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkFilter {
    /// Only chunks of this notebook.
    pub notebook: Option<NotebookId>,
    /// Only chunks of these sources; an empty set matches nothing.
    pub sources: Option<BTreeSet<SourceId>>,
}

impl ChunkFilter {
    /// All chunks of one notebook.
    #[must_use]
    pub const fn notebook(id: NotebookId) -> Self {
        Self { notebook: Some(id), sources: None }
    }

    /// Whether a chunk passes.
    #[must_use]
    pub fn matches(&self, notebook: NotebookId, source: SourceId) -> bool {
        self.notebook.is_none_or(|wanted| wanted == notebook)
            && self.sources.as_ref().is_none_or(|wanted| wanted.contains(&source))
    }
}

/// One found chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The chunk.
    pub key: ChunkKey,
    /// Higher is nearer. Vectors: the inner product, -1 to 1. Keywords: BM25.
    pub score: f32,
}

/// Stores vectors and finds the nearest, for one [`VectorSpace`].
///
/// # Behaviour
/// - An upsert or delete that returned `Ok` is seen by the next search and survives a crash, as far as the adapter is durable.
/// - Hits are ordered by score, highest first; equal scores by key.
/// - A tenant without vectors has no space: it takes that of the first vector stored. To change the
///   model, delete the old vectors (allowed under any space) and embed again.
/// - When one call holds a key twice, the later record counts.
#[async_trait]
pub trait VectorIndex: Send + Sync + 'static {
    /// The space of this index.
    fn space(&self) -> &VectorSpace;

    /// Stores vectors; an existing key is replaced. All or none of one call is visible.
    ///
    /// # Errors
    /// `InvalidInput` when a vector has another length, is not finite or not of unit length;
    /// `Conflict` when the stored index was built with another space.
    async fn upsert(&self, scope: &TenantScope, records: Vec<VectorRecord>) -> Result<()>;

    /// Removes all vectors of a source and returns how many there were; none is no error.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn delete_source(&self, scope: &TenantScope, source: SourceId) -> Result<u64>;

    /// Removes all vectors of the tenant, from the disk too. Repeated, or where there are none: does nothing.
    ///
    /// # Errors
    /// Only those of the storage itself.
    async fn remove_tenant(&self, scope: &TenantScope) -> Result<()>;

    /// The `limit` nearest vectors that pass the filter.
    ///
    /// # Errors
    /// `InvalidInput` when the vector has another length or is not finite, or the limit is not 1 to
    /// 1,000; `Conflict` when the stored index was built with another space.
    async fn search(
        &self,
        scope: &TenantScope,
        vector: &[f32],
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>>;

    /// How many vectors pass the filter.
    ///
    /// # Errors
    /// `Conflict` when the stored index was built with another space.
    async fn count(&self, scope: &TenantScope, filter: &ChunkFilter) -> Result<u64>;
}
