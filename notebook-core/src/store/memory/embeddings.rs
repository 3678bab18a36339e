use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    Error, Result, SourceId, TenantScope,
    model::ChunkKey,
    store::{Embedding, EmbeddingStore, rules},
    vector::VectorSpace,
};

#[async_trait]
impl EmbeddingStore for MemoryStore {
    async fn put_embeddings(
        &self,
        scope: &TenantScope,
        id: SourceId,
        space: &VectorSpace,
        vectors: Vec<Embedding>,
    ) -> Result<()> {
        const OPERATION: &str = "store vectors";
        rules::check_embeddings(OPERATION, space, &vectors)?;
        self.with(scope, |tenant| {
            tenant.source(OPERATION, id)?;
            let key = |ordinal| ChunkKey { source: id, ordinal };
            if vectors.iter().any(|(ordinal, _)| !tenant.chunks.contains_key(&key(*ordinal))) {
                return Err(Error::not_found(OPERATION, "chunk"));
            }
            let new = vectors.into_iter().map(|(at, vector)| (key(at), (space.clone(), vector)));
            tenant.embeddings.extend(new);
            Ok(())
        })
    }

    async fn embeddings(
        &self,
        scope: &TenantScope,
        id: SourceId,
        space: &VectorSpace,
        from: u32,
        limit: usize,
    ) -> Result<Vec<Embedding>> {
        let range =
            ChunkKey { source: id, ordinal: from }..=ChunkKey { source: id, ordinal: u32::MAX };
        self.with(scope, |tenant| {
            tenant.source("list vectors", id)?;
            let all = tenant.embeddings.range(range).filter(|(_, (of, _))| of == space);
            Ok(all.take(limit).map(|(key, (_, vector))| (key.ordinal, vector.clone())).collect())
        })
    }

    async fn count_embeddings(
        &self,
        scope: &TenantScope,
        id: SourceId,
        space: &VectorSpace,
    ) -> Result<u64> {
        let all = self.embeddings(scope, id, space, 0, usize::MAX).await?;
        Ok(all.len() as u64)
    }
}
