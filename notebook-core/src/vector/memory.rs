//! The reference: an exact scan of vectors in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::RwLock;

use super::{
    ChunkFilter, Hit, VectorIndex, VectorRecord, VectorSpace, check_query, check_records,
    check_space, inner_product,
};
use crate::{NotebookId, Result, SourceId, TenantId, TenantScope, model::ChunkKey};

/// Vectors in memory, searched one by one: for tests, and as what the others are measured by.
///
/// A clone, and an index made by [`MemoryVectorIndex::with_space`], share the vectors.
///
/// ```
/// # use notebook_core::{NotebookId, SourceId, TenantId, TenantScope, model::ChunkKey, vector::*};
/// # fn scope() -> TenantScope {
/// #     #[allow(clippy::disallowed_methods)]
/// #     TenantScope::authenticated(TenantId::new())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let index = MemoryVectorIndex::new(VectorSpace { model: "toy".into(), dimensions: 2 });
/// let scope = scope();
/// let key = ChunkKey { source: SourceId::new(), ordinal: 0 };
/// let record = VectorRecord { key, notebook: NotebookId::new(), vector: vec![0.6, 0.8] };
/// index.upsert(&scope, vec![record]).await?;
///
/// let hits = index.search(&scope, &[0.0, 1.0], 10, &ChunkFilter::default()).await?;
/// assert_eq!(hits, [Hit { key, score: 0.8 }]);
/// # Ok::<_, notebook_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct MemoryVectorIndex {
    space: VectorSpace,
    tenants: Arc<RwLock<HashMap<TenantId, Tenant>>>,
}

#[derive(Debug)]
struct Tenant {
    space: VectorSpace,
    rows: BTreeMap<ChunkKey, (NotebookId, Vec<f32>)>,
}

impl MemoryVectorIndex {
    /// An empty index.
    #[must_use]
    pub fn new(space: VectorSpace) -> Self {
        Self { space, tenants: Arc::default() }
    }

    /// The same vectors, seen with another model: what a restart with a changed configuration is
    /// to an index on disk.
    #[must_use]
    pub fn with_space(&self, space: VectorSpace) -> Self {
        Self { space, tenants: Arc::clone(&self.tenants) }
    }
}

#[async_trait]
impl VectorIndex for MemoryVectorIndex {
    fn space(&self) -> &VectorSpace {
        &self.space
    }

    async fn upsert(&self, scope: &TenantScope, records: Vec<VectorRecord>) -> Result<()> {
        check_records(&self.space, &records)?;
        let mut tenants = self.tenants.write();
        let tenant = tenants
            .entry(scope.tenant())
            .or_insert_with(|| Tenant { space: self.space.clone(), rows: BTreeMap::new() });
        if tenant.rows.is_empty() {
            tenant.space = self.space.clone();
        }
        check_space("upsert vectors", &tenant.space, &self.space)?;
        for VectorRecord { key, notebook, vector } in records {
            tenant.rows.insert(key, (notebook, vector));
        }
        Ok(())
    }

    async fn delete_source(&self, scope: &TenantScope, source: SourceId) -> Result<u64> {
        let mut tenants = self.tenants.write();
        let Some(tenant) = tenants.get_mut(&scope.tenant()) else { return Ok(0) };
        let before = tenant.rows.len();
        tenant.rows.retain(|key, _| key.source != source);
        let removed = before - tenant.rows.len();
        if tenant.rows.is_empty() {
            tenants.remove(&scope.tenant());
        }
        Ok(removed as u64)
    }

    async fn remove_tenant(&self, scope: &TenantScope) -> Result<()> {
        self.tenants.write().remove(&scope.tenant());
        Ok(())
    }

    async fn search(
        &self,
        scope: &TenantScope,
        vector: &[f32],
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>> {
        check_query(&self.space, vector, limit)?;
        let tenants = self.tenants.read();
        let Some(tenant) = tenants.get(&scope.tenant()) else { return Ok(Vec::new()) };
        check_space("search vectors", &tenant.space, &self.space)?;
        let passing = tenant.rows.iter().filter(|(key, row)| filter.matches(row.0, key.source));
        let mut hits: Vec<_> = passing
            .map(|(key, row)| Hit { key: *key, score: inner_product(vector, &row.1) })
            .collect();
        // Rows come in the order of their keys, and the sort is stable.
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits.truncate(limit);
        Ok(hits)
    }

    async fn count(&self, scope: &TenantScope, filter: &ChunkFilter) -> Result<u64> {
        let tenants = self.tenants.read();
        let Some(tenant) = tenants.get(&scope.tenant()) else { return Ok(0) };
        check_space("count vectors", &tenant.space, &self.space)?;
        let rows = tenant.rows.iter();
        Ok(rows.filter(|(key, row)| filter.matches(row.0, key.source)).count() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;

    use super::*;
    use crate::vector::conformance;

    #[tokio::test]
    async fn memory_conforms() {
        let base = MemoryVectorIndex::new(conformance::space("any"));
        let open = |space| {
            let index: Arc<dyn VectorIndex> = Arc::new(base.with_space(space));
            async move { Ok(index) }.boxed()
        };
        assert_eq!(conformance::run_all(&open).await, Vec::<String>::new());
    }

    /// A suite that passes everything would be worth nothing.
    #[tokio::test]
    async fn conformance_finds_an_index_that_ignores_tenants_filters_and_deletes() {
        struct Broken(MemoryVectorIndex);
        fn shared() -> TenantScope {
            #[allow(clippy::disallowed_methods, reason = "a test")]
            TenantScope::authenticated(TenantId::from_u128(1))
        }
        #[async_trait]
        impl VectorIndex for Broken {
            fn space(&self) -> &VectorSpace {
                self.0.space()
            }
            async fn upsert(&self, _: &TenantScope, records: Vec<VectorRecord>) -> Result<()> {
                self.0.upsert(&shared(), records).await
            }
            async fn delete_source(&self, _: &TenantScope, _: SourceId) -> Result<u64> {
                Ok(0)
            }
            async fn remove_tenant(&self, _: &TenantScope) -> Result<()> {
                Ok(())
            }
            async fn search(
                &self,
                _: &TenantScope,
                vector: &[f32],
                limit: usize,
                _: &ChunkFilter,
            ) -> Result<Vec<Hit>> {
                self.0.search(&shared(), vector, limit, &ChunkFilter::default()).await
            }
            async fn count(&self, _: &TenantScope, _: &ChunkFilter) -> Result<u64> {
                self.0.count(&shared(), &ChunkFilter::default()).await
            }
        }
        let base = MemoryVectorIndex::new(conformance::space("any"));
        let open = |space| {
            let index: Arc<dyn VectorIndex> = Arc::new(Broken(base.with_space(space)));
            async move { Ok(index) }.boxed()
        };
        let failures = conformance::run_all(&open).await.join("\n");
        for name in [
            "tenants_do_not_see_each_other",
            "filters",
            "delete_is_visible_at_once",
            "a_removed_tenant_leaves_nothing",
        ] {
            assert!(failures.contains(name), "{name} missed: {failures}");
        }
    }
}
