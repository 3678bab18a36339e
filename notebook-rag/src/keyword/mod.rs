//! Keyword search on disk: tantivy, one index for each tenant.
//!
//! Each tenant has a folder of its own, so that neither words nor their statistics are
//! shared. The index holds words and keys only; texts stay in the store. Scores are BM25 as in
//! [`Bm25`](notebook_core::keyword::Bm25), words as in [`crate::words`].
//!
//! After a crash, what was added since the last commit is gone: the caller deletes the source
//! and adds it again. When a write fails, as on a full disk, [`commit`](KeywordIndex::commit)
//! refuses until each source that was being added has been deleted or added again.

mod bits;
mod config;
mod error;
mod schema;
mod search;
mod slots;
mod tenant;
#[cfg(test)]
mod tests;
mod tokenizer;
mod version;
mod view;
mod writing;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, NotebookId, Result, SourceId, TenantScope,
    keyword::{KeywordIndex, KeywordRecord, check_limit},
    vector::{ChunkFilter, Hit},
};

pub use config::KeywordConfig;
use slots::Slots;
use tenant::Tenant;

/// The tantivy adapter of [`KeywordIndex`]. Cheap to clone. One process only may write to a
/// folder. Needs a tokio runtime with time: its work runs on blocking threads.
#[derive(Clone)]
pub struct TantivyIndex {
    shared: Arc<Slots>,
}

impl fmt::Debug for TantivyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TantivyIndex").field("config", &self.shared.room.config).finish()
    }
}

impl TantivyIndex {
    /// An index with this configuration. Folders are made when the first chunk is added.
    ///
    /// # Errors
    /// `InvalidInput` that names the field when a limit is out of range.
    pub fn new(config: KeywordConfig) -> Result<Self> {
        let refuse = |field, fix: &str| Err(Error::invalid("configure keyword index", field, fix));
        if !(15_000_000..=1_000_000_000).contains(&config.writer_bytes) {
            return refuse("writer_bytes", "set it to 15000000 to 1000000000");
        }
        if config.open_tenants == 0 {
            return refuse("open_tenants", "set it to 1 or more");
        }
        Ok(Self { shared: Arc::new(Slots::new(config)) })
    }

    /// Runs blocking `work` on the tenant's index; `absent` when there is none and `create` is
    /// not set.
    async fn with<T: Send + 'static>(
        &self,
        scope: &TenantScope,
        create: bool,
        absent: T,
        work: impl FnOnce(&Tenant) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (shared, id) = (Arc::clone(&self.shared), scope.tenant());
        let done = tokio::task::spawn_blocking(move || {
            let slot = shared.slot(id);
            match slot.open(&shared.room, id, create)? {
                Some(tenant) => work(&tenant),
                None => Ok(absent),
            }
        });
        done.await.map_err(|e| Error::new(ErrorKind::Internal, "use keyword index").caused_by(e))?
    }
}

#[async_trait]
impl KeywordIndex for TantivyIndex {
    async fn add(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
        source: SourceId,
        records: Vec<KeywordRecord>,
    ) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let added =
            self.with(scope, true, (), move |tenant| tenant.add(notebook, source, &records)).await;
        self.shared.close_later(scope.tenant());
        added
    }

    async fn commit(&self, scope: &TenantScope) -> Result<()> {
        self.with(scope, false, (), Tenant::commit).await
    }

    async fn delete_source(&self, scope: &TenantScope, source: SourceId) -> Result<()> {
        let deleted = self.with(scope, false, (), move |tenant| tenant.delete_source(source)).await;
        self.shared.close_later(scope.tenant());
        deleted
    }

    async fn remove_tenant(&self, scope: &TenantScope) -> Result<()> {
        let (shared, id) = (Arc::clone(&self.shared), scope.tenant());
        let removed = tokio::task::spawn_blocking(move || shared.slot(id).remove(&shared.room, id));
        removed
            .await
            .map_err(|e| Error::new(ErrorKind::Internal, "use keyword index").caused_by(e))?
    }

    async fn search(
        &self,
        scope: &TenantScope,
        text: &str,
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>> {
        check_limit(limit)?;
        let (text, filter) = (text.to_owned(), filter.clone());
        self.with(scope, false, Vec::new(), move |tenant| tenant.search(&text, limit, &filter))
            .await
    }

    async fn count(&self, scope: &TenantScope, filter: &ChunkFilter) -> Result<u64> {
        let filter = filter.clone();
        self.with(scope, false, 0, move |tenant| tenant.count(&filter)).await
    }
}
