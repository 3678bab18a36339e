//! From an uploaded file to an answerable source, in stages that survive a restart.
//!
//! parse (child process) → chunk → index (keywords) → embed (vectors) → ready. Each stage stores its
//! result and the source's new stage before the next one starts, so work begins again where it
//! stopped. A source can be asked about from the end of `index` on. The stages are jobs of the queue; a source is
//! stored together with its first job.
//!
//! Memory is bounded by the batches: one parsed document a worker, [`IngestConfig::batch`] chunks at a time.

mod add;
mod change;
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

use notebook_core::{
    Clock, Error, ErrorKind, Result,
    cache::Cache,
    embed::layers::EmbedStack,
    keyword::KeywordIndex,
    queue::{Queue, outbox::Outbox},
    store::Store,
    transcribe::Transcriber,
    vector::VectorIndex,
};
use object_store::{ObjectStore, ObjectStoreExt, path::Path as BlobPath};
use tokio::sync::{Notify, Semaphore};

pub use add::NewSource;
use change::{Change, cancelled, fail};
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
}

impl Inner {
    async fn delete_blob(&self, key: &str) -> Result<()> {
        match self.parts.blobs.delete(&BlobPath::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(blob_error(error)),
        }
    }
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
