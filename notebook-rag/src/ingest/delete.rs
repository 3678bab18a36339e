//! Deleting: invisible at once, then gone from every place, in an order that a restart can finish.

use std::collections::BTreeSet;

use notebook_core::{
    Error, ErrorKind, NotebookId, Result, Retry, SourceId, TenantScope, Timestamp,
    embed::EmbedKind,
    model::{Source, Stage},
    queue::JobId,
    vector::ChunkFilter,
};
use object_store::{ObjectStoreExt as _, path::Path as BlobPath};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Change, Ingest, Inner, blob_error, jobs};
use crate::chunk::search_text;

/// What was removed with a source, after it was looked for everywhere once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The source that is gone.
    pub source: SourceId,
    /// How many pieces of its text were stored.
    pub chunks: u64,
    /// How many of them were found by their words.
    pub keywords: u64,
    /// How many of them were found by meaning.
    pub vectors: u64,
    /// The size of the original in bytes.
    pub original_bytes: u64,
    /// Where something of it was found afterwards: always empty, for else the removal has not ended.
    pub left: Vec<String>,
    /// When it was removed.
    pub removed_at: Timestamp,
}

fn only(id: SourceId) -> ChunkFilter {
    ChunkFilter { notebook: None, sources: Some(BTreeSet::from([id])) }
}

impl Ingest {
    /// Makes a source invisible to questions, and stores the job that removes it from every place. The job's result is
    /// a [`Receipt`].
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn delete(&self, scope: &TenantScope, id: SourceId) -> Result<JobId> {
        let key = jobs::delete_key(id);
        let delete = |source: &mut Source| {
            source.stage = Stage::Deleting;
            Ok(Change::WithJob)
        };
        let (_, made) = self.0.change(scope, id, delete).await?;
        self.0.state.cancel(id);
        // One that was asked for before is the one that does it.
        let holder = self.0.parts.queue.holder(scope, &key).await?.map(|job| job.id);
        let missing = || Error::not_found("delete source", "source");
        holder.or(made).ok_or_else(missing)
    }

    /// Removes a notebook that was being put together, with its sources. To be repeated when it fails.
    ///
    /// # Errors
    /// `NotFound` when there is none; else as [`delete`](Self::delete).
    pub async fn delete_unfinished(&self, scope: &TenantScope, id: NotebookId) -> Result<()> {
        let inner = &self.0;
        for source in inner.parts.store.sources(scope, id).await? {
            match self.delete(scope, source.id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                result => result.map(drop)?,
            }
            // The notebook's row would take the sources' rows with it, and with them the knowledge of what
            // is left to remove: so this is done here, and the jobs find nothing more to do.
            let source = Source { stage: Stage::Deleting, ..source };
            match inner.finish_delete(scope, &source).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => result.map(drop)?,
            }
        }
        inner.parts.store.delete_notebook(scope, id).await
    }

    /// Removes the sources of a notebook that is [hidden](notebook_core::queue::outbox::Outbox::hide_notebook) from
    /// every place, as [`delete`](Self::delete) does; the work on them is ended first. Whether all are gone: a worker
    /// may need a moment to hear of it. To be called again until they are.
    ///
    /// # Errors
    /// Those of the places; what was removed stays removed.
    pub async fn remove_hidden(&self, scope: &TenantScope, notebook: NotebookId) -> Result<bool> {
        let inner = &self.0;
        let mut all = true;
        for source in inner.hidden_sources(scope, notebook).await? {
            inner.state.cancel(source.id);
            if inner.is_worked_on(scope, source.id).await? {
                all = false;
                continue;
            }
            match inner.finish_delete(scope, &source).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => drop(removed?),
            }
        }
        Ok(all)
    }

    /// Where something of a hidden notebook's sources is still to be found.
    ///
    /// # Errors
    /// Those of the store and the indexes.
    pub async fn left_of(&self, scope: &TenantScope, notebook: NotebookId) -> Result<Vec<String>> {
        let parts = &self.0.parts;
        let filter = ChunkFilter { notebook: Some(notebook), sources: None };
        let mut left = Vec::new();
        if !self.0.hidden_sources(scope, notebook).await?.is_empty() {
            left.push("sources".to_owned());
        }
        if parts.keyword.count(scope, &filter).await? > 0 {
            left.push("keywords".to_owned());
        }
        if let Some((index, _)) = &parts.vectors
            && index.count(scope, &filter).await? > 0
        {
            left.push("vectors".to_owned());
        }
        Ok(left)
    }
}

