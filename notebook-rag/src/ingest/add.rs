//! What people do with sources: add them, try them again, end their ingestion.

use bytes::Bytes;
use notebook_core::{
    Error, ErrorKind, NotebookId, Result, SourceId, TenantScope,
    document::SourceKind,
    model::{Progress, Source, Stage},
    queue::JobError,
};
use object_store::{ObjectStoreExt as _, path::Path as BlobPath};
use sha2::{Digest as _, Sha256};

use super::{
    Ingest, Inner, blob_error,
    change::{Change, fail},
    jobs,
};

/// An original that is stored already.
#[derive(Debug, Clone)]
pub struct NewSource {
    /// The notebook to add it to.
    pub notebook: NotebookId,
    /// The user's name for it: metadata, never a path.
    pub name: String,
    /// What it was recognised as.
    pub kind: SourceKind,
    /// Size in bytes.
    pub bytes: u64,
    /// Lower-case hex SHA-256.
    pub sha256: String,
    /// Its random key in the blob store.
    pub blob: String,
}

impl Ingest {
    /// A random key under which a new original is to be stored.
    #[must_use]
    pub fn new_blob_key(scope: &TenantScope) -> String {
        format!("{}/{}", scope.tenant(), uuid::Uuid::new_v4())
    }

    /// Stores bytes as a new original and queues it.
    ///
    /// # Errors
    /// As [`add`](Self::add), and those of the blob store.
    pub async fn add_bytes(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
        name: &str,
        kind: SourceKind,
        bytes: Bytes,
    ) -> Result<Source> {
        let sha256 = notebook_core::hex(Sha256::digest(&bytes));
        let (blob, length) = (Self::new_blob_key(scope), bytes.len() as u64);
        self.0
            .parts
            .blobs
            .put(&BlobPath::from(blob.as_str()), bytes.into())
            .await
            .map_err(blob_error)?;
        let new = NewSource { notebook, name: name.to_owned(), kind, bytes: length, sha256, blob };
        self.add(scope, new).await
    }

    /// Queues a source whose original is stored. When it cannot be added, the original is removed.
    ///
    /// # Errors
    /// `NotFound` when the notebook does not exist; `InvalidInput` when the name is empty or over 300 characters.
    pub async fn add(&self, scope: &TenantScope, new: NewSource) -> Result<Source> {
        let blob = new.blob.clone();
        let result = self.try_add(scope, new).await;
        if result.is_err() {
            self.0.delete_blob(&blob).await?;
        }
        result
    }

    async fn try_add(&self, scope: &TenantScope, new: NewSource) -> Result<Source> {
        let source = Source {
            kind: new.kind,
            bytes: new.bytes,
            sha256: new.sha256,
            blob: Some(new.blob),
            ..self.0.blank(new.notebook, &new.name)?
        };
        self.create(scope, source).await
    }

    pub(super) async fn create(&self, scope: &TenantScope, source: Source) -> Result<Source> {
        let jobs = jobs::job(&source).into_iter().collect();
        self.0.parts.outbox.create_source(scope, source.clone(), jobs).await?;
        self.0.show(scope, &source);
        Ok(source)
    }

    /// Starts a failed source again at the stage that failed.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Conflict` when it has not failed.
    pub async fn retry(&self, scope: &TenantScope, id: SourceId) -> Result<Source> {
        let again = |source: &mut Source| {
            let Some(failure) = source.failure.take().filter(|_| source.stage == Stage::Failed)
            else {
                return Err(Error::new(ErrorKind::Conflict, "retry source")
                    .with("reason", "only a source that failed can be tried again"));
            };
            // What was fetched and could not be read is fetched again: it may have changed.
            let read = matches!(failure.stage, Stage::Queued | Stage::Parse);
            source.stage =
                if read && source.origin.is_some() { Stage::Fetch } else { failure.stage };
            source.progress = Progress::default();
            Ok(Change::WithJob)
        };
        self.0.change(scope, id, again).await.map(|(source, _)| source)
    }

    /// Ends an unfinished ingestion; what was found by keywords already stays so. A finished source stays as it is.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn cancel(&self, scope: &TenantScope, id: SourceId) -> Result<Source> {
        let stop = |source: &mut Source| {
            if !source.stage.is_unfinished() || source.stage == Stage::Deleting {
                return Ok(Change::None);
            }
            fail(
                source,
                JobError {
                    code: "cancelled".to_owned(),
                    message: "Cancelled. Choose retry to go on.".to_owned(),
                },
            );
            Ok(Change::Alone)
        };
        let (source, _) = self.0.change(scope, id, stop).await?;
        self.0.state.cancel(id);
        if let Some(job) = self.0.parts.queue.holder(scope, &jobs::key(id)).await?
            && !self.0.parts.store.source(scope, id).await?.stage.is_unfinished()
        {
            // Whoever works on it hears of it; should this get lost, the source's stage says it too. One that was
            // retried meanwhile keeps its job.
            self.0.parts.queue.cancel(scope, job.id).await?;
        }
        Ok(source)
    }
}

impl Inner {
    /// A source without anything in it, waiting.
    pub(super) fn blank(&self, notebook: NotebookId, name: &str) -> Result<Source> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 300 {
            return Err(Error::invalid("add source", "name", "use 1 to 300 characters"));
        }
        let now = self.parts.clock.now();
        Ok(Source {
            id: SourceId::new(),
            notebook,
            name: name.to_owned(),
            kind: SourceKind::Text,
            bytes: 0,
            sha256: notebook_core::hex(Sha256::digest([])),
            blob: None,
            stage: Stage::Queued,
            progress: Progress::default(),
            keywords_ready: false,
            vectors_ready: false,
            failure: None,
            title: None,
            pages: None,
            text_bytes: 0,
            chunks: 0,
            notes: Vec::new(),
            origin: None,
            created_at: now,
            updated_at: now,
            revision: 0,
        })
    }
}
