//! Deleting: invisible at once, then gone from every place, in an order that a restart can finish.

use notebook_core::{
    ErrorKind, NotebookId, Result, SourceId, TenantScope,
    embed::EmbedKind,
    model::{Source, Stage},
};
use tracing::warn;

use super::{Ingest, Inner};
use crate::chunk::search_text;

impl Ingest {
    /// Removes a source from every place. From the first write on it is invisible to questions.
    ///
    /// # Errors
    /// `NotFound` when there is none. On another error it stays invisible, and the next start finishes the removal.
    pub async fn delete(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
        let source = {
            let _guard = self.0.state.change.lock().await;
            self.0.state.cancel(id);
            let source = self.0.parts.store.source(scope, id).await?;
            self.0.save(scope, Source { stage: Stage::Deleting, ..source }).await?
        };
        self.0.finish_delete(scope, &source).await
    }

    /// Removes a notebook with all its sources.
    ///
    /// # Errors
    /// `NotFound` when there is none; else as [`delete`](Self::delete).
    pub async fn delete_notebook(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        for source in self.0.parts.store.sources(scope, id).await? {
            match self.delete(scope, source.id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => result?,
            }
        }
        self.0.parts.store.delete_notebook(scope, id).await
    }
}

impl Inner {
    /// Removes what is left of a source in stage `deleting`. The row goes last: while it stands, the
    /// removal is not finished.
    pub(super) async fn finish_delete(&self, scope: &TenantScope, source: &Source) -> Result<()> {
        self.forget_in_indexes(scope, source.id).await?;
        self.forget_vectors(scope, source.id).await?;
        if let Some(key) = &source.blob {
            self.delete_blob(key).await?;
        }
        self.parts.store.delete_source(scope, source.id).await?;
        self.state.revive(source.id);
        self.state.events.deleted(scope, source.id, source.notebook);
        Ok(())
    }

    /// Takes the vectors of the source's texts out of the cache.
    async fn forget_vectors(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
        let Some(cached) = self.cached(scope) else { return Ok(()) };
        let mut from = 0;
        loop {
            let chunks = self.parts.store.chunks(scope, id, from, self.config.batch * 4).await?;
            let Some(last) = chunks.last() else { return Ok(()) };
            from = last.key.ordinal + 1;
            let texts: Vec<String> = chunks.iter().map(search_text).collect();
            cached.forget(EmbedKind::Passage, &texts).await?;
        }
    }

    async fn forget_in_indexes(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
        self.parts.keyword.delete_source(scope, id).await?;
        if let Some((index, _)) = &self.parts.vectors {
            index.delete_source(scope, id).await?;
        }
        Ok(())
    }

    /// A worker may have written to an index just after a deletion cleaned it.
    pub(super) async fn clean_up_if_gone(&self, scope: &TenantScope, id: SourceId) {
        let gone = match self.parts.store.source(scope, id).await {
            Ok(source) => source.stage == Stage::Deleting,
            Err(error) => error.kind() == ErrorKind::NotFound,
        };
        if !gone {
            return;
        }
        // Where its chunks are gone too, the cache forgets by age.
        let _ = self.forget_vectors(scope, id).await;
        if let Err(error) = self.forget_in_indexes(scope, id).await {
            warn!(source = %id, %error, "index entries of a deleted source are left; they are never shown");
        }
    }
}