impl Inner {
    /// Removes what is left of a source in stage `deleting`. The row goes last: while it stands, the
    /// removal is not finished.
    pub(super) async fn finish_delete(
        &self,
        scope: &TenantScope,
        source: &Source,
    ) -> Result<Receipt> {
        let receipt = self.clear(scope, source).await?;
        self.parts.store.delete_source(scope, source.id).await?;
        self.tell_removed(scope, source);
        Ok(receipt)
    }

    /// Those who watch, here and elsewhere, see that it is gone.
    pub(super) fn tell_removed(&self, scope: &TenantScope, source: &Source) {
        self.state.events.deleted(scope, source.id, source.notebook);
        if let Some(following) = &self.following {
            following.tell(scope, source.notebook, source.id);
        }
    }

    /// Removes all of a source in stage `deleting` but its row.
    pub(super) async fn clear(&self, scope: &TenantScope, source: &Source) -> Result<Receipt> {
        let mut receipt = Receipt {
            source: source.id,
            chunks: u64::from(source.chunks),
            keywords: self.parts.keyword.count(scope, &only(source.id)).await?,
            vectors: 0,
            original_bytes: source.bytes,
            left: Vec::new(),
            removed_at: self.parts.clock.now(),
        };
        if self.parts.vectors.is_some() {
            receipt.vectors = self.count_vectors(scope, source.id).await?;
        }
        if self.following.is_some() && source.keywords_ready {
            // This process's own index may not have followed yet.
            receipt.keywords = receipt.chunks;
        }
        self.forget_in_indexes(scope, source.id).await?;
        self.forget_vectors(scope, source.id).await?;
        if let Some(key) = &source.blob {
            self.delete_blob(key).await?;
        }
        // Looked for while the row still says where.
        receipt.left = self.leftovers(scope, source).await?;
        if !receipt.left.is_empty() {
            return Err(Error::new(ErrorKind::Unavailable, "delete source")
                .retry(Retry::Backoff)
                .with("left", receipt.left.join(", ")));
        }
        Ok(receipt)
    }

    async fn hidden_sources(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
    ) -> Result<Vec<Source>> {
        let unfinished = self.parts.store.unfinished_sources(scope).await?;
        let of_it =
            |source: &Source| source.notebook == notebook && source.stage == Stage::Deleting;
        Ok(unfinished.into_iter().filter(of_it).collect())
    }

    /// Whether a worker still has a source that is to be removed; it is told to end.
    pub(super) async fn is_worked_on(&self, scope: &TenantScope, id: SourceId) -> Result<bool> {
        // What another worker still does to the source would come after its removal.
        let Some(job) = self.parts.queue.holder(scope, &jobs::key(id)).await? else {
            return Ok(false);
        };
        let job = self.parts.queue.cancel(scope, job.id).await?;
        Ok(!job.state.is_final())
    }

    /// Where something of a source is still to be found, its rows aside: those go last, and together.
    async fn leftovers(&self, scope: &TenantScope, source: &Source) -> Result<Vec<String>> {
        let mut left = Vec::new();
        if self.parts.keyword.count(scope, &only(source.id)).await? > 0 {
            left.push("keywords".to_owned());
        }
        if let Some((index, _)) = &self.parts.vectors
            && index.count(scope, &only(source.id)).await? > 0
        {
            left.push("vectors".to_owned());
        }
        if let Some(key) = &source.blob {
            match self.parts.blobs.head(&BlobPath::from(key.as_str())).await {
                Ok(_) => left.push("original".to_owned()),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(blob_error(error)),
            }
        }
        Ok(left)
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

    pub(super) async fn forget_in_indexes(&self, scope: &TenantScope, id: SourceId) -> Result<()> {
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
