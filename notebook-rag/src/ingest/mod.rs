//! From an uploaded file to an answerable source, in stages that survive a restart.
//!
//! parse (child process) → chunk → index (keywords) → embed (vectors) → ready. Each stage stores its
//! result and the source's new stage before the next one starts, so work begins again where it
//! stopped. A source can be asked about from the end of `index` on. The stages are jobs of the queue; a source is
//! stored together with its first job.
//!
//! Memory is bounded by the batches: one parsed document a worker, [`IngestConfig::batch`] chunks at a time.

mod commit;
mod config;
mod delete;
mod erase;
mod events;
mod fetch;
mod follow;
mod jobs;
mod known;
mod listen;
mod restore;
mod stages;
mod state;

use std::sync::Arc;

use bytes::Bytes;
use notebook_core::{
    Clock, Error, ErrorKind, NotebookId, Result, SourceId, TenantScope,
    cache::Cache,
    document::{Document, SourceKind},
    embed::layers::EmbedStack,
    keyword::KeywordIndex,
    model::{Chunk, Progress, Source, SourceFailure, Stage},
    queue::{
        JobError, JobId, Outcome, Queue,
        outbox::{Outbox, SourceChange},
        runner::{Ended, Work},
    },
    store::Store,
    transcribe::Transcriber,
    vector::VectorIndex,
};
use object_store::{ObjectStore, ObjectStoreExt, path::Path as BlobPath};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, Semaphore};
use tracing::info;

pub use config::IngestConfig;
pub use delete::Receipt;
pub use events::{SourceEvent, SourceEvents, SourceWatch, Watched};
pub use fetch::{FetchedPage, Web, link_name};
pub use follow::Shared;
pub use jobs::{DELETE, EMBED, FETCH, INDEX, READ};
pub(crate) use restore::WAITING;

use crate::{
    chunk::{ChunkConfig, Chunker},
    parse::ChildParser,
};
use follow::Following;
use state::State;

/// What ingestion works with.
pub struct IngestParts {
    /// Where sources and their texts live.
    pub store: Arc<dyn Store>,
    /// Where originals live.
    pub blobs: Arc<dyn ObjectStore>,
    /// Stores a source together with its job.
    pub outbox: Arc<dyn Outbox>,
    /// Where the jobs are.
    pub queue: Arc<dyn Queue>,
    /// Rung when there is a new job, for the runner in this process.
    pub bell: Arc<Notify>,
    /// Turns files into text.
    pub parser: ChildParser,
    /// Reads addresses of the web; they are refused without it.
    pub web: Option<Arc<dyn Web>>,
    /// Writes down what is said in recordings; they are refused without it.
    pub transcriber: Option<Arc<dyn Transcriber>>,
    /// The keyword index.
    pub keyword: Arc<dyn KeywordIndex>,
    /// The vector index, and its embedder with what stands around it; without them sources are found by keywords alone.
    pub vectors: Option<(Arc<dyn VectorIndex>, EmbedStack)>,
    /// Keeps vectors by the hash of their texts, so that a text that was there before is not embedded
    /// again: a new version of a source, a source in two notebooks.
    pub embedding_cache: Option<Arc<dyn Cache>>,
    /// Where other processes share the store: then vectors are kept in it, and each process's indexes follow it. Else
    /// the indexes are this process's alone.
    pub shared: Option<Shared>,
    /// The current time.
    pub clock: Arc<dyn Clock>,
}

/// Adds, follows, cancels, retries and deletes sources; [`handlers`](Self::handlers) does the work.
#[derive(Clone)]
pub struct Ingest(Arc<Inner>);

pub(crate) struct Inner {
    parts: IngestParts,
    chunker: Chunker,
    config: IngestConfig,
    parsers: Semaphore,
    /// One recording at a time: what listens uses all processors.
    listener: Semaphore,
    state: State,
    following: Option<Following>,
}

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
    /// Ingestion with these parts. Nothing happens until a runner has its [`handlers`](Self::handlers).
    ///
    /// # Errors
    /// `InvalidInput` when the embedder reads too few tokens to cut chunks for it; `Unavailable` when the file of
    /// [`Shared`] cannot be used.
    pub fn new(parts: IngestParts, config: IngestConfig) -> Result<Self> {
        let chunks = parts.vectors.as_ref().map_or_else(ChunkConfig::default, |(_, embedder)| {
            ChunkConfig::for_embedder(embedder.max_tokens())
        });
        let chunker = Chunker::new(chunks)?;
        let parsers = Semaphore::new(config.parsers);
        let following = parts.shared.as_ref().map(Following::open).transpose()?;
        let state = State::default();
        let listener = Semaphore::new(1);
        Ok(Self(Arc::new(Inner { parts, chunker, config, parsers, listener, state, following })))
    }

    /// The changes of sources, as they happen.
    #[must_use]
    pub fn events(&self) -> &SourceEvents {
        &self.0.state.events
    }

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

    async fn create(&self, scope: &TenantScope, source: Source) -> Result<Source> {
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

/// What becomes of a source that was looked at.
enum Change {
    /// Nothing: it stays.
    None,
    /// It is stored.
    Alone,
    /// It is stored together with the job that goes on with it.
    WithJob,
}

/// Notes why a source failed in its stage.
fn fail(source: &mut Source, reason: JobError) {
    let JobError { code, message } = reason;
    // One that nobody has shown at work yet was being read.
    let stage = match source.stage {
        Stage::Queued if jobs::is_to_be_fetched(source) => Stage::Fetch,
        Stage::Queued => Stage::Parse,
        stage => stage,
    };
    source.failure = Some(SourceFailure { code, message, stage });
    source.stage = Stage::Failed;
    source.progress = Progress::default();
}

impl Inner {
    /// A source without anything in it, waiting.
    fn blank(&self, notebook: NotebookId, name: &str) -> Result<Source> {
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

    /// Changes a source, as it is stored now, and tells those who watch. Says which job was stored with it.
    ///
    /// `change` is asked again when the source changed between its reading and its storing.
    async fn change(
        &self,
        scope: &TenantScope,
        id: SourceId,
        mut change: impl FnMut(&mut Source) -> Result<Change> + Send,
    ) -> Result<(Source, Option<JobId>)> {
        loop {
            let mut source = self.parts.store.source(scope, id).await?;
            let changed = change(&mut source)?;
            source.updated_at = self.parts.clock.now();
            let (stored, job) = match changed {
                Change::None => return Ok((source, None)),
                Change::Alone => {
                    (self.parts.store.update_source(scope, source.clone()).await, None)
                }
                Change::WithJob => {
                    let job = jobs::job(&source);
                    let id = job.as_ref().map(|job| job.id);
                    let jobs = job.into_iter().collect();
                    (self.parts.outbox.update_source(scope, source.clone(), jobs).await, id)
                }
            };
            match stored {
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                stored => stored?,
            }
            self.changed(scope, &mut source);
            return Ok((source, job));
        }
    }

    /// Tells those who watch that a change was stored.
    fn changed(&self, scope: &TenantScope, source: &mut Source) {
        source.revision = source.revision.saturating_add(1);
        self.show(scope, source);
    }

    fn show(&self, scope: &TenantScope, source: &Source) {
        self.state.events.changed(scope, source);
        if let Some(following) = &self.following {
            following.tell(scope, source.notebook, source.id);
        }
        self.parts.bell.notify_one();
    }

    /// Changes a source that a worker has in hand.
    ///
    /// # Errors
    /// `Cancelled` when it was cancelled or is being deleted.
    async fn advance(
        &self,
        scope: &TenantScope,
        id: SourceId,
        change: impl Fn(&mut Source) + Send + Sync,
    ) -> Result<Source> {
        let advance = |source: &mut Source| {
            in_hand(source)?;
            change(source);
            Ok(Change::Alone)
        };
        self.change(scope, id, advance).await.map(|(source, _)| source)
    }

    /// Ends a stage: what it made, the source as it is then, the job's end and the next job are stored together, or
    /// none of them is.
    ///
    /// # Errors
    /// `Cancelled` when the source was cancelled or is being deleted.
    async fn finish(
        &self,
        work: &Work,
        id: SourceId,
        text: Option<(Document, Vec<Chunk>)>,
        change: impl Fn(&mut Source) + Send + Sync,
    ) -> Result<Ended> {
        let scope = &work.scope;
        loop {
            let mut source = self.parts.store.source(scope, id).await?;
            in_hand(&source)?;
            change(&mut source);
            source.updated_at = self.parts.clock.now();
            let result = json!({ "stage": source.stage, "chunks": source.chunks });
            let follow_ups = jobs::job(&source).into_iter().collect();
            let end = work.end(Outcome::Completed { result, follow_ups });
            let made = SourceChange { source: source.clone(), text: text.clone() };
            match self.parts.outbox.finish_source(scope, end, made).await {
                Ok(true) => self.changed(scope, &mut source),
                Ok(false) => {
                    info!(source = %id, job = %work.job.id, "a stage ended after its job was taken away");
                }
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                Err(error) => return Err(error),
            }
            return Ok(Ended::Stored);
        }
    }

    async fn delete_blob(&self, key: &str) -> Result<()> {
        match self.parts.blobs.delete(&BlobPath::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(blob_error(error)),
        }
    }
}

/// Checks that a worker may go on with a source.
fn in_hand(source: &Source) -> Result<()> {
    if matches!(source.stage, Stage::Failed | Stage::Deleting) { Err(cancelled()) } else { Ok(()) }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "ingest source")
}

/// Turns a blob store's error into ours.
#[must_use]
pub fn blob_error(error: object_store::Error) -> Error {
    let full = {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        let mut full = false;
        while let Some(inner) = cause {
            full |= inner
                .downcast_ref::<std::io::Error>()
                .is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull);
            cause = inner.source();
        }
        full
    };
    let kind = match &error {
        _ if full => ErrorKind::StorageFull,
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "access original").caused_by(error)
}
